/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A row for each link type and each variant of its header, written out byte by byte. Every row is decoded
 * whole and cut at every length. */
#include "net/layers.h"
#include "testing.h"

struct row {
    const char *why;
    uint16_t link_type;
    uint8_t ip_vers;
    uint8_t len;
    const char *header;
};

#define ROW(why, link_type, ip_vers, header)                \
    {                                                       \
        why, link_type, ip_vers, sizeof(header) - 1, header \
    }
#define MACS "\2\0\0\0\0\1\2\0\0\0\0\2"
#define SNAP "\xaa\xaa\x03\0\0\0"
#define WIFI_HEAD              \
    "\0\0" MACS "\2\0\0\0\0\3" \
    "\0\0"

#define ZEROS_8   "\0\0\0\0\0\0\0\0"
#define ZEROS_40  ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8
#define ZEROS_56  ZEROS_40 ZEROS_8 ZEROS_8
#define ERF(type) "\1\2\3\4\5\6\7\x08" type "\4\0\x80\0\0\0\x60"

static const struct row good[] = {
    ROW("BSD loopback, big-endian, AF_INET", 0, 4, "\0\0\0\2"),
    ROW("BSD loopback, little-endian, AF_INET", 0, 4, "\2\0\0\0"),
    ROW("BSD loopback, AF_INET6 of Linux", 0, 6, "\x0a\0\0\0"),
    ROW("BSD loopback, AF_INET6 of Windows", 0, 6, "\x17\0\0\0"),
    ROW("BSD loopback, AF_INET6 of NetBSD and OpenBSD", 0, 6, "\x18\0\0\0"),
    ROW("BSD loopback, AF_INET6 of FreeBSD", 0, 6, "\0\0\0\x1c"),
    ROW("BSD loopback, AF_INET6 of Darwin", 0, 6, "\x1e\0\0\0"),
    ROW("BSD loopback with an ethertype", 0, 4, "\0\0\x08\0"),
    ROW("OpenBSD loopback", 108, 6, "\0\0\0\x18"),
    ROW("Ethernet, IPv4", 1, 4, MACS "\x08\0"),
    ROW("Ethernet, IPv6", 1, 6, MACS "\x86\xdd"),
    ROW("Ethernet, 802.1Q", 1, 4, MACS "\x81\0\0\1\x08\0"),
    ROW("Ethernet, 802.1ad and 802.1Q", 1, 6, MACS "\x88\xa8\0\1\x81\0\0\2\x86\xdd"),
    ROW("Ethernet, three tags", 1, 4, MACS "\x91\0\0\1\x91\0\0\2\x81\0\0\3\x08\0"),
    ROW("Ethernet, 802.3 with SNAP", 1, 4, MACS "\0\x80" SNAP "\x08\0"),
    ROW("Ethernet, 802.3 with SNAP, bridge-tunnel OUI", 1, 6,
        MACS "\0\x80"
             "\xaa\xaa\x03\0\0\xf8\x86\xdd"),
    ROW("Ethernet, 802.3 with SAP 06", 1, 4,
        MACS "\0\x80"
             "\x06\x06\x03"),
    ROW("Ethernet, SNAP, VLAN inside", 1, 4, MACS "\0\x80" SNAP "\x81\0\0\1\x08\0"),
    ROW("token ring", 6, 4, "\x10\x40" MACS SNAP "\x08\0"),
    ROW("token ring, source-routed", 6, 6,
        "\x10\x40\2\0\0\0\0\1\x82\0\0\0\0\2"
        "\x06\x30\0\x11\0\x20" SNAP "\x86\xdd"),
    ROW("SLIP", 8, 4, "\0\x45\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ROW("PPP", 9, 4, "\xff\x03\0\x21"),
    ROW("PPP without address and control", 9, 6, "\0\x57"),
    ROW("PPP, protocol compressed", 9, 4, "\x21"),
    ROW("PPP, protocol compressed, IPv6", 9, 6, "\xff\x03\x57"),
    ROW("PPP in HDLC framing", 50, 4, "\xff\x03\0\x21"),
    ROW("Cisco HDLC under the number of PPP", 50, 4, "\x0f\0\x08\0"),
    ROW("Cisco HDLC multicast under the number of PPP", 9, 6, "\x8f\0\x86\xdd"),
    ROW("FDDI", 10, 4, "\x50" MACS SNAP "\x08\0"),
    ROW("FDDI with priority", 10, 6, "\x57" MACS SNAP "\x86\xdd"),
    ROW("raw IP 12", 12, 4, ""),
    ROW("raw IP 14", 14, 6, ""),
    ROW("raw IP 101", 101, 4, ""),
    ROW("raw IP 101, IPv6", 101, 6, ""),
    ROW("raw IPv4", 228, 4, ""),
    ROW("raw IPv6", 229, 6, ""),
    ROW("PPPoE", 51, 4, "\x11\0\0\1\xff\xff\0\x21"),
    ROW("PPPoE, IPv6", 51, 6, "\x11\0\0\1\xff\xff\0\x57"),
    ROW("ATM, LLC and SNAP", 100, 4, SNAP "\x08\0"),
    ROW("ATM, bare IP", 100, 6, ""),
    ROW("ATM, bare IPv4", 100, 4, ""),
    ROW("ATM, bridged Ethernet", 100, 4, "\xaa\xaa\x03\0\x80\xc2\0\7\0\0" MACS "\x08\0"),
    ROW("ATM, bridged Ethernet with FCS", 100, 4, "\xaa\xaa\x03\0\x80\xc2\0\1\0\0" MACS "\x08\0"),
    ROW("ATM, routed NLPID", 100, 4, "\xfe\xfe\x03\xcc"),
    ROW("ATM, routed NLPID, IPv6", 100, 6, "\xfe\xfe\x03\x8e"),
    ROW("classical IP over ATM", 106, 4, SNAP "\x08\0"),
    ROW("Cisco HDLC", 104, 4, "\x0f\0\x08\0"),
    ROW("802.11 data", 105, 4, "\x08\1" WIFI_HEAD SNAP "\x08\0"),
    ROW("802.11 data between access points", 105, 6, "\x08\3" WIFI_HEAD "\2\0\0\0\0\4" SNAP "\x86\xdd"),
    ROW("802.11 QoS data", 105, 4, "\x88\2" WIFI_HEAD "\0\0" SNAP "\x08\0"),
    ROW("802.11 QoS data with HT control", 105, 4, "\x88\x82" WIFI_HEAD "\0\0\0\0\0\0" SNAP "\x08\0"),
    ROW("802.11 QoS data, four addresses", 105, 4, "\x88\3" WIFI_HEAD "\2\0\0\0\0\4\0\0" SNAP "\x08\0"),
    ROW("Linux cooked", 113, 4, "\0\0\0\1\0\6\2\0\0\0\0\1\0\0\x08\0"),
    ROW("Linux cooked, IPv6", 113, 6, "\0\4\x03\x04\0\0\0\0\0\0\0\0\0\0\x86\xdd"),
    ROW("Linux cooked, VLAN", 113, 4, "\0\0\0\1\0\6\2\0\0\0\0\1\0\0\x81\0\0\5\x08\0"),
    ROW("Linux cooked, 802.2", 113, 4, "\0\0\0\1\0\6\2\0\0\0\0\1\0\0\0\4" SNAP "\x08\0"),
    ROW("radiotap", 127, 4,
        "\0\0\x08\0\0\0\0\0"
        "\x08\1" WIFI_HEAD SNAP "\x08\0"),
    ROW("radiotap, flags without padding", 127, 4,
        "\0\0\x09\0\2\0\0\0\0"
        "\x88\1" WIFI_HEAD "\0\0" SNAP "\x08\0"),
    ROW("radiotap, flags with padding", 127, 4,
        "\0\0\x09\0\2\0\0\0\x20"
        "\x88\1" WIFI_HEAD "\0\0"
        "\0\0" SNAP "\x08\0"),
    ROW("radiotap, timestamp before the flags", 127, 4,
        "\0\0\x11\0\3\0\0\0\1\2\3\4\5\6\7\x08\x20"
        "\x88\1" WIFI_HEAD "\0\0"
        "\0\0" SNAP "\x08\0"),
    ROW("radiotap, two present words, timestamp aligned", 127, 4,
        "\0\0\x19\0\3\0\0\x80\0\0\0\0\0\0\0\0\1\2\3\4\5\6\7\x08\x20"
        "\x88\1" WIFI_HEAD "\0\0"
        "\0\0" SNAP "\x08\0"),
    ROW("ARCNET of Linux", 129, 4, "\1\2\0\0\xd4\0\0\1"),
    ROW("ARCNET of Linux, IPv6", 129, 6, "\1\2\0\0\xc4\0\0\1"),
    ROW("ARCNET of Linux, exception frame", 129, 4, "\1\2\0\0\xd4\xff\0\0\0\0\0\1"),
    ROW("PPP from pppd", 166, 4, "\0\x03\0\x21"),
    ROW("PPP with direction", 204, 6, "\1\xff\x03\0\x57"),
    ROW("PPP with direction, no framing", 204, 4, "\1\0\x21"),
    ROW("PPI, Ethernet inside", 192, 4, "\0\0\x08\0\1\0\0\0" MACS "\x08\0"),
    ROW("PPI, fields, 802.11 inside", 192, 4,
        "\0\0\x0c\0\x69\0\0\0\1\2\3\4"
        "\x08\1" WIFI_HEAD SNAP "\x08\0"),
    ROW("NFLOG, little-endian", 239, 4,
        "\2\0\0\0"
        "\x08\0\1\0\1\2\3\4"
        "\xff\xff\x09\0"),
    ROW("NFLOG, big-endian, padded value", 239, 6,
        "\x0a\0\0\0"
        "\0\5\0\1\1\0\0\0"
        "\xff\xff\0\x09"),
    ROW("PKTAP", 258, 4, "\x10\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0" MACS "\x08\0"),
    ROW("PKTAP, raw IP inside", 258, 6, "\x0c\0\0\0\1\0\0\0\x65\0\0\0"),
    ROW("PKTAP under USER2", 149, 4, "\x0c\0\0\0\1\0\0\0\1\0\0\0" MACS "\x08\0"),
    ROW("ENC, little-endian", 109, 4, "\2\0\0\0\0\0\x12\x34\0\x0c\0\0"),
    ROW("ENC, big-endian", 109, 6, "\0\0\0\x18\0\0\x12\x34\0\0\x0c\0"),
    ROW("pflog, length 61", 117, 4, "\x3d\2\0\0em0\0" ZEROS_56),
    ROW("pflog, length 64", 117, 6, "\x40\x18\0\0em0\0" ZEROS_56),
    ROW("pflog of old, length 45", 117, 4, "\x2d\2\0\0em0\0" ZEROS_40),
    ROW("pflog of FreeBSD, length 69", 117, 6, "\x45\x1c\0\0em0\0" ZEROS_56 ZEROS_8),
    ROW("ERF, Ethernet", 197, 4, ERF("\2") "\0\0" MACS "\x08\0"),
    ROW("ERF, Ethernet, two extensions", 197, 6, ERF("\x82") "\x83\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\0\0" MACS "\x86\xdd"),
    ROW("ERF, colored Ethernet", 197, 4, ERF("\x0b") "\0\0" MACS "\x08\0"),
    ROW("ERF, Ethernet with DSM color", 197, 4, ERF("\x10") "\0\0" MACS "\x08\0"),
    ROW("ERF, Ethernet with hash", 197, 6, ERF("\x14") "\2\0" MACS "\x81\0\0\1\x86\xdd"),
    ROW("ERF, PPP over SONET", 197, 4, ERF("\1") "\xff\x03\0\x21"),
    ROW("ERF, colored Cisco HDLC", 197, 6, ERF("\x0a") "\x0f\0\x86\xdd"),
    ROW("ERF, Cisco HDLC with DSM color", 197, 4, ERF("\x0f") "\x0f\0\x08\0"),
    ROW("ERF, PPP with hash", 197, 4, ERF("\x13") "\xff\x03\0\x21"),
    ROW("ERF, channels", 197, 4, ERF("\5") "\0\0\0\7\x0f\0\x08\0"),
    ROW("ERF, colored channels", 197, 4, ERF("\x11") "\0\0\0\7\x0f\0\x08\0"),
    ROW("ERF, IPv4", 197, 4, ERF("\x16")),
    ROW("ERF, IPv6, an extension", 197, 6, ERF("\x97") "\4\0\0\0\0\0\0\0"),
    ROW("Linux cooked v2", 276, 4, "\x08\0\0\0\0\0\0\1\0\1\0\6\2\0\0\0\0\1\0\0"),
    ROW("Linux cooked v2, 802.2", 276, 6, "\0\4\0\0\0\0\0\1\0\1\0\6\2\0\0\0\0\1\0\0" SNAP "\x86\xdd"),
};

static const struct {
    struct row row;
    enum drop_reason reason;
} bad[] = {
    {ROW("BSD loopback, AF_UNIX", 0, 4, "\1\0\0\0"), DROP_NOT_IP},
    {ROW("Ethernet, ARP", 1, 4, MACS "\x08\x06"), DROP_NOT_IP},
    {ROW("Ethernet, four tags", 1, 4, MACS "\x81\0\0\1\x81\0\0\2\x81\0\0\3\x81\0\0\4\x08\0"), DROP_VLAN_DEPTH},
    {ROW("Ethernet, spanning tree", 1, 4,
         MACS "\0\x26"
              "\x42\x42\x03"),
     DROP_NOT_IP},
    {ROW("Ethernet, 802.2 with numbers", 1, 4,
         MACS "\0\x26"
              "\x42\x42\x00"),
     DROP_LINK_CONTROL},
    {ROW("Ethernet, SNAP of another organisation", 1, 4,
         MACS "\0\x80"
              "\xaa\xaa\x03\0\0\x0c\x08\0"),
     DROP_NOT_IP},
    {ROW("Ethernet, SNAP with a length", 1, 4, MACS "\0\x80" SNAP "\0\x80"), DROP_NOT_IP},
    {ROW("Ethernet says IPv4, IPv6 inside", 1, 6, MACS "\x08\0"), DROP_IP_MALFORMED},
    {ROW("Ethernet says IPv6, IPv4 inside", 1, 4, MACS "\x86\xdd"), DROP_IP_MALFORMED},
    {ROW("token ring, management", 6, 4, "\x10\0" MACS SNAP "\x08\0"), DROP_LINK_CONTROL},
    {ROW("token ring, routing field of 1", 6, 4, "\x10\x40\2\0\0\0\0\1\x82\0\0\0\0\2\1\0" SNAP "\x08\0"),
     DROP_LINK_SHORT},
    {ROW("PPP, link control", 9, 4, "\xff\x03\xc0\x21"), DROP_LINK_CONTROL},
    {ROW("PPPoE, discovery", 51, 4, "\x11\x09\0\0\xff\xff\0\x21"), DROP_LINK_CONTROL},
    {ROW("PPPoE, length that ends before the protocol", 51, 4, "\x11\0\0\1\0\1\0\x21"), DROP_LINK_SHORT},
    {ROW("FDDI, station management", 10, 4, "\x41" MACS SNAP "\x08\0"), DROP_LINK_CONTROL},
    {ROW("ARCNET, part of a packet", 129, 4, "\1\2\0\0\xd4\1\0\1"), DROP_FRAGMENT},
    {ROW("ATM, bridged token ring", 100, 4, "\xaa\xaa\x03\0\x80\xc2\0\3\0\0" MACS "\x08\0"), DROP_NOT_IP},
    {ROW("802.11 beacon", 105, 4, "\x80\0" WIFI_HEAD), DROP_LINK_CONTROL},
    {ROW("802.11 null data", 105, 4, "\x48\1" WIFI_HEAD SNAP "\x08\0"), DROP_LINK_CONTROL},
    {ROW("802.11 encrypted", 105, 4, "\x08\x41" WIFI_HEAD SNAP "\x08\0"), DROP_LINK_ENCRYPTED},
    {ROW("802.11 aggregate", 105, 4, "\x88\1" WIFI_HEAD "\x80\0" SNAP "\x08\0"), DROP_LINK_UNSUPPORTED},
    {ROW("Linux cooked, 802.3 frame without a type", 113, 4, "\0\0\0\1\0\6\2\0\0\0\0\1\0\0\0\1"), DROP_NOT_IP},
    {ROW("radiotap, length below 8", 127, 4,
         "\0\0\x07\0\0\0\0\0"
         "\x08\1" WIFI_HEAD SNAP "\x08\0"),
     DROP_LINK_SHORT},
    {ROW("radiotap, present words without end", 127, 4, "\0\0\x08\0\0\0\0\x80\0\0\0\x80"), DROP_LINK_SHORT},
    {ROW("radiotap, longer than the frame", 127, 4, "\0\0\xff\xff\0\0\0\0"), DROP_LINK_SHORT},
    {ROW("PPI, length below 8", 192, 4, "\0\0\x04\0\1\0\0\0" MACS "\x08\0"), DROP_LINK_SHORT},
    {ROW("PPI, unknown inside", 192, 4, "\0\0\x08\0\xff\xff\xff\xff"), DROP_LINK_UNSUPPORTED},
    {ROW("NFLOG, value shorter than its header", 239, 4,
         "\2\0\0\0"
         "\3\0\1\0"),
     DROP_LINK_CONTROL},
    {ROW("NFLOG, value that ends within UDP, with other values behind", 239, 4,
         "\2\0\0\0"
         "\x1e\0\x09\0"),
     DROP_IP_SHORT},
    {ROW("NFLOG, value longer than the frame", 239, 4,
         "\2\0\0\0"
         "\xff\x7f\1\0"),
     DROP_LINK_SHORT},
    {ROW("PKTAP, length below 12", 258, 4, "\x08\0\0\0\1\0\0\0\1\0\0\0"), DROP_LINK_SHORT},
    {ROW("PKTAP, length of 4 GiB", 258, 4, "\xff\xff\xff\xff\1\0\0\0\1\0\0\0"), DROP_LINK_SHORT},
    {ROW("USER2 of somebody", 149, 4, "\x0c\0\0\0\2\0\0\0\1\0\0\0" MACS "\x08\0"), DROP_LINK_UNSUPPORTED},
    {ROW("USER2, bare IP", 149, 4, ""), DROP_LINK_UNSUPPORTED},
    {ROW("PKTAP under USER2, unknown inside", 149, 4, "\x0c\0\0\0\1\0\0\0\xff\xff\0\0"), DROP_LINK_UNSUPPORTED},
    {ROW("pflog, length 44", 117, 4, "\x2c\2\0\0em0\0" ZEROS_40), DROP_LINK_CONTROL},
    {ROW("pflog, length beyond the frame", 117, 4, "\xff\2\0\0em0\0"), DROP_LINK_SHORT},
    {ROW("ERF, ATM cell", 197, 4, ERF("\3")), DROP_LINK_UNSUPPORTED},
    {ROW("ERF, metadata", 197, 4, ERF("\x1b")), DROP_LINK_UNSUPPORTED},
    {ROW("ERF, extensions without end", 197, 4, ERF("\x82") "\x83\0\0\0\0\0\0\0"), DROP_LINK_SHORT},
    {ROW("frame relay", 107, 4, ""), DROP_LINK_UNSUPPORTED},
    {ROW("unknown", 65535, 4, ""), DROP_LINK_UNSUPPORTED},
    {ROW("gap in the numbers", 2, 4, ""), DROP_LINK_UNSUPPORTED},
    {ROW("raw IP of version 5", 101, 4, "\x50"), DROP_NOT_IP},
};

static const uint8_t payload[] = "a DNS message";

static size_t build_row(const struct row *row, uint8_t *bytes, size_t size)
{
    struct flow f = flow_of(row->ip_vers);
    struct writer out = writer_over(bytes, size);
    write_bytes(&out, row->header, row->len);
    put_ip_udp(&out, &f, payload, sizeof(payload));
    assert_false(out.failed);
    return writer_len(&out);
}

static enum drop_reason decode_cut(const uint8_t *bytes, size_t len, size_t whole, uint16_t link_type,
                                   struct net_payload *out)
{
    uint8_t *copy = exact_copy(bytes, len);
    struct packet p = packet_of(copy, len, link_type, 0);
    p.wire_len = (uint32_t)whole;
    memset(out, 0xee, sizeof(*out));
    enum drop_reason why = net_decode(&p, NULL, out);
    if (why == DROP_NONE) {
        assert_true(out->bytes >= copy && out->bytes + out->len <= copy + len);
        assert_memory_equal(out->bytes, payload, out->len < sizeof(payload) ? out->len : sizeof(payload));
        out->bytes = NULL;
        out->src = out->dst = NULL;
    }
    free(copy);
    return why;
}

static void each_header_leads_to_the_payload(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(good); i++) {
        uint8_t bytes[512];
        struct net_payload udp;
        size_t len = build_row(&good[i], bytes, sizeof(bytes));
        enum drop_reason why = decode_cut(bytes, len, len, good[i].link_type, &udp);
        if (why != DROP_NONE)
            fail_msg("%s: %s", good[i].why, drop_table[why].token);
        assert_int_equal(udp.len, sizeof(payload));
        assert_true(udp.complete);
        assert_false(udp.fragment);
        assert_int_equal(udp.ip_vers, good[i].ip_vers);
        assert_int_equal(udp.src_port, 53);
        assert_int_equal(udp.dst_port, 40000);
        assert_int_not_equal(net_link_layer(good[i].link_type), LAYER_NONE);
    }
}

