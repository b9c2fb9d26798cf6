/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The kernel filter, run by libpcap's interpreter: struct bpf_insn is laid out as the kernel's
 * struct sock_filter. */
#include "net/encapsulation.h"
#include "shapes.h"

_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter), "the interpreter reads the kernel's layout");

static const uint16_t dns_port[] = {53};
static struct bpf_build program;

static bool run_program(const struct bpf_build *b, const uint8_t *bytes, size_t len)
{
    uint8_t *copy = exact_copy(bytes, len);
    unsigned result = bpf_filter((const struct bpf_insn *)(const void *)b->code, copy, (unsigned)len, (unsigned)len);
    free(copy);
    return result != 0;
}

static struct dns_filter plain_filter(bool is_raw_ip)
{
    return (struct dns_filter){.is_raw_ip = is_raw_ip, .ports = dns_port, .ports_count = 1};
}

static void build(const struct dns_filter *f)
{
    assert_true(dns_filter_build(f, &program));
    assert_true(bpf_validate((const struct bpf_insn *)(const void *)program.code, program.count));
}

/* clang-format off */
static const struct shape shapes[] = {
    {.what = "v4 response", .ip_vers = 4, .is_accepted = true},
    {.what = "v4 query", .ip_vers = 4, .port = 40000},
    {.what = "v4 QR=0", .ip_vers = 4, .is_query = true},
    {.what = "v4 port 54", .ip_vers = 4, .port = 54},
    {.what = "v4 port 53 * 256", .ip_vers = 4, .port = 53 << 8},
    {.what = "v4 options", .ip_vers = 4, .options = 4, .is_accepted = true},
    {.what = "v4 most options", .ip_vers = 4, .options = 40, .is_accepted = true},
    {.what = "v4 options QR=0", .ip_vers = 4, .options = 40, .is_query = true},
    {.what = "v4 DF", .ip_vers = 4, .fragment = 0x4000, .is_accepted = true},
    {.what = "v4 reserved flag", .ip_vers = 4, .fragment = 0x8000, .is_accepted = true},
    {.what = "v4 first fragment", .ip_vers = 4, .fragment = 0x2000, .is_accepted = true},
    {.what = "v4 middle fragment", .ip_vers = 4, .fragment = 0x20b9},
    {.what = "v4 last fragment", .ip_vers = 4, .fragment = 0x00b9},
    {.what = "v4 fragment at 8", .ip_vers = 4, .fragment = 0x0001},
    {.what = "v4 furthest fragment", .ip_vers = 4, .fragment = 0x1000},
    {.what = "v4 TCP", .ip_vers = 4, .protocol = 6},
    {.what = "v4 ICMP", .ip_vers = 4, .protocol = 1},
    {.what = "v4 GRE", .ip_vers = 4, .protocol = 47},
    {.what = "v6 response", .ip_vers = 6, .is_accepted = true},
    {.what = "v6 query", .ip_vers = 6, .port = 40000},
    {.what = "v6 QR=0", .ip_vers = 6, .is_query = true},
    {.what = "v6 port 5353", .ip_vers = 6, .port = 5353},
    {.what = "v6 TCP", .ip_vers = 6, .protocol = 6},
    {.what = "v6 ICMP", .ip_vers = 6, .protocol = 58},
    {.what = "v6 ESP", .ip_vers = 6, .protocol = 50},
    {.what = "v6 no next header", .ip_vers = 6, .protocol = 59},
    {.what = "v6 hop-by-hop", .ip_vers = 6, .extensions = "h", .is_accepted = true},
    {.what = "v6 routing", .ip_vers = 6, .extensions = "r", .is_accepted = true},
    {.what = "v6 destination", .ip_vers = 6, .extensions = "d", .is_accepted = true},
    {.what = "v6 AH", .ip_vers = 6, .extensions = "A", .is_accepted = true},
    {.what = "v6 two", .ip_vers = 6, .extensions = "hA", .is_accepted = true},
    {.what = "v6 three", .ip_vers = 6, .extensions = "hdr", .is_accepted = true},
    {.what = "v6 three with AH", .ip_vers = 6, .extensions = "hrA", .is_accepted = true},
    {.what = "v6 four", .ip_vers = 6, .extensions = "hdrd", .is_accepted = true},
    {.what = "v6 four, fragment last", .ip_vers = 6, .extensions = "hdrf", .is_accepted = true},
    {.what = "v6 five", .ip_vers = 6, .extensions = "hdrdd"},
    {.what = "v6 five with fragment", .ip_vers = 6, .extensions = "hdrfd"},
    {.what = "v6 three QR=0", .ip_vers = 6, .extensions = "hdA", .is_query = true},
    {.what = "v6 three port", .ip_vers = 6, .extensions = "hdA", .port = 530},
    {.what = "v6 hop-by-hop TCP", .ip_vers = 6, .extensions = "h", .protocol = 6},
    {.what = "v6 hop-by-hop ESP", .ip_vers = 6, .extensions = "h", .protocol = 50},
    {.what = "v6 first fragment", .ip_vers = 6, .extensions = "f", .is_accepted = true},
    {.what = "v6 later fragment", .ip_vers = 6, .extensions = "l"},
    {.what = "v6 atomic fragment", .ip_vers = 6, .extensions = "a", .is_accepted = true},
    {.what = "v6 hop-by-hop, first fragment", .ip_vers = 6, .extensions = "hfd", .is_accepted = true},
    {.what = "v6 hop-by-hop, later fragment", .ip_vers = 6, .extensions = "hld"},
    {.what = "v6 mobility", .ip_vers = 6, .extensions = "m"},
    {.what = "ARP", .ip_vers = 4, .ethertype = 0x0806},
    {.what = "802.3 length", .ip_vers = 4, .ethertype = 0x0030},
    {.what = "PPPoE", .ip_vers = 4, .ethertype = 0x8864},
};
/* clang-format on */

