/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Connections sit in a table of fixed size. Each has a buffer of libevent that reads and writes for it, and a timer
 * that ends it whatever it does. evhttp is not used: it takes connections before anybody is asked, has no limit of
 * their number and no deadline that a client cannot push on by a byte. */
#include "http/server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/reply.h"
#include "http/request.h"

enum {
    ACCEPTS_MAX = 16,     /* in a row, before other events have their turn */
    PAUSE_MS = 100,       /* without descriptors */
    LINGER_MS = 1000,     /* for the client to read the answer and to close */
    LINGER_BYTES = 65536, /* that it may send meanwhile, for nobody */
    QUIET_US = 60 * SECOND_US,
    MS_US = SECOND_US / 1000,
};

/* WAITING: the answer comes later; DELAYED: it is there, and is not sent yet. */
enum state { READING, WAITING, DELAYED, WRITING, LINGERING };

struct connection {
    struct http_server *server;
    struct bufferevent *io; /* NULL: the place is free */
    struct event *deadline;
    bool has_peer;
    struct in6_addr peer; /* an IPv4 address is mapped */
    enum state state;
    int64_t since_us;
    uint64_t ticket; /* of its request; its place among the connections is the remainder */
    bool is_head;
    size_t seen; /* bytes: of the header that have been looked at, then of what came behind it */
};

struct http_server {
    struct http_options options;
    struct event_base *base;
    int listener;
    int spare; /* a descriptor to give up when there are no others, -1 = it is given up */
    struct event *arrival, *pause;
    struct http_stats stats;
    uint64_t refused; /* since the last line about it */
    int64_t next_line_us;
    uint64_t serial; /* of connections */
    struct connection connections[];
};

static struct timeval span_of(int64_t us)
{
    us = us > 0 ? us : 0;
    return (struct timeval){.tv_sec = us / SECOND_US, .tv_usec = us % SECOND_US};
}

/* ---- one connection ---- */

static void close_connection(struct connection *c)
{
    int fd = bufferevent_getfd(c->io);
    (void)bufferevent_disable(c->io, EV_READ | EV_WRITE); /* it may be freed later, as in one of its callbacks */
    bufferevent_free(c->io);
    event_free(c->deadline);
    close(fd);
    c->io = NULL;
    c->server->stats.open--;
}

/* Ends it `us` from now, but not after its time in all. */
static void limit_time(struct connection *c, int64_t us)
{
    int64_t rest = c->since_us + c->server->options.total_ms * (int64_t)MS_US - clock_monotonic_us();
    struct timeval span = span_of(us < rest ? us : rest);
    (void)event_add(c->deadline, &span);
}

static void send_reply(struct connection *c, const struct http_reply *reply)
{
    struct evbuffer *out = bufferevent_get_output(c->io);
    bufferevent_disable(c->io, reply->delay_ms ? EV_READ | EV_WRITE : EV_READ);
    if (reply_put_head(reply, out) != 0 || (!c->is_head && evbuffer_add_buffer(out, reply->body) != 0)) {
        close_connection(c);
        return;
    }
    c->state = reply->delay_ms ? DELAYED : WRITING;
    c->seen = 0;
    limit_time(c, reply->delay_ms ? reply->delay_ms * (int64_t)MS_US : INT64_MAX);
}

/* ---- requests ---- */

static const struct http_route *find_route(const struct http_options *o, const char *path)
{
    const struct http_route *found = NULL;
    size_t i, len, longest = 0;
    for (i = 0; i < o->routes_count; i++) {
        if (strcmp(o->routes[i].path, path) == 0)
            return &o->routes[i];
        len = strlen(o->routes[i].path);
        if (o->routes[i].takes_below && len >= longest && strncmp(o->routes[i].path, path, len) == 0) {
            found = &o->routes[i];
            longest = len;
        }
    }
    return found;
}

