/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Answers over HTTP: the questions, two interfaces of passive DNS that others have, and the page. One thread has the
 * connections, others work out what takes time. */
#ifndef DNSFLOW_SERVE_SERVE_H
#define DNSFLOW_SERVE_SERVE_H

#include <stdio.h>

#include "http/server.h"
#include "query/ask.h"
#include "serve/tokens.h"

enum {
    SERVE_THREADS = 4,
    SERVE_CONNECTIONS = 64,
    SERVE_OF_A_PEER = 48, /* a proxy or a tunnel brings many */
    SERVE_TOTAL_MS = 30000,
    SERVE_BUDGET_MS = 2000,
    SERVE_LIMIT = 100, /* rows, if nothing else is said ... */
    SERVE_LIMIT_MAX = 10000,
    SERVE_FOLDER = 256
};

/* What only the collector knows. All of them are called by any of the threads. */
struct serve_owner {
    void *context;
    /* Brings in what has been received; waits for it. False: that did not work. */
    bool (*refresh)(void *context);
    /* Print how everything is, as JSON and for Prometheus. Return 0, or -1 with the cause. is_fresh: what has been
     * received is brought in first. */
    int (*status)(void *context, bool is_fresh, FILE *out, struct error *err);
    int (*metrics)(void *context, FILE *out, struct error *err);
    /* Prints what is wrong, a reason on each line. Returns how many there are. */
    int (*health)(void *context, FILE *out);
    /* Brings what a question needs, where that is not in the directory, into a folder, and opens it; *is_cut: there is
     * more than may be brought. Returns 0, or -1 with the cause; `let_go` is due either way. NULL: it is there. */
    int (*bring)(void *context, const struct question *question, const struct ask *ask, char folder[SERVE_FOLDER],
                 struct kept *kept, bool *is_cut, struct error *err);
    void (*let_go)(const char *folder, struct kept *kept);
};

struct serve_options {
    const char *directory;
    const struct tokens *tokens; /* none: nobody needs one */
    const char *const *hosts;    /* struct http_options */
    size_t hosts_count;
    struct serve_owner owner;
};

enum { SERVE_TIMES = 9 };
extern const double serve_times[SERVE_TIMES]; /* upper bounds in seconds */

/* Counts since the start. */
struct serve_counts {
    struct http_stats http; /* as of the last request */
    uint64_t unauthorized, forbidden, failed, busy, partial;
    uint64_t took[SERVE_TIMES + 1]; /* questions by the time they took; the last is more than all bounds */
    double took_all;                /* seconds */
};

struct serve;

/* The options must outlive it; the socket belongs to it from then on. NULL: the cause. */
struct serve *serve_start(struct event_base *base, int listener, const struct serve_options *options,
                          struct error *err);

/* Takes no more requests; those that are being answered go on until it is idle. From the loop. */
void serve_finish(struct serve *serve);
bool serve_is_idle(const struct serve *serve);

/* What is not answered by then is not. NULL is fine. */
void serve_stop(struct serve *serve);

/* From any thread. */
void serve_counts(struct serve *serve, struct serve_counts *out);

#endif
