/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A small HTTP server in an event loop of libevent: GET and HEAD, one request on each connection, everything bounded,
 * so that no client takes more than its share of the program. All of it runs in the thread of the loop, and nothing
 * waits for a client. The program ignores SIGPIPE. */
#ifndef DNSFLOW_HTTP_SERVER_H
#define DNSFLOW_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct evbuffer;
struct http_server;

enum {
    HTTP_BACKLOG = 128,
    HTTP_HEADER_MAX = 8192, /* bytes of a request, up to the empty line and with it */
    HTTP_FIELDS_MAX = 100,
    HTTP_CONNECTIONS = 32, /* in all ... */
    HTTP_OF_A_PEER = 8,    /* ... and from one address; a unix socket has none */
    HTTP_HEADER_MS = 5000, /* from the connection to the last byte of the request ... */
    HTTP_TOTAL_MS = 10000, /* ... and to the last byte of the answer */
};

/* A field of the header, value without white space around it. */
struct http_field {
    const char *name, *value;
};

/* A request that is well-formed. Good until the handler returns. */
struct http_request {
    const char *method; /* "GET" or "HEAD"; a handler need not care, it answers both alike */
    const char *path;   /* from the first '/' on, as sent: not decoded, printable ASCII */
    const char *query;  /* behind the '?', as sent; "" if there is none */
    uint64_t ticket;    /* for http_answer() */
    size_t fields_count;
    struct http_field fields[HTTP_FIELDS_MAX];
};

/* Value of the first field of that name, NULL if there is none. */
const char *http_request_field(const struct http_request *request, const char *name);

/* What the handler fills. It is given 200, text/plain in UTF-8, an empty body and no more lines. */
struct http_reply {
    int status;
    const char *content_type; /* good until the handler has returned */
    struct evbuffer *body;
    struct evbuffer *lines; /* more of the header, each line with CR LF */
    unsigned delay_ms;      /* until it is sent; a newer client may take its place meanwhile */
    bool is_later;          /* it is not sent at all: http_answer() gives another one */
};

/* Answers at once: the loop waits for it. Or is_later. */
typedef void http_handler(const struct http_request *request, struct http_reply *reply, void *context);

struct http_route {
    const char *path;
    bool takes_below; /* every path that begins so; the longest of them is taken, an exact one before all */
    http_handler *handler;
    void *context;
};

/* Where 0 stands for a default. Routes and hosts must outlive the server. */
struct http_options {
    const char *name; /* in log lines; outlives the server */
    const struct http_route *routes;
    size_t routes_count;
    const char *const *hosts; /* that it may be called over TCP, besides IP addresses and localhost */
    size_t hosts_count;
    unsigned connections, of_a_peer; /* HTTP_CONNECTIONS, HTTP_OF_A_PEER */
    unsigned header_ms, total_ms;    /* HTTP_HEADER_MS, HTTP_TOTAL_MS */
};

/* Counts since the start. A connection that was taken is open, or has been counted as one of requests, bad, left, slow
 * and crowded. */
struct http_stats {
    uint64_t open;      /* connections, as of now */
    uint64_t requests;  /* that a handler answered */
    uint64_t bad;       /* requests that were answered with an error and reached no handler */
    uint64_t left;      /* clients that went before they had sent a request */
    uint64_t slow;      /* ... that were cut off before, at the deadline ... */
    uint64_t crowded;   /* ... that were cut off to make place for a newer one */
    uint64_t slow_read; /* requests and bad ones of which the answer was not read in time ... */
    uint64_t late;      /* ... or was not there in time */
    uint64_t full;      /* connections refused, as all places were taken by clients being answered ... */
    uint64_t peer_full; /* ... as their address had its share ... */
    uint64_t no_file;   /* ... for want of descriptors or memory */
};

/* Serves a listening socket that does not block, of tcp_socket_listen() or unix_socket_listen(), which belongs to the
 * server from then on. NULL: out of memory or descriptors. */
struct http_server *http_start(struct event_base *base, int listener, const struct http_options *options);

/* Gives the answer that was to come later, from the thread of the loop. No effect when the client is gone. What `reply`
 * has stays the caller's, but is empty then. */
void http_answer(struct http_server *server, uint64_t ticket, const struct http_reply *reply);

/* Takes no more clients; whether nobody is being answered any more. */
void http_finish(struct http_server *server);
bool http_is_idle(const struct http_server *server);

/* Closes everything at once. NULL is fine. */
void http_stop(struct http_server *server);

/* The counts up to now; from the thread of the event loop. */
void http_stats(const struct http_server *server, struct http_stats *out);

/* What libevent has to say of itself becomes a log line from now on: the next one only, so that it is to be called
 * again once a minute. */
void http_take_libevent_line(void);

#endif
