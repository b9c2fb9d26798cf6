/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of query/: the table `lookups` of a session, and functions for what is kept as bytes or numbers. */
#ifndef DNSFLOW_QUERY_LOOKUPS_TABLE_H
#define DNSFLOW_QUERY_LOOKUPS_TABLE_H

#include "query/sql_session.h"

/* Makes both known to the session's connection. Returns 0, or -1 with the cause. */
MUST_CHECK int lookups_table_add(struct sql_session *session, struct error *err);
MUST_CHECK int sql_functions_add(sqlite3 *db, struct error *err);

/* Ends what a statement does there as soon as its time is over. */
void sql_session_watch(struct sql_session *session, sqlite3 *db);

#endif
