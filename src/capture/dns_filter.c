/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/dns_filter.h"

#include "net/encapsulation.h"
#include "net/numbers.h"

enum {
    ACCEPT = 0x40000, /* bytes: all of any frame */
    EXTENSION_HEADERS = 4,
    SCRATCH_NEXT = 0, /* IPv6: number of the next header */
    SCRATCH_AT = 1,   /* IPv6: where it begins */
    SCRATCH_FRAGMENT = 2,
};

struct labels {
    unsigned short accept, reject;
};

static void load(struct bpf_build *b, unsigned size, unsigned mode, unsigned at)
{
    bpf_put(b, (unsigned short)(BPF_LD | size | mode), at);
}

/* Goes on only when A is one of the ports. */
static void test_ports(struct bpf_build *b, const struct dns_filter *f, const struct labels *to)
{
    unsigned short found = bpf_label(b);
    size_t i;
    for (i = 0; i < f->ports_count; i++)
        bpf_jump_if(b, BPF_JEQ, f->ports[i], found);
    bpf_jump(b, to->reject);
    bpf_place(b, found);
}

/* Accepts when A modulo the number of shares is ours. */
static void test_share(struct bpf_build *b, const struct dns_filter *f, const struct labels *to)
{
    bpf_put(b, BPF_ALU | BPF_MOD | BPF_K, f->shares);
    bpf_jump_if(b, BPF_JEQ, f->share, to->accept);
    bpf_jump(b, to->reject);
}

/* Whether the row of the table is to pass. */
static bool is_asked_for(const struct dns_filter *f, const struct net_carriage *row)
{
    return f->encapsulations >> row->encapsulation & 1;
}

/* A is a number of this kind: passes what it leads into. */
static void pass_carried(struct bpf_build *b, const struct dns_filter *f, enum net_carrier carrier, bool as_source,
                         const struct labels *to)
{
    const struct net_carriage *row;
    size_t i;
    for (i = 0; (row = net_carriage(i)); i++)
        if (row->carrier == carrier && row->number != 0 && is_asked_for(f, row) &&
            (!as_source || row->trust == TRUST_BOTH))
            bpf_jump_if(b, BPF_JEQ, row->number, to->accept);
}

static bool has_tunnel_ports(const struct dns_filter *f)
{
    const struct net_carriage *row;
    size_t i;
    for (i = 0; (row = net_carriage(i)); i++)
        if (row->carrier == CARRIER_PORT && row->number != 0 && is_asked_for(f, row))
            return true;
    return f->tunnel_ports_count > 0;
}

/* X is at the UDP header less `at`: to a port that was named for a tunnel; from a DNS port and with QR, which goes on;
 * or of another tunnel. */
static void test_udp(struct bpf_build *b, const struct dns_filter *f, unsigned at, const struct labels *to)
{
    unsigned short dns = bpf_label(b);
    size_t i;
    if (f->tunnel_ports_count > 0)
        load(b, BPF_H, BPF_IND, at + 2);
    for (i = 0; i < f->tunnel_ports_count; i++)
        bpf_jump_if(b, BPF_JEQ, f->tunnel_ports[i], to->accept);
    load(b, BPF_H, BPF_IND, at);
    for (i = 0; i < f->ports_count; i++)
        bpf_jump_if(b, BPF_JEQ, f->ports[i], dns);
    if (has_tunnel_ports(f)) {
        pass_carried(b, f, CARRIER_PORT, true, to);
        load(b, BPF_H, BPF_IND, at + 2);
        pass_carried(b, f, CARRIER_PORT, false, to);
    }
    bpf_jump(b, to->reject);
    bpf_place(b, dns);
    load(b, BPF_B, BPF_IND, at + 10);
    bpf_jump_unless(b, BPF_JSET, 0x80, to->reject);
}

/* The low 32 bits of the destination address, at `at`, decide. */
static void test_address(struct bpf_build *b, const struct dns_filter *f, unsigned at, const struct labels *to)
{
    if (f->shares == 0) {
        bpf_jump(b, to->accept);
        return;
    }
    load(b, BPF_W, BPF_ABS, at);
    test_share(b, f, to);
}

/* A fragment: of what is a part of a tunnel, maybe, nobody knows the share. */
static void test_fragment(struct bpf_build *b, const struct dns_filter *f, unsigned address_at, const struct labels *to)
{
    if (!f->fragments)
        bpf_jump(b, to->reject);
    else if (has_tunnel_ports(f))
        bpf_jump(b, to->accept);
    else
        test_address(b, f, address_at, to);
}

