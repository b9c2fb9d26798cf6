/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Stores beside the embedded one: what follows the journal and hands it over to somewhere else. A store is one file,
 * and a row of the table in feed.c. It belongs to one thread of a process of its own, so that one that is slow or away
 * harms nobody. */
#ifndef DNSFLOW_FEED_FEED_H
#define DNSFLOW_FEED_FEED_H

#include <stdio.h>

#include "feed/place.h"
#include "journal/block.h"

enum { FEED_OPTIONS_MAX = 32, FEED_NAME = 32, FEED_PATH = 400, FEEDS_MAX = 4, FEED_TROUBLE = 400, FEED_PASSWORD = 256 };

/* --store NAME[,KEY=VALUE...], taken apart: the texts lie in `text`. */
struct feed_spec {
    const struct feed_kind *kind;
    char name[FEED_NAME];         /* of its own: "name=", else the kind's */
    char *text;                   /* cut into pieces ... */
    char given[256];              /* ... and as it was, or its beginning */
    char password[FEED_PASSWORD]; /* the first line of password-file=, which roles may not read; empty: there is none */
    size_t count;
    struct {
        const char *key, *value;
    } options[FEED_OPTIONS_MAX];
};

/* What a store has done since its process began. */
struct feed_counts {
    uint64_t records, datagrams; /* handed over */
    uint64_t batches;            /* files, inserts or messages that these were */
    uint64_t doubled;            /* messages that had come before */
    uint64_t refused;            /* datagrams that were not, as they are none that can be */
    char trouble[FEED_TROUBLE];  /* what it is at odds with just now, and goes on trying; empty: nothing */
};

struct feed_owner {
    const struct feed_spec *spec;
    struct feed_place *place; /* the store saves it */
    struct feed_counts *counts;
    void (*beat)(void *context);     /* to be called while something is waited for */
    bool (*must_end)(void *context); /* no more is to be waited for */
    void *context;
};

/* Results of `take`. */
enum { FEED_TAKEN = 1, FEED_FULL = 0 /* something must be handed over first */, FEED_FAILED = -1 };

struct feed_key {
    const char *name, *arg, *help; /* help NULL: for tests, not offered */
    bool repeats;
    bool is_prefix; /* all keys that begin with it */
};

struct feed_kind {
    const char *name, *help;
    const struct feed_key *keys;
    size_t keys_count;
    /* Whether it can be opened with these options, as far as that can be told without. Returns 0, or -1. */
    int (*check)(const struct feed_spec *spec, struct error *err);
    /* NULL, with the cause. What is `wanted` of the place is settled: it is done then, or not wanted any more. */
    void *(*open)(const struct feed_owner *owner, struct error *err);
    /* A block with its records, in the order of the journal; `behind` is the point behind it. */
    int (*take)(void *feed, const struct journal_block *block, const uint8_t *plain, const struct feed_point *behind,
                struct error *err);
    /* Hands over what is due, all of it if `is_all`. Returns 0, or -1 with the cause, and may be tried again. */
    int (*work)(void *feed, bool is_all, struct error *err);
    /* NULL is fine. */
    void (*close)(void *feed);
    bool has_network; /* connects to somewhere */
    /* Where it makes files. NULL: nowhere. */
    void (*folder)(const struct feed_spec *spec, char folder[FEED_PATH]);
};

extern const struct feed_kind feed_file, feed_clickhouse, feed_kafka;

/* Takes "NAME[,KEY=VALUE...]" apart; spec->kind->check() is the caller's. Returns 0, or -1 with "expected ..."; to be
 * freed either way. */
MUST_CHECK int feed_parse(const char *text, struct feed_spec *spec, struct error *err);
void feed_spec_free(struct feed_spec *spec);

/* The value of the key's n-th mention, NULL: there is none. */
const char *feed_option(const struct feed_spec *spec, const char *key, size_t n);

/* The same as a number of seconds ("30s", "5m", "12h", "7d"), as bytes ("512M"), as a number. `usual` if it is not
 * there. Return 0, or -1 with "expected ...". */
MUST_CHECK int feed_span(const struct feed_spec *spec, const char *key, uint64_t usual, uint64_t *seconds,
                         struct error *err);
MUST_CHECK int feed_size(const struct feed_spec *spec, const char *key, uint64_t usual, uint64_t *bytes,
                         struct error *err);
MUST_CHECK int feed_number(const struct feed_spec *spec, const char *key, uint64_t usual, uint64_t most, uint64_t *out,
                           struct error *err);

/* All kinds with their keys. */
void feed_help(FILE *out);

#endif
