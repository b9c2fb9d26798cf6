/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is damaged is told in a line, gets the suffix ".corrupt", and stays: nothing here removes it. A partition keeps
 * its place in the catalogue under the new name, so that nothing is merged across it, and that answers are partial can
 * be told. Under its own name again it is entered at the next start. */
#ifndef DNSFLOW_STORE_QUARANTINE_H
#define DNSFLOW_STORE_QUARANTINE_H

#include "store/database.h"

#define QUARANTINE_SUFFIX ".corrupt"

/* Whether the catalogue's entry is of one that was set aside. */
bool quarantine_has(const struct partition *partition);

/* What SQLite says of all pages. Returns 0, or -1 with what is wrong. */
MUST_CHECK int quarantine_check_pages(sqlite3 *db, const char *file, struct error *err);

/* Reads all of the partition. Returns 0, or -1 with what is wrong. */
MUST_CHECK int quarantine_check(const char *folder, const struct partition *partition, struct error *err);

/* Sets a partition aside, for the reason that is given. Returns 0, or -1 with the cause. */
MUST_CHECK int quarantine_partition(sqlite3 *db, const char *folder, const struct partition *partition, const char *why,
                                    struct error *err);

/* Looks at every partition in use, as far as that is quick, inside of a transaction. Returns 0, or -1 with the cause.
 */
MUST_CHECK int quarantine_look(sqlite3 *db, const char *folder, struct error *err);

/* A partition that is not in the catalogue may be one that was set aside, and mended: its entry is taken out, and what
 * it has now is counted. Returns 1, 0 = it is not one, or -1 with the cause. */
int quarantine_return(sqlite3 *db, const char *folder, struct partition *partition, struct error *err);

/* Sets dnsflow.db aside, for the reason that is given. Returns 0, or -1 with the cause. */
MUST_CHECK int quarantine_database(const char *directory, const char *why, struct error *err);

#endif
