/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --source: what a question needs of a store that is a server, in a folder that is made for the question. */
#ifndef DNSFLOW_COLLECT_SOURCE_H
#define DNSFLOW_COLLECT_SOURCE_H

#include "feed/feed.h"
#include "query/ask.h"

enum { SOURCE_FOLDER = 256, SOURCE_ROWS = 1000000, SOURCE_ROWS_HTTP = 200000 /* that a question may bring */ };

/* Takes --source. Returns 0, or -1 with "expected ...". */
MUST_CHECK int source_parse(const char *text, struct feed_spec *spec, struct error *err);

/* Brings it and opens it; `folder` is below `base`, NULL: where temporary files go. *is_cut: more than `most_rows`
 * would have been needed. Returns 0, or -1 with the cause; source_close() is due either way. */
MUST_CHECK int source_open(const struct feed_spec *spec, const struct question *question, const struct ask *ask,
                           uint64_t most_rows, const char *base, char folder[SOURCE_FOLDER], struct kept *kept,
                           bool *is_cut, struct error *err);

/* Closes it, and removes the folder. */
void source_close(const char *folder, struct kept *kept);

#endif
