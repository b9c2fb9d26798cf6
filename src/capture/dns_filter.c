/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/dns_filter.h"

enum {
    ACCEPT = 0x40000, /* bytes: all of any frame */
    EXTENSION_HEADERS = 4,
    UDP = 17,
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

/* X is at the UDP header less `at`: port, then QR. */
static void test_udp(struct bpf_build *b, const struct dns_filter *f, unsigned at, const struct labels *to)
{
    load(b, BPF_H, BPF_IND, at);
    test_ports(b, f, to);
    load(b, BPF_B, BPF_IND, at + 10);
    bpf_jump_unless(b, BPF_JSET, 0x80, to->reject);
}

/* IPv4 at offset `at`. */
static void test_ip4(struct bpf_build *b, const struct dns_filter *f, unsigned at, const struct labels *to)
{
    unsigned short by_address = bpf_label(b);
    load(b, BPF_B, BPF_ABS, at + 9);
    bpf_jump_unless(b, BPF_JEQ, UDP, to->reject);
    load(b, BPF_H, BPF_ABS, at + 6);
    bpf_jump_if(b, BPF_JSET, 0x1fff, to->reject);
    bpf_put(b, BPF_LDX | BPF_B | BPF_MSH, at);
    test_udp(b, f, at, to);
    if (f->shares == 0) {
        bpf_jump(b, to->accept);
        bpf_place(b, by_address);
        return;
    }
    if (f->balance_checksum) {
        load(b, BPF_H, BPF_ABS, at + 6);
        bpf_jump_if(b, BPF_JSET, 0x3fff, by_address);
        load(b, BPF_H, BPF_IND, at + 6);
        bpf_jump_if(b, BPF_JEQ, 0, by_address);
        test_share(b, f, to);
    }
    bpf_place(b, by_address);
    load(b, BPF_W, BPF_ABS, at + 16);
    test_share(b, f, to);
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

/* A fragment header, of a first fragment or of a whole packet (RFC 6946). */
static void skip_fragment(struct bpf_build *b, const struct labels *to)
{
    load(b, BPF_H, BPF_IND, 2);
    bpf_jump_if(b, BPF_JSET, 0xfff8, to->reject);
    bpf_put(b, BPF_ST, SCRATCH_FRAGMENT);
    load(b, BPF_B, BPF_IND, 0);
    bpf_put(b, BPF_ST, SCRATCH_NEXT);
    bpf_put(b, BPF_MISC | BPF_TXA, 0);
    bpf_put(b, BPF_ALU | BPF_ADD | BPF_K, 8);
    bpf_put(b, BPF_MISC | BPF_TAX, 0);
    bpf_put(b, BPF_LD | BPF_W | BPF_MEM, SCRATCH_NEXT);
}

static void test_extension(struct bpf_build *b, unsigned short udp, const struct labels *to)
{
    unsigned short plain = bpf_label(b), fragment = bpf_label(b), ah = bpf_label(b), done = bpf_label(b);
    bpf_jump_if(b, BPF_JEQ, UDP, udp);
    bpf_jump_if(b, BPF_JEQ, 0, plain);
    bpf_jump_if(b, BPF_JEQ, 43, plain);
    bpf_jump_if(b, BPF_JEQ, 60, plain);
    bpf_jump_if(b, BPF_JEQ, 44, fragment);
    bpf_jump_if(b, BPF_JEQ, 51, ah);
    bpf_jump(b, to->reject);
    bpf_place(b, plain);
    skip_header(b, 1, 3);
    bpf_jump(b, done);
    bpf_place(b, ah);
    skip_header(b, 2, 2);
    bpf_jump(b, done);
    bpf_place(b, fragment);
    skip_fragment(b, to);
    bpf_place(b, done);
}

/* IPv6 at offset `at`. */
static void test_ip6(struct bpf_build *b, const struct dns_filter *f, unsigned at, const struct labels *to)
{
    unsigned short udp = bpf_label(b), by_address = bpf_label(b);
    int i;
    bpf_put(b, BPF_LD | BPF_IMM, 0);
    bpf_put(b, BPF_ST, SCRATCH_FRAGMENT);
    bpf_put(b, BPF_LDX | BPF_W | BPF_IMM, at + 40);
    load(b, BPF_B, BPF_ABS, at + 6);
    for (i = 0; i < EXTENSION_HEADERS; i++)
        test_extension(b, udp, to);
    bpf_jump_unless(b, BPF_JEQ, UDP, to->reject);
    bpf_place(b, udp);
    test_udp(b, f, 0, to);
    if (f->shares == 0) {
        bpf_jump(b, to->accept);
        bpf_place(b, by_address);
        return;
    }
    bpf_put(b, BPF_LD | BPF_W | BPF_MEM, SCRATCH_FRAGMENT);
    bpf_jump_if(b, BPF_JSET, 1, by_address);
    load(b, BPF_H, BPF_IND, 6);
    test_share(b, f, to);
    bpf_place(b, by_address);
    load(b, BPF_W, BPF_ABS, at + 36);
    test_share(b, f, to);
}

/* A is an ethertype whose packet is at `at`; a VLAN tag leads on to the next one unless this is the last. */
static void test_ethertype(struct bpf_build *b, const struct dns_filter *f, unsigned at, bool is_last,
                           const struct labels *to)
{
    unsigned short ip4 = bpf_label(b), ip6 = bpf_label(b), tag = is_last ? to->reject : bpf_label(b);
    bpf_jump_if(b, BPF_JEQ, 0x0800, ip4);
    bpf_jump_if(b, BPF_JEQ, 0x86dd, ip6);
    bpf_jump_if(b, BPF_JEQ, 0x8100, tag);
    bpf_jump_if(b, BPF_JEQ, 0x88a8, tag);
    bpf_jump_if(b, BPF_JEQ, 0x9100, tag);
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
        bpf_jump_unless(b, BPF_JEQ, UDP, by_address);
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
        bpf_jump_if(out, BPF_JEQ, 0x86dd, ip6);
        bpf_jump_if(out, BPF_JEQ, 0x8100, tag);
        bpf_jump_if(out, BPF_JEQ, 0x88a8, tag);
        bpf_jump_if(out, BPF_JEQ, 0x9100, tag);
        hash_ip4(out, by_checksum, at);
        bpf_place(out, ip6);
        hash_ip6(out, by_checksum, at);
        bpf_place(out, tag);
        load(out, BPF_H, BPF_ABS, at + 2);
    }
    bpf_put(out, BPF_RET | BPF_K, 0); /* more tags than the filter lets pass */
    (void)bpf_finish(out);
}
