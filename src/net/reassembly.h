/* SPDX-License-Identifier: BSD-3-Clause
 *
 * IP reassembly (RFC 791, RFC 8200 section 4.5) in a table of fixed size. Fragments that repeat what has come are
 * ignored; one that overlaps it in part ends its datagram (RFC 5722). When the table or its memory is full the oldest
 * datagram makes room. Belongs to one thread. */
#ifndef DNSFLOW_NET_REASSEMBLY_H
#define DNSFLOW_NET_REASSEMBLY_H

#include "net/packet.h"

enum { REASSEMBLY_SECONDS = 30 };

struct reassembly;

struct reassembly_counts {
    uint64_t held;      /* fragments taken in, duplicates included */
    uint64_t completed; /* datagrams */
    uint64_t refused;   /* fragments that contradict their datagram or themselves */
    uint64_t expired;   /* datagrams not completed within REASSEMBLY_SECONDS */
    uint64_t evicted;   /* datagrams that made room */
};

/* For `datagrams` at a time, holding 2 KiB `blocks` of payload in all. Memory is touched as it is used. */
struct reassembly *reassembly_create(unsigned datagrams, unsigned blocks);

/* NULL is fine. */
void reassembly_destroy(struct reassembly *reassembly);

/* Takes the fragment that net_decode() found in a frame captured at time_us. Returns true when it completes its
 * datagram: *out is then that, as a raw IP packet, good until the next call. */
bool reassembly_add(struct reassembly *reassembly, const struct ip_fragment *fragment, int64_t time_us,
                    struct packet *out);

const struct reassembly_counts *reassembly_counts(const struct reassembly *reassembly);

#endif
