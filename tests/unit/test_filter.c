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

/* An expression about Ethernet lets no frame of a raw link type pass; more link types than there are programs
 * for are refused, not mixed up. */
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
    for (uint16_t link = 200; link < 300; link++) {
        p.link_type = link;
        (void)filter_match(filter, &p);
    }
    p.link_type = 1;
    assert_true(filter_match(filter, &p));
    filter_destroy(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_link_type),
        cmocka_unit_test(cut_at_every_length),
        cmocka_unit_test(length_on_the_wire),
        cmocka_unit_test(not_an_expression),
        cmocka_unit_test(link_types_without_a_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
