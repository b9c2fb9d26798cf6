/* SPDX-License-Identifier: BSD-3-Clause
 *
 * IPv4, IPv6 and UDP, in raw IP frames that are made field by field. */
#include "testing.h"

enum { LINK_RAW = 101, PAYLOAD = 40 };

static uint8_t frame[70000];
static struct writer out;

static struct net_payload udp;
static const uint8_t *at; /* the copy that was decoded */

static void begin(void)
{
    out = writer_over(frame, sizeof(frame));
}

/* A UDP header with this length field and PAYLOAD bytes behind it. */
static void udp_of(size_t length_field)
{
    write_be16(&out, 53);
    write_be16(&out, 40000);
    write_be16(&out, length_field);
    write_be16(&out, 0xbeef);
    for (size_t i = 0; i < PAYLOAD; i++)
        write_u8(&out, i);
}

static enum drop_reason decode(void)
{
    static uint8_t *last;
    assert_false(out.failed);
    free(last);
    last = exact_copy(frame, writer_len(&out));
    at = last;
    struct packet p = packet_of(last, writer_len(&out), LINK_RAW, 0);
    memset(&udp, 0xee, sizeof(udp));
    return net_decode(&p, NULL, &udp);
}

#define expect(reason) expect_at(reason, __LINE__)

static void expect_at(enum drop_reason reason, int line)
{
    enum drop_reason why = decode();
    if (why != reason)
        fail_msg("line %d: %s, expected %s", line, drop_table[why].token, drop_table[reason].token);
}

static void ipv4_of(unsigned ihl, size_t total, uint16_t fragment, uint8_t protocol)
{
    begin();
    write_u8(&out, 0x40 | ihl);
    write_u8(&out, 0);
    write_be16(&out, total);
    write_be16(&out, 7);
    write_be16(&out, fragment);
    write_u8(&out, 64);
    write_u8(&out, protocol);
    write_be16(&out, 0);
    write_bytes(&out, "\x0a\0\0\x35\x0a\0\0\x07", 8);
}

static void ipv6_of(size_t payload_len, uint8_t next)
{
    begin();
    put_ipv6(&out, (const uint8_t *)"resolver--------", (const uint8_t *)"client----------", next, payload_len);
}

/* next header | length field | `bytes` in all, the rest filled with what would be a wrong next header */
static void extension(uint8_t next, uint8_t length_field, size_t bytes)
{
    write_u8(&out, next);
    write_u8(&out, length_field);
    for (size_t i = 2; i < bytes; i++)
        write_u8(&out, 59);
}

static void ipv4_header_length(void **state)
{
    (void)state;
    for (unsigned ihl = 0; ihl <= 15; ihl++) {
        size_t header = ihl < 5 ? 20 : 4 * (size_t)ihl;
        ipv4_of(ihl, header + 8 + PAYLOAD, 0, 17);
        write_zeros(&out, header - 20);
        udp_of(8 + PAYLOAD);
        expect(ihl < 5 ? DROP_IP_MALFORMED : DROP_NONE);
        if (ihl >= 5) {
            assert_int_equal(udp.len, PAYLOAD);
            assert_ptr_equal(udp.bytes, at + header + 8);
            assert_ptr_equal(udp.src, at + 12);
            assert_ptr_equal(udp.dst, at + 16);
            assert_int_equal(udp.checksum, 0xbeef);
            assert_true(udp.complete);
        }
    }
    ipv4_of(15, 60 + 8 + PAYLOAD, 0, 17); /* options announced, but the frame ends */
    write_zeros(&out, 39);
    expect(DROP_IP_SHORT);
}

/* The header and nothing behind it: whole, and for what it names as the next to say. */
static void ipv6_header_alone(void **state)
{
    (void)state;
    static const struct {
        uint8_t next;
        enum drop_reason reason;
    } rows[] = {{58, DROP_ICMP}, {59, DROP_NOT_UDP}, {50, DROP_IP_ENCRYPTED}, {17, DROP_IP_SHORT}, {0, DROP_IP_SHORT}};
    for (size_t i = 0; i < LEN(rows); i++) {
        ipv6_of(0, rows[i].next);
        expect(rows[i].reason);
    }
    ipv6_of(0, 58);
    out.at--; /* 39 bytes */
    expect(DROP_IP_SHORT);
}

