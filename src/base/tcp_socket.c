/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/tcp_socket.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int tcp_socket_listen(const char *host, const char *port, int backlog, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    int on = 1, result = getaddrinfo(host, port, &hints, &found);
    if (result != 0)
        return error_set(err, "%s port %s: %s", host, port,
                         result == EAI_SYSTEM ? strerror(errno) : gai_strerror(result));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    result = fd >= 0 ? bind(fd, found->ai_addr, found->ai_addrlen) : -1;
    freeaddrinfo(found);
    if (result == 0 && listen(fd, backlog) == 0)
        return fd;
    error_errno(err, "%s port %s: cannot listen", host, port);
    if (fd >= 0)
        close(fd);
    return -1;
}
