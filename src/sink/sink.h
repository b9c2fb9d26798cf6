/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where datagrams go. A sink belongs to one thread, copies what it is given, and counts every datagram as sent or
 * lost. */
#ifndef DNSFLOW_SINK_SINK_H
#define DNSFLOW_SINK_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/counters.h"
#include "base/error.h"

/* Why datagrams did not leave. */
enum sink_loss {
    SINK_LOST_UNRESOLVED,  /* the collector's name has no address yet */
    SINK_LOST_UNREACHABLE, /* there is no way to it: no route, no address of our own */
    SINK_LOST_FULL,        /* the socket's buffer had no room */
    SINK_LOST_SIZE,        /* larger than the path carries */
    SINK_LOST_OTHER,
    SINK_LOSSES
};

/* Tokens for summary and metrics. */
extern const char *const sink_loss_names[SINK_LOSSES];

enum { SINK_UNRESOLVED = -1 };

/* How a sink stands. */
struct sink_output {
    const char *name;
    uint64_t sent, lost[SINK_LOSSES];
    int cause; /* what keeps datagrams from it at present: an errno, SINK_UNRESOLVED, 0 = nothing */
};

struct sink;
struct sink_kind;

/* An output as the command line names it. */
struct sink_plan {
    const struct sink_kind *kind;
    const char *option;         /* that named it, for messages */
    const char *value;          /* its argument */
    struct address_name target; /* of one that is sent to */
    bool is_renewable;          /* kind->renew() makes sense */
};

/* What a kind's renew() has found or opened. */
struct sink_news {
    struct address address;
    int fd; /* -1: none */
};

/* Whose a new file is to be. */
struct sink_owner {
    uid_t uid;
    gid_t gid;
};

/* How the sinks of a worker are opened. */
struct sink_start {
    bool is_live;                   /* nobody waits for a sink, and what takes long comes by sink_renew() */
    bool is_quiet;                  /* the same sink of another worker speaks for this one */
    bool is_for_good;               /* after a failed write nothing is tried again before the end */
    const struct sink_owner *owner; /* of a new file, NULL = whoever makes it */
    const atomic_bool *stop;        /* ends waits early; not live */
};

/* A kind of sink: one file of this folder, and one row of SINK_KINDS. */
struct sink_kind {
    bool is_file;     /* its argument is a file that is written, "-" = standard output; holds one sequence only */
    unsigned most;    /* of them on a command line */
    const char *many; /* "collectors" */
    const char *old;  /* what goes on as long as it cannot be renewed: "writing on to the old file" */
    /* Looks at the argument. Returns 0, or -1 with "expected ...". */
    int (*parse)(struct sink_plan *plan, struct error *err);
    int (*open)(const struct sink_plan *plan, const struct sink_start *start, struct counters *counters,
                struct sink **out, struct error *err);
    /* Finds or opens anew what its argument names, from any process. May take long. Returns -1 with the cause. */
    int (*renew)(const struct sink_plan *plan, struct sink_news *out, struct error *err);
};

/* All kinds, as options: letter, long name, both for messages, argument, kind, help, flags. */
#define SINK_KINDS(X)                                                                                            \
    X('u', "udp", "-u/--udp", "HOST[:PORT]", sink_udp, "send to this collector; port 5300 by default; up to 10", \
      OPTION_REPEATS)                                                                                            \
    X('w', "write", "-w/--write", "FILE", sink_pcap_file, "write the datagrams to a pcap file, - = standard output", 0)

#define SINK_DECLARE(letter, name, label, arg, kind, help, flags) extern const struct sink_kind kind;
SINK_KINDS(SINK_DECLARE)
#undef SINK_DECLARE

enum { SINKS_MAX = 16 /* of a worker */ };

/* What a sink can do, called by the functions below. */
struct sink_ops {
    void (*write)(void *self, const uint8_t *datagram, size_t len, int64_t time_us);
    void (*flush)(void *self);
    void (*end)(void *self); /* NULL: nothing is held back for long */
    void (*reopen)(void *self);
    void (*renew)(void *self, const struct sink_news *news);
    size_t (*limit)(const void *self); /* NULL: takes any */
    void (*output)(const void *self, struct sink_output *out);
    int (*report)(void *self);
    void (*close)(void *self);
};

/* Takes one datagram; time_us goes into the capture file. */
void sink_write(struct sink *sink, const uint8_t *datagram, size_t len, int64_t time_us);

/* Sends or writes what is still held back. */
void sink_flush(struct sink *sink);

/* Nothing more comes: what has been held back for want of room is written now, or lost and counted. */
void sink_end(struct sink *sink);

/* Opens it anew: its name is resolved again, the file is opened by its name. */
void sink_reopen(struct sink *sink);

/* Uses what has been found or opened from now on. Takes the descriptor. */
void sink_renew(struct sink *sink, const struct sink_news *news);

/* Bytes of the largest datagram that it takes. May fall while running. */
size_t sink_limit(const struct sink *sink);

/* How the sink stands. From any thread. */
void sink_output(const struct sink *sink, struct sink_output *out);

/* Words for sink_output.cause, "" for 0. */
const char *sink_cause_text(int cause);

/* Logs a line: sent, lost and why. Returns -1 if a file has not got everything. */
int sink_report(struct sink *sink);

/* Flushes and frees. NULL is fine. */
void sink_close(struct sink *sink);

/* For sinks: wraps `self`, which close() must free. On failure `self` is closed. */
MUST_CHECK int sink_create(const struct sink_ops *ops, void *self, struct sink **out, struct error *err);

#endif
