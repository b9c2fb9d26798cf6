/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where frames come from. A backend is one file: it fills a struct capture_ops and makes a struct capture. Packets are
 * borrowed in batches and point into the backend's memory until the next borrow or close. A capture belongs to one
 * thread. */
#ifndef DNSFLOW_CAPTURE_CAPTURE_H
#define DNSFLOW_CAPTURE_CAPTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "capture/dns_filter.h"
#include "net/packet.h"

enum {
    CAPTURE_BATCH = 256,     /* packets that are worth borrowing at a time */
    CAPTURE_HANDOVER_MS = 30 /* a packet is ready to be lent so long after it has come, at the latest */
};

/* Results of capture_borrow() other than a count. */
enum {
    CAPTURE_IDLE = 0,    /* nothing now: a signal came, or the backend's waiting time is over */
    CAPTURE_END = -1,    /* there is no more */
    CAPTURE_FAILED = -2, /* the source is broken; what came before was good */
};

struct capture_stats {
    uint64_t received;   /* frames behind the kernel's filter, dropped ones included */
    uint64_t dropped;    /* of these, lost for want of room */
    uint64_t if_dropped; /* lost by the interface */
    bool is_ring;        /* received = lent + dropped once it is empty */
    uint64_t lent;       /* frames taken out of a ring */
    uint64_t super;      /* frames larger than the interface's MTU allows (segmentation offload) */
    unsigned ring_fill;  /* percent of a ring that waits to be lent, as of now */

    /* of a dnstap socket */
    unsigned clients;         /* connected, as of now */
    uint64_t clients_ever;    /* that have connected */
    uint64_t clients_refused; /* of these, sent away for what they sent, or did not send in time */
    uint64_t clients_evicted; /* sent away for being silent when another needed the place */
    uint64_t frames_cut;      /* of which only a beginning came */
};

struct capture_ops {
    int (*borrow)(void *self, struct packet *packets, int max, struct error *err);
    void (*stats)(void *self, struct capture_stats *out);          /* NULL: a source that loses nothing */
    void (*progress)(void *self, uint64_t *done, uint64_t *total); /* NULL: no end to measure against */
    void (*close)(void *self);
};

struct capture;

/* Opens the capture file `path`, "-" = standard input: pcap, pcapng or dnstap in Frame Streams, plain or compressed
 * (gzip, bzip2, xz, zstd, lz4), known by its first bytes. Setting *stop ends a wait for input: the file then ends or
 * fails where it is. */
MUST_CHECK int capture_open_file(const char *path, const atomic_bool *stop, struct capture **out, struct error *err);

struct capture_live_options {
    const char *interface;
    const char *filter; /* pcap expression, NULL = none */
    bool promiscuous;
};

/* Opens an interface through libpcap. A borrow waits 100 ms at the most. */
MUST_CHECK int capture_open_live(const struct capture_live_options *options, struct capture **out, struct error *err);

enum { CAPTURE_GROUP_MAX = 64 };

/* How packets are divided among the rings of an interface. */
enum capture_fanout { CAPTURE_FANOUT_CLIENT, CAPTURE_FANOUT_CHECKSUM, CAPTURE_FANOUT_QUEUE, CAPTURE_FANOUT_CPU };

struct capture_ring_options {
    const char *interface;
    const char *expression;   /* pcap filter expression in place of the built-in filter, NULL = none */
    struct dns_filter filter; /* is_raw_ip is found out; its lists must outlive the captures */
    unsigned workers;         /* rings, 1 to CAPTURE_GROUP_MAX */
    enum capture_fanout fanout;
    size_t ring_bytes; /* of each ring, 1 MiB at least */
    bool promiscuous;
    bool pin;           /* each ring in memory near the CPU that process_pin_thread() gives its worker ... */
    unsigned pin_first; /* ... whose index, for the first ring, is this */
};

enum { CAPTURE_NOT_HERE = 1 };

/* Whether capture_open_rings() can read this interface. */
bool capture_has_rings(const char *interface);

/* Whether it stands for all interfaces at once. */
bool capture_is_any(const char *interface);

/* Opens an interface through AF_PACKET rings, one capture for each worker, in out[0..workers). No packet comes to two
 * of them, none before the filter is in place. Returns CAPTURE_NOT_HERE when the expression needs libpcap's own view
 * of the device. A borrow waits 100 ms at the most. An interface that goes down or away
 * is waited for; each change is logged once. */
MUST_CHECK int capture_open_rings(const struct capture_ring_options *options, struct capture **out, struct error *err);

/* Where name servers send dnstap to: the unix socket `path`, made with `mode` in place of one that nobody listens on,
 * or, with path NULL, a TCP socket. */
struct capture_dnstap_options {
    const char *path;
    unsigned mode;
    const char *host, *port;
};

/* Listens for dnstap. A borrow waits 100 ms at the most; packets are dnstap messages (net/dnstap.h), their time that of
 * their coming: the servers' clocks may say anything. */
MUST_CHECK int capture_open_dnstap(const struct capture_dnstap_options *options, struct capture **out,
                                   struct error *err);

/* Appends "; there are: ..." with the names of the interfaces to an error about one. */
void capture_add_interfaces(struct error *err);

/* Name of the first interface that is up and not loopback, in `name`. */
MUST_CHECK int capture_default_interface(char *name, size_t size, struct error *err);

/* Gives back the last batch and fills packets[0..max). Returns their number, or one of the results above; with
 * CAPTURE_FAILED *err says what is broken. */
MUST_CHECK int capture_borrow(struct capture *capture, struct packet *packets, int max, struct error *err);

/* Counters since the opening; all zero for a source that loses nothing. */
void capture_stats(struct capture *capture, struct capture_stats *out);

/* How far a file has been read, in bytes of the file as it is stored. False: not known. */
bool capture_progress(struct capture *capture, uint64_t *done, uint64_t *total);

/* NULL is fine. */
void capture_close(struct capture *capture);

/* For backends: wraps `self`, which close() must free. On failure `self` is closed. */
MUST_CHECK int capture_create(const struct capture_ops *ops, void *self, struct capture **out, struct error *err);

#endif