/* Each field of a TCP header, behind options or none; a header that ends before its offset says so. */
static void tcp_fields(void **state)
{
    (void)state;
    for (unsigned words = 4; words <= 15; words++) {
        size_t header = words < 5 ? 20 : 4 * (size_t)words;
        for (size_t payload = 0; payload <= 3; payload += 3) {
            ipv4_of(5, 20 + header + payload, 0, 6);
            write_be16(&out, 53);
            write_be16(&out, 40000);
            write_be32(&out, 0x01020304);
            write_be32(&out, 0x05060708);
            write_u8(&out, words << 4 | 1);
            write_u8(&out, 0x12);
            write_zeros(&out, header - 14 + payload);
            expect(words < 5 ? DROP_TCP_MALFORMED : DROP_NONE);
            if (words < 5)
                continue;
            assert_int_equal(udp.transport, NET_TCP);
            assert_int_equal(udp.src_port, 53);
            assert_int_equal(udp.dst_port, 40000);
            assert_true(udp.tcp_seq == 0x01020304);
            assert_int_equal(udp.tcp_flags, 0x12);
            assert_int_equal(udp.len, payload);
            assert_int_equal(udp.wire_len, payload);
            assert_ptr_equal(udp.bytes, at + 20 + header);
            assert_true(udp.complete);
            out.at--;
            expect(payload > 0 ? DROP_NONE : DROP_IP_SHORT); /* one byte less */
            if (payload > 0)
                assert_true(!udp.complete && udp.len == payload - 1 && udp.wire_len == payload);
        }
    }
}

static void ipv4_total_length(void **state)
{
    (void)state;
    static const struct {
        size_t total;
        enum drop_reason reason;
        size_t len;
        bool complete;
    } rows[] = {
        {0, DROP_NONE, PAYLOAD, true}, /* segmentation offload */
        {1, DROP_IP_MALFORMED, 0, false},
        {19, DROP_IP_MALFORMED, 0, false},
        {20, DROP_IP_SHORT, 0, false},
        {27, DROP_IP_SHORT, 0, false},
        {28, DROP_NONE, 0, false},
        {28 + PAYLOAD - 1, DROP_NONE, PAYLOAD - 1, false},
        {28 + PAYLOAD, DROP_NONE, PAYLOAD, true},
        {28 + PAYLOAD + 1, DROP_NONE, PAYLOAD, true}, /* bytes behind the UDP datagram were cut */
        {65535, DROP_NONE, PAYLOAD, true},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        ipv4_of(5, rows[i].total, 0, 17);
        udp_of(8 + PAYLOAD);
        expect(rows[i].reason);
        if (rows[i].reason == DROP_NONE) {
            assert_int_equal(udp.len, rows[i].len);
            assert_int_equal(udp.complete, rows[i].complete);
        }
    }
    ipv4_of(6, 23, 0, 17); /* longer than 20, shorter than the header */
    write_zeros(&out, 4);
    udp_of(8 + PAYLOAD);
    expect(DROP_IP_MALFORMED);
}

static void padding_is_no_payload(void **state)
{
    (void)state;
    ipv4_of(5, 28 + PAYLOAD, 0, 17);
    udp_of(8 + PAYLOAD);
    write_bytes(&out, "padding", 7);
    expect(DROP_NONE);
    assert_int_equal(udp.len, PAYLOAD);
    assert_true(udp.complete);
    ipv6_of(8 + PAYLOAD, 17);
    udp_of(8 + PAYLOAD);
    write_bytes(&out, "padding", 7);
    expect(DROP_NONE);
    assert_int_equal(udp.len, PAYLOAD);
    assert_true(udp.complete);
    ipv4_of(5, 28 + 10, 0, 17); /* UDP says more than IP holds: the padding does not fill it */
    udp_of(8 + PAYLOAD);
    expect(DROP_NONE);
    assert_int_equal(udp.len, 10);
    assert_false(udp.complete);
}

static void ipv4_fragments(void **state)
{
    (void)state;
    ipv4_of(5, 28 + PAYLOAD, 0x2000, 17); /* first: more to come */
    udp_of(8 + 1400);
    expect(DROP_NONE);
    assert_true(udp.fragment);
    assert_false(udp.complete);
    assert_int_equal(udp.len, PAYLOAD);
    ipv4_of(5, 28 + PAYLOAD, 0x4000, 17); /* do not fragment */
    udp_of(8 + PAYLOAD);
    expect(DROP_NONE);
    assert_false(udp.fragment);
    static const uint16_t later[] = {0x0001, 0x2001, 0x1fff, 0x3fff, 0x4001};
    for (size_t i = 0; i < LEN(later); i++) {
        ipv4_of(5, 28 + PAYLOAD, later[i], 17);
        udp_of(8 + PAYLOAD);
        expect(DROP_FRAGMENT);
    }
}

