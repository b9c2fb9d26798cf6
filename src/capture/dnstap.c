/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dnstap from name servers that connect to a socket of ours, several at once. Each client has a buffer that its frames
 * are lent out of. One that sends what is no Frame Streams is sent away. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture/capture.h"
#include "capture/format.h"
#include "capture/frame_stream.h"
#include "net/dnstap.h"

enum {
    CLIENTS_MAX = 64,
    BUFFER = 2 * FRAME_STREAM_FRAME_MAX, /* touched as far as it is filled */
    BACKLOG = 16,
    WAIT_MS = 100,
    QUIET_US = 60 * SECOND_US,
};

struct client {
    int fd;
    bool is_over; /* nothing more is taken of it; it goes when what was lent of it is given back */
    struct frame_stream stream;
    uint8_t *buffer;
    size_t start, end; /* of what has not been lent */
};

struct dnstap {
    char name[256];
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of the unix socket, empty for TCP */
    int listener;
    int64_t next_line_us;
    unsigned clients_count, first;
    struct client clients[CLIENTS_MAX];
    struct capture_stats stats;
};

/* ---- the listening socket ---- */

/* A socket file that nobody listens on is left from a run before. */
static int remove_stale(const char *path, const struct sockaddr_un *address, struct error *err)
{
    struct stat file;
    if (lstat(path, &file) != 0)
        return errno == ENOENT ? 0 : error_errno(err, "%s", path);
    if (!S_ISSOCK(file.st_mode))
        return error_set(err, "%s: there is a file of that name that is no socket", path);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = probe >= 0 ? connect(probe, (const struct sockaddr *)address, sizeof(*address)) : -1;
    if (probe >= 0)
        close(probe);
    if (result == 0)
        return error_set(err, "%s: another program listens there", path);
    return unlink(path) == 0 ? 0 : error_errno(err, "%s: cannot replace the socket", path);
}

static int listen_unix(struct dnstap *d, const char *path, unsigned mode, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return error_set(err, "%s: the name is too long for a socket", path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (remove_stale(path, &address, err) != 0)
        return -1;
    d->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0777 & ~mode);
    int result = d->listener >= 0 ? bind(d->listener, (struct sockaddr *)&address, sizeof(address)) : -1;
    umask(before);
    if (result != 0 || listen(d->listener, BACKLOG) != 0)
        return error_errno(err, "%s: cannot listen", path);
    snprintf(d->path, sizeof(d->path), "%s", path);
    return 0;
}

