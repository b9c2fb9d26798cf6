/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of store/: the reversed names of all names in a tally. */
#ifndef DNSFLOW_STORE_RNAMES_H
#define DNSFLOW_STORE_RNAMES_H

#include "store/tally.h"

struct rnames {
    char *texts;       /* one behind the other, each with its NUL */
    const char **list; /* by the name's number in the tally */
};

/* Returns 0, or -1: out of memory. */
int rnames_make(struct rnames *rnames, const struct tally *tally);

/* Frees, also after a failed rnames_make(). */
void rnames_free(struct rnames *rnames);

#endif
