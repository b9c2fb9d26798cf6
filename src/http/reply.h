/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of http/: an answer on its way out. */
#ifndef DNSFLOW_HTTP_REPLY_H
#define DNSFLOW_HTTP_REPLY_H

#include "http/server.h"

/* As a handler is given it, with this status, 0 = 200. Returns 0, or -1: out of memory; either way reply_free() is due.
 */
int reply_make(struct http_reply *reply, int status);
void reply_free(struct http_reply *reply);

/* All that stands before the body; the reply's lines are moved. Returns 0, or -1: out of memory. */
int reply_put_head(const struct http_reply *reply, struct evbuffer *out);

#endif
