/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Datagrams from a UDP socket of our own. Belongs to one thread. */
#ifndef DNSFLOW_RECEIVE_LISTENER_H
#define DNSFLOW_RECEIVE_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    LISTENER_BATCH = 64, /* datagrams that are received at a time */
    LISTENER_NAME = 128
};

struct listener_options {
    const char *host;   /* an address; NULL = all, IPv6 and IPv4 */
    const char *port;   /* "0" = one that is free */
    const char *text;   /* both, for messages */
    const char *advice; /* what to do when somebody has the port, NULL = none */
    bool reuse_port;    /* others may listen there too: the kernel gives each source to one of them */
    bool never_waits;   /* listener_receive() returns at once; listener_fd() is for poll(2) */
    int buffer;         /* bytes of room in the socket that are asked for, 0 = 16 MiB */
};

/* Received and borrowed until the next batch. IPv4 is IPv4 on a socket for both too. */
struct listener_datagram {
    uint8_t ip_vers;
    uint8_t address[16];
    uint16_t port;
    int64_t time_us;  /* when the kernel took it in */
    uint32_t dropped; /* before it, of all that came since the one before: there was no room for them */
    const uint8_t *bytes;
    size_t len;
};

struct listener;

/* Opens a UDP socket there. Returns 0, or -1 with the cause. What `options` points to is not kept. */
MUST_CHECK int listener_open(const struct listener_options *options, struct listener **out, struct error *err);

/* Where it listens, as the socket has it: "[::]:5300", "0.0.0.0:5300" where there is no IPv6. */
void listener_name(const struct listener *listener, char name[LISTENER_NAME]);

/* Becomes readable when datagrams wait. */
int listener_fd(const struct listener *listener);

/* Bytes of room that the kernel gave. */
int listener_buffer(const struct listener *listener);

/* Goes on where another process, which had the same socket, has ended: what had no room up to now is not counted. */
void listener_resume(struct listener *listener);

/* Waits 100 ms at the most. Returns how many are in *datagrams, 0 = none or a signal, or -1. */
MUST_CHECK int listener_receive(struct listener *listener, const struct listener_datagram **datagrams,
                                struct error *err);

/* Datagrams that this socket had no room for, up to now: what the kernel reports as SO_RXQ_OVFL with each datagram,
 * without waiting for one. */
uint64_t listener_dropped(struct listener *listener);

/* From now on nothing more is taken in, and listener_receive() waits no longer: 0 = all that waited has been received.
 */
void listener_end(struct listener *listener);

/* NULL is fine. */
void listener_close(struct listener *listener);

#endif
