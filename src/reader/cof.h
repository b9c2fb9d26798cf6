/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Passive DNS Common Output Format (draft-dulaunoy-dnsop-passive-dns-cof): a line of JSON for each different
 * (rrname, rrtype, rdata), with the times it was seen first and last and how often. Of a record, each name leads to
 * the next by a CNAME, and the last to the addresses. Names are in lower case. */
#ifndef DNSFLOW_READER_COF_H
#define DNSFLOW_READER_COF_H

#include "dnsflow.h"
#include "reader/output.h"

struct cof;

/* What is gathered is printed when there is no more room for it; the same may then be printed again, and its counts
 * add up. NULL: out of memory. */
struct cof *cof_create(struct output *out);

/* Frees; what has been gathered is dropped, print before. NULL is fine. */
void cof_destroy(struct cof *cof);

/* Of a later part of a split record (is_part) the CNAMEs do not count; time_us is that of the response. */
void cof_add(struct cof *cof, const struct dnsflow_record *record, bool is_part, int64_t time_us);

/* Prints what has been gathered, in the order in which it came, and forgets it. */
void cof_print(struct cof *cof);

/* How often that was done for want of room. */
uint64_t cof_early(const struct cof *cof);

#endif
