/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of store/: the tables of dnsflow.db. */
#ifndef DNSFLOW_STORE_SCHEMA_H
#define DNSFLOW_STORE_SCHEMA_H

#include "store/sql.h"

/* Brings the tables to this program's version, from whatever version before it. Returns 0, or -1 with the cause. */
MUST_CHECK int schema_bring(sqlite3 *db, struct error *err);

/* Of which version they are: one that this program does not know is refused. Returns 0, or -1 with the cause. */
MUST_CHECK int schema_look(sqlite3 *db, int *version, struct error *err);

#endif
