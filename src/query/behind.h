/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of query/: the names behind an address: those answered with it, and those that led to these by a CNAME. */
#ifndef DNSFLOW_QUERY_BEHIND_H
#define DNSFLOW_QUERY_BEHIND_H

#include "query/question.h"

enum { BEHIND_MAX = 20000 /* names of one address or prefix */ };

struct behind_name {
    const char *rname;
    const char *via;                /* reversed: the name with the address; the same where that is the name itself */
    int64_t count, first_s, last_s; /* of the answer that leads on */
};

/* 0: go on, else the end of it. */
typedef int take_behind(void *context, const struct behind_name *name);

/* Those that were answered so in the time that is asked for. *is_over is set where there are more than BEHIND_MAX, or
 * no more is to be looked at. Returns 0, or -1 with the cause. */
MUST_CHECK int behind_address(struct kept *kept, const char *what, const struct ask *ask, take_behind *take,
                              void *context, bool *is_over, struct error *err);

#endif