static void udp_length(void **state)
{
    (void)state;
    static const struct {
        size_t length;
        enum drop_reason reason;
        size_t len;
        bool complete;
    } rows[] = {
        {0, DROP_NONE, PAYLOAD, true},
        {1, DROP_UDP_MALFORMED, 0, false},
        {7, DROP_UDP_MALFORMED, 0, false},
        {8, DROP_NONE, 0, true},
        {9, DROP_NONE, 1, true},
        {8 + PAYLOAD, DROP_NONE, PAYLOAD, true},
        {8 + PAYLOAD + 1, DROP_NONE, PAYLOAD, false},
        {65535, DROP_NONE, PAYLOAD, false},
    };
    for (size_t i = 0; i < 2 * LEN(rows); i++) {
        if (i % 2)
            ipv6_of(8 + PAYLOAD, 17);
        else
            ipv4_of(5, 28 + PAYLOAD, 0, 17);
        udp_of(rows[i / 2].length);
        expect(rows[i / 2].reason);
        if (rows[i / 2].reason == DROP_NONE) {
            assert_int_equal(udp.len, rows[i / 2].len);
            assert_int_equal(udp.complete, rows[i / 2].complete);
        }
    }
}

static void protocols(void **state)
{
    (void)state;
    static const struct {
        uint8_t protocol;
        enum drop_reason ip4, ip6;
    } rows[] = {
        {1, DROP_ICMP, DROP_ICMP},
        {58, DROP_ICMP, DROP_ICMP},
        {6, DROP_TCP_MALFORMED, DROP_TCP_MALFORMED},
        {50, DROP_IP_ENCRYPTED, DROP_IP_ENCRYPTED},
        {132, DROP_NOT_UDP, DROP_NOT_UDP},
        {136, DROP_NOT_UDP, DROP_NOT_UDP},
        {59, DROP_NOT_UDP, DROP_NOT_UDP},
        {41, DROP_TUNNEL, DROP_TUNNEL},
        {255, DROP_NOT_UDP, DROP_NOT_UDP},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        ipv4_of(5, 28 + PAYLOAD, 0, rows[i].protocol);
        udp_of(8 + PAYLOAD);
        expect(rows[i].ip4);
        ipv6_of(8 + PAYLOAD, rows[i].protocol);
        udp_of(8 + PAYLOAD);
        expect(rows[i].ip6);
    }
    static const uint8_t only_ip6[] = {0, 43, 44, 60, 135, 139, 140}; /* no extension headers in IPv4 */
    for (size_t i = 0; i < LEN(only_ip6); i++) {
        ipv4_of(5, 36 + PAYLOAD, 0, only_ip6[i]);
        extension(17, 0, 8);
        udp_of(8 + PAYLOAD);
        expect(DROP_NOT_UDP);
    }
}

/* A whole response quoted in "port unreachable" is no response. */
static void icmp_is_not_looked_into(void **state)
{
    (void)state;
    struct flow f = flow_of(4);
    ipv4_of(5, 20 + 8 + 28 + 12, 0, 1);
    write_bytes(&out, "\3\3\0\0\0\0\0\0", 8);
    put_ip_udp(&out, &f, (const uint8_t *)"\0\1\x81\x80\0\1\0\1\0\0\0\0", 12);
    expect(DROP_ICMP);
    f = flow_of(6);
    ipv6_of(8 + 48 + 12, 58);
    write_bytes(&out, "\1\4\0\0\0\0\0\0", 8);
    put_ip_udp(&out, &f, (const uint8_t *)"\0\1\x81\x80\0\1\0\1\0\0\0\0", 12);
    expect(DROP_ICMP);
}

static void authentication_header_counts_words(void **state)
{
    (void)state;
    for (unsigned field = 0; field <= 255; field++) {
        size_t bytes = (field + 2) * 4;
        ipv4_of(5, 20 + bytes + 8 + PAYLOAD, 0, 51);
        extension(17, (uint8_t)field, bytes);
        udp_of(8 + PAYLOAD);
        expect(DROP_NONE);
        assert_ptr_equal(udp.bytes, at + 20 + bytes + 8);
        ipv6_of(bytes + 8 + PAYLOAD, 51);
        extension(17, (uint8_t)field, bytes);
        udp_of(8 + PAYLOAD);
        expect(DROP_NONE);
        assert_ptr_equal(udp.bytes, at + 40 + bytes + 8);
    }
}

static void extension_headers_count_eights(void **state)
{
    (void)state;
    static const uint8_t kinds[] = {0, 43, 60, 135, 139, 140};
    for (size_t kind = 0; kind < LEN(kinds); kind++) {
        for (unsigned field = 0; field <= 255; field++) {
            size_t bytes = (field + 1) * 8;
            ipv6_of(bytes + 8 + PAYLOAD, kinds[kind]);
            extension(17, (uint8_t)field, bytes);
            udp_of(8 + PAYLOAD);
            expect(DROP_NONE);
            assert_ptr_equal(udp.bytes, at + 40 + bytes + 8);
            assert_int_equal(udp.len, PAYLOAD);
            assert_true(udp.complete);
        }
        ipv6_of(8, kinds[kind]);
        extension(17, 1, 8); /* one unit more than there is */
        expect(DROP_IP_SHORT);
    }
}

