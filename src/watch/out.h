/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where lines go: a file, to which they are added, or a named pipe, which nobody needs to read. None is waited for, and
 * none is cut: one that finds no room is lost, and counted by who wrote it. */
#ifndef DNSFLOW_WATCH_OUT_H
#define DNSFLOW_WATCH_OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { WATCH_LINE = 64 * 1024 }; /* bytes, the newline included */

struct watch_out {
    const char *path; /* borrowed */
    int fd;
    size_t rest_len; /* of a line that was written in part: it comes before the next one */
    char rest[WATCH_LINE];
};

/* Returns 0, or -1 with "PATH: cause". */
MUST_CHECK int watch_out_open(struct watch_out *out, const char *path, struct error *err);

/* Writes a line of at most WATCH_LINE bytes. Returns 0, or an errno: it is lost; EAGAIN: a pipe is full. */
int watch_out_put(struct watch_out *out, const char *line, size_t len);

void watch_out_close(struct watch_out *out);

#endif
