/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/input.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "capture/filter.h"
#include "dns/message.h"
#include "net/encapsulation.h"
#include "net/numbers.h"
#include "net/reassembly.h"
#include "net/tcp_streams.h"

/* For each worker; memory is touched as it is used: 5 MiB when all is full. */
enum { REASSEMBLY_DATAGRAMS = 1024, REASSEMBLY_BLOCKS = 768, TCP_STREAMS = 1024, TCP_BLOCKS = 768 };

enum { PORT_HTTPS = 443, PORT_DNS_TLS = 853 };

struct input {
    const struct config *config;
    struct counters *counters;
    input_take *take;
    void *context;
    struct filter *filter;
    struct net_options options;
    struct net_options partial; /* the same for a packet of which no more will come */
    struct reassembly *reassembly;
    struct tcp_streams *streams;
};

/* ---- choosing ---- */

/* Whether the message belongs to another sensor's share. The arithmetic is the one other sensors on the same tap use,
 * so that every datagram has one owner: IPv4 destination modulo N, IPv6 UDP checksum modulo N. Fragments, which have no
 * checksum but the first, TCP segments, of which each has another, and dnstap, which has none, go by address. */
static bool is_other_share(const struct config *config, const struct net_payload *p, bool by_address)
{
    bool is_ip4 = p->ip_vers == 4;
    bool by_checksum = !by_address && (!is_ip4 || (config->balance_checksum && p->checksum != 0));
    uint32_t value = by_checksum ? p->checksum : load_be32(is_ip4 ? p->dst : p->dst + 12);
    return value % config->shares != config->share;
}

enum drop_reason input_other_port(const struct net_options *options, const struct net_payload *p)
{
    if (net_is_dns_port(options, p->dst_port))
        return DROP_QUERY_PORT;
    if (p->src_port == PORT_HTTPS || p->src_port == PORT_DNS_TLS || p->dst_port == PORT_HTTPS ||
        p->dst_port == PORT_DNS_TLS)
        return DROP_ENCRYPTED_PORT;
    return p->transport == NET_TCP ? DROP_TCP : DROP_OTHER_PORT;
}

static inline void deliver(struct input *in, const struct net_payload *message, unsigned depth, int64_t time_us)
{
    if (__builtin_expect(depth > 0, 0))
        counter_add(&in->counters->drops[DROP_TUNNELLED], 1);
    in->take(in->context, message, time_us);
}

static inline enum drop_reason take_datagram(struct input *in, const struct net_payload *p, bool by_address,
                                             unsigned depth, int64_t time_us)
{
    if (!input_is_message(&in->options, in->config->filter, p))
        return input_other_port(&in->options, p);
    if (in->config->shares > 0 && is_other_share(in->config, p, by_address))
        return DROP_OTHER_SHARE;
    deliver(in, p, depth, time_us);
    return DROP_NONE;
}

/* The server's word on when it answered goes before the time of its coming. There is no checksum to share by. */
static enum drop_reason take_dnstap(struct input *in, const struct net_payload *p, int64_t time_us)
{
    if (in->config->shares > 0 && is_other_share(in->config, p, true))
        return DROP_OTHER_SHARE;
    deliver(in, p, 0, p->sent_us != 0 ? p->sent_us : time_us);
    return DROP_NONE;
}

/* ---- TCP ---- */

static enum drop_reason take_segment(struct input *in, const struct net_payload *p, int64_t time_us)
{
    static const enum drop_reason reasons[] = {
        [TCP_DELIVERED] = DROP_NONE, [TCP_HELD] = DROP_ABSORBED,         [TCP_EMPTY] = DROP_TCP_EMPTY,
        [TCP_OLD] = DROP_TCP_OLD,    [TCP_NO_START] = DROP_TCP_NO_START, [TCP_REFUSED] = DROP_TCP_REFUSED};
    if (!input_is_message(&in->options, in->config->filter, p))
        return input_other_port(&in->options, p);
    if (!in->streams)
        return DROP_TCP;
    if (in->config->shares > 0 && is_other_share(in->config, p, true))
        return DROP_OTHER_SHARE;
    return reasons[tcp_streams_add(in->streams, p, time_us)];
}

/* ---- fragments ---- */

