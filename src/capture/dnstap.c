/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dnstap from name servers that connect to a socket of ours, several at once. Each client has a buffer that its frames
 * are lent out of. One that sends what is no Frame Streams, or does not start in time, is sent away.
 *
 * When all places are taken, a new client gets the place of the one that has been without a message for longest.
 * Who sent a message within the last second keeps its place: when all have, the new one waits until one has not. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/tcp_socket.h"
#include "base/unix_socket.h"
#include "capture/capture.h"
#include "capture/format.h"
#include "capture/frame_stream.h"
#include "net/dnstap.h"

enum {
    CLIENTS_MAX = 64,
    BUFFER = 2 * FRAME_STREAM_FRAME_MAX, /* touched as far as it is filled */
    BACKLOG = CLIENTS_MAX,
    WAIT_MS = 100,
    HANDSHAKE_US = 5 * SECOND_US, /* for a client to come to its start */
    BUSY_US = SECOND_US,          /* who has sent a message this lately keeps its place */
    PAUSE_US = SECOND_US,         /* without accepting, when that fails */
    QUIET_US = 60 * SECOND_US,
};

/* A TCP client that is gone without a word is found out after a minute. */
enum { IDLE_S = 30, PROBE_S = 10, PROBES = 3, UNHEARD_MS = 60000 };

struct client {
    int fd;
    bool is_over;  /* nothing more is taken of it; it goes when what was lent of it is given back */
    bool is_heard; /* it has sent a message */
    struct frame_stream stream;
    uint8_t *buffer;
    size_t start, end;  /* of what has not been lent */
    int64_t heard_us;   /* when it sent its last message, or came */
    int64_t waiting_us; /* since when it is to start */
};

struct dnstap {
    char name[256];
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of the unix socket, empty for TCP */
    struct unix_socket_id id;
    int listener;
    bool has_newcomers;
    int64_t accept_us; /* none is accepted before */
    int64_t next_client_line_us, next_accept_line_us;
    unsigned clients_count, first;
    struct client clients[CLIENTS_MAX];
    struct capture_stats stats;
};

/* ---- the listening socket ---- */

static int listen_at(struct dnstap *d, const struct capture_dnstap_options *options, struct error *err)
{
    const char *path = options->path;
    d->listener = path ? unix_socket_listen(path, options->mode, BACKLOG, err)
                       : tcp_socket_listen(options->host, options->port, BACKLOG, err);
    if (d->listener >= 0 && path) {
        snprintf(d->path, sizeof(d->path), "%s", path);
        unix_socket_find(path, &d->id);
    }
    return d->listener >= 0 ? 0 : -1;
}

/* ---- clients that come and go ---- */

/* One line a minute: a client can come back as often as it likes. */
static bool may_say(int64_t *next_line_us, int64_t now_us)
{
    bool may = now_us >= *next_line_us;
    if (may)
        *next_line_us = now_us + QUIET_US;
    return may;
}

static void say_away(struct dnstap *d, const char *why, int64_t now_us)
{
    if (may_say(&d->next_client_line_us, now_us))
        log_line("dnstap %s: a client is sent away: %s", d->name, why);
}

static void drop_client(struct dnstap *d, unsigned i)
{
    struct client *c = &d->clients[i];
    d->stats.frames_cut += c->start < c->end;
    close(c->fd);
    free(c->buffer);
    *c = d->clients[--d->clients_count];
}

static void drop_over(struct dnstap *d)
{
    unsigned i;
    for (i = d->clients_count; i > 0; i--)
        if (d->clients[i - 1].is_over)
            drop_client(d, i - 1);
}

static void drop_late(struct dnstap *d, int64_t now_us)
{
    unsigned i;
    for (i = d->clients_count; i > 0; i--) {
        struct client *c = &d->clients[i - 1];
        if (c->stream.is_started) {
            c->waiting_us = now_us;
        } else if (now_us - c->waiting_us >= HANDSHAKE_US) {
            d->stats.clients_refused++;
            say_away(d, "it does not come to the start of a stream", now_us);
            drop_client(d, i - 1);
        }
    }
}

static bool is_busy(const struct client *c, int64_t now_us)
{
    uint8_t byte;
    return (c->is_heard && now_us - c->heard_us < BUSY_US) || recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* The place for a new client, CLIENTS_MAX when there is none. */
static unsigned find_place(const struct dnstap *d, int64_t now_us)
{
    unsigned place = CLIENTS_MAX, i;
    if (d->clients_count < CLIENTS_MAX)
        return d->clients_count;
    for (i = 0; i < CLIENTS_MAX; i++) {
        const struct client *c = &d->clients[i];
        bool is_older = place == CLIENTS_MAX || c->heard_us < d->clients[place].heard_us;
        if (is_older && !is_busy(c, now_us))
            place = i;
    }
    return place;
}

static void pause_accepting(struct dnstap *d, int64_t for_us, const char *cause, int64_t now_us)
{
    d->accept_us = now_us + for_us;
    if (may_say(&d->next_accept_line_us, now_us))
        log_line("dnstap %s: new clients have to wait: %s", d->name, cause);
}

static void accept_failed(struct dnstap *d, int64_t now_us)
{
    char cause[128];
    bool lacks_files = errno == EMFILE || errno == ENFILE;
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return;
    snprintf(cause, sizeof(cause), "%s%s", strerror(errno), lacks_files ? "; raise the limit of open files" : "");
    pause_accepting(d, PAUSE_US, cause, now_us);
}

static void set_keepalive(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
                   {IPPROTO_TCP, TCP_KEEPIDLE, IDLE_S},
                   {IPPROTO_TCP, TCP_KEEPINTVL, PROBE_S},
                   {IPPROTO_TCP, TCP_KEEPCNT, PROBES},
                   {IPPROTO_TCP, TCP_USER_TIMEOUT, UNHEARD_MS}};
    size_t i;
    for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
}

