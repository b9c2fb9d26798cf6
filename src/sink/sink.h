/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where datagrams go. A sink is one file: it fills a struct sink_ops and makes a struct sink. It belongs to one
 * thread, copies what it is given, and counts every datagram as sent or lost. */
#ifndef DNSFLOW_SINK_SINK_H
#define DNSFLOW_SINK_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

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

struct sink_ops {
    void (*write)(void *self, const uint8_t *datagram, size_t len, int64_t time_us);
    void (*flush)(void *self);
    void (*reopen)(void *self);
    void (*set_address)(void *self, unsigned index, const struct sink_address *address); /* NULL: has none */
    void (*set_file)(void *self, int fd);                                                /* NULL: has none */
    size_t (*limit)(const void *self);
    void (*collector)(const void *self, unsigned index, uint64_t *sent, uint64_t *lost); /* NULL: has none */
    int (*report)(void *self);
    void (*close)(void *self);
};

struct sink;

/* Takes HOST, HOST:PORT, [IPv6] or [IPv6]:PORT; the port defaults to 5300. */
int sink_parse_target(const char *text, struct sink_target *out, struct error *err);

/* The same with a port that must be there. */
int sink_parse_address(const char *text, struct sink_target *out, struct error *err);

/* Asks for the first address of the collector's name; may take long. Returns -1 with "collector NAME: cause". */
int sink_resolve(const struct sink_target *target, struct sink_address *out, struct error *err);

/* UDP to every target; datagrams for which there is no address are counted as lost. `addresses` holds one for each, and
 * others come by sink_set_address(); with NULL the sink resolves names itself and tries again every 10 s, logged once.
 * `blocking` waits for room in the socket's buffer instead of losing what finds none. */
int sink_open_udp(const struct sink_target *targets, size_t count, const struct sink_address *addresses, bool blocking,
                  struct counters *counters, struct sink **out, struct error *err);

/* A pcap file of the datagrams as UDP from 127.0.0.1:0 to 127.0.0.1:5300, "-" = standard output. */
int sink_open_pcap_file(const char *path, struct counters *counters, struct sink **out, struct error *err);

/* Takes one datagram; time_us goes into the capture file. */
void sink_write(struct sink *sink, const uint8_t *datagram, size_t len, int64_t time_us);

/* Sends or writes what is still held back. */
void sink_flush(struct sink *sink);

/* Opens the outputs anew: names are resolved again, the file is opened by its name. */
void sink_reopen(struct sink *sink);

/* Sends to this address from now on, which has been found for target number `index`. */
void sink_set_address(struct sink *sink, unsigned index, const struct sink_address *address);

/* Writes to this file from now on, which has been opened by the sink's name, unless it is the one that is open. Takes
 * the descriptor. */
void sink_set_file(struct sink *sink, int fd);

/* Bytes of the largest datagram that all destinations take. May fall while running. */
size_t sink_limit(const struct sink *sink);

/* How many datagrams collector number `index` was sent, and how many it was not. From any thread. */
void sink_collector(const struct sink *sink, unsigned index, uint64_t *sent, uint64_t *lost);

/* Logs a line about each destination: sent, lost and why. Returns -1 if an output failed for good. */
int sink_report(struct sink *sink);

/* Flushes and frees. NULL is fine. */
void sink_close(struct sink *sink);

/* For sinks: wraps `self`, which close() must free. On failure `self` is closed. */
int sink_create(const struct sink_ops *ops, void *self, struct sink **out, struct error *err);

#endif