/* IPv4 at offset `at`, UDP; X is its header's length. */
static void test_ip4_share(struct bpf_build *b, const struct dns_filter *f, unsigned at, const struct labels *to)
{
    unsigned short by_address = bpf_label(b);
    if (f->shares > 0 && f->balance_checksum) {
        load(b, BPF_H, BPF_ABS, at + 6);
        bpf_jump_if(b, BPF_JSET, 0x3fff, by_address);
        load(b, BPF_H, BPF_IND, at + 6);
        bpf_jump_if(b, BPF_JEQ, 0, by_address);
        test_share(b, f, to);
    }
    bpf_place(b, by_address);
    test_address(b, f, at + 16, to);
}

/* IPv4 at offset `at`. Without reassembly a first fragment of UDP passes like a whole packet. */
static void test_ip4(struct bpf_build *b, const struct dns_filter *f, unsigned at, const struct labels *to)
{
    unsigned short udp = bpf_label(b), fragment = bpf_label(b);
    load(b, BPF_B, BPF_ABS, at + 9);
    bpf_jump_if(b, BPF_JEQ, PROTO_UDP, udp);
    pass_carried(b, f, CARRIER_PROTOCOL, false, to);
    bpf_jump_unless(b, BPF_JEQ, f->tcp ? PROTO_TCP : PROTO_UDP, to->reject);
    load(b, BPF_H, BPF_ABS, at + 6);
    bpf_jump_if(b, BPF_JSET, 0x3fff, fragment);
    bpf_put(b, BPF_LDX | BPF_B | BPF_MSH, at);
    load(b, BPF_H, BPF_IND, at);
    test_ports(b, f, to);
    test_address(b, f, at + 16, to);
    bpf_place(b, udp);
    load(b, BPF_H, BPF_ABS, at + 6);
    bpf_jump_if(b, BPF_JSET, f->fragments ? 0x3fff : 0x1fff, fragment);
    bpf_put(b, BPF_LDX | BPF_B | BPF_MSH, at);
    test_udp(b, f, at, to);
    test_ip4_share(b, f, at, to);
    bpf_place(b, fragment);
    test_fragment(b, f, at + 16, to);
}

/* One IPv6 extension header at X, its number in A: leaves the next one's place in X and its number in A. `fixed` units
 * of 2^shift bytes are not counted by the length field. */
static void skip_header(struct bpf_build *b, unsigned fixed, unsigned shift)
{
    load(b, BPF_B, BPF_IND, 1);
    bpf_put(b, BPF_ALU | BPF_ADD | BPF_K, fixed);
    bpf_put(b, BPF_ALU | BPF_LSH | BPF_K, shift);
    bpf_put(b, BPF_ALU | BPF_ADD | BPF_X, 0);
    bpf_put(b, BPF_ST, SCRATCH_AT);
    load(b, BPF_B, BPF_IND, 0);
    bpf_put(b, BPF_ST, SCRATCH_NEXT);
    bpf_put(b, BPF_LDX | BPF_W | BPF_MEM, SCRATCH_AT);
    bpf_put(b, BPF_LD | BPF_W | BPF_MEM, SCRATCH_NEXT);
}

/* Where to go from an IPv6 header chain. */
struct upper {
    unsigned short udp, tcp, fragment;
};

/* A fragment header, of a whole packet (RFC 6946) or, without reassembly, of a first fragment. */
static void skip_fragment(struct bpf_build *b, const struct dns_filter *f, const struct upper *up)
{
    load(b, BPF_H, BPF_IND, 2);
    bpf_jump_if(b, BPF_JSET, f->fragments ? 0xfff9 : 0xfff8, up->fragment);
    bpf_put(b, BPF_ST, SCRATCH_FRAGMENT);
    load(b, BPF_B, BPF_IND, 0);
    bpf_put(b, BPF_ST, SCRATCH_NEXT);
    bpf_put(b, BPF_MISC | BPF_TXA, 0);
    bpf_put(b, BPF_ALU | BPF_ADD | BPF_K, 8);
    bpf_put(b, BPF_MISC | BPF_TAX, 0);
    bpf_put(b, BPF_LD | BPF_W | BPF_MEM, SCRATCH_NEXT);
}

