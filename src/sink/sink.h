/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where datagrams go. A sink is one file: it fills a struct sink_ops and makes a struct sink. It belongs to one
 * thread, copies what it is given, and counts every datagram as sent or lost. */
#ifndef DNSFLOW_SINK_SINK_H
#define DNSFLOW_SINK_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/counters.h"
#include "base/error.h"

enum { SINK_COLLECTORS_MAX = 10 };

/* A collector as the command line names it. */
struct sink_target {
    char host[256];
    char port[6];
    char text[272]; /* both, for messages */
};

/* Where a collector is; len 0 = not known. */
struct sink_address {
    socklen_t len;
    struct sockaddr_storage address;
};

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

/* One destination of a sink. */
struct sink_output {
    const char *name;
    uint64_t sent, lost[SINK_LOSSES];
    int cause; /* what keeps datagrams from it at present: an errno, SINK_UNRESOLVED, 0 = nothing */
};

struct sink_ops {
    void (*write)(void *self, const uint8_t *datagram, size_t len, int64_t time_us);
    void (*flush)(void *self);
    void (*end)(void *self); /* NULL: nothing is held back for long */
    void (*reopen)(void *self);
    void (*set_address)(void *self, unsigned index, const struct sink_address *address); /* NULL: has none */
    void (*set_file)(void *self, int fd);                                                /* NULL: has none */
    size_t (*limit)(const void *self);
    bool (*output)(const void *self, unsigned index, struct sink_output *out);
    int (*report)(void *self);
    void (*close)(void *self);
};

struct sink;

/* Takes HOST, HOST:PORT, [IPv6] or [IPv6]:PORT; the port defaults to 5300. */
int sink_parse_target(const char *text, struct sink_target *out, struct error *err);

/* Whether it is an IPv6 address without brackets whose last part may have been meant as a port. */
bool sink_is_ambiguous(const char *text);

/* The same with a port that must be there. */
int sink_parse_address(const char *text, struct sink_target *out, struct error *err);

/* The same for a collector that is named by its address, without asking anybody. Returns -1 for another, with len 0. */
int sink_read_address(const struct sink_target *target, struct sink_address *out);

/* Asks for the first address of the collector's name; may take long. Returns -1 with "collector NAME: cause". */
int sink_resolve(const struct sink_target *target, struct sink_address *out, struct error *err);

struct sink_udp_options {
    const struct sink_target *targets;
    size_t count;
    const struct sink_address *addresses; /* one for each target, others come by sink_set_address(); NULL: the sink
                                           * resolves names itself and tries again every 10 s */
    bool is_blocking;                     /* waits for room in the socket's buffer instead of losing what finds none */
    bool is_quiet;                        /* another sink of the same targets speaks for this one */
};

/* UDP to every target. One that cannot be reached is tried again every 2 s, whatever the cause, and one whose route or
 * own address goes while it is in use is connected anew at once, at most once a second, from the same source port. What
 * cannot be sent until then is lost and counted. A change is logged once, at most every 10 s. */
int sink_open_udp(const struct sink_udp_options *options, struct counters *counters, struct sink **out,
                  struct error *err);

/* Whose a new file is to be. */
struct sink_owner {
    uid_t uid;
    gid_t gid;
};

struct sink_file_options {
    const char *path;               /* "-" = standard output */
    const struct sink_owner *owner; /* of a new file; NULL = whoever makes it */
    const atomic_bool *wait_until;  /* a full pipe is waited for until this is set; NULL: what finds no room in 256 KiB
                                     * of memory is lost */
    bool is_for_good;               /* after a failed write nothing is tried again before the end */
};

/* A pcap file of the datagrams as UDP from 127.0.0.1:0 to 127.0.0.1:5300. After a failed write it is tried again every
 * second, with what has been held back since; at the end a full pipe is waited for a second. */
int sink_open_pcap_file(const struct sink_file_options *options, struct counters *counters, struct sink **out,
                        struct error *err);

/* Opens a file for sink_set_file(), without waiting for the reader of a pipe. Returns -1 with the cause. */
int sink_reopen_file(const char *path, struct error *err);

/* Takes one datagram; time_us goes into the capture file. */
void sink_write(struct sink *sink, const uint8_t *datagram, size_t len, int64_t time_us);

/* Sends or writes what is still held back. */
void sink_flush(struct sink *sink);

/* Nothing more comes: what has been held back for want of room is written now, or lost and counted. */
void sink_end(struct sink *sink);

/* Opens the outputs anew: names are resolved again, the file is opened by its name. */
void sink_reopen(struct sink *sink);

/* Sends to this address from now on, which has been found for target number `index`. */
void sink_set_address(struct sink *sink, unsigned index, const struct sink_address *address);

/* Writes to this file from now on, which has been opened by the sink's name, unless it is the one that is open. Takes
 * the descriptor. */
void sink_set_file(struct sink *sink, int fd);

/* Bytes of the largest datagram that all destinations take. May fall while running. */
size_t sink_limit(const struct sink *sink);

/* How destination number `index` of the sink stands. From any thread. False: it has no such. */
bool sink_output(const struct sink *sink, unsigned index, struct sink_output *out);

/* Words for sink_output.cause, "" for 0. */
const char *sink_cause_text(int cause);

/* Logs a line about each destination: sent, lost and why. Returns -1 if a file has not got everything. */
int sink_report(struct sink *sink);

/* Flushes and frees. NULL is fine. */
void sink_close(struct sink *sink);

/* For sinks: wraps `self`, which close() must free. On failure `self` is closed. */
int sink_create(const struct sink_ops *ops, void *self, struct sink **out, struct error *err);

#endif
