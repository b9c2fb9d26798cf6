/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of serve/: a stream into a buffer of libevent. open_memstream(3) does not tell when memory runs out. */
#ifndef DNSFLOW_SERVE_TEXT_H
#define DNSFLOW_SERVE_TEXT_H

#include <stdio.h>

struct evbuffer;

enum { TEXT_MAX = 8 << 20 };

/* Writes behind what is there; the buffer stays the caller's. Of memory that is not there, and of more than TEXT_MAX
 * bytes, ferror(3) tells. NULL: out of memory. */
FILE *text_open(struct evbuffer *buffer);

#endif
