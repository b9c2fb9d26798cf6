/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tags written out byte by byte; tunnels by their port: which port leads where, what is left closed, and what is opened
 * in vain. */
#include "net/encapsulation.h"
#include "testing.h"

#define TEXT(bytes) bytes, sizeof(bytes) - 1

enum { LINK_ETHERNET = 1, JMIRROR = 30030, RECORD = 30001, NAMED = 47000, OTHER = 40000 };

static const uint16_t dns_port[] = {53};
static uint8_t tunnels[65536];
static const struct net_options options = {
    .dns_ports = dns_port, .dns_ports_count = 1, .encapsulations = ENCAP_ALL, .tunnels = tunnels};
static const uint8_t payload[] = "a DNS message";

static int fill(void **state)
{
    (void)state;
    net_tunnels_fill(tunnels, ENCAP_ALL);
    net_tunnels_add(tunnels, ENCAP_JMIRROR, JMIRROR);
    net_tunnels_add(tunnels, ENCAP_PCAP_RECORD, RECORD);
    net_tunnels_add(tunnels, ENCAP_VXLAN, NAMED);
    net_tunnels_add(tunnels, ENCAP_GENEVE, NAMED + 1);
    net_tunnels_add(tunnels, ENCAP_GTP, NAMED + 2);
    net_tunnels_add(tunnels, ENCAP_TZSP, NAMED + 3);
    return 0;
}

static enum drop_reason decode(const uint8_t *bytes, size_t len, size_t wire_len, struct net_payload *out)
{
    uint8_t *copy = exact_copy(bytes, len);
    struct packet p = packet_of(copy, len, LINK_ETHERNET, 0);
    p.wire_len = (uint32_t)wire_len;
    memset(out, 0xee, sizeof(*out));
    enum drop_reason why = net_decode(&p, &options, out);
    if (why == DROP_NONE)
        assert_true(out->bytes >= copy && out->bytes + out->len <= copy + len);
    free(copy);
    return why;
}

/* ---- tags ---- */

#define MACS "\2\0\0\0\0\3\2\0\0\0\0\4"

static const struct {
    const char *why;
    uint8_t ip_vers;
    const char *header; /* behind the addresses, up to the packet */
    size_t len;
    uint8_t depth;
    enum drop_reason reason;
} tags[] = {
    {"FabricPath", 4, TEXT("\x89\x03\0\x40" MACS "\x08\0"), 1, DROP_NONE},
    {"FabricPath, a tag inside", 6, TEXT("\x89\x03\0\x40" MACS "\x81\0\0\1\x86\xdd"), 1, DROP_NONE},
    {"E-TAG", 4, TEXT("\x89\x3f\x20\0\0\1\0\0\x08\0"), 1, DROP_NONE},
    {"E-TAG and 802.1Q", 6, TEXT("\x89\x3f\0\0\0\1\0\0\x81\0\0\1\x86\xdd"), 1, DROP_NONE},
    {"TTag", 4, TEXT("\x89\x88\0\1\2\3\4\5\x08\0"), 1, DROP_NONE},
    {"TTag behind 802.1Q", 6, TEXT("\x81\0\0\1\x89\x88\0\1\2\3\4\5\x86\xdd"), 1, DROP_NONE},
    {"MetaData", 4, TEXT("\x89\x09\1\1\0\1\0\x64\x08\0"), 1, DROP_NONE},
    {"MetaData, two options", 6, TEXT("\x89\x09\1\2\0\1\0\x64\0\2\0\0\x86\xdd"), 1, DROP_NONE},
    {"MetaData behind 802.1Q", 4, TEXT("\x81\0\0\1\x89\x09\1\1\0\1\0\x64\x08\0"), 1, DROP_NONE},
    {"E-TAG, TTag and MetaData", 4, TEXT("\x89\x3f\0\0\0\1\0\0\x89\x88\0\1\2\3\4\5\x89\x09\1\1\0\1\0\x64\x08\0"), 3,
     DROP_NONE},
    {"MetaData of version 2", 4, TEXT("\x89\x09\2\1\0\1\0\x64\x08\0"), 1, DROP_NOT_IP},
    {"MetaData, longer than the frame", 4, TEXT("\x89\x09\1\xff\0\1\0\x64\x08\0"), 1, DROP_LINK_SHORT},
    {"TTag, ARP", 4, TEXT("\x89\x88\0\1\2\3\4\5\x08\x06"), 1, DROP_NOT_IP},
};

