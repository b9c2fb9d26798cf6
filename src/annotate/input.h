/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads a list of flows and cuts it into pieces, some at a time, in bounded memory. */
#ifndef DNSFLOW_ANNOTATE_INPUT_H
#define DNSFLOW_ANNOTATE_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* What stands in the input. The text is borrowed until the next flow_input_fill(). */
struct flow_piece {
    const char *text; /* without the line's end */
    size_t len;
    size_t end_len;   /* bytes behind it that end the line */
    bool is_beside;   /* between objects */
    bool is_too_long; /* a part of something beyond PIECE_MAX, the first */
    bool is_rest;     /* ... or a further one */
};

struct flow_input;

/* The descriptor stays the caller's. NULL: out of memory. */
struct flow_input *flow_input_create(int fd);
/* NULL is fine. */
void flow_input_destroy(struct flow_input *input);

/* The bytes that are there at the start, to guess what they are. Returns 0, or -1 with the cause. */
MUST_CHECK int flow_input_look(struct flow_input *input, const char **bytes, size_t *len, struct error *err);

/* Reads until there is much, or no more comes for now. 1: there may be pieces, 0: that was the end, -1: the cause. */
int flow_input_fill(struct flow_input *input, struct error *err);

/* The next piece of what was read; the last one, which has no end, comes when the input is at its end. */
bool flow_input_next(struct flow_input *input, bool are_objects, struct flow_piece *out);

#endif
