/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a partition keeps beside its rows, so that sums need not be made of these: how often each name was looked up,
 * and the names, domains, clients, resolvers, types and RCODEs that had most lookups. */
#ifndef DNSFLOW_STORE_SUMMARY_H
#define DNSFLOW_STORE_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "store/sql.h"

enum {
    SUMMARY_TOPS = 1000,  /* of each kind; how many lookups the next one had is kept too */
    SUMMARY_FROM = 20000, /* rows: of a partition that has less, tops are made when they are asked for */
    SUMMARY_NAMES = 128   /* of which a row has the sums: 1 to 128, 129 to 256, ... */
};

/* sums: for each name, in varints of seven bits, the lowest first: count, first, span. tops: key is a reversed name, an
 * address or a number. part has "left WHAT": the most lookups of one that is not in tops, 0 if all are. */
#define SUMMARY_SCHEMA                                                                    \
    "CREATE TABLE sums(block INTEGER PRIMARY KEY, names BLOB NOT NULL);"                  \
    "CREATE TABLE tops(what TEXT, count INT, key, first INT NOT NULL, span INT NOT NULL," \
    " PRIMARY KEY(what, count, key)) WITHOUT ROWID"

/* How often, and when; times count from the partition's base. */
struct summary_sum {
    uint64_t count;
    int64_t first, last;
};

struct summary;

/* `has_domains`: it has tops of these too, which take long to find. NULL: out of memory. */
struct summary *summary_create(bool has_domains);
void summary_destroy(struct summary *summary);

/* Names, addresses and kinds as the partition gets them, from number 1 on. Return 0, or -1: out of memory. */
MUST_CHECK int summary_name(struct summary *summary, const char *rname);
MUST_CHECK int summary_address(struct summary *summary);
MUST_CHECK int summary_kind(struct summary *summary, uint32_t resolver, uint16_t type, uint16_t rcode);

/* A row. */
void summary_row(struct summary *summary, uint32_t client, uint32_t name, uint32_t kind, const struct summary_sum *sum);

/* What has come: names, the sum of one, the number of its domain, and that domain's reversed name. Of names from 0 on.
 */
uint32_t summary_names(const struct summary *summary);
const struct summary_sum *summary_name_sum(const struct summary *summary, uint32_t name);
uint32_t summary_domain(const struct summary *summary, uint32_t name);
const char *summary_domain_text(const struct summary *summary, uint32_t domain);

/* Writes it all; `rows`: of the partition. Returns 0, or -1 with the cause. */
MUST_CHECK int summary_write(const struct summary *summary, sqlite3 *db, uint64_t rows, struct error *err);

/* The sums of the names of a block. Returns how many there are. */
size_t summary_read(const uint8_t *bytes, size_t len, struct summary_sum sums[SUMMARY_NAMES]);

#endif