/* A is the number of a header at X. */
static void test_upper(struct bpf_build *b, const struct dns_filter *f, const struct upper *up, const struct labels *to)
{
    bpf_jump_if(b, BPF_JEQ, PROTO_UDP, up->udp);
    if (f->tcp)
        bpf_jump_if(b, BPF_JEQ, PROTO_TCP, up->tcp);
    pass_carried(b, f, CARRIER_PROTOCOL, false, to);
}

static void test_extension(struct bpf_build *b, const struct dns_filter *f, const struct upper *up,
                           const struct labels *to)
{
    unsigned short plain = bpf_label(b), fragment = bpf_label(b), ah = bpf_label(b), done = bpf_label(b);
    test_upper(b, f, up, to);
    bpf_jump_if(b, BPF_JEQ, PROTO_HOP_BY_HOP, plain);
    bpf_jump_if(b, BPF_JEQ, PROTO_ROUTING, plain);
    bpf_jump_if(b, BPF_JEQ, PROTO_DESTINATION, plain);
    bpf_jump_if(b, BPF_JEQ, PROTO_FRAGMENT, fragment);
    bpf_jump_if(b, BPF_JEQ, PROTO_AH, ah);
    bpf_jump(b, to->reject);
    bpf_place(b, plain);
    skip_header(b, 1, 3);
    bpf_jump(b, done);
    bpf_place(b, ah);
    skip_header(b, 2, 2);
    bpf_jump(b, done);
    bpf_place(b, fragment);
    skip_fragment(b, f, up);
    bpf_place(b, done);
}

/* UDP at X in the IPv6 packet at `at`. Only a first fragment that passes like a whole packet goes by address. */
static void test_ip6_udp(struct bpf_build *b, const struct dns_filter *f, unsigned at, const struct labels *to)
{
    unsigned short by_address = bpf_label(b);
    test_udp(b, f, 0, to);
    if (f->shares > 0) {
        bpf_put(b, BPF_LD | BPF_W | BPF_MEM, SCRATCH_FRAGMENT);
        bpf_jump_if(b, BPF_JSET, 1, by_address);
        load(b, BPF_H, BPF_IND, 6);
        test_share(b, f, to);
    }
    bpf_place(b, by_address);
    test_address(b, f, at + 36, to);
}

/* IPv6 at offset `at`. */
static void test_ip6(struct bpf_build *b, const struct dns_filter *f, unsigned at, const struct labels *to)
{
    const struct upper up = {bpf_label(b), bpf_label(b), bpf_label(b)};
    int i;
    bpf_put(b, BPF_LD | BPF_IMM, 0);
    bpf_put(b, BPF_ST, SCRATCH_FRAGMENT);
    bpf_put(b, BPF_LDX | BPF_W | BPF_IMM, at + 40);
    load(b, BPF_B, BPF_ABS, at + 6);
    for (i = 0; i < EXTENSION_HEADERS; i++)
        test_extension(b, f, &up, to);
    test_upper(b, f, &up, to);
    bpf_jump(b, to->reject);
    bpf_place(b, up.tcp);
    load(b, BPF_H, BPF_IND, 0);
    test_ports(b, f, to);
    test_address(b, f, at + 36, to);
    bpf_place(b, up.udp);
    test_ip6_udp(b, f, at, to);
    bpf_place(b, up.fragment);
    test_fragment(b, f, at + 36, to);
}

/* A is an ethertype whose packet is at `at`; a VLAN tag leads on to the next one unless this is the last. */
static void test_ethertype(struct bpf_build *b, const struct dns_filter *f, unsigned at, bool is_last,
                           const struct labels *to)
{
    unsigned short ip4 = bpf_label(b), ip6 = bpf_label(b), tag = is_last ? to->reject : bpf_label(b);
    bpf_jump_if(b, BPF_JEQ, ETHERTYPE_IPV4, ip4);
    bpf_jump_if(b, BPF_JEQ, ETHERTYPE_IPV6, ip6);
    bpf_jump_if(b, BPF_JEQ, ETHERTYPE_CTAG, tag);
    bpf_jump_if(b, BPF_JEQ, ETHERTYPE_STAG, tag);
    bpf_jump_if(b, BPF_JEQ, ETHERTYPE_QINQ, tag);
    pass_carried(b, f, CARRIER_ETHERTYPE, false, to);
    bpf_jump(b, to->reject);
    bpf_place(b, ip4);
    test_ip4(b, f, at, to);
    bpf_place(b, ip6);
    test_ip6(b, f, at, to);
    if (!is_last) {
        bpf_place(b, tag);
        load(b, BPF_H, BPF_ABS, at + 2);
    }
}

