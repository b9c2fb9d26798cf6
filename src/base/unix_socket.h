/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Listening at a path of the file system. */
#ifndef DNSFLOW_BASE_UNIX_SOCKET_H
#define DNSFLOW_BASE_UNIX_SOCKET_H

#include <sys/types.h>
#include <time.h>

#include "base/error.h"

/* Makes a stream socket there with these rights from its first moment on (by the umask: not while other threads make
 * files). One that nobody listens at is replaced; a living one and what is no socket are left alone. Returns the
 * descriptor, which does not block, or -1 with "PATH: cause". */
MUST_CHECK int unix_socket_listen(const char *path, unsigned mode, int backlog, struct error *err);

/* Tells a socket from others that had or will have its path. */
struct unix_socket_id {
    dev_t device; /* 0: there is none */
    ino_t number;
    struct timespec changed;
};

/* The socket that is there now. */
void unix_socket_find(const char *path, struct unix_socket_id *out);

/* Removes the socket of that path, if it is still this one. */
void unix_socket_remove(const char *path, const struct unix_socket_id *id);

#endif