static void each_tag(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(tags); i++) {
        uint8_t bytes[256];
        struct net_payload udp;
        struct flow f = flow_of(tags[i].ip_vers);
        struct writer out = writer_over(bytes, sizeof(bytes));
        write_bytes(&out, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
        write_bytes(&out, tags[i].header, tags[i].len);
        put_ip_udp(&out, &f, payload, sizeof(payload));
        assert_false(out.failed);
        size_t len = writer_len(&out), udp_end = len - sizeof(payload);
        enum drop_reason why = decode(bytes, len, len, &udp);
        if (why != tags[i].reason)
            fail_msg("%s: %s", tags[i].why, drop_table[why].token);
        assert_int_equal(udp.depth, tags[i].depth);
        for (size_t cut = 0; cut < len; cut++) {
            why = decode(bytes, cut, len, &udp);
            bool is_short = why == DROP_LINK_SHORT || why == DROP_IP_SHORT;
            if (tags[i].reason == DROP_NONE && (cut >= udp_end ? why != DROP_NONE : !is_short))
                fail_msg("%s, cut at %zu: %s", tags[i].why, cut, drop_table[why].token);
        }
    }
}

/* ---- ports ---- */

/* What stands in the outer datagram: a header, then a packet or a frame with DNS in it, or a bare DNS response. */
enum content { BARE, IP_PACKET, FRAME, FRAME_LLC, ARP_FRAME, TEXT_ONLY };

static size_t put_content(struct writer *out, enum content content)
{
    static const uint8_t dns[] = {0x0f, 0xff, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0,  0, 1, 'x', 0,  0,  1, 0,
                                  1,    0xc0, 12,   0,    1, 0, 1, 0, 0, 1, 44, 0, 4, 10,  20, 30, 40};
    struct flow inner = flow_of(4);
    uint8_t *start = out->at;
    if (content == BARE)
        write_bytes(out, dns, sizeof(dns));
    if (content == FRAME)
        put_ethernet(out, 0x0800);
    if (content == FRAME_LLC)
        write_bytes(out, MACS "\0\x80\xaa\xaa\x03\0\0\0\x08\0", 22);
    if (content == FRAME || content == FRAME_LLC || content == IP_PACKET)
        put_ip_udp(out, &inner, payload, sizeof(payload));
    if (content == ARP_FRAME) {
        put_ethernet(out, 0x0806);
        write_zeros(out, 46);
    }
    if (content == TEXT_ONLY)
        write_bytes(out, "neither a packet nor a frame nor a response, only text", 54);
    return (size_t)(out->at - start);
}

struct port_row {
    const char *why;
    uint16_t from, to;
    const char *header;
    size_t len;
    enum content content;
    bool is_opened;
};

/* The GTP length field of what put_content() makes of an IP packet. */
#define GTP(flags)     flags "\xff\0\x2a\0\0\0\7"
#define RECORD_OF(len) "\0\0\0\1\0\0\0\2" len "\0\0\0" len "\0\0\0"

