/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Live capture from AF_PACKET rings (TPACKET_V3), one socket for each worker in a fanout group. The order of the calls
 * matters: a socket that is bound before it has a filter takes everything, and one that has its filter before the
 * others have joined takes what will be theirs. So each begins with protocol 0 and a filter that refuses all, is given
 * its ring, bound, and joined to the group; only then do all get the real filter. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture/capture.h"
#include "capture/dns_filter.h"

#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000
#endif

enum {
    BLOCK = 1 << 20, /* holds the largest frame several times; cost hardly changes from 64 KiB to 4 MiB */
    FRAME = 2048,    /* only has to divide the block */
    FROM_AT = (sizeof(struct tpacket3_hdr) + TPACKET_ALIGNMENT - 1) / TPACKET_ALIGNMENT * TPACKET_ALIGNMENT,
    RETIRE_MS = 10, /* a block that is not full is handed over after this */
    WAIT_MS = 100,
    LINK_ETHERNET = 1,
    LINK_RAW = 101,
    REOPEN_US = SECOND_US, /* between attempts to find an interface again */
};

struct ring {
    int fd; /* -1: the interface is gone */
    uint8_t *map;
    size_t map_size;
    unsigned blocks, block; /* how many, and the one being lent */
    uint8_t *at;            /* the next packet in it, NULL = none has been taken from it yet */
    unsigned left;          /* packets in it that have not been lent */
    bool holds_block;
};

struct afpacket {
    struct capture_ring_options options;
    char name[IF_NAMESIZE];
    unsigned index; /* which of the group */
    uint16_t link_type;
    bool is_loopback, is_down;
    uint32_t largest_frame; /* the MTU and its header with two tags */
    int64_t reopen_at_us;
    unsigned generation; /* of the fanout group: a new one for each opening */
    struct ring ring;
    struct capture_stats stats;
    uint64_t if_dropped_at_start;
    struct bpf_build program; /* the real filter */
};

static int fail(const struct afpacket *a, const char *what, struct error *err)
{
    return error_set(err, "%s: %s: %s", a->name, what, strerror(errno));
}

static int set_program(const struct afpacket *a, int fd, struct bpf_build *program, struct error *err)
{
    struct sock_fprog code = {.len = program->count, .filter = program->code};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof(code)) != 0)
        return fail(a, "cannot set the filter", err);
    return 0;
}

static int refuse_all(const struct afpacket *a, int fd, struct error *err)
{
    struct sock_filter refuse = {.code = BPF_RET | BPF_K, .k = 0};
    struct sock_fprog code = {.len = 1, .filter = &refuse};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof(code)) != 0)
        return fail(a, "cannot set the filter", err);
    return 0;
}

static int make_ring(struct afpacket *a, struct error *err)
{
    struct ring *r = &a->ring;
    int version = TPACKET_V3;
    r->blocks = (unsigned)(a->options.ring_bytes / BLOCK);
    struct tpacket_req3 request = {.tp_block_size = BLOCK,
                                   .tp_block_nr = r->blocks,
                                   .tp_frame_size = FRAME,
                                   .tp_frame_nr = BLOCK / FRAME * r->blocks,
                                   .tp_retire_blk_tov = RETIRE_MS};
    r->map_size = (size_t)BLOCK * r->blocks;
    if (setsockopt(r->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) != 0)
        return fail(a, "this kernel has no TPACKET_V3", err);
    if (setsockopt(r->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) != 0)
        return fail(a, "cannot make a ring; lower --ring-size", err);
    r->map = mmap(NULL, r->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, 0);
    if (r->map == MAP_FAILED) {
        r->map = NULL;
        return fail(a, "cannot map the ring; lower --ring-size", err);
    }
    return 0;
}