/* Nothing is delivered before the UDP header is whole; what is cut later is delivered as far as it goes. */
static void cut_at_every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(good); i++) {
        uint8_t bytes[512];
        struct net_payload udp;
        size_t len = build_row(&good[i], bytes, sizeof(bytes));
        size_t udp_end = len - sizeof(payload);
        for (size_t cut = 0; cut < len; cut++) {
            enum drop_reason why = decode_cut(bytes, cut, len, good[i].link_type, &udp);
            if ((why == DROP_NONE) != (cut >= udp_end))
                fail_msg("%s cut at %zu of %zu: %s", good[i].why, cut, len, drop_table[why].token);
            bool is_said = why == DROP_NONE || why == DROP_LINK_SHORT || why == DROP_IP_SHORT;
            if (good[i].link_type == 239) /* values may end anywhere: then there is no packet among them */
                is_said = is_said || why == DROP_LINK_CONTROL;
            if (!is_said)
                fail_msg("%s cut at %zu of %zu: %s", good[i].why, cut, len, drop_table[why].token);
            if (why == DROP_NONE) {
                assert_int_equal(udp.len, cut - udp_end);
                assert_false(udp.complete);
            }
        }
    }
}

static void each_refusal_has_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(bad); i++) {
        uint8_t bytes[512];
        struct net_payload udp;
        const struct row *row = &bad[i].row;
        size_t len = build_row(row, bytes, sizeof(bytes));
        if (bad[i].reason == DROP_LINK_SHORT && row->len > 0)
            len = row->len > 30 ? len : row->len; /* the header alone */
        enum drop_reason why = decode_cut(bytes, len, len, row->link_type, &udp);
        if (why != bad[i].reason)
            fail_msg("%s: %s, expected %s", row->why, drop_table[why].token, drop_table[bad[i].reason].token);
        for (size_t cut = 0; cut < len; cut++)
            assert_int_not_equal(decode_cut(bytes, cut, len, row->link_type, &udp), DROP_NONE);
    }
}