static void expect_shape(const struct shape *s, uint16_t link_type, bool is_accepted)
{
    uint8_t bytes[FRAME_MAX];
    struct flow f = flow_of(s->ip_vers);
    size_t qr, cut, len = build_shape(bytes, link_type, s, &f, &qr);
    if (run_program(&program, bytes, len) != is_accepted)
        fail_msg("%s, link type %u, tags %04x %04x %04x: should be %s", s->what, link_type, s->tags[0], s->tags[1],
                 s->tags[2], is_accepted ? "accepted" : "refused");
    for (cut = 0; cut < len; cut++)
        if (run_program(&program, bytes, cut) != (is_accepted && cut > qr))
            fail_msg("%s, link type %u: wrong at %zu bytes of %zu", s->what, link_type, cut, len);
}

static void crafted_frames(void **state)
{
    (void)state;
    struct dns_filter ethernet = plain_filter(false), raw = plain_filter(true);
    size_t i;
    build(&ethernet);
    for (i = 0; i < LEN(shapes); i++)
        expect_shape(&shapes[i], LINK_ETHERNET, shapes[i].is_accepted);
    build(&raw);
    for (i = 0; i < LEN(shapes); i++)
        expect_shape(&shapes[i], LINK_RAW, shapes[i].ethertype ? true : shapes[i].is_accepted);
}

static void vlan_tags(void **state)
{
    (void)state;
    static const uint16_t kinds[] = {0x8100, 0x88a8, 0x9100};
    struct dns_filter ethernet = plain_filter(false);
    build(&ethernet);
    for (size_t i = 0; i < LEN(shapes); i++) {
        for (unsigned code = 0; code < 27 * 4; code++) {
            unsigned count = code / 27;
            struct shape s = shapes[i];
            s.tags[0] = count > 0 ? kinds[code % 3] : 0;
            s.tags[1] = count > 1 ? kinds[code / 3 % 3] : 0;
            s.tags[2] = count > 2 ? kinds[code / 9 % 3] : 0;
            expect_shape(&s, LINK_ETHERNET, count < 3 && s.is_accepted);
        }
    }
}

