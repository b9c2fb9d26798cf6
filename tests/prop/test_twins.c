/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fast code against slow obvious code that was written separately. */
#include "../unit/testing.h"

#include "dns/name.h"
#include "net/layers.h"

/* ---- names ---- */

enum { MESSAGE_MAX = 600 };

/* Copies a name one label at a time. A visited set shows loops; a pointer must lead to before where its part
 * began. */
static enum name_status twin_copy(const uint8_t *msg, size_t len, size_t *at, uint8_t *name, size_t *name_len,
                                  unsigned *pointers)
{
    bool visited[MESSAGE_MAX + 1] = {false};
    size_t pos = *at, part = *at, used = 0, end = 0;
    bool jumped = false;
    while (pos < len) {
        uint8_t n = msg[pos];
        if (visited[pos])
            return NAME_BROKEN; /* a loop: it comes to the pointer that led here again */
        visited[pos] = true;
        if (n == 0) {
            name[used++] = 0;
            *name_len = used;
            *at = jumped ? end : pos + 1;
            return NAME_OK;
        }
        if (n <= 63) {
            if (pos + 1 + n > len)
                return NAME_CUT;
            if (used + 1 + n + 1 > 255)
                return NAME_BROKEN;
            for (size_t i = 0; i <= n; i++)
                name[used++] = msg[pos + i];
            pos += 1u + n;
        } else if (n >= 192) {
            if (pos + 1 >= len)
                return NAME_CUT;
            size_t target = (size_t)(n - 192) * 256 + msg[pos + 1];
            if (target >= part)
                return NAME_BROKEN;
            if (!jumped)
                end = pos + 2;
            jumped = true;
            ++*pointers;
            pos = part = target;
        } else {
            return NAME_BROKEN;
        }
    }
    return NAME_CUT;
}

static void compare_names(const uint8_t *msg, size_t len, size_t at)
{
    uint8_t twin[256], fast[DNS_NAME_MAX + DNS_NAME_SLACK];
    size_t twin_at = at, fast_at = at, twin_len = 0;
    struct writer out = writer_over(fast, sizeof(fast));
    unsigned pointers = 0, allowed = (unsigned)(len % 7);
    enum name_status expected = twin_copy(msg, len, &twin_at, twin, &twin_len, &pointers);
    unsigned left = allowed;
    enum name_status got = dns_name_copy(msg, len, &fast_at, &left, &out);
    if (pointers > allowed) {
        assert_int_equal(got, NAME_BROKEN);
        return;
    }
    if (got != expected)
        fail_msg("a name at %zu of %zu: status %d, expected %d", at, len, got, expected);
    assert_int_equal(fast_at, twin_at);
    assert_int_equal(writer_len(&out), twin_len);
    assert_memory_equal(fast, twin, twin_len);
    if (got != NAME_OK)
        return;
    size_t skip_at = at;
    assert_int_equal(dns_name_skip(msg, len, &skip_at), NAME_OK);
    assert_int_equal(skip_at, fast_at);
}

/* Bytes that are often labels, pointers back or ends. */
static size_t random_names(struct chance *c, uint8_t *msg)
{
    size_t len = 1 + chance_below(c, MESSAGE_MAX), at = 0;
    while (at < len) {
        size_t kind = chance_below(c, 16), left = len - at;
        if (kind < 8) {
            size_t n = 1 + chance_below(c, kind < 6 ? 8 : 63);
            msg[at++] = (uint8_t)n;
            for (; n > 0 && at < len; n--)
                msg[at++] = (uint8_t)chance_next(c);
        } else if (kind < 13 && left >= 2 && at > 0) {
            store_be16(msg + at, (uint16_t)(0xc000 | chance_below(c, at)));
            at += 2;
        } else if (kind < 15) {
            msg[at++] = 0;
        } else {
            msg[at++] = (uint8_t)chance_next(c);
        }
    }
    return len;
}

static void names_of_random_messages(void **state)
{
    (void)state;
    struct chance c = {1};
    for (int round = 0; round < 4000; round++) {
        uint8_t bytes[MESSAGE_MAX];
        size_t len = random_names(&c, bytes);
        uint8_t *msg = exact_copy(bytes, len);
        for (size_t at = 0; at <= len; at++)
            compare_names(msg, len, at);
        free(msg);
    }
}

