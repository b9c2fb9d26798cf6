/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An HTTP server and its clients in one thread: nobody waits but with a deadline. */
#ifndef DNSFLOW_TESTING_SERVING_H
#define DNSFLOW_TESTING_SERVING_H

#include "testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/tcp_socket.h"
#include "base/unix_socket.h"
#include "http/server.h"

enum { CLIENTS_MAX = 200, BIG = 8 << 20 };

static struct {
    struct event_base *base;
    struct http_server *server;
    char path[64]; /* unix */
    uint16_t port; /* or TCP */
    size_t handled;
} live;

static const char *const own_names[] = {"own.example"};

static inline void echo(const struct http_request *r, struct http_reply *reply, void *context)
{
    live.handled++;
    evbuffer_add_printf(reply->body, "%s %s %s %s", (const char *)context, r->method, r->path, r->query);
}

static inline void big(const struct http_request *r, struct http_reply *reply, void *context)
{
    static char bytes[BIG];
    (void)r, (void)context;
    live.handled++;
    reply->content_type = "application/octet-stream";
    evbuffer_add_reference(reply->body, bytes, sizeof(bytes), NULL, NULL);
}

static inline void unwell(const struct http_request *r, struct http_reply *reply, void *context)
{
    (void)r, (void)context;
    reply->status = 503;
}

/* The answer comes later, with the request's path. */
static uint64_t ticket;

static inline void later(const struct http_request *r, struct http_reply *reply, void *context)
{
    (void)context;
    live.handled++;
    ticket = r->ticket;
    reply->is_later = true;
}

static inline void delayed(const struct http_request *r, struct http_reply *reply, void *context)
{
    (void)r, (void)context;
    live.handled++;
    reply->status = 401;
    reply->delay_ms = 300;
    evbuffer_add_printf(reply->lines, "X-More: a\r\nX-Most: b\r\n");
}

static const struct http_route routes[] = {
    {"/later", false, later, NULL},
    {"/delayed", false, delayed, NULL},
    {"/", false, echo, (void *)(uintptr_t) "page"},
    {"/api/", true, echo, (void *)(uintptr_t) "api"},
    {"/api/v1/", true, echo, (void *)(uintptr_t) "v1"},
    {"/api/v1/me", false, echo, (void *)(uintptr_t) "me"},
    {"/big", false, big, NULL},
    {"/unwell", false, unwell, NULL},
};

static inline void start(bool is_tcp, struct http_options options)
{
    struct error err = {.text = ""};
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    snprintf(live.path, sizeof(live.path), "/tmp/dnsflow-test-%d", (int)getpid());
    int fd = is_tcp ? tcp_socket_listen("127.0.0.1", "0", HTTP_BACKLOG, &err)
                    : unix_socket_listen(live.path, 0600, HTTP_BACKLOG, &err);
    if (fd < 0)
        fail_msg("%s", err.text);
    live.port = 0;
    if (is_tcp) {
        assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
        live.port = ntohs(at.sin_port);
    }
    options.name = "test";
    options.routes = routes;
    options.routes_count = LEN(routes);
    options.hosts = own_names;
    options.hosts_count = LEN(own_names);
    live.base = event_base_new();
    live.server = http_start(live.base, fd, &options);
    assert_non_null(live.server);
    live.handled = 0;
}

static inline void stop(void)
{
    http_stop(live.server);
    event_base_free(live.base);
    (void)unlink(live.path);
}

static inline void turn(void)
{
    (void)event_base_loop(live.base, EVLOOP_NONBLOCK);
    (void)poll(NULL, 0, 1);
}

static inline struct http_stats counted(void)
{
    struct http_stats s;
    http_stats(live.server, &s);
    return s;
}

/* Connects, from 127.0.0.`host` if over TCP. */
static inline int connect_from(unsigned host)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u + host)};
    int fd = socket(live.port ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    to.sin_port = htons(live.port);
    snprintf(path.sun_path, sizeof(path.sun_path), "%s", live.path);
    if (live.port)
        assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(live.port ? connect(fd, (struct sockaddr *)&to, sizeof(to))
                               : connect(fd, (struct sockaddr *)&path, sizeof(path)),
                     0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline void say(int fd, const char *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Reads what has come. False: the connection has ended. */
static inline bool hear(int fd, char *out, size_t size, size_t *used)
{
    for (;;) {
        ssize_t n = recv(fd, out + *used, size - *used - 1, 0);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        *used += (size_t)n;
        out[*used] = '\0';
    }
}

static char answer[BIG + 4096];

/* Status of the answer to a request, 0 if there is none; the rest is in `answer`. */
static inline int ask(const char *bytes, size_t len)
{
    int fd = connect_from(1);
    size_t used = 0;
    int64_t until = clock_monotonic_us() + 10 * SECOND_US;
    answer[0] = '\0';
    say(fd, bytes, len);
    while (hear(fd, answer, sizeof(answer), &used) && clock_monotonic_us() < until)
        turn();
    assert_true(clock_monotonic_us() < until);
    close(fd);
    while (counted().open > 0 && clock_monotonic_us() < until)
        turn();
    assert_int_equal(counted().open, 0);
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

static inline const char *body(void)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end ? end + 4 : "";
}

static inline bool has_line(const char *line)
{
    const char *found = strstr(answer, line);
    return found && found < body() && found[-1] == '\n' && strncmp(found + strlen(line), "\r\n", 2) == 0;
}

/* How many of the clients are still connected; others are closed. */
static inline size_t still_there(int *fds, size_t count)
{
    char rest[256];
    size_t left = 0, used;
    for (size_t i = 0; i < count; i++) {
        used = 0;
        if (fds[i] >= 0 && !hear(fds[i], rest, sizeof(rest), &used)) {
            close(fds[i]);
            fds[i] = -1;
        }
        left += fds[i] >= 0;
    }
    return left;
}

/* Until so many are there, and no time longer than `ms`. */
static inline size_t wait_there(int *fds, size_t count, size_t wanted, int ms)
{
    int64_t until = clock_monotonic_us() + ms * INT64_C(1000);
    size_t left;
    while ((left = still_there(fds, count)) != wanted && clock_monotonic_us() < until)
        turn();
    return left;
}

static inline void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

#endif
