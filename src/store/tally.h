/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What records have brought since the store was last written to: who looked up what (lookups), and what names were
 * answered with (answers, passive DNS). */
#ifndef DNSFLOW_STORE_TALLY_H
#define DNSFLOW_STORE_TALLY_H

#include <stdbool.h>

#include "receive/received.h"
#include "store/intern.h"

/* What a client asked a resolver for, and how that ended. Numbers are those of `names` and `addresses`. */
struct tally_lookup {
    uint32_t client, name, resolver;
    uint16_t type, rcode; /* type 0: not told */
};

enum { TALLY_TOGETHER = 16 /* records */, TALLY_WAITING = 64, TALLY_KEYS = 4096 };

/* What is to be counted, once the processor has fetched where. */
struct tally_waiting {
    struct {
        struct intern *intern;
        int64_t time_s;
        uint64_t rate;
        uint32_t hash, at, len; /* of the key */
    } list[TALLY_WAITING];
    uint8_t keys[TALLY_KEYS];
    size_t count, used;
};

struct tally {
    struct intern *names;     /* keys of record/name.h */
    struct intern *addresses; /* 4 or 16 bytes; none: not known */
    struct intern *lookups;   /* struct tally_lookup, counted */
    struct intern *answers;   /* name u32, type u16, in this machine's order, rdata; counted */
    uint64_t records;         /* that were taken */
    struct tally_waiting waiting;
    bool has_no_lookups;     /* of what comes, answers alone are taken */
    bool is_short_of_memory; /* something could not be taken; nothing more may be */
};

/* Returns 0, or -1: out of memory. */
int tally_open(struct tally *tally);

/* Frees, also after a failed tally_open(). */
void tally_close(struct tally *tally);

/* Takes up to TALLY_TOGETHER records: a set that continues one brings addresses alone. `rate`: of so many messages one
 * was kept. */
void tally_records(struct tally *tally, const struct received *from, const struct dnsflow_record *records, size_t count,
                   uint64_t rate);

/* Takes a lookup that somebody else has counted: its type and RCODE are of `like`, addresses of 4, 16 or no bytes. */
void tally_add_lookup(struct tally *tally, const uint8_t *wire, size_t wire_len, const uint8_t *client,
                      size_t client_len, const uint8_t *resolver, size_t resolver_len, const struct tally_lookup *like,
                      const struct intern_count *count);

/* Whether it is time to write it away. */
bool tally_is_full(const struct tally *tally);

void tally_clear(struct tally *tally);

struct tally_lookup tally_lookup_at(const struct tally *tally, uint32_t number);

/* An answer taken apart; *rdata leads to *len bytes. */
void tally_answer_at(const struct tally *tally, uint32_t number, uint32_t *name, uint16_t *type, const uint8_t **rdata,
                     size_t *len);

#endif