/* Returns whether there may be more to accept. */
static bool accept_client(struct dnstap *d, int64_t now_us)
{
    unsigned place = find_place(d, now_us);
    if (place == CLIENTS_MAX) {
        pause_accepting(d, (int64_t)WAIT_MS * 1000, "all places are taken by busy ones", now_us);
        return false;
    }
    struct client c = {.heard_us = now_us, .waiting_us = now_us};
    c.fd = accept4(d->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (c.fd < 0) {
        accept_failed(d, now_us);
        return false;
    }
    d->stats.clients_ever++;
    if (!(c.buffer = malloc(BUFFER))) {
        d->stats.clients_refused++;
        say_away(d, "out of memory", now_us);
        close(c.fd);
        return false;
    }
    if (!d->path[0])
        set_keepalive(c.fd);
    if (place < d->clients_count) {
        d->stats.clients_evicted++;
        say_away(d, "it was silent for longest of all, and another needs its place", now_us);
        drop_client(d, place);
    }
    d->clients[d->clients_count++] = c;
    return true;
}

/* ---- what they send ---- */

/* Sends what the protocol asks for. A few bytes, which find room; whether the client is gone, reading shows. */
static void answer(struct client *c)
{
    uint8_t bytes[FRAME_STREAM_REPLY_MAX];
    size_t len;
    while ((len = frame_stream_answer(&c->stream, bytes)) > 0)
        (void)send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Reads what has come, behind what is left. False: the client is gone. */
static bool read_more(struct client *c)
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

/* What makes no sense is lent as one frame that is none. */
static int lend_broken(struct dnstap *d, struct client *c, const char *why, struct packet *out)
{
    static const uint8_t broken[] = {0xff};
    d->stats.clients_refused++;
    say_away(d, why, clock_monotonic_us());
    *out = (struct packet){
        .bytes = broken, .captured_len = sizeof(broken), .wire_len = sizeof(broken), .link_type = NET_LINK_DNSTAP};
    c->start = c->end;
    c->is_over = true;
    return 1;
}

/* Lends frames of a client, as of the time of their coming. */
static int lend(struct dnstap *d, struct client *c, struct packet *packets, int max)
{
    struct error why;
    uint64_t used = 0;
    int i, count = c->is_over ? 0
                              : frame_stream_lend(&c->stream, c->buffer + c->start, c->end - c->start, packets, max,
                                                  &used, &why);
    c->start += (size_t)used;
    answer(c);
    if (count == LEND_BROKEN)
        count = lend_broken(d, c, why.text, packets);
    else if (count > 0)
        c->is_heard = true;
    if (count > 0) {
        int64_t now = clock_unix_us();
        c->heard_us = clock_monotonic_us();
        for (i = 0; i < count; i++)
            packets[i].time_us = now;
    }
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

static void wait_for_bytes(struct dnstap *d, int64_t now_us)
{
    struct pollfd ready[CLIENTS_MAX + 1];
    unsigned i, count = d->clients_count;
    for (i = 0; i < count; i++)
        ready[i] = (struct pollfd){.fd = d->clients[i].fd, .events = POLLIN};
    ready[count] = (struct pollfd){.fd = now_us < d->accept_us ? -1 : d->listener, .events = POLLIN};
    if (poll(ready, count + 1, WAIT_MS) <= 0)
        return;
    for (i = 0; i < count; i++)
        if (ready[i].revents)
            d->clients[i].is_over |= !read_more(&d->clients[i]);
    d->has_newcomers = ready[count].revents != 0;
}

/* New clients come in when all that could be read has been lent: then it shows who is silent. */
static int borrow(void *self, struct packet *packets, int max, struct error *err)
{
    struct dnstap *d = self;
    (void)err;
    drop_over(d); /* what was lent of them is not needed any more */
    int count = lend_all(d, packets, max);
    if (count > 0)
        return count;
    int64_t now = clock_monotonic_us();
    drop_late(d, now);
    for (unsigned i = 0; d->has_newcomers && i < BACKLOG; i++)
        d->has_newcomers = accept_client(d, now);
    d->has_newcomers = false;
    wait_for_bytes(d, now);
    return lend_all(d, packets, max);
}

static void stats(void *self, struct capture_stats *out)
{
    const struct dnstap *d = self;
    *out = d->stats;
    out->clients = d->clients_count;
}

static void close_dnstap(void *self)
{
    struct dnstap *d = self;
    while (d->clients_count > 0)
        drop_client(d, d->clients_count - 1);
    if (d->listener >= 0)
        close(d->listener);
    if (d->path[0])
        unix_socket_remove(d->path, &d->id);
    free(d);
}

int capture_open_dnstap(const struct capture_dnstap_options *options, struct capture **out, struct error *err)
{
    static const struct capture_ops ops = {.borrow = borrow, .stats = stats, .close = close_dnstap};
    struct dnstap *d = calloc(1, sizeof(*d));
    if (!d)
        return error_set(err, "dnstap: out of memory");
    snprintf(d->name, sizeof(d->name), "%s", options->path ? options->path : options->host);
    if (listen_at(d, options, err) != 0) {
        close_dnstap(d);
        return -1;
    }
    return capture_create(&ops, d, out, err);
}
