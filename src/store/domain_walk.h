/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The registered domains of reversed names that come in order, in which most labels are those of the
 * name before and need not be looked up again. */
#ifndef DNSFLOW_STORE_DOMAIN_WALK_H
#define DNSFLOW_STORE_DOMAIN_WALK_H

#include <stdbool.h>

#include "record/domain.h"
#include "store/rname.h"

enum { WALK_LABELS = 128 };

/* All zero at first. */
struct domain_walk {
    char rname[RNAME_TEXT]; /* the name that came last */
    char text[RNAME_TEXT];  /* its labels in the usual order, at the end */
    struct walk_label {
        size_t end, start; /* where it ends in rname, and begins in text */
        bool is_suffix;    /* it and what is behind it in text are a public suffix */
    } labels[WALK_LABELS];
    size_t count;
};

/* How many bytes of the name are its domain; all if it has none, which *has_domain says (NULL: is not asked). */
size_t domain_walk_len(struct domain_walk *walk, const struct domains *domains, const char *rname, bool *has_domain);

#endif
