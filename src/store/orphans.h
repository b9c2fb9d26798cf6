/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of store/: files of partitions that the catalogue does not know, when the store is opened. */
#ifndef DNSFLOW_STORE_ORPHANS_H
#define DNSFLOW_STORE_ORPHANS_H

#include "store/database.h"

/* A partition whose blocks are still to be taken, or are in another one, was left behind by a seal or a merge that did
 * not come to its end, and is removed; all others are entered in the catalogue, which was lost. With a new database,
 * which has no position, that becomes the one of the last partition, so that no lookup is taken twice; what else was in
 * those blocks is lost with the old database, and that is said. Files that are no partitions stay. Returns 0, or -1
 * with the cause. */
MUST_CHECK int orphans_settle(sqlite3 *db, const char *folder, const struct account *account,
                              struct database_position *position, struct error *err);

/* The same of what was left behind up to the store's position, beside the process that seals; under the lock of the
 * folder, as merges are. */
MUST_CHECK int orphans_sweep(sqlite3 *db, const char *folder, struct error *err);

#endif
