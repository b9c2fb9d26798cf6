/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a question is asked about: words, and lines of files. */
#ifndef DNSFLOW_COLLECT_ASKED_H
#define DNSFLOW_COLLECT_ASKED_H

#include "query/ask.h"

/* All zero: nothing. */
struct asked {
    const char **list;
    size_t count;
    char **lines; /* those of files, which the list has too */
    size_t lines_count;
    bool has_bad_lines; /* which were told on standard error */
};

void asked_free(struct asked *asked);

/* A word, which is borrowed. Returns 0, or -1: out of memory. */
MUST_CHECK int asked_add(struct asked *asked, const char *what, struct error *err);

/* A name or address on each line of a file, "-" is standard input; blank lines and those that begin with # are passed
 * over. A line that the question cannot be about is told, and the others are taken all the same. Returns 0, or -1 with
 * the cause. */
MUST_CHECK int asked_read(struct asked *asked, const struct question *question, const char *path, struct error *err);

#endif
