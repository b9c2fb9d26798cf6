/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of store/: files of partitions that the catalogue does not know, when the store is opened. */
#ifndef DNSFLOW_STORE_ORPHANS_H
#define DNSFLOW_STORE_ORPHANS_H

#include "store/database.h"

/* A partition whose blocks are still to be taken, or of which some are in others, was left behind by a seal or a merge
 * that did not come to its end, and is removed. One that is of a part of another's time alone was put there by
 * somebody, and stays. All others are entered in the catalogue, which was lost, or from which they were set aside. With
 * a new database the journal is read from its beginning; answers and accounts of what it has not any more are lost with
 * the old one, and that is said. What is damaged is set aside. Files that are no partitions stay. Returns 0, or -1 with
 * the cause. */
MUST_CHECK int orphans_settle(sqlite3 *db, const char *folder, const struct account *account,
                              struct database_position *position, struct error *err);

/* The same of what was left behind up to the store's position, beside the process that seals; under the lock of the
 * folder, as merges are. */
MUST_CHECK int orphans_sweep(sqlite3 *db, const char *folder, struct error *err);

#endif
