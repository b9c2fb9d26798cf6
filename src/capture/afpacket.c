/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Live capture from AF_PACKET rings (TPACKET_V3), one socket for each worker in a fanout group. The order of the calls
 * matters: a socket that is bound before it has a filter takes everything, and one that has its filter before the
 * others have joined takes what will be theirs. So each begins with protocol 0 and a filter that refuses all, is given
 * its ring, bound, and joined to the group; only then do all get the real filter. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "capture/capture.h"
#include "capture/dns_filter.h"
#include "capture/fanout.h"
#include "capture/filter.h"
#include "capture/interface.h"
#include "capture/ring.h"
#include "net/numbers.h"

enum {
    WAIT_MS = 100,
    REOPEN_US = SECOND_US, /* between attempts to find an interface again */
    MTU_US = SECOND_US,    /* between looks at its MTU, while larger frames come */
};

struct afpacket {
    struct capture_ring_options options;
    struct fanout *fanout;
    char name[IF_NAMESIZE];
    unsigned index; /* which of the fanout group */
    uint16_t link_type;
    bool is_any; /* all interfaces at once, as bare IP packets */
    bool is_loopback, is_down;
    uint32_t largest_frame; /* the MTU and its header with two tags */
    int64_t reopen_at_us, next_mtu_us;
    unsigned joined_index; /* interface whose fanout group it is in, 0 = none */
    bool has_started;      /* the real filter is in place */
    struct ring ring;
    struct capture_stats stats;
    uint64_t if_dropped_at_start;
    struct bpf_build program; /* the real filter; that of an expression lasts, should the interface come back */
};

static int fail(const struct afpacket *a, const char *what, struct error *err)
{
    return error_set(err, "%s: %s: %s", a->name, what, strerror(errno));
}

/* One of the group speaks for all. */
static void say(const struct afpacket *a, const char *what)
{
    if (a->index == 0)
        log_line("interface %s: %s", a->name, what);
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
    const char *what = ring_make(&a->ring, a->options.ring_bytes);
    return what ? fail(a, what, err) : 0;
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
    a->is_down = getsockopt(a->ring.fd, SOL_SOCKET, SO_ERROR, &cause, &len) == 0 && cause == ENETDOWN;
    return 0;
}

/* On lo each packet is seen going out and coming in; where neither this nor the fanout group's flag is known,
 * take_packet() leaves out the copies. */
static void ignore_outgoing(const struct afpacket *a)
{
    int on = 1;
    if (a->is_loopback && setsockopt(a->ring.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0)
        say(a, "this kernel shows every packet twice; the copies are left out after capture");
}

static int join_fanout(struct afpacket *a, unsigned if_index, struct error *err)
{
    bool shows_twice = false;
    unsigned group = a->is_any ? UINT_MAX : if_index;
    if (a->options.workers < 2)
        return 0;
    if (fanout_join(a->fanout, a->ring.fd, group, a->is_loopback, &shows_twice) != 0)
        return fail(a, "cannot be shared among workers (PACKET_FANOUT)", err);
    a->joined_index = group;
    if (shows_twice)
        say(a, "this kernel shows its workers every packet twice; the copies are left out after capture");
    return 0;
}

/* Whether every socket of the group is in its place. */
static bool is_complete(const struct afpacket *a)
{
    return a->options.workers < 2 || fanout_joined(a->fanout) == a->options.workers;
}

static int set_promiscuous(struct afpacket *a, unsigned if_index, struct error *err)
{
    struct packet_mreq request = {.mr_ifindex = (int)if_index, .mr_type = PACKET_MR_PROMISC};
    if (!a->options.promiscuous || a->index > 0 || a->is_any)
        return 0;
    if (setsockopt(a->ring.fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)) != 0)
        return fail(a, "cannot be made promiscuous; try --no-promiscuous", err);
    return 0;
}

static void close_socket(struct afpacket *a)
{
    if (a->joined_index != 0)
        fanout_leave(a->fanout, a->joined_index);
    a->joined_index = 0;
    ring_close(&a->ring);
}

static uint32_t largest_frame(const struct afpacket *a, int fd)
{
    struct ifreq request;
    memset(&request, 0, sizeof(request));
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", a->name);
    return !a->is_any && ioctl(fd, SIOCGIFMTU, &request) == 0 ? (uint32_t)request.ifr_mtu + ETH_HLEN + 8 : UINT32_MAX;
}

/* What kind of frames the interface gives: Ethernet, or (cooked down by SOCK_DGRAM) bare IP packets. */
static int read_interface(struct afpacket *a, int fd, struct error *err)
{
    struct ifreq request;
    memset(&request, 0, sizeof(request));
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", a->name);
    if (!a->is_any && ioctl(fd, SIOCGIFHWADDR, &request) != 0)
        return fail(a, "cannot ask for its type", err);
    unsigned type = a->is_any ? ARPHRD_NONE : request.ifr_hwaddr.sa_family;
    a->is_loopback = type == ARPHRD_LOOPBACK;
    a->link_type = type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK ? LINKTYPE_ETHERNET : LINKTYPE_RAW;
    a->largest_frame = largest_frame(a, fd);
    return 0;
}

