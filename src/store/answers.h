/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of store/: what names were answered with, in dnsflow.db. */
#ifndef DNSFLOW_STORE_ANSWERS_H
#define DNSFLOW_STORE_ANSWERS_H

#include "store/folded.h"
#include "store/sql.h"

/* Adds the answers of a tally, and what is new of them. Returns 0, or -1 with the cause. */
MUST_CHECK int answers_put(sqlite3 *db, const struct folded *folded, struct error *err);

#endif