/* `status`: what is wrong with the request so far, 0 = nothing. */
static void answer(struct connection *c, struct http_request *request, int status)
{
    struct http_server *s = c->server;
    struct http_reply reply;
    const struct http_route *route = status == 0 ? find_route(&s->options, request->path) : NULL;
    c->is_head = strcmp(request->method, "HEAD") == 0;
    request->ticket = c->ticket;
    if (reply_make(&reply, status) != 0) {
        reply_free(&reply);
        close_connection(c);
        return;
    }
    if (route) {
        s->stats.requests++;
        route->handler(request, &reply, route->context);
    } else {
        reply.status = status ? status : 404;
        s->stats.bad++;
        evbuffer_add_printf(reply.body, "%d %s%s\n", reply.status, http_reason(reply.status),
                            reply.status == 421 ? ": expected an IP address, localhost or a name that it knows it has"
                                                : "");
    }
    if (reply.is_later) {
        c->state = WAITING;
        bufferevent_disable(c->io, EV_READ);
        limit_time(c, INT64_MAX);
    } else {
        send_reply(c, &reply);
    }
    reply_free(&reply);
}

static struct connection *find_waiting(const struct http_server *s, uint64_t ticket)
{
    struct connection *c = (struct connection *)&s->connections[ticket % s->options.connections];
    return c->io && c->state == WAITING && c->ticket == ticket ? c : NULL;
}

void http_answer(struct http_server *server, uint64_t ticket, const struct http_reply *reply)
{
    struct connection *c = find_waiting(server, ticket);
    if (c)
        send_reply(c, reply);
}

/* A page of another site may have had its own name lead here, to read what it is not meant to; its browser tells. */
static int check_host(const struct connection *c, const struct http_request *request)
{
    const struct http_options *o = &c->server->options;
    const char *host = http_request_field(request, "Host");
    return !c->has_peer || !host || http_host_is_known(host, o->hosts, o->hosts_count) ? 0 : 421;
}

static void take_header(struct connection *c)
{
    struct evbuffer *in = bufferevent_get_input(c->io);
    char text[HTTP_HEADER_MAX + 1];
    struct http_request request = {.method = ""};
    ssize_t len = evbuffer_copyout(in, text, HTTP_HEADER_MAX);
    int end = http_find_end(text, len > 0 ? (size_t)len : 0, c->seen), status = 0;
    c->seen = len > 0 ? (size_t)len : 0;
    if (end == HEAD_OPEN && c->seen < HTTP_HEADER_MAX)
        return;
    if (end <= 0)
        status = end == HEAD_OPEN ? 431 : 400;
    else if ((status = http_parse(text, (size_t)end, &request)) == 0)
        status = check_host(c, &request);
    (void)evbuffer_drain(in, evbuffer_get_length(in));
    answer(c, &request, status);
}

/* What comes behind a request is read and thrown away: closing with bytes unread would take the answer from the client.
 */
static void throw_away(struct connection *c)
{
    struct evbuffer *in = bufferevent_get_input(c->io);
    c->seen += evbuffer_get_length(in);
    (void)evbuffer_drain(in, evbuffer_get_length(in));
    if (c->seen > LINGER_BYTES)
        close_connection(c);
}

static void on_read(struct bufferevent *io, void *context)
{
    struct connection *c = context;
    (void)io;
    if (c->state == READING)
        take_header(c);
    else if (c->state == LINGERING)
        throw_away(c);
}

/* The answer is with the kernel. */
static void on_written(struct bufferevent *io, void *context)
{
    struct connection *c = context;
    if (c->state != WRITING)
        return;
    c->state = LINGERING;
    (void)shutdown(bufferevent_getfd(io), SHUT_WR);
    limit_time(c, LINGER_MS * (int64_t)MS_US);
    bufferevent_enable(io, EV_READ);
}