/* Whether DNS can be in IP packets of this protocol: what net_decode() would go on with. */
static bool is_wanted_protocol(const struct input *in, const struct ip_fragment *f)
{
    const struct net_carriage *row;
    size_t i;
    if (f->protocol == PROTO_UDP || (f->protocol == PROTO_TCP && in->streams))
        return true;
    for (i = 0; (row = net_carriage(i)); i++)
        if (row->carrier == CARRIER_PROTOCOL && row->number == f->protocol)
            return in->options.encapsulations >> row->encapsulation & 1;
    return f->ip_vers == 6 && (f->protocol == 0 || f->protocol == 43 || f->protocol == 60);
}

/* Whether the ports that a first fragment shows are wanted. */
static enum drop_reason check_ports(const struct input *in, const struct ip_fragment *f)
{
    struct net_payload p = {.transport = f->protocol == PROTO_TCP ? NET_TCP : NET_UDP};
    if (in->config->filter || (f->protocol != PROTO_UDP && f->protocol != PROTO_TCP) || f->len < 4)
        return DROP_NONE;
    p.src_port = load_be16(f->bytes);
    p.dst_port = load_be16(f->bytes + 2);
    bool is_tunnel = f->protocol == PROTO_UDP && (in->options.tunnels[p.src_port] | in->options.tunnels[p.dst_port]);
    return is_tunnel || net_is_dns_port(&in->options, p.src_port) ? DROP_NONE : input_other_port(&in->options, &p);
}

static void take_beginning(void *context, const struct packet *beginning)
{
    struct input *in = context;
    struct net_payload p;
    if (net_decode(beginning, &in->partial, &p) == DROP_NONE && p.transport == NET_UDP)
        (void)take_datagram(in, &p, p.depth == 0, p.depth, beginning->time_us);
}

/* Adds the fragment that net_decode() has found. DROP_NONE: *whole is the IP packet that it completes. The protocol is
 * that of each fragment in IPv4, that of the first in IPv6 (RFC 8200). */
static enum drop_reason put_together(struct input *in, const struct ip_fragment *f, int64_t time_us,
                                     struct packet *whole)
{
    bool is_wanted = (f->ip_vers == 6 && f->offset > 0) || is_wanted_protocol(in, f);
    if (!in->reassembly || (!is_wanted && f->ip_vers == 4))
        return DROP_FRAGMENT;
    enum drop_reason why = !is_wanted ? DROP_FRAGMENT : f->offset == 0 ? check_ports(in, f) : DROP_NONE;
    if (why != DROP_NONE) {
        reassembly_refuse(in->reassembly, f, time_us);
        return why;
    }
    switch (reassembly_add(in->reassembly, f, time_us, whole)) {
    case REASSEMBLY_COMPLETE:
        return DROP_NONE;
    case REASSEMBLY_HELD:
        return DROP_ABSORBED;
    case REASSEMBLY_UNWANTED:
        return DROP_FRAGMENT;
    default:
        return DROP_FRAGMENT_REFUSED;
    }
}

/* The snap length has cut the fragment: of its packet only what it holds can be had, if it is the first. */
static enum drop_reason take_cut_fragment(struct input *in, const struct packet *packet, struct net_payload *p)
{
    if (p->part.offset > 0)
        return DROP_FRAGMENT;
    reassembly_refuse(in->reassembly, &p->part, packet->time_us);
    enum drop_reason why = net_decode(packet, &in->partial, p);
    if (why != DROP_NONE)
        return why;
    return p->transport == NET_UDP ? take_datagram(in, p, p->depth == 0, p->depth, packet->time_us) : DROP_FRAGMENT;
}

static void copy_counts(struct input *in)
{
    struct counters *c = in->counters;
    if (in->reassembly) {
        const struct reassembly_counts *r = reassembly_counts(in->reassembly);
        counter_set(&c->drops[DROP_REASSEMBLED], r->completed);
        counter_set(&c->drops[DROP_REASSEMBLY_EXPIRED], r->expired);
        counter_set(&c->drops[DROP_REASSEMBLY_EVICTED], r->evicted);
    }
    if (in->streams) {
        const struct tcp_counts *t = tcp_streams_counts(in->streams);
        counter_set(&c->drops[DROP_TCP_MESSAGES], t->messages);
        counter_set(&c->drops[DROP_TCP_EXPIRED], t->expired);
        counter_set(&c->drops[DROP_TCP_EVICTED], t->evicted);
        counter_set(&c->drops[DROP_TCP_GAPS], t->gaps);
    }
}