static const struct port_row rows[] = {
    {"GENEVE by source", 6081, OTHER, TEXT("\0\0\x65\x58\0\0\7\0"), FRAME, true},
    {"GENEVE by source, options", 6081, OTHER, TEXT("\1\0\x65\x58\0\0\7\0\1\2\3\4"), FRAME, true},
    {"GENEVE by source, IP inside", 6081, OTHER, TEXT("\0\0\x08\0\0\0\7\0"), IP_PACKET, true},
    {"GENEVE by source, critical options", 6081, OTHER, TEXT("\0\x40\x65\x58\0\0\7\0"), FRAME, true},
    {"GENEVE by source, version 1", 6081, OTHER, TEXT("\x40\0\x65\x58\0\0\7\0"), FRAME, false},
    {"GENEVE by source, reserved bits", 6081, OTHER, TEXT("\0\1\x65\x58\0\0\7\0"), FRAME, false},
    {"GENEVE by source, reserved byte", 6081, OTHER, TEXT("\0\0\x65\x58\0\0\7\1"), FRAME, false},
    {"GENEVE by source, protocol unknown", 6081, OTHER, TEXT("\0\0\x12\x34\0\0\7\0"), FRAME, false},
    {"GENEVE by source, says IPv6", 6081, OTHER, TEXT("\0\0\x86\xdd\0\0\7\0"), IP_PACKET, false},
    {"GENEVE by source, ARP", 6081, OTHER, TEXT("\0\0\x65\x58\0\0\7\0"), ARP_FRAME, false},
    {"GENEVE by source, text", 6081, OTHER, TEXT("\0\0\x65\x58\0\0\7\0"), TEXT_ONLY, false},
    {"GENEVE by source, a response", 6081, OTHER, TEXT(""), BARE, false},
    {"GENEVE by source, a query", 6081, 53, TEXT(""), BARE, false},
    {"GENEVE, a response to its port", 5300, 6081, TEXT(""), BARE, false},
    {"GTP by source", 2152, OTHER, TEXT(GTP("\x30")), IP_PACKET, true},
    {"GTP by source, length", 2152, OTHER, TEXT("\x30\xff\0\x29\0\0\0\7"), IP_PACKET, false},
    {"GTP by source, reserved bit", 2152, OTHER, TEXT(GTP("\x38")), IP_PACKET, false},
    {"GTP by source, echo", 2152, OTHER, TEXT("\x32\1\0\x2a\0\0\0\7"), IP_PACKET, false},
    {"GTP by source, text", 2152, OTHER, TEXT("\x30\xff\0\x36\0\0\0\7"), TEXT_ONLY, false},
    {"GTP by source, a response", 2152, OTHER, TEXT(""), BARE, false},
    {"GTP, a response to its port", 5300, 2152, TEXT(""), BARE, false},
    {"GTP, longer than the datagram", OTHER, 2152, TEXT("\x30\xff\0\x2b\0\0\0\7"), IP_PACKET, false},
    {"VXLAN by source", 4789, OTHER, TEXT("\x08\0\0\0\0\0\7\0"), FRAME, false},
    {"VXLAN with a policy", OTHER, 4789, TEXT("\x88\0\0\7\0\0\7\0"), FRAME, true},
    {"VXLAN, last byte set", OTHER, 4789, TEXT("\x08\0\0\0\0\0\7\1"), FRAME, true},
    {"VXLAN-GPE to the port of VXLAN", OTHER, 4789, TEXT("\x0c\0\0\1\0\0\7\0"), IP_PACKET, true},
    {"VXLAN, a response to its port", 5300, 4789, TEXT(""), BARE, false},
    {"VXLAN-GPE, a response to its port", 5300, 4790, TEXT(""), BARE, false},
    {"L2TP, a response to its port", 5300, 1701, TEXT(""), BARE, false},
    {"L2TP, other bits", OTHER, 1701, TEXT("\x10\2\0\1\0\2\xff\x03\0\x21"), IP_PACKET, false},
    {"L2TP, longer than the datagram", OTHER, 1701, TEXT("\x40\2\1\0\0\1\0\2\xff\x03\0\x21"), IP_PACKET, false},
    {"L2TP", OTHER, 1701, TEXT("\x41\2\0\x36\0\1\0\2\xff\x03\0\x21"), IP_PACKET, true},
    {"Teredo, a response to its port", 5300, 3544, TEXT("\x60"), BARE, false},
    {"GRE", OTHER, 4754, TEXT("\0\0\x08\0"), IP_PACKET, true},
    {"GRE, a response to its port", 5300, 4754, TEXT(""), BARE, false},
    {"MPLS", OTHER, 6635, TEXT("\0\1\1\x40"), IP_PACKET, true},
    {"MPLS, a response to its port", 5300, 6635, TEXT(""), BARE, false},
    {"jmirror from a DNS port", 53, JMIRROR, TEXT("\0\0\0\7\0\0\0\x08"), IP_PACKET, true},
    {"jmirror from another", OTHER, JMIRROR, TEXT("\0\0\0\7\0\0\0\x08"), IP_PACKET, true},
    {"jmirror, a response from a DNS port", 53, JMIRROR, TEXT(""), BARE, false},
    {"jmirror, a response from another", 5300, JMIRROR, TEXT(""), BARE, false},
    {"jmirror, text", 53, JMIRROR, TEXT(""), TEXT_ONLY, false},
    {"jmirror by source", JMIRROR, OTHER, TEXT("\0\0\0\7\0\0\0\x08"), IP_PACKET, false},
    {"record from a DNS port", 53, RECORD, TEXT(RECORD_OF("\x38")), FRAME, true},
    {"record, SNAP", 53, RECORD, TEXT(RECORD_OF("\x40")), FRAME_LLC, true},
    {"record, a response from a DNS port", 53, RECORD, TEXT(""), BARE, false},
    {"record, ARP", 53, RECORD, TEXT(RECORD_OF("\x3c")), ARP_FRAME, false},
    {"named VXLAN from a DNS port", 53, NAMED, TEXT("\x08\0\0\0\0\0\7\0"), FRAME, true},
    {"named VXLAN, a response from a DNS port", 53, NAMED, TEXT(""), BARE, false},
    {"named VXLAN, ARP", OTHER, NAMED, TEXT("\x08\0\0\0\0\0\7\0"), ARP_FRAME, false},
    {"named GENEVE", OTHER, NAMED + 1, TEXT("\0\0\x65\x58\0\0\7\0"), FRAME, true},
    {"named GENEVE by source", NAMED + 1, OTHER, TEXT("\0\0\x65\x58\0\0\7\0"), FRAME, true},
    {"named GTP", OTHER, NAMED + 2, TEXT(GTP("\x30")), IP_PACKET, true},
    {"named TZSP", OTHER, NAMED + 3, TEXT("\1\0\0\1\1"), FRAME, true},
    {"VXLAN from a DNS port", 53, 4789, TEXT("\x08\0\0\0\0\0\7\0"), FRAME, false},
};

