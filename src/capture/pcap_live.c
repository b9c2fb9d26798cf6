/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Live capture through libpcap: works on every device libpcap knows. libpcap's packets last only until its callback
 * returns, so that a batch is copied. */
#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "capture/capture.h"
#include "net/numbers.h"

enum {
    SNAP_LEN = 262144,
    KERNEL_BUFFER = 64 << 20,
    BATCH_PACKETS = 64,
    BATCH_BYTES = BATCH_PACKETS * SNAP_LEN, /* touched as far as frames fill it */
    WAIT_MS = 100,
};

struct live_capture {
    pcap_t *pcap;
    char name[IF_NAMESIZE + 64];
    uint16_t link_type;
    struct capture_stats stats;
    struct pcap_stat last; /* libpcap's 32-bit counters, to add up what they grow by */
    struct packet *packets;
    int count;
    size_t used;
    uint8_t *bytes;
};

/* libpcap's numbers on this machine, as the file formats write them. */
static uint16_t dlt_to_link(int dlt)
{
    return dlt == DLT_RAW ? LINKTYPE_RAW : (uint16_t)dlt;
}

static void keep_packet(uint8_t *context, const struct pcap_pkthdr *header, const uint8_t *bytes)
{
    struct live_capture *live = (struct live_capture *)(void *)context;
    struct packet *p = &live->packets[live->count++];
    p->bytes = live->bytes + live->used;
    p->captured_len = header->caplen;
    p->wire_len = header->len;
    p->time_us = (int64_t)header->ts.tv_sec * SECOND_US + header->ts.tv_usec;
    p->link_type = live->link_type;
    memcpy(live->bytes + live->used, bytes, header->caplen);
    live->used += header->caplen;
}

static int borrow(void *self, struct packet *packets, int max, struct error *err)
{
    struct live_capture *live = self;
    struct pollfd ready = {.fd = pcap_get_selectable_fd(live->pcap), .events = POLLIN};
    live->packets = packets;
    live->count = 0;
    live->used = 0;
    int n = pcap_dispatch(live->pcap, max < BATCH_PACKETS ? max : BATCH_PACKETS, keep_packet, (uint8_t *)live);
    if (n == PCAP_ERROR) {
        error_set(err, "%s: %s", live->name, pcap_geterr(live->pcap));
        return CAPTURE_FAILED;
    }
    if (live->count == 0)
        (void)poll(&ready, 1, WAIT_MS);
    return live->count;
}

static void stats(void *self, struct capture_stats *out)
{
    struct live_capture *live = self;
    struct pcap_stat now;
    if (pcap_stats(live->pcap, &now) == 0) {
        live->stats.received += (uint32_t)(now.ps_recv - live->last.ps_recv);
        live->stats.dropped += (uint32_t)(now.ps_drop - live->last.ps_drop);
        live->stats.if_dropped += (uint32_t)(now.ps_ifdrop - live->last.ps_ifdrop);
        live->last = now;
    }
    *out = live->stats;
}

static void close_live(void *self)
{
    struct live_capture *live = self;
    if (!live)
        return;
    if (live->pcap)
        pcap_close(live->pcap);
    free(live->bytes);
    free(live);
}

/* "; there are: eth0 lo" behind the error, so that a typing error shows. */
void capture_add_interfaces(struct error *err)
{
    struct if_nameindex *all = if_nameindex(), *i;
    size_t used = strlen(err->text);
    if (!all)
        return;
    used += (size_t)snprintf(err->text + used, sizeof(err->text) - used, "; there are:");
    for (i = all; i->if_name && used < sizeof(err->text); i++)
        used += (size_t)snprintf(err->text + used, sizeof(err->text) - used, " %s", i->if_name);
    if_freenameindex(all);
}

static int activate(struct live_capture *live, const struct capture_live_options *options, struct error *err)
{
    char text[PCAP_ERRBUF_SIZE];
    live->pcap = pcap_create(options->interface, text);
    if (!live->pcap)
        return error_set(err, "%s: %s", options->interface, text);
    pcap_set_snaplen(live->pcap, SNAP_LEN);
    pcap_set_promisc(live->pcap, options->promiscuous);
    pcap_set_timeout(live->pcap, 10);
    pcap_set_buffer_size(live->pcap, KERNEL_BUFFER);
    int result = pcap_activate(live->pcap);
    if (result < 0) {
        const char *detail = pcap_geterr(live->pcap);
        if (result == PCAP_ERROR_PERM_DENIED)
            return error_set(err, "%s: no permission to capture; run as root or give the program CAP_NET_RAW",
                             options->interface);
        error_set(err, "%s: %s", options->interface, *detail ? detail : pcap_statustostr(result));
        if (result == PCAP_ERROR_NO_SUCH_DEVICE)
            capture_add_interfaces(err);
        return -1;
    }
    if (pcap_setnonblock(live->pcap, 1, text) != 0)
        return error_set(err, "%s: %s", options->interface, text);
    live->link_type = dlt_to_link(pcap_datalink(live->pcap));
    return 0;
}

static int set_filter(struct live_capture *live, const char *expression, struct error *err)
{
    struct bpf_program code;
    if (!expression)
        return 0;
    if (pcap_compile(live->pcap, &code, expression, 1, PCAP_NETMASK_UNKNOWN) != 0)
        return error_set(err, "%s: filter %s: %s", live->name, expression, pcap_geterr(live->pcap));
    int result = pcap_setfilter(live->pcap, &code);
    pcap_freecode(&code);
    return result == 0 ? 0 : error_set(err, "%s: %s", live->name, pcap_geterr(live->pcap));
}

int capture_open_live(const struct capture_live_options *options, struct capture **out, struct error *err)
{
    static const struct capture_ops ops = {.borrow = borrow, .stats = stats, .close = close_live};
    struct live_capture *live = calloc(1, sizeof(*live));
    if (!live || !(live->bytes = malloc(BATCH_BYTES))) {
        close_live(live);
        return error_set(err, "%s: out of memory", options->interface);
    }
    snprintf(live->name, sizeof(live->name), "%s", options->interface);
    if (activate(live, options, err) != 0 || set_filter(live, options->filter, err) != 0) {
        close_live(live);
        return -1;
    }
    return capture_create(&ops, live, out, err);
}

int capture_default_interface(char *name, size_t size, struct error *err)
{
    char text[PCAP_ERRBUF_SIZE];
    pcap_if_t *all, *i;
    if (pcap_findalldevs(&all, text) != 0)
        return error_set(err, "cannot list the interfaces: %s", text);
    for (i = all; i; i = i->next)
        if ((i->flags & PCAP_IF_UP) && !(i->flags & PCAP_IF_LOOPBACK) && if_nametoindex(i->name) != 0)
            break;
    if (i)
        snprintf(name, size, "%s", i->name);
    pcap_freealldevs(all);
    return i ? 0 : error_set(err, "no interface is up except loopback; name one with --interface");
}