static void on_end(struct bufferevent *io, short what, void *context)
{
    struct connection *c = context;
    (void)io, (void)what;
    c->server->stats.left += c->state == READING;
    close_connection(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    struct connection *c = context;
    (void)fd, (void)what;
    if (c->state == DELAYED) {
        c->state = WRITING;
        bufferevent_enable(c->io, EV_WRITE);
        limit_time(c, INT64_MAX);
        return;
    }
    c->server->stats.late += c->state == WAITING;
    c->server->stats.slow += c->state == READING;
    c->server->stats.slow_read += c->state == WRITING;
    close_connection(c);
}

/* ---- arrivals ---- */

/* One line a minute, whatever comes. */
static void note_refused(struct http_server *s, uint64_t *counter, const char *cause)
{
    int64_t now = clock_monotonic_us();
    ++*counter;
    s->refused++;
    if (now < s->next_line_us)
        return;
    log_line("warning: %s: %" PRIu64 " connection%s turned away, the last one %s", s->options.name, s->refused,
             s->refused == 1 ? "" : "s", cause);
    s->refused = 0;
    s->next_line_us = now + QUIET_US;
}

static bool is_of_peer(const struct connection *c, const struct in6_addr *peer)
{
    return c->io && c->has_peer && memcmp(&c->peer, peer, sizeof(*peer)) == 0;
}

static unsigned places_of_peer(const struct http_server *s, const struct connection *c)
{
    unsigned i, count = 0;
    for (i = 0; c->has_peer && i < s->options.connections; i++)
        count += is_of_peer(&s->connections[i], &c->peer);
    return count;
}

/* It has sent something that has not been read yet. */
static bool has_more(const struct connection *c)
{
    char byte;
    return c->state == READING && recv(bufferevent_getfd(c->io), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Who gives its place to a newer client: not who is being answered, first who is held back, and else the oldest one of
 * the address that has most. NULL: nobody. */
static struct connection *find_oldest(struct http_server *s, bool spares_more)
{
    struct connection *oldest = NULL;
    unsigned i, count, most = 0;
    for (i = 0; i < s->options.connections; i++) {
        struct connection *c = &s->connections[i];
        count = c->state == DELAYED ? UINT_MAX : places_of_peer(s, c);
        if (c->state == WRITING || c->state == WAITING || count < most)
            continue;
        if ((!oldest || count > most || c->since_us < oldest->since_us) && !(spares_more && has_more(c))) {
            oldest = c;
            most = count;
        }
    }
    return oldest;
}

/* A free place, or that of another one. A good client sends its request at once, so that many that only hold on cannot
 * keep others out. */
static struct connection *make_place(struct http_server *s)
{
    struct connection *oldest;
    unsigned i;
    for (i = 0; i < s->options.connections; i++)
        if (!s->connections[i].io)
            return &s->connections[i];
    if (!(oldest = find_oldest(s, true)) && !(oldest = find_oldest(s, false)))
        return NULL;
    if (oldest->state == READING)
        note_refused(s, &s->stats.crowded, "to make place for a newer one");
    close_connection(oldest);
    return oldest;
}

static bool has_peer_room(const struct http_server *s, const struct in6_addr *peer)
{
    unsigned i, count = 0;
    for (i = 0; i < s->options.connections; i++)
        count += is_of_peer(&s->connections[i], peer) && s->connections[i].state != LINGERING &&
                 s->connections[i].state != DELAYED; /* whose place is had for the asking */
    return count < s->options.of_a_peer;
}

/* Returns false when there is no memory. The descriptor is the connection's then or stays the caller's. */
static bool open_connection(struct http_server *s, struct connection *c, int fd, const struct in6_addr *peer)
{
    struct connection fresh = {.server = s,
                               .has_peer = peer != NULL,
                               .since_us = clock_monotonic_us(),
                               .ticket = s->serial++ * s->options.connections + (uint64_t)(c - s->connections)};
    struct timeval span = span_of(s->options.header_ms * (int64_t)MS_US);
    int on = 1;
    if (peer) {
        fresh.peer = *peer;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    fresh.deadline = evtimer_new(s->base, on_deadline, c);
    fresh.io = fresh.deadline ? bufferevent_socket_new(s->base, fd, 0) : NULL;
    if (!fresh.io || event_add(fresh.deadline, &span) != 0) {
        if (fresh.io)
            bufferevent_free(fresh.io);
        if (fresh.deadline)
            event_free(fresh.deadline);
        return false;
    }
    *c = fresh;
    bufferevent_setcb(c->io, on_read, on_written, on_end, c);
    bufferevent_setwatermark(c->io, EV_READ, 0, HTTP_HEADER_MAX);
    bufferevent_enable(c->io, EV_READ);
    s->stats.open++;
    return true;
}

static void take_client(struct http_server *s, int fd, const struct sockaddr_storage *from)
{
    struct in6_addr peer;
    bool has_peer = address_to_ip6(from, &peer);
    struct connection *c = NULL;
    if (has_peer && !has_peer_room(s, &peer))
        note_refused(s, &s->stats.peer_full, "as its address has its share");
    else if (!(c = make_place(s)))
        note_refused(s, &s->stats.full, "as all places are taken");
    else if (open_connection(s, c, fd, has_peer ? &peer : NULL))
        return;
    else
        note_refused(s, &s->stats.no_file, "for want of memory");
    close(fd);
}

static int accept_one(const struct http_server *s, struct sockaddr_storage *from)
{
    socklen_t len = sizeof(*from);
    memset(from, 0, sizeof(*from));
    return accept4(s->listener, (struct sockaddr *)from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* There are no descriptors: clients that wait are closed with the spare one, and for a moment none is taken. */
static void pause_arrivals(struct http_server *s)
{
    const struct timeval span = span_of(PAUSE_MS * (int64_t)MS_US);
    struct sockaddr_storage from;
    int i, fd;
    if (s->spare >= 0)
        close(s->spare);
    for (i = 0; i < ACCEPTS_MAX && (fd = accept_one(s, &from)) >= 0; i++) {
        close(fd);
        note_refused(s, &s->stats.no_file, "for want of descriptors");
    }
    s->spare = eventfd(0, EFD_CLOEXEC);
    if (event_add(s->pause, &span) == 0)
        (void)event_del(s->arrival);
}

static void on_pause_over(evutil_socket_t fd, short what, void *context)
{
    struct http_server *s = context;
    (void)fd, (void)what;
    (void)event_add(s->arrival, NULL);
}

static void on_arrival(evutil_socket_t listener, short what, void *context)
{
    struct http_server *s = context;
    struct sockaddr_storage from;
    int i, fd;
    (void)listener, (void)what;
    for (i = 0; i < ACCEPTS_MAX; i++) {
        if ((fd = accept_one(s, &from)) >= 0) {
            take_client(s, fd, &from);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_arrivals(s);
            return;
        } /* else that client is gone */
    }
}

/* ---- the server ---- */

struct http_server *http_start(struct event_base *base, int listener, const struct http_options *options)
{
    struct http_options o = *options;
    o.connections = o.connections ? o.connections : HTTP_CONNECTIONS;
    o.of_a_peer = o.of_a_peer ? o.of_a_peer : HTTP_OF_A_PEER;
    o.header_ms = o.header_ms ? o.header_ms : HTTP_HEADER_MS;
    o.total_ms = o.total_ms ? o.total_ms : HTTP_TOTAL_MS;
    struct http_server *s = calloc(1, sizeof(*s) + o.connections * sizeof(s->connections[0]));
    if (!s)
        return NULL;
    s->options = o;
    s->base = base;
    s->listener = -1;
    s->spare = eventfd(0, EFD_CLOEXEC);
    s->arrival = event_new(base, listener, EV_READ | EV_PERSIST, on_arrival, s);
    s->pause = evtimer_new(base, on_pause_over, s);
    if (s->spare < 0 || !s->arrival || !s->pause || event_add(s->arrival, NULL) != 0) {
        http_stop(s);
        return NULL;
    }
    s->listener = listener;
    return s;
}

void http_finish(struct http_server *server)
{
    (void)event_del(server->arrival);
    (void)event_del(server->pause);
}

bool http_is_idle(const struct http_server *server)
{
    unsigned i;
    for (i = 0; i < server->options.connections; i++)
        if (server->connections[i].io && server->connections[i].state != LINGERING)
            return false;
    return true;
}

void http_stop(struct http_server *server)
{
    unsigned i;
    if (!server)
        return;
    for (i = 0; i < server->options.connections; i++)
        if (server->connections[i].io)
            close_connection(&server->connections[i]);
    if (server->arrival)
        event_free(server->arrival);
    if (server->pause)
        event_free(server->pause);
    if (server->spare >= 0)
        close(server->spare);
    if (server->listener >= 0)
        close(server->listener);
    free(server);
}

void http_stats(const struct http_server *server, struct http_stats *out)
{
    *out = server->stats;
}