static void names_of_mutated_messages(void **state)
{
    (void)state;
    static struct message m;
    struct chance c = {2};
    message_typical(&m);
    message_cname(&m, "a.b.c.d.e.f", 1, "x.y.z");
    message_cname(&m, NULL, 1, "www.example.com");
    size_t whole = message_len(&m);
    for (int round = 0; round < 20000; round++) {
        size_t len = round % 2 ? whole : chance_below(&c, whole + 1);
        uint8_t *msg = exact_copy(m.bytes, len);
        for (size_t n = chance_below(&c, 6); n > 0 && len > 0; n--)
            msg[chance_below(&c, len)] = (uint8_t)(chance_below(&c, 3) ? 0xc0 : chance_next(&c));
        for (size_t at = 0; at <= len; at += 1 + chance_below(&c, 5))
            compare_names(msg, len, at);
        free(msg);
    }
}

/* Names put together from labels of chosen sizes, so that 255 octets are met exactly from every side. */
static void names_around_255_octets(void **state)
{
    (void)state;
    struct chance c = {3};
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[MESSAGE_MAX];
        struct writer out = writer_over(bytes, sizeof(bytes));
        size_t first = 100 + chance_below(&c, 60), second = 253 - first + chance_below(&c, 6);
        put_name_of(&out, first, 1);
        size_t at = writer_len(&out);
        put_name_of(&out, second, 2);
        out.at--; /* in place of the root */
        write_be16(&out, 0xc000);
        size_t len = writer_len(&out) - (chance_below(&c, 4) ? 0 : chance_below(&c, 70));
        uint8_t *msg = exact_copy(bytes, len);
        compare_names(msg, len, at < len ? at : 0);
        free(msg);
    }
}

/* ---- packets ---- */

static bool is_extension(uint8_t protocol)
{
    return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 51 || protocol == 60 || protocol == 135 ||
           protocol == 139 || protocol == 140;
}

/* Where in an IPv6 packet the UDP header begins, or 0 with why there is none. */
static size_t twin_ip6(const uint8_t *packet, size_t len, bool *fragment, enum drop_reason *why)
{
    size_t at = 40, end = len, payload_len = (size_t)packet[4] * 256 + packet[5];
    uint8_t protocol = packet[6];
    if (payload_len != 0 && 40 + payload_len < end)
        end = 40 + payload_len;
    *fragment = false;
    while (is_extension(protocol)) {
        size_t need = protocol == 44 ? 8 : 2;
        *why = DROP_IP_SHORT;
        if (end - at < need)
            return 0;
        size_t size = protocol == 44   ? 8
                      : protocol == 51 ? 4 * ((size_t)packet[at + 1] + 2)
                                       : 8 * (size_t)packet[at + 1] + 8;
        if (end - at < size)
            return 0;
        if (protocol == 44) {
            unsigned field = packet[at + 2] * 256u + packet[at + 3];
            *why = DROP_FRAGMENT;
            if (field / 8 != 0)
                return 0;
            *fragment = *fragment || field % 2;
        }
        protocol = packet[at];
        at += size;
    }
    *why = protocol == 6                     ? (end - at < 20 ? DROP_IP_SHORT : DROP_TCP_MALFORMED)
           : protocol == 1 || protocol == 58 ? DROP_ICMP
           : protocol == 50                  ? DROP_IP_ENCRYPTED
           : protocol != 17                  ? DROP_NOT_UDP
           : end - at < 8                    ? DROP_IP_SHORT
           : load_be16(packet + at + 4) == 0 ? DROP_NONE
           : load_be16(packet + at + 4) < 8  ? DROP_UDP_MALFORMED
                                             : DROP_NONE;
    return *why == DROP_NONE ? at : 0;
}

static size_t random_ip6(struct chance *c, uint8_t *bytes, size_t size)
{
    static const uint8_t kinds[] = {0, 43, 44, 51, 60, 135, 139, 140, 17, 17, 17, 17, 6, 58, 50, 99};
    struct writer out = writer_over(bytes, size);
    struct flow f = flow_of(6);
    uint8_t next = kinds[chance_below(c, LEN(kinds))], *next_at = bytes + 6;
    put_ipv6(&out, f.resolver, f.client, 0, 0);
    for (int headers = 0; headers < 6 && is_extension(next); headers++) {
        uint8_t field = (uint8_t)chance_below(c, 4), *at = out.at;
        size_t len = next == 44 ? 8 : next == 51 ? 4 * (field + 2u) : 8 * (field + 1u);
        *next_at = next;
        for (size_t i = 0; i < len; i++)
            write_u8(&out, chance_next(c) & 0xff);
        at[1] = field;
        if (next == 44)
            store_be16(at + 2, (uint16_t)(chance_below(c, 3) ? chance_below(c, 8) : chance_next(c)));
        next_at = at;
        next = kinds[chance_below(c, LEN(kinds))];
    }
    *next_at = is_extension(next) ? 17 : next;
    put_udp(&out, &f, (const uint8_t *)"0123456789abcdef", chance_below(c, 17));
    assert_false(out.failed);
    size_t len = writer_len(&out), kind = chance_below(c, 4);
    store_be16(bytes + 4, (uint16_t)(kind == 0 ? 0 : kind == 1 ? chance_below(c, len) : len - 40));
    if (chance_below(c, 4) == 0)
        len = 40 + chance_below(c, len - 39);
    return len;
}