/* Everything up to the real filter. On failure the ring is closed. */
static int open_ring(struct afpacket *a, struct error *err)
{
    unsigned if_index = a->is_any ? 0 : interface_index(a->name);
    int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int known = if_index || a->is_any ? read_interface(a, probe, err) : fail(a, "no such interface", err);
    if (probe >= 0)
        close(probe);
    if (known != 0)
        return -1;
    a->ring.fd = socket(AF_PACKET, (a->link_type == LINKTYPE_RAW ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC, 0);
    if (a->ring.fd < 0)
        return errno == EPERM
                   ? error_set(err, "%s: no permission to capture; run as root or give the program CAP_NET_RAW",
                               a->name)
                   : fail(a, "cannot capture", err);
    a->has_started = false;
    ignore_outgoing(a);
    if (refuse_all(a, a->ring.fd, err) != 0 || make_ring(a, err) != 0 || bind_to_interface(a, if_index, err) != 0 ||
        join_fanout(a, if_index, err) != 0 || set_promiscuous(a, if_index, err) != 0) {
        close_socket(a);
        return -1;
    }
    return 0;
}

/* The last step of the opening, once every socket of the group is in its place. */
static int load_filter(struct afpacket *a, struct error *err)
{
    struct dns_filter filter = a->options.filter;
    int on = 1;
    filter.is_raw_ip = a->link_type == LINKTYPE_RAW;
    if (!a->options.expression && !dns_filter_build(&filter, &a->program))
        return error_set(err, "%s: the filter is too long", a->name);
    if (set_program(a, a->ring.fd, &a->program, err) != 0)
        return -1;
    (void)setsockopt(a->ring.fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on));
    a->has_started = true;
    return 0;
}

/* ---- lending ---- */

/* A frame over the MTU: the kernel has put several datagrams into one. Those of TCP are read in full, and the MTU may
 * have been raised. */
__attribute__((noinline)) static void note_large(struct afpacket *a, const struct packet *packet)
{
    struct net_payload inside;
    int64_t now = clock_monotonic_us();
    if (now >= a->next_mtu_us) {
        a->next_mtu_us = now + MTU_US;
        a->largest_frame = largest_frame(a, a->ring.fd);
    }
    if (packet->wire_len > a->largest_frame && net_decode(packet, NULL, &inside) == DROP_NONE &&
        inside.transport == NET_UDP)
        a->stats.super++;
}

/* Fills *out from the next packet of the block. False: not for us, or the block is damaged. */
static bool take_packet(struct afpacket *a, struct packet *out)
{
    struct ring_packet from;
    if (!ring_next(&a->ring, &from))
        return false;
    out->bytes = from.frame;
    out->captured_len = from.head->tp_snaplen;
    out->wire_len = from.head->tp_len;
    out->time_us = (int64_t)from.head->tp_sec * SECOND_US + from.head->tp_nsec / 1000;
    out->link_type = a->link_type;
    /* The sender's processor has these lines; they come while the batch is still being made. */
    __builtin_prefetch(out->bytes);
    __builtin_prefetch(out->bytes + 64);
    __builtin_prefetch(out->bytes + 128);
    if (__builtin_expect(out->wire_len > a->largest_frame, 0))
        note_large(a, out);
    a->stats.lent++;
    return !(from.is_outgoing && (a->is_loopback || from.is_loopback)); /* lo shows each packet twice */
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
    a->stats.is_ring = true;
    a->stats.ring_fill = ring_fill(&a->ring);
    if (out)
        *out = a->stats;
}

static void note_down(struct afpacket *a)
{
    if (!a->is_down)
        say(a, "down; waiting for it to come up");
    a->is_down = true;
}

/* While it is down: it heals by itself, and one that is gone is opened anew once it is there again. */
static void look_at_interface(struct afpacket *a)
{
    struct sockaddr_ll address = {.sll_ifindex = -1};
    socklen_t len = sizeof(address);
    struct ifreq request;
    if (getsockname(a->ring.fd, (struct sockaddr *)&address, &len) == 0 && address.sll_ifindex <= 0) {
        (void)poll(NULL, 0, 3 * RING_RETIRE_MS); /* what came last is handed over by then, and lent first */
        if (ring_take(&a->ring))
            return;
        say(a, "gone; waiting for it to come back");
        stats(a, NULL);
        close_socket(a);
        a->is_down = false;
        return;
    }
    memset(&request, 0, sizeof(request));
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", a->name);
    if (ioctl(a->ring.fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP)) {
        say(a, "up again");
        a->is_down = false;
    }
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
    if (open_ring(a, &why) == 0)
        say(a, "back, capturing again");
}

