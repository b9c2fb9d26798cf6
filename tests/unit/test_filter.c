/* SPDX-License-Identifier: BSD-3-Clause */
#include "testing.h"

#include "capture/filter.h"

static struct error err;
static const uint8_t payload[] = "payload";

static size_t frame_of(uint8_t *bytes, size_t size, uint16_t link_type, uint8_t ip_vers)
{
    struct flow f = flow_of(ip_vers);
    struct writer out = writer_over(bytes, size);
    if (link_type == 1)
        put_ethernet(&out, ip_vers == 4 ? 0x0800 : 0x86dd);
    else if (link_type == 113)
        write_bytes(&out, ip_vers == 4 ? "\0\0\0\1\0\6\2\0\0\0\0\1\0\0\x08\0" : "\0\0\0\1\0\6\2\0\0\0\0\1\0\0\x86\xdd",
                    16);
    else if (link_type == 104)
        write_bytes(&out, ip_vers == 4 ? "\x0f\0\x08\0" : "\x0f\0\x86\xdd", 4);
    else if (link_type == 9)
        write_bytes(&out, ip_vers == 4 ? "\xff\3\0\x21" : "\xff\3\0\x57", 4);
    put_ip_udp(&out, &f, payload, sizeof(payload));
    assert_false(out.failed);
    return writer_len(&out);
}

/* One filter over frames of all link types, in any order. */
static void by_link_type(void **state)
{
    (void)state;
    static const uint16_t links[] = {1, 101, 113, 104, 9, 1, 113, 101};
    struct filter *udp, *host, *ip6;
    assert_int_equal(filter_create("udp src port 53", &udp, &err), 0);
    assert_int_equal(filter_create("host 10.0.0.7", &host, &err), 0);
    assert_int_equal(filter_create("ip6", &ip6, &err), 0);
    for (size_t i = 0; i < LEN(links); i++) {
        for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2) {
            uint8_t bytes[256];
            size_t len = frame_of(bytes, sizeof(bytes), links[i], ip_vers);
            uint8_t *copy = exact_copy(bytes, len);
            struct packet p = packet_of(copy, len, links[i], 0);
            if (!filter_match(udp, &p))
                fail_msg("link type %u, IPv%u", links[i], ip_vers);
            assert_int_equal(filter_match(host, &p), ip_vers == 4);
            assert_int_equal(filter_match(ip6, &p), ip_vers == 6);
            free(copy);
        }
    }
    filter_destroy(udp);
    filter_destroy(host);
    filter_destroy(ip6);
}

static void cut_at_every_length(void **state)
{
    (void)state;
    struct filter *filter;
    uint8_t bytes[256];
    size_t len = frame_of(bytes, sizeof(bytes), 1, 4);
    assert_int_equal(filter_create("udp src port 53", &filter, &err), 0);
    for (size_t cut = 0; cut <= len; cut++) {
        uint8_t *copy = exact_copy(bytes, cut);
        struct packet p = packet_of(copy, cut, 1, 0);
        p.wire_len = (uint32_t)len;
        assert_int_equal(filter_match(filter, &p), cut >= 14 + 20 + 2);
        free(copy);
    }
    filter_destroy(filter);
}

/* `len` is the length on the wire. */
static void length_on_the_wire(void **state)
{
    (void)state;
    struct filter *filter;
    uint8_t bytes[256];
    size_t len = frame_of(bytes, sizeof(bytes), 1, 4);
    assert_int_equal(filter_create("greater 1000", &filter, &err), 0);
    struct packet p = packet_of(bytes, len, 1, 0);
    assert_false(filter_match(filter, &p));
    p.wire_len = 1000;
    assert_true(filter_match(filter, &p));
    filter_destroy(filter);
}

static void not_an_expression(void **state)
{
    (void)state;
    static const char *const bad[] = {"udp prot 53", "(", "host 10.0.0.300", "port 70000", "and"};
    for (size_t i = 0; i < LEN(bad); i++) {
        struct filter *filter = NULL;
        memset(&err, 0, sizeof(err));
        assert_int_equal(filter_create(bad[i], &filter, &err), -1);
        assert_non_null(strstr(err.text, "expected"));
        assert_null(filter);
    }
    filter_destroy(NULL);
}

/* An expression about Ethernet lets no frame of a raw link type pass; nor does one of a link type that libpcap does not
 * know. */
static void link_types_without_a_program(void **state)
{
    (void)state;
    struct filter *filter;
    uint8_t bytes[256];
    assert_int_equal(filter_create("ether host 02:00:00:00:00:01", &filter, &err), 0);
    size_t len = frame_of(bytes, sizeof(bytes), 101, 4);
    struct packet p = packet_of(bytes, len, 101, 0);
    assert_false(filter_match(filter, &p));
    len = frame_of(bytes, sizeof(bytes), 1, 4);
    p = packet_of(bytes, len, 1, 0);
    assert_true(filter_match(filter, &p));
    for (unsigned link = 290; link <= 65535; link += 97) {
        p.link_type = (uint16_t)link;
        assert_false(filter_match(filter, &p));
        assert_int_equal(filter_check_link(filter, (uint16_t)link, &err), 0);
    }
    p.link_type = 1;
    assert_true(filter_match(filter, &p));
    filter_destroy(filter);
}