/* Nothing but version 4 and 6 passes as raw IP. */
static void raw_versions(void **state)
{
    (void)state;
    struct dns_filter raw = plain_filter(true);
    build(&raw);
    for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2) {
        for (unsigned version = 0; version < 16; version++) {
            uint8_t bytes[FRAME_MAX];
            struct shape s = {.ip_vers = ip_vers};
            struct flow f = flow_of(ip_vers);
            size_t qr, len = build_shape(bytes, LINK_RAW, &s, &f, &qr);
            bytes[0] = (uint8_t)(version << 4 | (bytes[0] & 15));
            if (version != 4 && version != 6)
                assert_false(run_program(&program, bytes, len));
            else if (version == ip_vers)
                assert_true(run_program(&program, bytes, len));
        }
    }
}

static void several_ports(void **state)
{
    (void)state;
    static const uint16_t ports[] = {53, 5353, 1, 65535, 0, 853, 0x3500, 8053, 5300, 1053, 2053};
    for (size_t count = 1; count <= LEN(ports); count++) {
        struct dns_filter f = {.ports = ports, .ports_count = count};
        build(&f);
        for (unsigned port = 0; port < 65536; port += port < 6000 ? 1 : 7) {
            uint8_t bytes[FRAME_MAX];
            bool is_listed = false;
            struct shape s = {.ip_vers = port % 2 ? 4 : 6};
            struct flow flow = flow_of(s.ip_vers);
            size_t qr, len = build_shape(bytes, LINK_ETHERNET, &s, &flow, &qr);
            store_be16(bytes + qr - 10, (uint16_t)port);
            for (size_t i = 0; i < count; i++)
                is_listed |= ports[i] == port;
            if (run_program(&program, bytes, len) != is_listed)
                fail_msg("%zu ports, port %u", count, port);
        }
    }
}

/* ---- shares ---- */

static uint32_t share_of(const struct shape *s, const struct flow *f, uint16_t sum, bool balance, uint32_t shares)
{
    bool is_fragment = s->ip_vers == 4 ? (s->fragment & 0x3fff) != 0 : s->extensions && strchr(s->extensions, 'f');
    bool by_checksum = !is_fragment && (s->ip_vers == 6 || (balance && sum != 0));
    uint32_t address = load_be32(s->ip_vers == 4 ? f->client : f->client + 12);
    return (by_checksum ? sum : address) % shares;
}

static void shares_of_frame(struct chance *c, const struct shape *s, uint16_t link_type, bool balance, uint32_t shares,
                            struct bpf_build programs[])
{
    uint8_t bytes[FRAME_MAX];
    struct flow f = flow_of(s->ip_vers);
    for (int i = 0; i < (s->ip_vers == 4 ? 4 : 16); i++)
        f.client[i] = (uint8_t)chance_next(c);
    size_t qr, len = build_shape(bytes, link_type, s, &f, &qr);
    uint16_t sum = chance_below(c, 4) ? (uint16_t)chance_next(c) : 0;
    store_be16(bytes + qr - 4, sum);
    for (uint32_t share = 0; share < shares; share++) {
        bool want = s->is_accepted && share_of(s, &f, sum, balance, shares) == share;
        if (run_program(&programs[share], bytes, len) != want)
            fail_msg("%s, checksum %04x, balance %d: share %u of %u should be %d", s->what, sum, balance, share, shares,
                     want);
    }
}

static void shares(void **state)
{
    (void)state;
    static struct bpf_build programs[7];
    struct chance c = {7};
    for (unsigned variant = 0; variant < 4; variant++) {
        for (uint32_t n = 1; n <= 7; n++) {
            struct dns_filter f = plain_filter(variant & 1);
            f.shares = n;
            f.balance_checksum = variant & 2;
            for (f.share = 0; f.share < n; f.share++) {
                build(&f);
                programs[f.share] = program;
            }
            for (size_t i = 0; i < 60 * LEN(shapes); i++) {
                struct shape s = shapes[i % LEN(shapes)];
                if (s.ethertype)
                    continue;
                for (size_t t = 0, tags = f.is_raw_ip ? 0 : chance_below(&c, 3); t < tags; t++)
                    s.tags[t] = 0x8100;
                shares_of_frame(&c, &s, f.is_raw_ip ? LINK_RAW : LINK_ETHERNET, f.balance_checksum, n, programs);
            }
        }
    }
}