/* A ring that has been reopened waits for the others of its group, as it would take what is theirs. */
static void try_start(struct afpacket *a)
{
    struct error why;
    if (!is_complete(a))
        (void)poll(NULL, 0, RING_RETIRE_MS);
    else if (load_filter(a, &why) != 0)
        close_socket(a);
}

static void wait_for_packets(struct afpacket *a)
{
    struct pollfd ready = {.fd = a->ring.fd, .events = POLLIN};
    int cause = 0;
    socklen_t len = sizeof(cause);
    if (poll(&ready, 1, WAIT_MS) > 0 && (ready.revents & POLLERR) &&
        getsockopt(a->ring.fd, SOL_SOCKET, SO_ERROR, &cause, &len) == 0 && cause == ENETDOWN)
        note_down(a);
    if (a->is_down)
        look_at_interface(a);
}

static int borrow(void *self, struct packet *packets, int max, struct error *err)
{
    struct afpacket *a = self;
    int count = 0;
    (void)err;
    if (a->ring.fd < 0)
        try_reopen(a);
    else if (!a->has_started)
        try_start(a);
    if (!a->has_started || a->ring.fd < 0)
        return CAPTURE_IDLE;
    if (a->ring.left == 0) {
        ring_release(&a->ring);
        if (!ring_take(&a->ring)) {
            wait_for_packets(a);
            if (a->ring.fd < 0 || !ring_take(&a->ring))
                return CAPTURE_IDLE;
        }
    }
    while (a->ring.left > 0 && count < max)
        count += take_packet(a, &packets[count]);
    return count;
}

static void close_afpacket(void *self)
{
    struct afpacket *a = self;
    if (!a)
        return;
    close_socket(a);
    fanout_release(a->fanout);
    free(a);
}

static int open_one(const struct capture_ring_options *options, struct fanout *fanout, unsigned index,
                    struct afpacket **out, struct error *err)
{
    struct afpacket *a = calloc(1, sizeof(*a));
    if (!a)
        return error_set(err, "%s: out of memory", options->interface);
    fanout_hold(fanout);
    a->options = *options;
    a->fanout = fanout;
    a->ring.fd = -1;
    a->index = index;
    snprintf(a->name, sizeof(a->name), "%s", options->interface);
    a->is_any = capture_is_any(options->interface);
    if (options->pin)
        (void)process_pin_thread(options->pin_first + index);
    if (open_ring(a, err) != 0) {
        close_afpacket(a);
        return -1;
    }
    a->if_dropped_at_start = interface_drops(a->name);
    if (a->is_down)
        say(a, "down; waiting for it to come up");
    *out = a;
    return 0;
}

/* Compiled once for all rings, as that takes an open device of its own. */
static int compile(struct afpacket *const *rings, const struct capture_ring_options *options, struct error *err)
{
    uint16_t link_type;
    unsigned i;
    if (!options->expression)
        return 0;
    if (rings[0]->is_any && filter_compile_raw(options->expression, &rings[0]->program, err) != 0)
        return CAPTURE_NOT_HERE;
    link_type = LINKTYPE_RAW;
    if (!rings[0]->is_any &&
        filter_compile_live(options->interface, options->expression, &link_type, &rings[0]->program, err) != 0)
        return -1;
    for (i = 1; i < options->workers; i++)
        rings[i]->program = rings[0]->program;
    return link_type == rings[0]->link_type ? 0 : CAPTURE_NOT_HERE;
}

/* The kernel takes the memory of a ring from where the thread runs that makes it. */
static int open_all(const struct capture_ring_options *options, struct fanout *fanout, struct afpacket **rings,
                    struct error *err)
{
    cpu_set_t before;
    unsigned i;
    int result = 0;
    bool moves = options->pin && pthread_getaffinity_np(pthread_self(), sizeof(before), &before) == 0;
    for (i = 0; i < options->workers && result == 0; i++) {
        result = open_one(options, fanout, i, &rings[i], err);
        if (moves)
            (void)pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
    }
    return result;
}

int capture_open_rings(const struct capture_ring_options *options, struct capture **out, struct error *err)
{
    static const struct capture_ops ops = {.borrow = borrow, .stats = stats, .close = close_afpacket};
    struct afpacket *rings[CAPTURE_GROUP_MAX] = {NULL};
    struct fanout *fanout = fanout_create(options->fanout);
    unsigned i, made = 0;
    int result;
    if (!fanout)
        return error_set(err, "%s: out of memory", options->interface);
    result = open_all(options, fanout, rings, err);
    if (result == 0)
        result = compile(rings, options, err);
    for (i = 0; i < options->workers && result == 0; i++)
        result = load_filter(rings[i], err);
    for (; made < options->workers && result == 0; made++) {
        result = capture_create(&ops, rings[made], &out[made], err);
        rings[made] = NULL;
    }
    fanout_release(fanout);
    for (i = 0; i < options->workers && result != 0; i++)
        close_afpacket(rings[i]);
    for (i = 0; i + 1 < made && result != 0; i++) {
        capture_close(out[i]);
        out[i] = NULL;
    }
    return result;
}
