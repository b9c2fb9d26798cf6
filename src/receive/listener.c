/* SPDX-License-Identifier: BSD-3-Clause */
#include "receive/listener.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* A datagram takes its whole place at most; pages that none has touched cost nothing. */
enum { PLACE = 65536, BUFFER = 16 << 20, WAIT_US = 100000, CONTROL = 64 };

struct listener {
    int fd;
    bool has_ended, never_waits;
    uint32_t dropped_low; /* the kernel counts modulo 2^32 */
    uint64_t dropped;
    uint32_t told; /* up to the datagram received last */
    struct mmsghdr messages[LISTENER_BATCH];
    struct iovec parts[LISTENER_BATCH];
    struct sockaddr_in6 sources[LISTENER_BATCH]; /* has room for struct sockaddr_in */
    struct listener_datagram datagrams[LISTENER_BATCH];
    _Alignas(struct cmsghdr) char control[LISTENER_BATCH][CONTROL];
    uint8_t bytes[LISTENER_BATCH][PLACE];
};

/* As large as the kernel lets it: root may pass net.core.rmem_max. */
static void set_options(int fd, const struct listener_options *options)
{
    const int on = 1, off = 0, size = options->buffer ? options->buffer : BUFFER;
    const struct timeval wait = {.tv_usec = WAIT_US};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (options->reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

static int bind_first(const struct addrinfo *found, const struct listener_options *options)
{
    int fd = -1, cause = 0;
    for (; found; found = found->ai_next) {
        fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd >= 0) {
            set_options(fd, options);
            if (bind(fd, found->ai_addr, found->ai_addrlen) == 0)
                return fd;
            cause = errno;
            close(fd);
        } else {
            cause = errno;
        }
        if (cause == EADDRINUSE)
            break; /* not to share a port in one family with who has it in the other */
    }
    errno = cause;
    return -1;
}

/* With no host, IPv6 first: such a socket takes IPv4 too. Without IPv6 on this machine it is IPv4. */
static int open_socket(const struct listener_options *options, struct error *err)
{
    static const int families[] = {AF_INET6, AF_INET};
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV},
                    *found;
    int fd = -1, result = 0;
    size_t i;
    for (i = 0; i < (options->host ? 1 : 2) && fd < 0; i++) {
        hints.ai_family = options->host ? AF_UNSPEC : families[i];
        result = getaddrinfo(options->host, options->port, &hints, &found);
        if (result != 0)
            continue;
        fd = bind_first(found, options);
        int cause = errno;
        freeaddrinfo(found);
        errno = cause;
        if (fd < 0 && cause == EADDRINUSE)
            break;
    }
    if (fd >= 0)
        return fd;
    if (result != 0)
        return error_set(err, "listen %s: %s", options->text, gai_strerror(result));
    bool has_advice = errno == EADDRINUSE && options->advice;
    return error_set(err, "listen %s: %s%s%s", options->text, strerror(errno), has_advice ? "; " : "",
                     has_advice ? options->advice : "");
}

int listener_open(const struct listener_options *options, struct listener **out, struct error *err)
{
    struct listener *l = calloc(1, sizeof(*l));
    size_t i;
    if (!l)
        return error_set(err, "out of memory");
    l->never_waits = options->never_waits;
    l->fd = open_socket(options, err);
    if (l->fd < 0) {
        free(l);
        return -1;
    }
    for (i = 0; i < LISTENER_BATCH; i++) {
        l->parts[i] = (struct iovec){l->bytes[i], PLACE};
        l->datagrams[i].bytes = l->bytes[i];
    }
    *out = l;
    return 0;
}

