/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How often a name is right, by how it was found and how old it was: counted on flows whose name is known. */
#ifndef DNSFLOW_ANNOTATE_CONFIDENCE_H
#define DNSFLOW_ANNOTATE_CONFIDENCE_H

#include <stdio.h>

#include "annotate/flow.h"
#include "base/error.h"

enum { AGES = 8 };

/* Ages below so many microseconds; the last is all others. */
extern const int64_t confidence_ages[AGES];

struct confidence {
    struct confidence_cell {
        uint64_t flows, right;
    } cell[METHODS_NAMED][AGES];
};

/* What is shipped; docs/COLLECTOR.md says where it is from. */
extern const struct confidence confidence_usual;

/* 0 to 1; below 0: nothing is known of it. With few flows of this age it is that of the nearest that has enough,
 * younger ones first. */
double confidence_of(const struct confidence *table, enum method method, int64_t age_us);

void confidence_count(struct confidence *table, enum method method, int64_t age_us, bool is_right);

/* Lines "METHOD AGE FLOWS RIGHT", with the age that they are below, or "more". */
void confidence_write(const struct confidence *table, FILE *out);

/* Returns 0, or -1 with "PATH, line N: ...". */
MUST_CHECK int confidence_read(const char *path, struct confidence *out, struct error *err);

#endif
