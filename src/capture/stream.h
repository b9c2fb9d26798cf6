/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The bytes of a file, decompressed if need be. */
#ifndef DNSFLOW_CAPTURE_STREAM_H
#define DNSFLOW_CAPTURE_STREAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct stream;

/* Opens `path`, "-" = standard input. *stop ends a wait inside compressed data, which cannot be gone on with. */
MUST_CHECK int stream_open(const char *path, const atomic_bool *stop, struct stream **out, struct error *err);

/* Up to `len` bytes. Returns their number, 0 at the end, -1 on an error, STREAM_INTERRUPTED when a signal came first or
 * a pipe has had nothing for 100 ms. */
enum { STREAM_INTERRUPTED = -2 };
ssize_t stream_read(struct stream *stream, uint8_t *buffer, size_t len, struct error *err);

/* Bytes of the stored file read so far, and its size; size 0 = not known. */
void stream_progress(const struct stream *stream, uint64_t *done, uint64_t *total);

/* NULL is fine. */
void stream_close(struct stream *stream);

#endif
