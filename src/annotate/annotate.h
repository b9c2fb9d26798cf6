/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A list of flows from one end to the other: read, each with its name added, written. */
#ifndef DNSFLOW_ANNOTATE_ANNOTATE_H
#define DNSFLOW_ANNOTATE_ANNOTATE_H

#include <stdio.h>

#include "annotate/confidence.h"
#include "annotate/format.h"
#include "annotate/lookups.h"
#include "annotate/origin.h"

struct annotate_options {
    const struct flow_format *format; /* NULL: as the input looks */
    const struct flow_fields *fields; /* that are called something else; NULL: none */
    const char *prefix;               /* of the names of what is added */
    const struct confidence *table;   /* that confidences are of */
    struct confidence *calibrate;     /* is counted into, of flows whose name is known; NULL: not wanted */
    const char *name;                 /* of the input, for messages */
};

/* lines = the sum of by_method + unreadable + beside */
struct annotate_counts {
    uint64_t lines, by_method[METHODS], unreadable, beside;
    uint64_t known, right[METHODS]; /* with `calibrate`: flows whose name is known */
};

/* Results of annotate(). */
enum { ANNOTATE_DONE = 0, ANNOTATE_FAILED = -1, ANNOTATE_UNFIT = -2 /* the input has not what is needed */ };

/* Reads flows from the descriptor up to its end; `out` NULL: nothing is written. ANNOTATE_FAILED and ANNOTATE_UNFIT
 * with the cause, empty where the output was closed. */
int annotate(int fd, struct lookups *lookups, struct origin *origin, const struct annotate_options *options, FILE *out,
             struct annotate_counts *counts, struct error *err);

/* "N lines = ...", which balances. */
void annotate_tell(const struct annotate_counts *counts);

/* Whether the known name is the one that was found; for METHOD_OTHERS_DOMAIN, is of that domain. */
struct domains;
bool annotation_is_right(const struct domains *domains, const struct annotation *found, const char *known);

#endif