static void test_raw_ip(struct bpf_build *b, const struct dns_filter *f, const struct labels *to)
{
    unsigned short ip6 = bpf_label(b);
    load(b, BPF_B, BPF_ABS, 0);
    bpf_put(b, BPF_ALU | BPF_AND | BPF_K, 0xf0);
    bpf_jump_if(b, BPF_JEQ, 0x60, ip6);
    bpf_jump_unless(b, BPF_JEQ, 0x40, to->reject);
    test_ip4(b, f, 0, to);
    bpf_place(b, ip6);
    test_ip6(b, f, 0, to);
}

bool dns_filter_build(const struct dns_filter *filter, struct bpf_build *out)
{
    bpf_begin(out);
    struct labels to = {bpf_label(out), bpf_label(out)};
    if (filter->is_raw_ip) {
        test_raw_ip(out, filter, &to);
    } else {
        load(out, BPF_H, BPF_ABS, 12);
        test_ethertype(out, filter, 14, false, &to);
        test_ethertype(out, filter, 18, false, &to);
        test_ethertype(out, filter, 22, true, &to);
    }
    bpf_place(out, to.accept);
    bpf_put(out, BPF_RET | BPF_K, ACCEPT);
    bpf_place(out, to.reject);
    bpf_put(out, BPF_RET | BPF_K, 0);
    return bpf_finish(out);
}

/* The kernel takes the result modulo the number of sockets. Neighbouring addresses would otherwise fall into step. */
static void return_hash(struct bpf_build *b)
{
    bpf_put(b, BPF_ALU | BPF_MUL | BPF_K, 2654435761u);
    bpf_put(b, BPF_ALU | BPF_RSH | BPF_K, 16);
    bpf_put(b, BPF_RET | BPF_A, 0);
}

/* An IPv4 packet at `at`. Options would shift the checksum; any fixed place will do then. */
static void hash_ip4(struct bpf_build *b, bool by_checksum, unsigned at)
{
    unsigned short by_address = bpf_label(b);
    if (by_checksum) {
        load(b, BPF_B, BPF_ABS, at + 9);
        bpf_jump_unless(b, BPF_JEQ, PROTO_UDP, by_address);
        load(b, BPF_H, BPF_ABS, at + 6);
        bpf_jump_if(b, BPF_JSET, 0x3fff, by_address); /* fragments */
        load(b, BPF_H, BPF_ABS, at + 26);
        bpf_jump_if(b, BPF_JEQ, 0, by_address);
        return_hash(b);
    }
    bpf_place(b, by_address);
    load(b, BPF_W, BPF_ABS, at + 16);
    return_hash(b);
}

static void hash_ip6(struct bpf_build *b, bool by_checksum, unsigned at)
{
    unsigned short by_address = bpf_label(b);
    if (by_checksum) {
        load(b, BPF_B, BPF_ABS, at + 6);
        bpf_jump_unless(b, BPF_JEQ, PROTO_UDP, by_address);
        load(b, BPF_H, BPF_ABS, at + 46);
        return_hash(b);
    }
    bpf_place(b, by_address);
    load(b, BPF_W, BPF_ABS, at + 36);
    return_hash(b);
}

/* The network header of a received packet is behind the tag that the kernel has taken off; further tags lie in it. */
void dns_fanout_build(bool by_checksum, struct bpf_build *out)
{
    unsigned at = (unsigned)SKF_NET_OFF;
    int tags;
    bpf_begin(out);
    load(out, BPF_W, BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_PROTOCOL));
    for (tags = 0; tags <= 2; tags++, at += 4) {
        unsigned short ip6 = bpf_label(out), tag = bpf_label(out);
        bpf_jump_if(out, BPF_JEQ, ETHERTYPE_IPV6, ip6);
        bpf_jump_if(out, BPF_JEQ, ETHERTYPE_CTAG, tag);
        bpf_jump_if(out, BPF_JEQ, ETHERTYPE_STAG, tag);
        bpf_jump_if(out, BPF_JEQ, ETHERTYPE_QINQ, tag);
        hash_ip4(out, by_checksum, at);
        bpf_place(out, ip6);
        hash_ip6(out, by_checksum, at);
        bpf_place(out, tag);
        load(out, BPF_H, BPF_ABS, at + 2);
    }
    bpf_put(out, BPF_RET | BPF_K, 0); /* more tags than the filter lets pass */
    (void)bpf_finish(out);
}
