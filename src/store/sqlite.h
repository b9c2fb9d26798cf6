/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The embedded store: a follower of the journal that gathers what its blocks bring, and from time to time writes that
 * to DIRECTORY/lookups and DIRECTORY/dnsflow.db at once (seals it). Belongs to one thread. */
#ifndef DNSFLOW_STORE_SQLITE_H
#define DNSFLOW_STORE_SQLITE_H

#include "base/error.h"
#include "journal/reader.h"

struct sqlite_store;

/* Opens it where it ended, over the journal in the folder, whose descriptor stays the caller's. Files that a seal or a
 * merge left behind are removed; partitions that the catalogue does not know are entered. Returns 0, or -1 with the
 * cause. */
MUST_CHECK int sqlite_store_open(const char *directory, int journal, struct sqlite_store **out, struct error *err);

/* How much of the disk may be taken in all, bytes: a small limit asks for small seals. */
void sqlite_store_limit(struct sqlite_store *store, uint64_t max_size);

/* Takes a block in. 1: there was one, 0: there is none yet, or what is gathered must be sealed first, -1: the journal
 * cannot be read, or sealing was due and failed; with the cause, and it may be tried again. */
int sqlite_store_step(struct sqlite_store *store, struct error *err);

/* Whether something is gathered that is not sealed, and for how long, in microseconds. */
int64_t sqlite_store_age_us(const struct sqlite_store *store);

/* Whether somebody has removed or replaced the database, as database_has_moved() has it. */
bool sqlite_store_has_moved(const struct sqlite_store *store);

/* After a failure: where that was as the database is damaged it is set aside, with the reason that is given, and the
 * store must be opened anew, by another process, as after sqlite_store_has_moved(). */
bool sqlite_store_renew(struct sqlite_store *store, const char *why);

/* Seals what is gathered. Returns 0, or -1 with the cause, and it is still there. */
MUST_CHECK int sqlite_store_seal(struct sqlite_store *store, struct error *err);

/* Of this process: records taken in, lookups and answers written, seals. */
struct sqlite_store_counts {
    uint64_t records, datagrams, rows, seals;
};

const struct sqlite_store_counts *sqlite_store_counts(const struct sqlite_store *store);
const struct journal_damage *sqlite_store_damage(const struct sqlite_store *store);

/* Closes, without sealing. NULL is fine. */
void sqlite_store_close(struct sqlite_store *store);

#endif
