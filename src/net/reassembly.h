/* SPDX-License-Identifier: BSD-3-Clause
 *
 * IP reassembly (RFC 791, RFC 8200 section 4.5) in a table of fixed size. Fragments that repeat what has come are
 * ignored, also for a while after their datagram is complete; one that overlaps it in part ends its datagram (RFC
 * 5722). Other bytes in the place of known ones are of another datagram, whose sender has used the number again. When
 * the table or its memory is full the oldest datagram makes room. What has come of a datagram that is given up, from
 * its beginning to the first hole, is handed back. Belongs to one thread. */
#ifndef DNSFLOW_NET_REASSEMBLY_H
#define DNSFLOW_NET_REASSEMBLY_H

#include "net/packet.h"

/* REPEAT: fragments that come so late are of another datagram. */
enum { REASSEMBLY_SECONDS = 30, REASSEMBLY_REPEAT_SECONDS = 2 };

struct reassembly;

struct reassembly_counts {
    uint64_t completed; /* datagrams */
    uint64_t expired;   /* datagrams not completed within REASSEMBLY_SECONDS */
    uint64_t evicted;   /* datagrams that made room, or whose number was used again */
};

enum reassembly_result {
    REASSEMBLY_HELD,     /* taken in; more must come */
    REASSEMBLY_COMPLETE, /* *out is the datagram */
    REASSEMBLY_REFUSED,  /* has come before, or contradicts its datagram or itself */
    REASSEMBLY_UNWANTED, /* belongs to a datagram that is not wanted */
};

/* Gets the beginning of a datagram that is given up, as a raw IP packet that is cut, with the time of the last fragment
 * that came. Must not call back. */
typedef void reassembly_give_up(void *context, const struct packet *beginning);

/* For `datagrams` at a time, holding `blocks` of 2 KiB of payload in all. Memory is touched as it is used. `seed` is
 * for the table's hash: which datagrams make room depends on it. give_up may be NULL. */
struct reassembly *reassembly_create(unsigned datagrams, unsigned blocks, uint64_t seed, reassembly_give_up *give_up,
                                     void *context);

/* NULL is fine. Nothing is given up. */
void reassembly_destroy(struct reassembly *reassembly);

/* Takes the fragment that net_decode() found in a frame captured at time_us. *out, when complete, is a raw IP packet,
 * good until the next call. */
enum reassembly_result reassembly_add(struct reassembly *reassembly, const struct ip_fragment *fragment,
                                      int64_t time_us, struct packet *out);

/* The fragment's datagram is not wanted: what is held of it goes, and so will what comes. */
void reassembly_refuse(struct reassembly *reassembly, const struct ip_fragment *fragment, int64_t time_us);

/* Gives up what is older than REASSEMBLY_SECONDS; INT64_MAX: all that there is, which is counted as expired. */
void reassembly_expire(struct reassembly *reassembly, int64_t now_us);

/* The counts as they are, until it is destroyed. */
const struct reassembly_counts *reassembly_counts(const struct reassembly *reassembly);

#endif