void listener_name(const struct listener *listener, char name[LISTENER_NAME])
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    char host[LISTENER_NAME - 16] = "?", port[8] = "?"; /* room for brackets and port */
    if (getsockname(listener->fd, (struct sockaddr *)&at, &len) == 0)
        (void)getnameinfo((struct sockaddr *)&at, len, host, sizeof(host), port, sizeof(port),
                          NI_NUMERICHOST | NI_NUMERICSERV | NI_DGRAM);
    snprintf(name, LISTENER_NAME, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* When it came, and what had been dropped by then. Without a drop the kernel says nothing of drops. */
static void take_control(struct listener *l, struct msghdr *message, struct listener_datagram *d)
{
    struct cmsghdr *c;
    struct timeval time;
    uint32_t dropped = l->told;
    d->time_us = 0;
    for (c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMP) {
            memcpy(&time, CMSG_DATA(c), sizeof(time));
            d->time_us = (int64_t)time.tv_sec * SECOND_US + time.tv_usec;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            memcpy(&dropped, CMSG_DATA(c), sizeof(dropped));
        }
    }
    if (d->time_us == 0)
        d->time_us = clock_unix_us();
    bool is_ahead = (int32_t)(dropped - l->told) > 0; /* else it waited since before listener_resume() */
    d->dropped = is_ahead ? dropped - l->told : 0;
    l->told = is_ahead ? dropped : l->told;
}

static void fill_datagram(struct listener *l, int i)
{
    struct listener_datagram *d = &l->datagrams[i];
    const struct sockaddr_in6 *from = &l->sources[i];
    d->len = l->messages[i].msg_len;
    take_control(l, &l->messages[i].msg_hdr, d);
    d->port = ntohs(from->sin6_port); /* at the same place in both families */
    if (from->sin6_family == AF_INET) {
        struct sockaddr_in ip4;
        memcpy(&ip4, from, sizeof(ip4));
        d->ip_vers = 4;
        memcpy(d->address, &ip4.sin_addr, 4);
    } else if (IN6_IS_ADDR_V4MAPPED(&from->sin6_addr)) {
        d->ip_vers = 4;
        memcpy(d->address, &from->sin6_addr.s6_addr[12], 4);
    } else {
        d->ip_vers = 6;
        memcpy(d->address, &from->sin6_addr, 16);
    }
}

int listener_receive(struct listener *listener, const struct listener_datagram **datagrams, struct error *err)
{
    int i, count;
    for (i = 0; i < LISTENER_BATCH; i++)
        listener->messages[i].msg_hdr = (struct msghdr){.msg_name = &listener->sources[i],
                                                        .msg_namelen = sizeof(listener->sources[i]),
                                                        .msg_iov = &listener->parts[i],
                                                        .msg_iovlen = 1,
                                                        .msg_control = listener->control[i],
                                                        .msg_controllen = CONTROL};
    count = recvmmsg(listener->fd, listener->messages, LISTENER_BATCH,
                     listener->has_ended || listener->never_waits ? MSG_DONTWAIT : MSG_WAITFORONE, NULL);
    if (count < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
        return error_errno(err, "listen: receive");
    for (i = 0; i < count; i++)
        fill_datagram(listener, i);
    *datagrams = listener->datagrams;
    return count < 0 ? 0 : count;
}

uint64_t listener_dropped(struct listener *listener)
{
    uint32_t memory[SK_MEMINFO_VARS];
    socklen_t len = sizeof(memory);
    if (!listener->has_ended && getsockopt(listener->fd, SOL_SOCKET, SO_MEMINFO, memory, &len) == 0) {
        listener->dropped += memory[SK_MEMINFO_DROPS] - listener->dropped_low;
        listener->dropped_low = memory[SK_MEMINFO_DROPS];
    }
    return listener->dropped;
}

void listener_resume(struct listener *listener)
{
    (void)listener_dropped(listener);
    listener->told = listener->dropped_low;
    listener->dropped = 0;
}

int listener_fd(const struct listener *listener)
{
    return listener->fd;
}

int listener_buffer(const struct listener *listener)
{
    int size = 0;
    socklen_t len = sizeof(size);
    (void)getsockopt(listener->fd, SOL_SOCKET, SO_RCVBUF, &size, &len);
    return size / 2; /* the kernel doubles it for its own needs (socket(7)) */
}

/* What the filter refuses would count as dropped. */
void listener_end(struct listener *listener)
{
    struct sock_filter none = {.code = BPF_RET | BPF_K, .k = 0};
    const struct sock_fprog program = {.len = 1, .filter = &none};
    (void)listener_dropped(listener);
    listener->has_ended = true;
    setsockopt(listener->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

void listener_close(struct listener *listener)
{
    if (!listener)
        return;
    close(listener->fd);
    free(listener);
}