static int listen_tcp(struct dnstap *d, const char *host, const char *port, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    int on = 1, result = getaddrinfo(host, port, &hints, &found);
    if (result != 0)
        return error_set(err, "%s: %s", d->name, gai_strerror(result));
    d->listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (d->listener >= 0)
        (void)setsockopt(d->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    result = d->listener >= 0 ? bind(d->listener, found->ai_addr, found->ai_addrlen) : -1;
    freeaddrinfo(found);
    return result == 0 && listen(d->listener, BACKLOG) == 0 ? 0 : error_errno(err, "%s: cannot listen", d->name);
}

/* ---- clients ---- */

/* One line a minute: a client can come back as often as it likes. */
static void say(struct dnstap *d, const char *what)
{
    int64_t now = clock_monotonic_us();
    if (now >= d->next_line_us)
        log_line("dnstap %s: a client is sent away: %s", d->name, what);
    d->next_line_us = now >= d->next_line_us ? now + QUIET_US : d->next_line_us;
}

static void drop_client(struct dnstap *d, unsigned i)
{
    close(d->clients[i].fd);
    free(d->clients[i].buffer);
    d->clients[i] = d->clients[--d->clients_count];
}

static void accept_client(struct dnstap *d)
{
    struct client c = {.fd = accept4(d->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (c.fd < 0)
        return;
    if (d->clients_count == CLIENTS_MAX || !(c.buffer = malloc(BUFFER))) {
        say(d, "there are 64 others");
        close(c.fd);
        return;
    }
    d->clients[d->clients_count++] = c;
}

/* Sends what the protocol asks for. A few bytes, which find room; whether the client is gone, reading shows. */
static void answer(struct client *c)
{
    uint8_t bytes[FRAME_STREAM_REPLY_MAX];
    size_t len;
    while ((len = frame_stream_answer(&c->stream, bytes)) > 0)
        (void)send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Reads what has come, behind what is left. False: the client is gone. */
static bool fill(struct client *c)
{
    memmove(c->buffer, c->buffer + c->start, c->end - c->start);
    c->end -= c->start;
    c->start = 0;
    if (c->end == BUFFER)
        return true;
    ssize_t n = recv(c->fd, c->buffer + c->end, BUFFER - c->end, MSG_DONTWAIT);
    if (n > 0)
        c->end += (size_t)n;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Lends frames of a client. What makes no sense is lent as one frame that is none. */
static int lend(struct dnstap *d, struct client *c, struct packet *packets, int max)
{
    static const uint8_t broken[] = {0xff};
    struct error why;
    uint64_t used = 0;
    int64_t now = clock_unix_us();
    int i, count = c->is_over ? 0
                              : frame_stream_lend(&c->stream, c->buffer + c->start, c->end - c->start, packets, max,
                                                  &used, &why);
    if (count == LEND_BROKEN) {
        say(d, why.text);
        packets[0] = (struct packet){
            .bytes = broken, .captured_len = sizeof(broken), .wire_len = sizeof(broken), .link_type = NET_LINK_DNSTAP};
        c->is_over = true;
        count = 1;
    }
    for (i = 0; i < count; i++)
        packets[i].time_us = now;
    c->start += (size_t)used;
    answer(c);
    c->is_over |= c->stream.is_ended && c->start == c->end;
    return count;
}

/* Out of every buffer in turn, each time beginning with another client. */
static int lend_all(struct dnstap *d, struct packet *packets, int max)
{
    int count = 0;
    unsigned i;
    for (i = 0; i < d->clients_count && count < max; i++)
        count += lend(d, &d->clients[(d->first + i) % d->clients_count], packets + count, max - count);
    d->first++;
    d->stats.received += (uint64_t)count;
    return count;
}

static void wait_for_bytes(struct dnstap *d)
{
    struct pollfd ready[CLIENTS_MAX + 1];
    unsigned i, count = d->clients_count;
    for (i = 0; i < count; i++)
        ready[i] = (struct pollfd){.fd = d->clients[i].fd, .events = POLLIN};
    ready[count] = (struct pollfd){.fd = d->listener, .events = POLLIN};
    if (poll(ready, count + 1, WAIT_MS) <= 0)
        return;
    for (i = 0; i < count; i++)
        if (ready[i].revents)
            d->clients[i].is_over |= !fill(&d->clients[i]);
    if (ready[count].revents)
        accept_client(d);
}

static int borrow(void *self, struct packet *packets, int max, struct error *err)
{
    struct dnstap *d = self;
    unsigned i;
    (void)err;
    for (i = d->clients_count; i > 0; i--) /* what was lent of them is not needed any more */
        if (d->clients[i - 1].is_over)
            drop_client(d, i - 1);
    int count = lend_all(d, packets, max);
    if (count > 0)
        return count;
    wait_for_bytes(d);
    return lend_all(d, packets, max);
}

static void stats(void *self, struct capture_stats *out)
{
    const struct dnstap *d = self;
    *out = d->stats;
}

static void close_dnstap(void *self)
{
    struct dnstap *d = self;
    while (d->clients_count > 0)
        drop_client(d, d->clients_count - 1);
    if (d->listener >= 0)
        close(d->listener);
    if (d->path[0])
        (void)unlink(d->path);
    free(d);
}

int capture_open_dnstap(const struct capture_dnstap_options *options, struct capture **out, struct error *err)
{
    static const struct capture_ops ops = {.borrow = borrow, .stats = stats, .close = close_dnstap};
    struct dnstap *d = calloc(1, sizeof(*d));
    if (!d)
        return error_set(err, "dnstap: out of memory");
    d->listener = -1;
    snprintf(d->name, sizeof(d->name), "%s", options->path ? options->path : options->host);
    int result = options->path ? listen_unix(d, options->path, options->mode, err)
                               : listen_tcp(d, options->host, options->port, err);
    if (result != 0) {
        close_dnstap(d);
        return -1;
    }
    return capture_create(&ops, d, out, err);
}
