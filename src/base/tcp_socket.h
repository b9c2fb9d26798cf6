/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Listening at a TCP port. */
#ifndef DNSFLOW_BASE_TCP_SOCKET_H
#define DNSFLOW_BASE_TCP_SOCKET_H

#include "base/error.h"

/* Makes a socket that listens there; may ask for the address of a name, of which the first is taken. Returns the
 * descriptor, which does not block, or -1 with "HOST port PORT: cause". */
MUST_CHECK int tcp_socket_listen(const char *host, const char *port, int backlog, struct error *err);

#endif
