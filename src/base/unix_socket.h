/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Listening at a path of the file system. */
#ifndef DNSFLOW_BASE_UNIX_SOCKET_H
#define DNSFLOW_BASE_UNIX_SOCKET_H

#include "base/error.h"

/* Makes a stream socket there with these rights from its first moment on (by the umask: not while other threads make
 * files). One that nobody listens at is replaced; a living one and what is no socket are left alone. Returns the
 * descriptor, which does not block, or -1 with "PATH: cause". */
int unix_socket_listen(const char *path, unsigned mode, int backlog, struct error *err);

/* Removes the socket of that path, unless somebody listens there. */
void unix_socket_remove(const char *path);

#endif