/* Binding to an interface that is down succeeds, and leaves the error in SO_ERROR: it will come up. */
static int bind_to_interface(struct afpacket *a, unsigned if_index, struct error *err)
{
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_index};
    int cause = 0;
    socklen_t len = sizeof(cause);
    if (bind(a->ring.fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return fail(a, "cannot bind", err);
    if (getsockopt(a->ring.fd, SOL_SOCKET, SO_ERROR, &cause, &len) == 0 && cause == ENETDOWN && !a->is_down) {
        a->is_down = true;
        log_line("interface %s: down; waiting for it to come up", a->name);
    }
    return 0;
}

/* On lo each packet is seen going out and coming in. A fanout group forgets this option and has a flag instead, since
 * Linux 6.2; where neither is known, take_packet() sorts out the copies. */
static void ignore_outgoing(const struct afpacket *a)
{
    int on = 1;
    if (a->is_loopback)
        (void)setsockopt(a->ring.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
}

static int join_group(struct afpacket *a, struct error *err)
{
    static const int modes[] = {[CAPTURE_FANOUT_CLIENT] = PACKET_FANOUT_CBPF,
                                [CAPTURE_FANOUT_CHECKSUM] = PACKET_FANOUT_CBPF,
                                [CAPTURE_FANOUT_QUEUE] = PACKET_FANOUT_QM,
                                [CAPTURE_FANOUT_CPU] = PACKET_FANOUT_CPU};
    unsigned id = (a->options.group_id + a->generation * 251u) & 0xffff;
    int value = (int)(id | (unsigned)modes[a->options.fanout] << 16);
    int incoming = value | (a->is_loopback ? PACKET_FANOUT_FLAG_IGNORE_OUTGOING << 16 : 0);
    if (a->options.workers < 2)
        return 0;
    if (setsockopt(a->ring.fd, SOL_PACKET, PACKET_FANOUT, &incoming, sizeof(incoming)) != 0 &&
        setsockopt(a->ring.fd, SOL_PACKET, PACKET_FANOUT, &value, sizeof(value)) != 0)
        return fail(a, "cannot share it among workers (PACKET_FANOUT)", err);
    if (modes[a->options.fanout] != PACKET_FANOUT_CBPF)
        return 0;
    struct bpf_build program;
    dns_fanout_build(a->options.fanout == CAPTURE_FANOUT_CHECKSUM, &program);
    struct sock_fprog code = {.len = program.count, .filter = program.code};
    if (setsockopt(a->ring.fd, SOL_PACKET, PACKET_FANOUT_DATA, &code, sizeof(code)) != 0)
        return fail(a, "cannot set how workers share it (PACKET_FANOUT_DATA)", err);
    return 0;
}

static int set_promiscuous(struct afpacket *a, unsigned if_index, struct error *err)
{
    struct packet_mreq request = {.mr_ifindex = (int)if_index, .mr_type = PACKET_MR_PROMISC};
    if (!a->options.promiscuous || a->index > 0)
        return 0;
    if (setsockopt(a->ring.fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)) != 0)
        return fail(a, "cannot be made promiscuous; try --no-promiscuous", err);
    return 0;
}

static void close_ring(struct ring *r)
{
    if (r->map)
        munmap(r->map, r->map_size);
    if (r->fd >= 0)
        close(r->fd);
    memset(r, 0, sizeof(*r));
    r->fd = -1;
}

/* What kind of frames the interface gives: Ethernet, or (cooked down by SOCK_DGRAM) bare IP packets. */
static int read_interface(struct afpacket *a, int fd, struct error *err)
{
    struct ifreq request;
    memset(&request, 0, sizeof(request));
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", a->name);
    if (ioctl(fd, SIOCGIFHWADDR, &request) != 0)
        return fail(a, "cannot ask for its type", err);
    unsigned type = request.ifr_hwaddr.sa_family;
    a->is_loopback = type == ARPHRD_LOOPBACK;
    a->link_type = type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK ? LINK_ETHERNET : LINK_RAW;
    a->largest_frame = ioctl(fd, SIOCGIFMTU, &request) == 0 ? (uint32_t)request.ifr_mtu + ETH_HLEN + 8 : UINT32_MAX;
    return 0;
}

/* Everything up to the real filter. On failure the ring is closed. */
static int open_ring(struct afpacket *a, struct error *err)
{
    unsigned if_index = if_nametoindex(a->name);
    int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int known = if_index ? read_interface(a, probe, err) : fail(a, "no such interface", err);
    if (probe >= 0)
        close(probe);
    if (known != 0)
        return -1;
    a->ring.fd = socket(AF_PACKET, (a->link_type == LINK_RAW ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC, 0);
    if (a->ring.fd < 0)
        return errno == EPERM
                   ? error_set(err, "%s: no permission to capture; run as root or give the program CAP_NET_RAW",
                               a->name)
                   : fail(a, "cannot capture", err);
    a->generation++;
    ignore_outgoing(a);
    if (refuse_all(a, a->ring.fd, err) != 0 || make_ring(a, err) != 0 || bind_to_interface(a, if_index, err) != 0 ||
        join_group(a, err) != 0 || set_promiscuous(a, if_index, err) != 0) {
        close_ring(&a->ring);
        return -1;
    }
    return 0;
}

/* The last step of the opening, once every socket of the group is in its place. */
static int start(struct afpacket *a, struct error *err)
{
    struct dns_filter filter = a->options.filter;
    int on = 1;
    filter.is_raw_ip = a->link_type == LINK_RAW;
    if (!dns_filter_build(&filter, &a->program))
        return error_set(err, "%s: the filter is too long", a->name);
    if (set_program(a, a->ring.fd, &a->program, err) != 0)
        return -1;
    (void)setsockopt(a->ring.fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on));
    return 0;
}

/* ---- lending ---- */

static struct tpacket_block_desc *block_of(const struct ring *r)
{
    return (struct tpacket_block_desc *)(void *)(r->map + (size_t)r->block * BLOCK);
}

static void release_block(struct ring *r)
{
    if (!r->holds_block)
        return;
    __atomic_store_n(&block_of(r)->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    r->block = (r->block + 1) % r->blocks;
    r->holds_block = false;
}

/* Takes the next block if the kernel has handed it over. */
static bool take_block(struct ring *r)
{
    struct tpacket_hdr_v1 *head = &block_of(r)->hdr.bh1;
    if (!(__atomic_load_n(&head->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
        return false;
    r->holds_block = true;
    r->left = head->num_pkts;
    r->at = (uint8_t *)head - offsetof(struct tpacket_block_desc, hdr) + head->offset_to_first_pkt;
    return true;
}

/* Fills *out from the packet at r->at and moves on. False: not for us, or the ring's numbers lead out of the block. */
static bool take_packet(struct afpacket *a, struct packet *out)
{
    struct ring *r = &a->ring;
    const uint8_t *end = r->map + (size_t)(r->block + 1) * BLOCK;
    const struct tpacket3_hdr *head = (const struct tpacket3_hdr *)(const void *)r->at;
    const struct sockaddr_ll *from = (const struct sockaddr_ll *)(const void *)(r->at + FROM_AT);
    bool is_copy = a->is_loopback && from->sll_pkttype == PACKET_OUTGOING; /* lo shows each packet twice */
    if (r->at + sizeof(*head) > end || (size_t)(end - r->at) < (size_t)head->tp_mac + head->tp_snaplen) {
        r->left = 0;
        return false;
    }
    out->bytes = r->at + (a->link_type == LINK_RAW ? head->tp_net : head->tp_mac);
    out->captured_len = head->tp_snaplen;
    out->wire_len = head->tp_len;
    out->time_us = (int64_t)head->tp_sec * SECOND_US + head->tp_nsec / 1000;
    out->link_type = a->link_type;
    /* The sender's processor has these lines; they come while the batch is still being made. */
    __builtin_prefetch(out->bytes);
    __builtin_prefetch(out->bytes + 64);
    __builtin_prefetch(out->bytes + 128);
    a->stats.super += head->tp_len > a->largest_frame;
    r->left--;
    r->at += head->tp_next_offset;
    if (head->tp_next_offset == 0)
        r->left = 0;
    return !is_copy;
}

static void note_state(struct afpacket *a, bool is_down)
{
    if (a->is_down != is_down)
        log_line("interface %s: %s", a->name, is_down ? "down; waiting for it to come up" : "up again");
    a->is_down = is_down;
}

/* After an error of poll: down heals by itself; an interface that is gone is opened anew once it is there again. */
static void look_at_interface(struct afpacket *a)
{
    int cause = 0;
    socklen_t len = sizeof(cause);
    struct sockaddr_ll address;
    socklen_t address_len = sizeof(address);
    if (getsockopt(a->ring.fd, SOL_SOCKET, SO_ERROR, &cause, &len) == 0 && cause == ENETDOWN)
        note_state(a, true);
    if (getsockname(a->ring.fd, (struct sockaddr *)&address, &address_len) == 0 && address.sll_ifindex > 0)
        return;
    log_line("interface %s: gone; waiting for it to come back", a->name);
    close_ring(&a->ring);
}

static void try_reopen(struct afpacket *a)
{
    struct error why;
    int64_t now = clock_monotonic_us();
    if (now < a->reopen_at_us) {
        (void)poll(NULL, 0, WAIT_MS);
        return;
    }
    a->reopen_at_us = now + REOPEN_US;
    if (open_ring(a, &why) != 0)
        return;
    if (start(a, &why) != 0) {
        close_ring(&a->ring);
        return;
    }
    log_line("interface %s: back, capturing again", a->name);
}

static void wait_for_packets(struct afpacket *a)
{
    struct pollfd ready = {.fd = a->ring.fd, .events = POLLIN};
    if (poll(&ready, 1, WAIT_MS) > 0 && (ready.revents & POLLERR))
        look_at_interface(a);
}

static int borrow(void *self, struct packet *packets, int max, struct error *err)
{
    struct afpacket *a = self;
    int count = 0;
    (void)err;
    if (a->ring.fd < 0) {
        try_reopen(a);
        return CAPTURE_IDLE;
    }
    if (a->ring.left == 0) {
        release_block(&a->ring);
        if (!take_block(&a->ring)) {
            wait_for_packets(a);
            return CAPTURE_IDLE;
        }
        note_state(a, false);
    }
    while (a->ring.left > 0 && count < max)
        count += take_packet(a, &packets[count]);
    return count;
}

/* A number out of the interface's statistics in sysfs, 0 if it is not to be had. */
static uint64_t read_counter(const char *interface, const char *name)
{
    char path[128];
    unsigned long long value = 0;
    snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", interface, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%llu", &value) != 1)
        value = 0;
    fclose(file);
    return value;
}

static uint64_t interface_drops(const char *interface)
{
    return read_counter(interface, "rx_dropped") + read_counter(interface, "rx_missed_errors") +
           read_counter(interface, "rx_fifo_errors");
}

/* The kernel's counters begin anew at each reading, and count dropped packets as received. */
static void stats(void *self, struct capture_stats *out)
{
    struct afpacket *a = self;
    struct tpacket_stats_v3 now;
    socklen_t len = sizeof(now);
    if (a->ring.fd >= 0 && getsockopt(a->ring.fd, SOL_PACKET, PACKET_STATISTICS, &now, &len) == 0) {
        a->stats.received += now.tp_packets;
        a->stats.dropped += now.tp_drops;
    }
    if (a->index == 0) {
        uint64_t drops = interface_drops(a->name);
        if (drops >= a->if_dropped_at_start)
            a->stats.if_dropped = drops - a->if_dropped_at_start;
    }
    *out = a->stats;
}

static void close_afpacket(void *self)
{
    struct afpacket *a = self;
    if (!a)
        return;
    close_ring(&a->ring);
    free(a);
}

static int open_one(const struct capture_ring_options *options, unsigned index, struct afpacket **out,
                    struct error *err)
{
    struct afpacket *a = calloc(1, sizeof(*a));
    if (!a)
        return error_set(err, "%s: out of memory", options->interface);
    a->options = *options;
    a->index = index;
    a->ring.fd = -1;
    snprintf(a->name, sizeof(a->name), "%s", options->interface);
    if (open_ring(a, err) != 0) {
        close_afpacket(a);
        return -1;
    }
    a->if_dropped_at_start = interface_drops(a->name);
    *out = a;
    return 0;
}

int capture_open_rings(const struct capture_ring_options *options, struct capture **out, struct error *err)
{
    static const struct capture_ops ops = {.borrow = borrow, .stats = stats, .close = close_afpacket};
    struct afpacket *group[CAPTURE_GROUP_MAX] = {NULL};
    unsigned i, made = 0;
    int result = 0;
    for (i = 0; i < options->workers && result == 0; i++)
        result = open_one(options, i, &group[i], err);
    for (i = 0; i < options->workers && result == 0; i++)
        result = start(group[i], err);
    for (; made < options->workers && result == 0; made++) {
        result = capture_create(&ops, group[made], &out[made], err);
        group[made] = NULL;
    }
    if (result == 0)
        return 0;
    for (i = 0; i < options->workers; i++)
        close_afpacket(group[i]);
    for (i = 0; i + 1 < made; i++)
        capture_close(out[i]);
    return -1;
}