static void ipv6_fragments(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint16_t offset_flags;
        enum drop_reason reason;
        bool fragment;
    } rows[] = {
        {"atomic", 0, DROP_NONE, false},          {"first", 1, DROP_NONE, true},
        {"reserved bits", 6, DROP_NONE, false},   {"later", 8, DROP_FRAGMENT, false},
        {"later, more", 9, DROP_FRAGMENT, false}, {"last offset", 0xfff8, DROP_FRAGMENT, false},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        ipv6_of(8 + 8 + PAYLOAD, 44);
        write_u8(&out, 17);
        write_u8(&out, 255); /* reserved, not a length */
        write_be16(&out, rows[i].offset_flags);
        write_be32(&out, 77);
        udp_of(8 + PAYLOAD);
        expect(rows[i].reason);
        if (rows[i].reason == DROP_NONE) {
            assert_int_equal(udp.fragment, rows[i].fragment);
            assert_int_equal(udp.len, PAYLOAD);
            assert_ptr_equal(udp.src, at + 8);
            assert_ptr_equal(udp.dst, at + 24);
        }
    }
}

static void chains(void **state)
{
    (void)state;
    ipv6_of(8 + 16 + 8 + 12 + 8 + PAYLOAD, 0); /* hop-by-hop, routing, atomic fragment, AH, UDP */
    extension(43, 0, 8);
    extension(44, 1, 16);
    write_bytes(&out, "\x33\0\0\0\0\0\0\1", 8);
    extension(17, 1, 12);
    udp_of(8 + PAYLOAD);
    expect(DROP_NONE);
    assert_int_equal(udp.len, PAYLOAD);
    ipv6_of(8 + 8 + PAYLOAD, 60);
    extension(50, 0, 8);
    udp_of(8 + PAYLOAD);
    expect(DROP_IP_ENCRYPTED);
    for (size_t count = 0; count <= 40; count++) {
        ipv6_of(8 * count + 8 + PAYLOAD, count ? 60 : 17);
        for (size_t i = 0; i < count; i++)
            extension(i + 1 < count ? 60 : 17, 0, 8);
        udp_of(8 + PAYLOAD);
        enum drop_reason why = decode();
        if (count <= 8)
            assert_int_equal(why, DROP_NONE);
        else if (count > 16)
            assert_int_equal(why, DROP_IP_MALFORMED);
        else
            assert_true(why == DROP_NONE || why == DROP_IP_MALFORMED);
    }
}

static void ipv6_payload_length(void **state)
{
    (void)state;
    ipv6_of(0, 17); /* jumbogram or segmentation offload */
    udp_of(0);
    expect(DROP_NONE);
    assert_int_equal(udp.len, PAYLOAD);
    ipv6_of(7, 17);
    udp_of(8 + PAYLOAD);
    expect(DROP_IP_SHORT);
    ipv6_of(8, 17);
    udp_of(8);
    expect(DROP_NONE);
    assert_int_equal(udp.len, 0);
    ipv6_of(65535, 17);
    udp_of(8 + PAYLOAD);
    expect(DROP_NONE);
    assert_int_equal(udp.len, PAYLOAD);
}

/* IP says more than was captured and UDP says nothing: what is there is not all. */
static void a_cut_packet_without_udp_length_is_not_complete(void **state)
{
    (void)state;
    ipv4_of(5, 28 + PAYLOAD + 500, 0, 17);
    udp_of(0);
    expect(DROP_NONE);
    assert_int_equal(udp.len, PAYLOAD);
    assert_false(udp.complete);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_header_length),
        cmocka_unit_test(ipv4_total_length),
        cmocka_unit_test(ipv6_header_alone),
        cmocka_unit_test(tcp_fields),
        cmocka_unit_test(padding_is_no_payload),
        cmocka_unit_test(ipv4_fragments),
        cmocka_unit_test(udp_length),
        cmocka_unit_test(protocols),
        cmocka_unit_test(icmp_is_not_looked_into),
        cmocka_unit_test(authentication_header_counts_words),
        cmocka_unit_test(extension_headers_count_eights),
        cmocka_unit_test(ipv6_fragments),
        cmocka_unit_test(chains),
        cmocka_unit_test(ipv6_payload_length),
        cmocka_unit_test(a_cut_packet_without_udp_length_is_not_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