/* ---- against the decoder ---- */

/* What the decoder takes and the filter does not, known from the frame itself: 802.3 with LLC, a third VLAN tag, AH
 * over IPv4, mobility, HIP and shim6 headers, a fifth extension header. */
static bool is_beyond_filter(const uint8_t *bytes, size_t len, const struct net_payload *udp, bool ends_at_fragment)
{
    size_t at = 12, tags = 0;
    for (; at + 2 <= len &&
           (load_be16(bytes + at) == 0x8100 || load_be16(bytes + at) == 0x88a8 || load_be16(bytes + at) == 0x9100);
         at += 4)
        tags++;
    if (tags > 2 || load_be16(bytes + at) < 0x0600)
        return true;
    if (udp->ip_vers == 4)
        return bytes[at + 2 + 9] != 17 && bytes[at + 2 + 9] != 6;
    uint8_t next = bytes[at + 2 + 6];
    unsigned headers = 0;
    for (at += 2 + 40; next != 17 && next != 6; headers++) {
        if (next == 44 && ends_at_fragment && (load_be16(bytes + at + 2) & 0xfff9))
            return headers > 3;
        if (next == 135 || next == 139 || next == 140)
            return true;
        uint8_t units = bytes[at + 1];
        uint8_t number = next;
        next = bytes[at];
        at += number == 44 ? 8 : number == 51 ? (units + 2u) * 4 : (units + 1u) * 8;
    }
    return headers > 4;
}

/* What the filter takes and the decoder does not: lengths or versions in the headers that the frame contradicts, which
 * the filter does not look at. */
static bool is_contradictory(enum drop_reason why, const struct net_payload *udp)
{
    return why == DROP_IP_MALFORMED || why == DROP_IP_SHORT || why == DROP_UDP_MALFORMED || why == DROP_TCP_MALFORMED ||
           (why == DROP_NONE && udp->len < 3);
}

static bool is_wanted_by(const struct dns_filter *f, enum drop_reason why, const struct net_payload *p)
{
    if (why == DROP_FRAGMENT && f->fragments)
        return p->ip_vers == 6 || p->part.protocol == 17 || (f->tcp && p->part.protocol == 6);
    if (why != DROP_NONE || p->src_port != 53)
        return false;
    return p->transport == NET_TCP ? f->tcp : p->len >= 3 && (p->bytes[2] & 0x80);
}

static size_t random_frame(struct chance *c, uint8_t bytes[FRAME_MAX])
{
    struct shape s;
    char extensions[8];
    size_t qr, i;
    random_shape(c, &s, extensions);
    struct flow f = flow_of(s.ip_vers);
    size_t len = build_shape(bytes, LINK_ETHERNET, &s, &f, &qr);
    for (i = chance_below(c, 3) ? 0 : chance_below(c, 6); i > 0; i--)
        bytes[chance_below(c, len)] = (uint8_t)chance_next(c);
    if (chance_below(c, 4) == 0)
        bytes[12 + chance_below(c, 40)] ^= (uint8_t)(1u << chance_below(c, 8));
    return chance_below(c, 4) ? len : chance_below(c, len + 1);
}

