/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The header of a request, as bytes and as what they say (RFC 9112). Strict: what could be read in two ways is refused.
 */
#ifndef DNSFLOW_HTTP_REQUEST_H
#define DNSFLOW_HTTP_REQUEST_H

#include "http/server.h"

enum { HEAD_OPEN = 0, HEAD_MALFORMED = -1 };

/* Looks for the empty line that ends a header in the bytes that have come. Returns the length up to behind it,
 * HEAD_OPEN if it has not come, HEAD_MALFORMED for a line that does not end in CR LF. `seen` of them have been looked
 * at before. */
int http_find_end(const char *bytes, size_t len, size_t seen);

/* Reads a whole header of `len` bytes, which becomes text with zeros in it; there is room for one more. Returns 0, or
 * the status to refuse it with. *out points into the text. */
int http_parse(char *text, size_t len, struct http_request *out);

/* Whether a Host field names an IP address, localhost or one of `hosts`, with any port. */
bool http_host_is_known(const char *value, const char *const *hosts, size_t hosts_count);

/* What stands behind the status in an answer. */
const char *http_reason(int status);

#endif