/* ---- the way of a frame ---- */

/* A frame that is not one UDP datagram: put together as long as it comes in fragments, then by its transport. `why` is
 * what net_decode() said of it. */
static enum drop_reason take_other(struct input *in, const struct packet *packet, struct net_payload *p,
                                   enum drop_reason why)
{
    struct packet whole;
    unsigned depth = p->depth, rounds;
    if (why == DROP_FRAGMENT && p->fragment && in->reassembly && !p->part.whole)
        return take_cut_fragment(in, packet, p);
    for (rounds = 0; why == DROP_FRAGMENT && p->fragment; rounds++) {
        if (rounds == NET_ENCAPSULATIONS_MAX)
            return DROP_TUNNEL_DEPTH;
        if ((why = put_together(in, &p->part, packet->time_us, &whole)) != DROP_NONE)
            return why;
        why = net_decode(&whole, &in->options, p);
        depth += p->depth;
    }
    if (why != DROP_NONE)
        return why;
    if (p->transport == NET_TCP)
        return take_segment(in, p, packet->time_us);
    if (p->transport == NET_UDP)
        return take_datagram(in, p, p->depth == 0, depth, packet->time_us);
    return take_dnstap(in, p, packet->time_us);
}

void input_gate(const struct config *config, struct input_gate *out)
{
    out->is_open = !config->filter && config->shares == 0 && config->tunnel_ports_count == 0;
    config_net_options(config, &out->options);
}

enum drop_reason input_frame(struct input *input, const struct packet *packet)
{
    struct net_payload p;
    if (input->filter && !filter_match(input->filter, packet))
        return DROP_FILTERED;
    enum drop_reason why = net_decode(packet, &input->options, &p);
    if (__builtin_expect(why == DROP_NONE && p.transport == NET_UDP, 1))
        return take_datagram(input, &p, p.fragment, p.depth, packet->time_us);
    why = take_other(input, packet, &p, why);
    copy_counts(input);
    return why;
}

void input_expire(struct input *input, int64_t now_us)
{
    if (input->reassembly)
        reassembly_expire(input->reassembly, now_us);
    if (input->streams)
        tcp_streams_expire(input->streams, now_us);
    copy_counts(input);
}

/* From files the same frames give the same records. */
static int create_tables(struct input *in, struct error *err)
{
    uint64_t seed = in->config->files_count > 0 ? 0 : hash_seed();
    const struct tcp_options tcp = {.streams = TCP_STREAMS,
                                    .blocks = TCP_BLOCKS,
                                    .seed = seed,
                                    .looks_right = dns_looks_like_response,
                                    .take = in->take,
                                    .context = in->context};
    if (in->config->defrag &&
        !(in->reassembly = reassembly_create(REASSEMBLY_DATAGRAMS, REASSEMBLY_BLOCKS, seed, take_beginning, in)))
        return error_set(err, "out of memory");
    if (in->config->tcp && !(in->streams = tcp_streams_create(&tcp)))
        return error_set(err, "out of memory");
    return 0;
}

int input_create(const struct config *config, struct counters *counters, input_take *take, void *context,
                 struct input **out, struct error *err)
{
    struct input *in = calloc(1, sizeof(*in));
    if (!in)
        return error_set(err, "out of memory");
    in->config = config;
    in->counters = counters;
    in->take = take;
    in->context = context;
    config_net_options(config, &in->options);
    in->partial = in->options;
    in->options.whole_only = config->defrag;
    bool needs_filter = config->filter && config->files_count > 0; /* live the kernel has it */
    if ((needs_filter && filter_create(config->filter, &in->filter, err) != 0) || create_tables(in, err) != 0) {
        input_destroy(in);
        return -1;
    }
    *out = in;
    return 0;
}

void input_destroy(struct input *input)
{
    if (!input)
        return;
    filter_destroy(input->filter);
    reassembly_destroy(input->reassembly);
    tcp_streams_destroy(input->streams);
    free(input);
}