static void hold_against_the_decoder(bool tcp, bool fragments)
{
    struct dns_filter filter = plain_filter(false);
    const struct net_options options = {.whole_only = fragments};
    struct chance c = {20};
    filter.tcp = tcp;
    filter.fragments = fragments;
    unsigned both = 0, beyond = 0, contradictory = 0;
    build(&filter);
    for (unsigned i = 0; i < 40000; i++) {
        uint8_t bytes[FRAME_MAX];
        struct net_payload udp;
        size_t len = random_frame(&c, bytes);
        uint8_t *copy = exact_copy(bytes, len);
        struct packet p = packet_of(copy, len, LINK_ETHERNET, 0);
        enum drop_reason why = net_decode(&p, &options, &udp);
        bool is_wanted = is_wanted_by(&filter, why, &udp);
        bool is_accepted = run_program(&program, copy, len);
        both += is_wanted && is_accepted;
        if (is_wanted && !is_accepted) {
            beyond++;
            if (!is_beyond_filter(copy, len, &udp, fragments))
                fail_msg("frame %u: refused, the decoder takes it", i);
        }
        if (is_accepted && !is_wanted) {
            contradictory++;
            if (!is_contradictory(why, &udp))
                fail_msg("frame %u: accepted, the decoder says %s", i,
                         drop_table[why].token ? drop_table[why].token : "?");
        }
        if (is_wanted && is_accepted && is_beyond_filter(copy, len, &udp, fragments))
            fail_msg("frame %u: accepted, but beyond the filter's limits", i);
        free(copy);
    }
    assert_true(both > 4000 && beyond > 400 && contradictory > 50);
}

static void like_the_decoder(void **state)
{
    (void)state;
    hold_against_the_decoder(false, false);
    hold_against_the_decoder(true, false);
    hold_against_the_decoder(false, true);
    hold_against_the_decoder(true, true);
}

/* ---- tunnels ---- */

/* Every row of the table: passes when its encapsulation is asked for, whatever the share, and else does not. */
static void tunnels(void **state)
{
    (void)state;
    const struct net_carriage *row;
    for (size_t i = 0; (row = net_carriage(i)); i++) {
        if (row->number == 0)
            continue;
        for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2) {
            struct shape s = {.ip_vers = ip_vers};
            struct flow f = flow_of(ip_vers);
            uint8_t bytes[FRAME_MAX];
            size_t qr;
            f.client_port = row->carrier == CARRIER_PORT ? row->number : 4000;
            s.port = 4001;
            s.protocol = row->carrier == CARRIER_PROTOCOL ? (uint8_t)row->number : 0;
            s.ethertype = row->carrier == CARRIER_ETHERTYPE ? row->number : 0;
            size_t len = build_shape(bytes, LINK_ETHERNET, &s, &f, &qr);
            for (unsigned on = 0; on <= 1; on++) {
                struct dns_filter filter = plain_filter(false);
                filter.encapsulations = on ? 1u << row->encapsulation : ENCAP_ALL & ~(1u << row->encapsulation);
                filter.share = 1;
                filter.shares = 60000;
                build(&filter);
                if (run_program(&program, bytes, len) != on)
                    fail_msg("IPv%u, row %zu: %s", ip_vers, i, on ? "refused" : "accepted");
            }
        }
    }
}

/* Named ports come before DNS ports: what goes there passes whatever it is. */
static void ports_of_tunnels(void **state)
{
    (void)state;
    static const uint16_t ports[] = {30030, 30031};
    struct dns_filter filter = plain_filter(false);
    filter.tunnel_ports = ports;
    filter.tunnel_ports_count = LEN(ports);
    filter.share = 1;
    filter.shares = 60000;
    build(&filter);
    for (uint16_t port = 30029; port <= 30032; port++) {
        for (unsigned kind = 0; kind < 8; kind++) {
            struct shape s = {.ip_vers = kind & 1 ? 6 : 4, .port = kind & 2 ? 4001 : 53, .is_query = kind & 4};
            struct flow f = flow_of(s.ip_vers);
            uint8_t bytes[FRAME_MAX];
            size_t qr;
            f.client_port = port;
            size_t len = build_shape(bytes, LINK_ETHERNET, &s, &f, &qr);
            assert_int_equal(run_program(&program, bytes, len), port == 30030 || port == 30031);
        }
    }
}

