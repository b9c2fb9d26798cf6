/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of capture/: the memory an AF_PACKET socket shares with the kernel (TPACKET_V3). The kernel fills a block and
 * hands it over whole; it is given back once all its packets have been lent. */
#ifndef DNSFLOW_CAPTURE_RING_H
#define DNSFLOW_CAPTURE_RING_H

#include <linux/if_packet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RING_BLOCK = 128 << 10, /* holds the largest frame; cost hardly changes from 64 KiB to 4 MiB */
    RING_RETIRE_MS =
        25, /* a block that is not full is handed over after this, so that n of them last n times as long */
};

struct ring {
    int fd; /* -1: there is no socket */
    uint8_t *map;
    size_t map_size;
    unsigned blocks, block; /* how many, and the one being lent */
    uint8_t *at;            /* the next packet in it */
    unsigned left;          /* packets in it that have not been lent */
    bool holds_block;
};

/* A packet in the ring, good until ring_release(). */
struct ring_packet {
    const struct tpacket3_hdr *head;
    const uint8_t *frame;          /* as the socket sees it: from the link-layer header, or from the network header */
    bool is_outgoing, is_loopback; /* on its way out; of lo */
};

/* Makes the ring of the socket ring->fd. Returns NULL, or what cannot be done, errno telling why. */
const char *ring_make(struct ring *ring, size_t bytes);

/* Unmaps the ring and closes the socket. */
void ring_close(struct ring *ring);

/* Gives back the block whose packets have been lent. */
void ring_release(struct ring *ring);

/* Takes the next block if the kernel has handed it over. */
bool ring_take(struct ring *ring);

/* The next packet of the block. False: its numbers lead out of the block, of which no more is read. */
bool ring_next(struct ring *ring, struct ring_packet *out);

/* Percent of the blocks that the kernel has handed over and that have not been given back. */
unsigned ring_fill(const struct ring *ring);

#endif