/* There may be more link types than anybody thought of, in any order. */
static void any_number_of_link_types(void **state)
{
    (void)state;
    struct filter *filter;
    uint8_t raw[256], ethernet[256];
    size_t raw_len = frame_of(raw, sizeof(raw), 101, 4), len = frame_of(ethernet, sizeof(ethernet), 1, 4);
    assert_int_equal(filter_create("udp src port 53", &filter, &err), 0);
    for (int round = 0; round < 2; round++) {
        for (uint16_t link = 0; link < 300; link++) {
            struct packet p = packet_of(ethernet, len, link, 0);
            bool is_matched = filter_match(filter, &p);
            if (link == 1)
                assert_true(is_matched);
            p = packet_of(raw, raw_len, link, 0);
            is_matched = filter_match(filter, &p);
            if (link == 12 || link == 14 || link == 101 || link == 228)
                assert_true(is_matched);
        }
    }
    filter_destroy(filter);
}

/* Loopback of every system: its number for IPv6, in its byte order, or an ethertype. */
static void loopback(void **state)
{
    (void)state;
    static const uint32_t families[] = {2, 10, 23, 24, 28, 30, 0x0800, 0x86dd};
    static const uint16_t links[] = {0, 108, 109};
    struct filter *udp, *ip6;
    assert_int_equal(filter_create("udp src port 53", &udp, &err), 0);
    assert_int_equal(filter_create("ip6", &ip6, &err), 0);
    for (size_t i = 0; i < LEN(families) * LEN(links) * 2; i++) {
        uint32_t family = families[i / 2 % LEN(families)];
        uint16_t link = links[i / 2 / LEN(families)];
        bool is_ip4 = family == 2 || family == 0x0800;
        uint8_t bytes[256];
        struct flow f = flow_of(is_ip4 ? 4 : 6);
        struct writer out = writer_over(bytes, sizeof(bytes));
        if (i % 2 && family < 0x0600)
            write_bytes(&out, (const uint8_t[]){(uint8_t)family, (uint8_t)(family >> 8), 0, 0}, 4);
        else
            write_be32(&out, family);
        if (link == 109)
            write_zeros(&out, 8);
        put_ip_udp(&out, &f, payload, sizeof(payload));
        size_t len = writer_len(&out), ports = len - sizeof(payload) - 8;
        for (size_t cut = 0; cut <= len; cut++) {
            uint8_t *copy = exact_copy(bytes, cut);
            struct packet p = packet_of(copy, cut, link, 0);
            p.wire_len = (uint32_t)len;
            if (filter_match(udp, &p) != (cut >= ports + 2))
                fail_msg("link type %u, family %u, %s, cut at %zu", link, family, i % 2 ? "little" : "big", cut);
            if (cut == len)
                assert_int_equal(filter_match(ip6, &p), !is_ip4);
            free(copy);
        }
    }
    uint8_t other[] = {7, 0, 0, 0, 0x45, 0, 0, 0};
    struct packet p = packet_of(other, sizeof(other), 0, 0);
    assert_false(filter_match(udp, &p));
    filter_destroy(udp);
    filter_destroy(ip6);
}

/* What a file does not tell is refused, where it does not. */
static void only_live(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        uint16_t link;
        bool can_be_judged;
    } rows[] = {
        {"inbound", 1, false},   {"outbound", 101, false},
        {"ifindex 3", 1, false}, {"inbound and udp", 1, false},
        {"inbound", 0, false},   {"ifindex 3", 113, false},
        {"inbound", 113, true},  {"inbound", 276, true},
        {"outbound", 276, true}, {"ifindex 3", 276, true},
        {"inbound", 117, true},  {"udp", 1, true},
        {"udp", 258, true},      {"ether host 1:2:3:4:5:6", 101, true},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        struct filter *filter;
        memset(&err, 0, sizeof(err));
        assert_int_equal(filter_create(rows[i].expression, &filter, &err), 0);
        if (filter_check_link(filter, rows[i].link, &err) != (rows[i].can_be_judged ? 0 : -1))
            fail_msg("%s, link type %u", rows[i].expression, rows[i].link);
        if (!rows[i].can_be_judged && (!strstr(err.text, "cannot be judged") || !strstr(err.text, rows[i].expression)))
            fail_msg("%s", err.text);
        filter_destroy(filter);
    }
}

/* The first byte of the packet type: 4 is sent by the machine itself. */
static void direction_of_cooked_frames(void **state)
{
    (void)state;
    struct filter *in, *out;
    uint8_t bytes[256];
    assert_int_equal(filter_create("inbound", &in, &err), 0);
    assert_int_equal(filter_create("outbound", &out, &err), 0);
    size_t len = frame_of(bytes, sizeof(bytes), 113, 4);
    for (uint8_t type = 0; type <= 4; type++) {
        struct packet p = packet_of(bytes, len, 113, 0);
        bytes[1] = type;
        assert_int_equal(filter_match(in, &p), type != 4);
        assert_int_equal(filter_match(out, &p), type == 4);
    }
    filter_destroy(in);
    filter_destroy(out);
}

/* Expressions that make sense for one kind of link alone. */
static void of_one_kind_of_link(void **state)
{
    (void)state;
    static const char *const good[] = {"type data", "on em0", "vpi 1", "sio 1"};
    for (size_t i = 0; i < LEN(good); i++) {
        struct filter *filter;
        if (filter_create(good[i], &filter, &err) != 0)
            fail_msg("%s: %s", good[i], err.text);
        filter_destroy(filter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_link_type),
        cmocka_unit_test(cut_at_every_length),
        cmocka_unit_test(length_on_the_wire),
        cmocka_unit_test(not_an_expression),
        cmocka_unit_test(link_types_without_a_program),
        cmocka_unit_test(any_number_of_link_types),
        cmocka_unit_test(loopback),
        cmocka_unit_test(only_live),
        cmocka_unit_test(direction_of_cooked_frames),
        cmocka_unit_test(of_one_kind_of_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