/* As source port only those whose port alone is enough. */
static void source_ports_of_tunnels(void **state)
{
    (void)state;
    const struct net_carriage *row;
    struct dns_filter filter = plain_filter(false);
    filter.encapsulations = ENCAP_ALL;
    build(&filter);
    for (size_t i = 0; (row = net_carriage(i)); i++) {
        if (row->carrier != CARRIER_PORT || row->number == 0)
            continue;
        struct shape s = {.ip_vers = 4, .port = row->number};
        struct flow f = flow_of(4);
        uint8_t bytes[FRAME_MAX];
        size_t qr, len = build_shape(bytes, LINK_ETHERNET, &s, &f, &qr);
        assert_int_equal(run_program(&program, bytes, len), row->number == 1701 || row->number == 3544);
    }
}

/* ---- length ---- */

/* Instructions executed for a frame, over the operations that dns_filter.c uses. */
static unsigned count_steps(const struct bpf_build *b, const uint8_t *p)
{
    uint32_t a = 0, x = 0, at = 0, memory[BPF_MEMWORDS] = {0};
    unsigned steps = 1;
    for (; BPF_CLASS(b->code[at].code) != BPF_RET; at++, steps++) {
        struct sock_filter i = b->code[at];
        uint32_t from = BPF_MODE(i.code) == BPF_IND ? x + i.k : i.k;
        bool holds = BPF_OP(i.code) == BPF_JEQ ? a == i.k : (a & i.k) != 0;
        if (BPF_CLASS(i.code) == BPF_JMP)
            at += BPF_OP(i.code) == BPF_JA ? i.k : holds ? i.jt : i.jf;
        else if (BPF_CLASS(i.code) == BPF_LDX)
            x = BPF_MODE(i.code) == BPF_MSH ? 4u * (p[i.k] & 15) : BPF_MODE(i.code) == BPF_IMM ? i.k : memory[i.k];
        else if (BPF_CLASS(i.code) == BPF_ST)
            memory[i.k] = a;
        else if (BPF_MODE(i.code) == BPF_IMM)
            a = i.k;
        else if (BPF_SIZE(i.code) == BPF_H)
            a = load_be16(p + from);
        else if (BPF_SIZE(i.code) == BPF_B)
            a = p[from];
        else
            fail_msg("operation %04x", i.code);
    }
    assert_int_not_equal(b->code[at].k, 0);
    return steps;
}

static void plain_responses_are_short(void **state)
{
    (void)state;
    struct dns_filter filter = plain_filter(false);
    build(&filter);
    for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2) {
        uint8_t bytes[FRAME_MAX];
        struct shape s = {.ip_vers = ip_vers};
        struct flow f = flow_of(ip_vers);
        size_t qr;
        (void)build_shape(bytes, LINK_ETHERNET, &s, &f, &qr);
        unsigned steps = count_steps(&program, bytes);
        if (steps > 22)
            fail_msg("IPv%u: %u instructions", ip_vers, steps);
    }
}

static void most_demanding_program_fits(void **state)
{
    (void)state;
    static const uint16_t ports[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    static uint16_t named[40];
    struct dns_filter f = {
        .ports = ports, .ports_count = LEN(ports), .share = 3, .shares = UINT32_MAX, .balance_checksum = true};
    build(&f);
    assert_in_range(program.count, 1, 1500);
    f.tcp = f.fragments = true;
    f.encapsulations = ENCAP_ALL;
    for (size_t i = 0; i < LEN(named); i++)
        named[i] = (uint16_t)(1000 + i);
    f.tunnel_ports = named;
    f.tunnel_ports_count = LEN(named);
    build(&f);
    assert_in_range(program.count, 1, BPF_PROGRAM_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crafted_frames),
        cmocka_unit_test(vlan_tags),
        cmocka_unit_test(raw_versions),
        cmocka_unit_test(several_ports),
        cmocka_unit_test(shares),
        cmocka_unit_test(like_the_decoder),
        cmocka_unit_test(tunnels),
        cmocka_unit_test(ports_of_tunnels),
        cmocka_unit_test(source_ports_of_tunnels),
        cmocka_unit_test(plain_responses_are_short),
        cmocka_unit_test(most_demanding_program_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