static void extension_headers(void **state)
{
    (void)state;
    struct chance c = {4};
    size_t delivered = 0;
    for (int round = 0; round < 200000; round++) {
        uint8_t bytes[1024];
        struct net_payload udp;
        enum drop_reason expected;
        bool fragment;
        size_t len = random_ip6(&c, bytes, sizeof(bytes));
        uint8_t *copy = exact_copy(bytes, len);
        struct packet p = packet_of(copy, len, 101, 0);
        size_t at = twin_ip6(copy, len, &fragment, &expected);
        enum drop_reason why = net_decode(&p, NULL, &udp);
        if (why != expected)
            fail_msg("round %d: %s, expected %s", round, drop_table[why].token, drop_table[expected].token);
        if (why == DROP_NONE) {
            assert_ptr_equal(udp.bytes, copy + at + 8);
            assert_int_equal(udp.fragment, fragment);
            delivered++;
        }
        free(copy);
    }
    assert_in_range(delivered, 20000, 200000);
}

static void compare_ways(const uint8_t *bytes, size_t len, uint16_t link_type)
{
    uint8_t *copy = exact_copy(bytes, len);
    struct packet p = packet_of(copy, len, link_type, 0);
    struct net_payload fast = {0}, slow = {0};
    enum drop_reason why = net_decode(&p, NULL, &fast);
    assert_int_equal(why, net_walk(&p, NULL, &slow));
    assert_int_equal(fast.ip_vers, slow.ip_vers);
    if (slow.ip_vers != 0) {
        assert_ptr_equal(fast.src, slow.src);
        assert_ptr_equal(fast.dst, slow.dst);
    }
    if (why == DROP_NONE) {
        assert_ptr_equal(fast.bytes, slow.bytes);
        assert_int_equal(fast.len, slow.len);
        assert_int_equal(fast.complete, slow.complete);
        assert_int_equal(fast.fragment, slow.fragment);
        assert_int_equal(fast.src_port, slow.src_port);
        assert_int_equal(fast.dst_port, slow.dst_port);
        assert_int_equal(fast.checksum, slow.checksum);
    }
    free(copy);
}

/* The short way for plain frames says what the walk through the layers says: every value of every byte of the
 * headers, every length, and random damage. */
static void plain_frames(void **state)
{
    (void)state;
    struct chance c = {5};
    for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2) {
        uint8_t bytes[256];
        struct flow f = flow_of(ip_vers);
        size_t len = build_frame(bytes, sizeof(bytes), &f, (const uint8_t *)"0123456789abcdefghij", 20);
        memset(bytes + len, 0, 20); /* padding */
        for (size_t n = 0; n <= len + 20; n++)
            compare_ways(bytes, n, 1);
        for (size_t at = 0; at < 62; at++) {
            uint8_t kept = bytes[at];
            for (unsigned value = 0; value < 256; value++) {
                bytes[at] = (uint8_t)value;
                compare_ways(bytes, len, 1);
                compare_ways(bytes, len + 20, 1);
                compare_ways(bytes, len - 7, 1);
            }
            bytes[at] = kept;
        }
        for (int round = 0; round < 50000; round++) {
            uint8_t damaged[256];
            memcpy(damaged, bytes, sizeof(bytes));
            for (int n = 0; n < 3; n++)
                damaged[12 + chance_below(&c, 50)] =
                    (uint8_t)(chance_below(&c, 2) ? chance_below(&c, 80) : chance_next(&c));
            compare_ways(damaged, chance_below(&c, len + 21), chance_below(&c, 9) ? 1 : 101);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_random_messages),
        cmocka_unit_test(names_of_mutated_messages),
        cmocka_unit_test(names_around_255_octets),
        cmocka_unit_test(extension_headers),
        cmocka_unit_test(plain_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