static size_t build_row(const struct port_row *row, uint8_t ip_vers, uint8_t *bytes, size_t size)
{
    uint8_t inside[256];
    struct writer inner = writer_over(inside, sizeof(inside));
    struct flow f = flow_of(ip_vers);
    f.resolver_port = row->from;
    f.client_port = row->to;
    write_bytes(&inner, row->header, row->len);
    (void)put_content(&inner, row->content);
    assert_false(inner.failed);
    return build_frame(bytes, size, &f, inside, writer_len(&inner));
}

static void each_port(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * LEN(rows); i++) {
        const struct port_row *row = &rows[i / 2];
        uint8_t bytes[512];
        struct net_payload udp;
        size_t len = build_row(row, i % 2 ? 6 : 4, bytes, sizeof(bytes));
        enum drop_reason why = decode(bytes, len, len, &udp);
        if (why != DROP_NONE)
            fail_msg("%s: %s", row->why, drop_table[why].token);
        if (udp.depth != row->is_opened || udp.src_port != (row->is_opened ? 53 : row->from) ||
            udp.dst_port != (row->is_opened ? 40000 : row->to))
            fail_msg("%s: depth %u, from port %u to %u", row->why, udp.depth, udp.src_port, udp.dst_port);
        assert_true(udp.complete);
        assert_int_equal(udp.transport, NET_UDP);
    }
}

/* Nothing is read behind the end, and a response is never opened; what lengths would tell of others is not there. */
static void each_port_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * LEN(rows); i++) {
        const struct port_row *row = &rows[i / 2];
        uint8_t bytes[512];
        struct net_payload udp;
        size_t len = build_row(row, i % 2 ? 6 : 4, bytes, sizeof(bytes));
        for (size_t cut = 0; cut < len; cut++) {
            enum drop_reason why = decode(bytes, cut, len, &udp);
            if (why == DROP_NONE ? udp.depth > (row->content != BARE) || udp.complete
                                 : drop_table[why].ledger != LEDGER_FRAME)
                fail_msg("%s, cut at %zu of %zu: %s, depth %u", row->why, cut, len, drop_table[why].token, udp.depth);
        }
    }
}

