/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/ring.h"

#include <net/if_arp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/capture.h"

enum {
    FRAME = 2048, /* only has to divide the block */
    FROM_AT = (sizeof(struct tpacket3_hdr) + TPACKET_ALIGNMENT - 1) / TPACKET_ALIGNMENT * TPACKET_ALIGNMENT,
};

_Static_assert((int)RING_RETIRE_MS < (int)CAPTURE_HANDOVER_MS, "what has come is lent within CAPTURE_HANDOVER_MS");

const char *ring_make(struct ring *ring, size_t bytes)
{
    int version = TPACKET_V3;
    ring->blocks = (unsigned)(bytes / RING_BLOCK);
    ring->map_size = (size_t)RING_BLOCK * ring->blocks;
    struct tpacket_req3 request = {.tp_block_size = RING_BLOCK,
                                   .tp_block_nr = ring->blocks,
                                   .tp_frame_size = FRAME,
                                   .tp_frame_nr = RING_BLOCK / FRAME * ring->blocks,
                                   .tp_retire_blk_tov = RING_RETIRE_MS};
    if (setsockopt(ring->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) != 0)
        return "this kernel has no TPACKET_V3";
    if (setsockopt(ring->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) != 0)
        return "cannot make a ring; lower --ring-size";
    ring->map = mmap(NULL, ring->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, 0);
    if (ring->map != MAP_FAILED)
        return NULL;
    ring->map = NULL;
    return "cannot map the ring; lower --ring-size";
}

void ring_close(struct ring *ring)
{
    if (ring->map)
        munmap(ring->map, ring->map_size);
    if (ring->fd >= 0)
        close(ring->fd);
    memset(ring, 0, sizeof(*ring));
    ring->fd = -1;
}

static struct tpacket_block_desc *block_of(const struct ring *ring)
{
    return (struct tpacket_block_desc *)(void *)(ring->map + (size_t)ring->block * RING_BLOCK);
}

void ring_release(struct ring *ring)
{
    if (!ring->holds_block)
        return;
    __atomic_store_n(&block_of(ring)->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    ring->block = (ring->block + 1) % ring->blocks;
    ring->holds_block = false;
}

bool ring_take(struct ring *ring)
{
    struct tpacket_hdr_v1 *head = &block_of(ring)->hdr.bh1;
    if (!(__atomic_load_n(&head->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
        return false;
    ring->holds_block = true;
    ring->left = head->num_pkts;
    ring->at = (uint8_t *)block_of(ring) + head->offset_to_first_pkt;
    return true;
}

bool ring_next(struct ring *ring, struct ring_packet *out)
{
    const uint8_t *start = ring->map + (size_t)ring->block * RING_BLOCK, *end = start + RING_BLOCK;
    const struct tpacket3_hdr *head = (const struct tpacket3_hdr *)(const void *)ring->at;
    const struct sockaddr_ll *from = (const struct sockaddr_ll *)(const void *)(ring->at + FROM_AT);
    if (ring->at < start || ring->at + FROM_AT + sizeof(*from) > end ||
        (size_t)(end - ring->at) < (size_t)head->tp_mac + head->tp_snaplen) {
        ring->left = 0;
        return false;
    }
    out->head = head;
    out->frame = ring->at + head->tp_mac;
    out->is_outgoing = from->sll_pkttype == PACKET_OUTGOING;
    out->is_loopback = from->sll_hatype == ARPHRD_LOOPBACK;
    ring->left--;
    ring->at += head->tp_next_offset;
    if (head->tp_next_offset == 0)
        ring->left = 0;
    return true;
}

unsigned ring_fill(const struct ring *ring)
{
    struct ring other = *ring;
    unsigned full = 0;
    for (other.block = 0; ring->map && other.block < ring->blocks; other.block++)
        full += (__atomic_load_n(&block_of(&other)->hdr.bh1.block_status, __ATOMIC_RELAXED) & TP_STATUS_USER) != 0;
    return ring->blocks > 0 ? full * 100 / ring->blocks : 0;
}