/* Headers that lead to themselves end too. */
static void nesting_is_bounded(void **state)
{
    (void)state;
    uint8_t bytes[64 * 12];
    struct net_payload udp;
    for (size_t i = 0; i < sizeof(bytes); i += 12)
        memcpy(bytes + i, "\x0c\0\0\0\1\0\0\0\2\1\0\0", 12); /* PKTAP in PKTAP */
    assert_int_not_equal(decode_cut(bytes, sizeof(bytes), sizeof(bytes), 258, &udp), DROP_NONE);
    for (size_t i = 0; i < sizeof(bytes); i += 8)
        memcpy(bytes + i, "\0\0\x08\0\xc0\0\0\0", 8); /* PPI in PPI */
    assert_int_not_equal(decode_cut(bytes, sizeof(bytes), sizeof(bytes), 192, &udp), DROP_NONE);
}

/* Random bytes of every link type: a result of the frame ledger, and nothing read outside. */
static void random_bytes(void **state)
{
    (void)state;
    struct chance c = {11};
    for (int round = 0; round < 200000; round++) {
        uint8_t bytes[192];
        struct net_payload udp;
        const struct row *row = &good[chance_below(&c, LEN(good))];
        size_t len = build_row(row, bytes, sizeof(bytes));
        for (size_t n = 1 + chance_below(&c, 6); n > 0; n--)
            bytes[chance_below(&c, len)] = (uint8_t)chance_next(&c);
        len = chance_below(&c, len + 1);
        uint8_t *copy = exact_copy(bytes, len);
        struct packet p = packet_of(copy, len, row->link_type, 0);
        enum drop_reason why = net_decode(&p, NULL, &udp);
        assert_true(why == DROP_NONE || drop_table[why].ledger == LEDGER_FRAME);
        free(copy);
    }
}

static void names_of_link_types(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= UINT16_MAX; i++) {
        assert_non_null(net_link_name((uint16_t)i));
        if (net_link_layer((uint16_t)i) != LAYER_NONE)
            assert_string_not_equal(net_link_name((uint16_t)i), "link type");
    }
    assert_string_equal(net_link_name(1), "Ethernet");
    assert_string_equal(net_link_name(2), "link type");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_header_leads_to_the_payload),
        cmocka_unit_test(cut_at_every_length),
        cmocka_unit_test(each_refusal_has_its_reason),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(names_of_link_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