/* A response of any id to any port of a tunnel stays one: with -f it may come from any port. */
static void responses_stay_responses(void **state)
{
    (void)state;
    const struct net_carriage *row;
    for (size_t i = 0; (row = net_carriage(i)); i++) {
        if (row->carrier != CARRIER_PORT || row->number == 0)
            continue;
        for (unsigned id = 0; id < 65536; id++) {
            uint8_t bytes[256];
            struct net_payload udp;
            struct port_row response = {"", 5300, row->number, "", 0, BARE, false};
            size_t len = build_row(&response, 4, bytes, sizeof(bytes));
            store_be16(bytes + 14 + 20 + 8, (uint16_t)id);
            struct packet p = packet_of(bytes, len, LINK_ETHERNET, 0);
            enum drop_reason why = net_decode(&p, &options, &udp);
            if (why != DROP_NONE || udp.depth != 0)
                fail_msg("port %u, id %04x: %s, depth %u", row->number, id, drop_table[why].token, udp.depth);
        }
    }
}

/* Named ports inside of named ports end at the limit. */
static void nesting_is_bounded(void **state)
{
    (void)state;
    uint8_t bytes[1024], inside[1024];
    struct net_payload udp;
    struct flow f = flow_of(4);
    size_t inside_len = 0;
    f.client_port = JMIRROR;
    for (unsigned depth = 0; depth <= 12; depth++) {
        size_t len = build_frame(bytes, sizeof(bytes), &f, inside, inside_len);
        enum drop_reason why = decode(bytes, len, len, &udp);
        assert_int_equal(why, depth < NET_ENCAPSULATIONS_MAX ? DROP_NONE : DROP_TUNNEL_DEPTH);
        assert_int_equal(udp.depth, depth < NET_ENCAPSULATIONS_MAX ? depth : NET_ENCAPSULATIONS_MAX);
        struct writer out = writer_over(bytes, sizeof(bytes));
        write_zeros(&out, 8);
        put_ip_udp(&out, &f, inside, inside_len);
        assert_false(out.failed);
        inside_len = writer_len(&out);
        memcpy(inside, bytes, inside_len);
    }
}

/* GTP is version 1 and a packet: with either wrong it is a datagram of that port. */
static void gtp_header(void **state)
{
    (void)state;
    static const struct {
        uint8_t flags, type, depth;
    } heads[] = {{0x30, 255, 1}, {0x50, 255, 0}, {0x20, 255, 0}, {0x30, 254, 0}, {0x50, 254, 0}};
    for (size_t i = 0; i < LEN(heads); i++) {
        uint8_t inner[128], bytes[256];
        struct flow f = flow_of(4), outer = flow_of(4);
        struct net_payload udp;
        struct writer out = writer_over(inner, sizeof(inner));
        outer.resolver_port = outer.client_port = 2152;
        write_u8(&out, heads[i].flags);
        write_u8(&out, heads[i].type);
        write_be16(&out, 28 + sizeof(payload));
        write_be32(&out, 7);
        put_ip_udp(&out, &f, payload, sizeof(payload));
        size_t len = build_frame(bytes, sizeof(bytes), &outer, inner, writer_len(&out));
        assert_int_equal(decode(bytes, len, len, &udp), DROP_NONE);
        assert_int_equal(udp.depth, heads[i].depth);
        assert_int_equal(udp.dst_port, heads[i].depth ? 40000 : 2152);
    }
}

/* Of the ports that are known only those of the encapsulations asked for are open. */
static void only_what_was_asked_for(void **state)
{
    (void)state;
    static uint8_t some[65536];
    static const struct {
        enum encapsulation encapsulation;
        uint16_t port;
    } ports[] = {{ENCAP_VXLAN, 4789}, {ENCAP_GENEVE, 6081}, {ENCAP_GTP, 2152}, {ENCAP_L2TP, 1701}, {ENCAP_TZSP, 37008}};
    for (size_t i = 0; i <= LEN(ports); i++) {
        uint32_t asked = i < LEN(ports) ? 1u << ports[i].encapsulation : 0;
        memset(some, 0xff, sizeof(some));
        net_tunnels_fill(some, asked);
        for (size_t k = 0; k < LEN(ports); k++)
            assert_int_equal(some[ports[k].port] != 0, k == i);
        assert_int_equal(some[53], 0);
        assert_int_equal(some[0], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gtp_header),         cmocka_unit_test(only_what_was_asked_for),
        cmocka_unit_test(each_tag),           cmocka_unit_test(each_port),
        cmocka_unit_test(each_port_cut),      cmocka_unit_test(responses_stay_responses),
        cmocka_unit_test(nesting_is_bounded),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
