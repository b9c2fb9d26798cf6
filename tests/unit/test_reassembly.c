/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/reassembly.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "testing.h"

enum { PAYLOAD = 4000, PIECES = 500 };

static uint8_t payload[65536];

static struct ip_fragment piece(uint8_t ip_vers, uint32_t id, size_t offset, size_t len, bool more)
{
    static const uint8_t src[16] = {192, 0, 2, 53}, dst[16] = {198, 51, 100, 7};
    struct ip_fragment f = {.ip_vers = ip_vers,
                            .protocol = 17,
                            .more = more,
                            .whole = true,
                            .src = src,
                            .dst = dst,
                            .id = id,
                            .offset = offset,
                            .bytes = payload + offset,
                            .len = len};
    return f;
}

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 131 >> 3);
    return 0;
}

static void check_whole(const struct packet *whole, uint8_t ip_vers, size_t len)
{
    size_t header = ip_vers == 4 ? 20 : 40;
    assert_int_equal(whole->captured_len, header + len);
    assert_memory_equal(whole->bytes + header, payload, len);
    assert_int_equal(whole->bytes[0] >> 4, ip_vers);
}

/* Every order of pieces of random sizes, with duplicates, gives the payload once. */
static void any_order_gives_the_payload(void **state)
{
    (void)state;
    srand(7);
    for (int round = 0; round < 300; round++) {
        struct reassembly *r = reassembly_create(8, 64, 0, NULL, NULL);
        struct ip_fragment pieces[PIECES];
        struct packet whole;
        uint8_t ip_vers = round % 2 ? 4 : 6;
        size_t count = 0, at = 0, done = 0;
        while (at < PAYLOAD) {
            size_t len = 8 * (size_t)(1 + rand() % (round % 5 ? 180 : 2));
            len = len < PAYLOAD - at ? len : PAYLOAD - at;
            pieces[count++] = piece(ip_vers, 9, at, len, at + len < PAYLOAD);
            at += len;
        }
        for (size_t i = count - 1; i > 0; i--) {
            size_t k = (size_t)rand() % (i + 1);
            struct ip_fragment swap = pieces[i];
            pieces[i] = pieces[k];
            pieces[k] = swap;
        }
        for (size_t i = 0; i < count; i++) {
            bool is_last = i == count - 1;
            assert_int_equal(reassembly_add(r, &pieces[i], 0, &whole), is_last ? REASSEMBLY_COMPLETE : REASSEMBLY_HELD);
            done += is_last;
            if (!is_last && i % 3 == 0)
                assert_int_equal(reassembly_add(r, &pieces[i], 0, &whole), REASSEMBLY_REFUSED);
        }
        assert_int_equal(done, 1);
        check_whole(&whole, ip_vers, PAYLOAD);
        reassembly_destroy(r);
    }
}

static void contradictions_end_the_datagram(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t offset, len;
        bool more, whole;
    } rows[] = {
        {"overlap at the end", 792, 64, true, true},
        {"overlap at the start of what came", 0, 808, true, true},
        {"length no multiple of 8", 1600, 100, true, true},
        {"not all captured", 1600, 80, true, false},
        {"beyond 65535", 65528, 16, false, true},
        {"a last one before what came", 0, 400, false, true},
        {"empty", 1600, 0, true, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reassembly *r = reassembly_create(8, 64, 0, NULL, NULL);
        struct packet whole;
        struct ip_fragment first = piece(4, 1, 800, 800, true), bad = piece(4, 1, 0, 0, rows[i].more);
        bad.offset = rows[i].offset;
        bad.len = rows[i].len;
        bad.whole = rows[i].whole;
        assert_int_equal(reassembly_add(r, &first, 0, &whole), REASSEMBLY_HELD);
        if (reassembly_add(r, &bad, 0, &whole) != REASSEMBLY_REFUSED)
            fail_msg("%s: not refused", rows[i].what);
        struct ip_fragment rest = piece(4, 1, 1600, 80, true);
        assert_int_equal(reassembly_add(r, &rest, 0, &whole), REASSEMBLY_UNWANTED);
        reassembly_destroy(r);
    }
}

static void different_datagrams_stay_apart(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_create(64, 64, 0, NULL, NULL);
    struct packet whole;
    struct ip_fragment a = piece(4, 1, 0, 800, true), b = piece(4, 2, 800, 200, false),
                       c = piece(4, 1, 800, 200, false);
    assert_int_equal(reassembly_add(r, &a, 0, &whole), REASSEMBLY_HELD);
    assert_int_equal(reassembly_add(r, &b, 0, &whole), REASSEMBLY_HELD);
    assert_int_equal(reassembly_add(r, &c, 0, &whole), REASSEMBLY_COMPLETE);
    check_whole(&whole, 4, 1000);
    reassembly_destroy(r);
}

static void old_ones_expire(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_create(8, 64, 0, NULL, NULL);
    struct packet whole;
    struct ip_fragment a = piece(4, 1, 0, 800, true), b = piece(4, 1, 800, 200, false);
    assert_int_equal(reassembly_add(r, &a, 0, &whole), REASSEMBLY_HELD);
    assert_int_equal(reassembly_add(r, &b, (int64_t)(REASSEMBLY_SECONDS + 1) * SECOND_US, &whole), REASSEMBLY_HELD);
    assert_int_equal(reassembly_counts(r)->expired, 1);
    assert_int_equal(reassembly_add(r, &a, (int64_t)REASSEMBLY_SECONDS * SECOND_US, &whole), REASSEMBLY_COMPLETE);
    reassembly_destroy(r);
}

/* A flood of halves neither grows memory nor keeps a whole datagram out. */
static void a_flood_is_bounded(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_create(64, 48, 0, NULL, NULL);
    struct packet whole;
    for (uint32_t id = 10; id < 20000; id++) {
        struct ip_fragment half = piece(id % 2 ? 4 : 6, id, 8 * (size_t)(id % 4000), 1400, true);
        assert_int_equal(reassembly_add(r, &half, id, &whole), REASSEMBLY_HELD);
    }
    struct ip_fragment a = piece(4, 1, 0, 800, true), b = piece(4, 1, 800, 200, false);
    assert_int_equal(reassembly_add(r, &a, 20000, &whole), REASSEMBLY_HELD);
    assert_int_equal(reassembly_add(r, &b, 20000, &whole), REASSEMBLY_COMPLETE);
    check_whole(&whole, 4, 1000);
    assert_true(reassembly_counts(r)->evicted > 19000);
    reassembly_destroy(r);
}

static void the_largest_packet(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_create(8, 32, 0, NULL, NULL);
    struct packet whole;
    size_t at, total = 65515;
    for (at = 0; at + 1480 < total; at += 1480) {
        struct ip_fragment f = piece(4, 1, at, 1480, true);
        assert_int_equal(reassembly_add(r, &f, 0, &whole), REASSEMBLY_HELD);
    }
    struct ip_fragment last = piece(4, 1, at, total - at, false);
    assert_int_equal(reassembly_add(r, &last, 0, &whole), REASSEMBLY_COMPLETE);
    check_whole(&whole, 4, total);
    reassembly_destroy(r);
}

static struct {
    unsigned count;
    size_t captured, wire;
    int64_t time_us;
} given_up;

static void note_given_up(void *context, const struct packet *beginning)
{
    (void)context;
    size_t header = beginning->bytes[0] >> 4 == 4 ? 20 : 40;
    given_up.count++;
    given_up.captured = beginning->captured_len - header;
    given_up.wire = beginning->wire_len - header;
    given_up.time_us = beginning->time_us;
    assert_memory_equal(beginning->bytes + header, payload, given_up.captured);
    assert_int_equal(header == 20 ? load_be16(beginning->bytes + 2) - 20 : load_be16(beginning->bytes + 4),
                     given_up.wire);
}

/* What has come up to the first hole is worth something, and shows that it is not all. */
static void the_beginning_of_what_is_given_up(void **state)
{
    (void)state;
    static const struct {
        size_t offsets[4];
        bool has_last;
        size_t beginning;
    } rows[] = {{{0}, false, 800},       {{0, 800}, false, 1600}, {{0, 1600}, false, 800},
                {{800, 1600}, false, 0}, {{1600}, true, 0},       {{0, 800}, true, 1600}};
    for (size_t i = 0; i < LEN(rows); i++) {
        for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2) {
            struct reassembly *r = reassembly_create(8, 64, 0, note_given_up, NULL);
            struct packet whole;
            memset(&given_up, 0, sizeof(given_up));
            for (size_t k = 0; k < 4 && (k == 0 || rows[i].offsets[k]); k++) {
                struct ip_fragment f = piece(ip_vers, 1, rows[i].offsets[k], 800, true);
                assert_int_equal(reassembly_add(r, &f, 0, &whole), REASSEMBLY_HELD);
            }
            struct ip_fragment last = piece(ip_vers, 1, 2400, 100, false);
            if (rows[i].has_last)
                assert_int_equal(reassembly_add(r, &last, 0, &whole), REASSEMBLY_HELD);
            reassembly_expire(r, i % 2 ? INT64_MAX : (int64_t)(REASSEMBLY_SECONDS + 1) * SECOND_US);
            assert_int_equal(given_up.count, rows[i].beginning > 0);
            assert_int_equal(given_up.captured, rows[i].beginning);
            assert_true(given_up.count == 0 || given_up.wire > given_up.captured);
            assert_int_equal(reassembly_counts(r)->expired, 1);
            reassembly_destroy(r);
        }
    }
}

/* However far the last fragment lies: the packet's length fits its header. */
static void the_beginning_of_the_largest(void **state)
{
    (void)state;
    for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2) {
        struct reassembly *r = reassembly_create(8, 64, 0, note_given_up, NULL);
        struct packet whole;
        size_t most = ip_vers == 4 ? 65515 : 65535, at = (most - 8) / 8 * 8;
        struct ip_fragment first = piece(ip_vers, 1, 0, 800, true), far = piece(ip_vers, 1, at, 8, true);
        assert_int_equal(reassembly_add(r, &first, 0, &whole), REASSEMBLY_HELD);
        assert_int_equal(reassembly_add(r, &far, 0, &whole), REASSEMBLY_HELD);
        reassembly_expire(r, INT64_MAX);
        assert_int_equal(given_up.captured, 800);
        assert_int_equal(given_up.wire, most);
        reassembly_destroy(r);
    }
}

static void unwanted_datagrams(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_create(8, 4, 0, note_given_up, NULL);
    struct packet whole;
    struct ip_fragment first = piece(4, 1, 0, 800, true), second = piece(4, 1, 800, 800, true),
                       last = piece(4, 1, 1600, 100, false);
    memset(&given_up, 0, sizeof(given_up));
    assert_int_equal(reassembly_add(r, &second, 0, &whole), REASSEMBLY_HELD);
    reassembly_refuse(r, &first, 0);
    assert_int_equal(reassembly_add(r, &second, 0, &whole), REASSEMBLY_UNWANTED);
    assert_int_equal(reassembly_add(r, &last, 0, &whole), REASSEMBLY_UNWANTED);
    /* another datagram of the same number */
    assert_int_equal(reassembly_add(r, &first, 0, &whole), REASSEMBLY_HELD);
    assert_int_equal(reassembly_add(r, &second, 0, &whole), REASSEMBLY_HELD);
    assert_int_equal(reassembly_add(r, &last, 0, &whole), REASSEMBLY_COMPLETE);
    reassembly_refuse(r, &first, 0);
    reassembly_expire(r, INT64_MAX);
    assert_int_equal(given_up.count, 0);
    assert_int_equal(reassembly_counts(r)->expired, 0);
    reassembly_destroy(r);
}

/* A datagram that is given up has the time of its own last fragment, whatever makes it known that no more will come. */
static void the_time_of_what_is_given_up(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct reassembly *r = reassembly_create(8, way == 2 ? 2 : 64, 0, note_given_up, NULL);
        struct packet whole;
        struct ip_fragment first = piece(4, 1, 0, 800, true), third = piece(4, 1, 1600, 80, true);
        memset(&given_up, 0, sizeof(given_up));
        assert_int_equal(reassembly_add(r, &first, 5 * SECOND_US, &whole), REASSEMBLY_HELD);
        assert_int_equal(reassembly_add(r, &third, 6 * SECOND_US, &whole), REASSEMBLY_HELD);
        assert_int_equal(reassembly_add(r, &first, 7 * SECOND_US, &whole), REASSEMBLY_REFUSED);
        if (way < 2)
            reassembly_expire(r, way ? INT64_MAX : INT64_C(28800) * SECOND_US);
        for (uint32_t id = 2; way >= 2 && id < 12; id++) {
            struct ip_fragment other = piece(way == 2 ? 4 : 6, id, 8, 1600, true);
            (void)reassembly_add(r, &other, 20 * SECOND_US, &whole);
        }
        assert_int_equal(given_up.count, 1);
        assert_int_equal(given_up.captured, 800);
        assert_int_equal(given_up.time_us, 6 * SECOND_US);
        reassembly_destroy(r);
    }
}

/* Fragments of another datagram, of the same places but other bytes. */
static struct ip_fragment other_piece(uint8_t ip_vers, size_t offset, size_t len, bool more)
{
    static uint8_t bytes[4096];
    struct ip_fragment f = piece(ip_vers, 1, offset, len, more);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)~payload[i];
    f.bytes = bytes + offset;
    return f;
}

/* Other bytes are seen wherever they stand, at both ends of what is kept in blocks too; the same ones are. */
static void one_other_byte(void **state)
{
    (void)state;
    static const size_t places[] = {0, 1, 2047, 2048, 2049, 4095, 4096, 8191, SIZE_MAX};
    static uint8_t bytes[8192];
    for (size_t i = 0; i < LEN(places); i++) {
        struct reassembly *r = reassembly_create(64, 64, 0, NULL, NULL);
        struct ip_fragment first = piece(4, 1, 0, sizeof(bytes), true), again = first,
                           last = piece(4, 1, sizeof(bytes), 100, false);
        struct packet whole;
        assert_non_null(r);
        memcpy(bytes, payload, sizeof(bytes));
        if (places[i] != SIZE_MAX)
            bytes[places[i]] ^= 1;
        again.bytes = bytes;
        assert_int_equal(reassembly_add(r, &first, 0, &whole), REASSEMBLY_HELD);
        assert_int_equal(reassembly_add(r, &again, 1, &whole),
                         places[i] == SIZE_MAX ? REASSEMBLY_REFUSED : REASSEMBLY_HELD);
        assert_int_equal(reassembly_counts(r)->evicted, places[i] != SIZE_MAX);
        assert_int_equal(reassembly_counts(r)->completed, 0);
        assert_int_equal(reassembly_add(r, &last, 2, &whole), REASSEMBLY_COMPLETE);
        assert_memory_equal(whole.bytes + 20, bytes, sizeof(bytes));
        assert_int_equal(reassembly_counts(r)->completed, 1);
        reassembly_destroy(r);
    }
}

/* A number used again after `after_us`, when the first datagram is complete, or its beginning has come, or its end, or
 * it is refused. The second one's fragments come in order or not. */
static void a_number_used_again(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int first; /* 0 complete, 1 its beginning, 2 refused, 3 its beginning in another size */
        int64_t after_us;
        bool is_last_first;
        uint8_t ip_vers;
        bool is_whole; /* the second one comes out */
        unsigned given_up;
    } rows[] = {
        {"complete", 0, 1000, false, 4, true, 0},
        {"complete, IPv6", 0, SECOND_US, false, 6, true, 0},
        {"complete, last first", 0, SECOND_US, true, 4, true, 0},
        {"complete, back in time", 0, -500, false, 4, true, 0},
        {"complete, much later", 0, 10 * SECOND_US, true, 6, true, 0},
        {"begun", 1, SECOND_US, false, 4, true, 1},
        {"begun, back in time", 1, -500, false, 4, true, 1},
        {"begun, IPv6: an attack", 1, SECOND_US, false, 6, false, 0},
        {"begun, IPv6, later", 1, 10 * SECOND_US, false, 6, true, 1},
        {"begun in another size: an overlap", 3, SECOND_US, false, 4, false, 0},
        {"begun in another size, later", 3, 10 * SECOND_US, false, 4, true, 1},
        {"refused", 2, SECOND_US, false, 4, true, 0},
        {"refused, last first", 2, SECOND_US, true, 4, false, 0},
        {"refused, last first, later", 2, 10 * SECOND_US, true, 4, true, 0},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        struct reassembly *r = reassembly_create(8, 64, i, note_given_up, NULL);
        struct packet whole;
        int64_t start_us = 100 * SECOND_US, us = start_us + rows[i].after_us;
        size_t len = rows[i].first == 3 ? 400 : 800;
        struct ip_fragment first = piece(rows[i].ip_vers, 1, 0, len, true),
                           last = piece(rows[i].ip_vers, 1, 800, 200, false);
        struct ip_fragment second[2] = {other_piece(rows[i].ip_vers, 0, 800, true),
                                        other_piece(rows[i].ip_vers, 800, 200, false)};
        memset(&given_up, 0, sizeof(given_up));
        if (rows[i].first == 2)
            reassembly_refuse(r, &first, start_us);
        else
            assert_int_equal(reassembly_add(r, &first, start_us, &whole), REASSEMBLY_HELD);
        if (rows[i].first == 0)
            assert_int_equal(reassembly_add(r, &last, start_us, &whole), REASSEMBLY_COMPLETE);
        (void)reassembly_add(r, &second[rows[i].is_last_first], us, &whole);
        bool is_whole = reassembly_add(r, &second[!rows[i].is_last_first], us, &whole) == REASSEMBLY_COMPLETE;
        if (is_whole != rows[i].is_whole)
            fail_msg("%s: %s", rows[i].what, is_whole ? "put together" : "not put together");
        if (is_whole)
            assert_memory_equal(whole.bytes + whole.captured_len - 1000, second[0].bytes, 1000);
        assert_int_equal(given_up.count, rows[i].given_up);
        reassembly_destroy(r);
    }
}

/* What repeats a complete datagram, seen on another tap and in other fragments too, is refused: it neither makes
 * another nor a beginning of one. Where the pool is small its bytes are not there any more. */
static void what_repeats(void **state)
{
    (void)state;
    static const int64_t after_us[] = {0, 500, -500, 0 - SECOND_US, SECOND_US};
    for (size_t i = 0; i < 4 * LEN(after_us); i++) {
        uint8_t ip_vers = i % 2 ? 4 : 6;
        bool is_small = i % 4 < 2;
        struct reassembly *r = reassembly_create(8, is_small ? 1 : 64, 0, note_given_up, NULL);
        struct packet whole;
        int64_t us = 100 * SECOND_US;
        struct ip_fragment first = piece(ip_vers, 1, 0, 800, true), last = piece(ip_vers, 1, 800, 200, false),
                           part = piece(ip_vers, 1, 400, 456, true), all = piece(ip_vers, 1, 8, 992, false);
        const struct ip_fragment *again[] = {&last, &first, &part, &all, &first, &last};
        memset(&given_up, 0, sizeof(given_up));
        assert_int_equal(reassembly_add(r, &first, us, &whole), REASSEMBLY_HELD);
        assert_int_equal(reassembly_add(r, &last, us, &whole), REASSEMBLY_COMPLETE);
        if (is_small) {
            struct ip_fragment other = piece(ip_vers, 2, 0, 800, true);
            assert_int_equal(reassembly_add(r, &other, us, &whole), REASSEMBLY_HELD);
        }
        for (size_t k = 0; k < LEN(again); k++)
            assert_int_equal(reassembly_add(r, again[k], us + after_us[i / 4], &whole), REASSEMBLY_REFUSED);
        reassembly_expire(r, INT64_MAX);
        assert_int_equal(given_up.count, is_small);
        reassembly_destroy(r);
    }
}

/* RFC 8200: the next header of the first fragment counts, whatever the others say. RFC 791: another protocol is another
 * datagram. */
static void protocols(void **state)
{
    (void)state;
    for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2)
        for (size_t turn = 0; turn < 2; turn++) {
            struct reassembly *r = reassembly_create(8, 64, 0, NULL, NULL);
            struct packet whole;
            struct ip_fragment f[2] = {piece(ip_vers, 1, 0, 800, true), piece(ip_vers, 1, 800, 200, false)};
            f[1].protocol = 59;
            assert_int_equal(reassembly_add(r, &f[turn], 0, &whole), REASSEMBLY_HELD);
            assert_int_equal(reassembly_add(r, &f[!turn], 0, &whole),
                             ip_vers == 6 ? REASSEMBLY_COMPLETE : REASSEMBLY_HELD);
            if (ip_vers == 6) {
                check_whole(&whole, 6, 1000);
                assert_int_equal(whole.bytes[6], 17);
            }
            reassembly_destroy(r);
        }
}

/* A datagram makes room while a fragment is taken out of a packet that was put together itself: both stay whole. */
static void fragments_of_fragments(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_create(8, 2, 0, note_given_up, NULL);
    struct packet outer, whole;
    struct ip_fragment old = piece(4, 3, 0, 1600, true), next = piece(4, 4, 8, 1600, true);
    struct ip_fragment first = other_piece(4, 0, 800, true), last = other_piece(4, 800, 1200, false);
    struct ip_fragment inner = piece(4, 2, 0, 1600, true), end = other_piece(4, 1600, 40, false);
    end.id = 2;
    memset(&given_up, 0, sizeof(given_up));
    assert_int_equal(reassembly_add(r, &old, 0, &whole), REASSEMBLY_HELD);
    assert_int_equal(reassembly_add(r, &first, 0, &outer), REASSEMBLY_HELD);
    assert_int_equal(reassembly_add(r, &last, 0, &outer), REASSEMBLY_COMPLETE);
    inner.bytes = outer.bytes + 20;
    assert_int_equal(reassembly_add(r, &next, 0, &whole), REASSEMBLY_HELD);
    assert_int_equal(reassembly_add(r, &inner, 0, &whole), REASSEMBLY_HELD);
    assert_int_equal(reassembly_add(r, &end, 0, &whole), REASSEMBLY_COMPLETE);
    assert_int_equal(whole.captured_len, 20 + 1640);
    assert_memory_equal(whole.bytes + 20, first.bytes, 1640);
    assert_int_equal(given_up.count, 1);
    reassembly_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_gives_the_payload),
        cmocka_unit_test(contradictions_end_the_datagram),
        cmocka_unit_test(different_datagrams_stay_apart),
        cmocka_unit_test(old_ones_expire),
        cmocka_unit_test(a_flood_is_bounded),
        cmocka_unit_test(the_largest_packet),
        cmocka_unit_test(the_beginning_of_what_is_given_up),
        cmocka_unit_test(the_beginning_of_the_largest),
        cmocka_unit_test(unwanted_datagrams),
        cmocka_unit_test(the_time_of_what_is_given_up),
        cmocka_unit_test(a_number_used_again),
        cmocka_unit_test(one_other_byte),
        cmocka_unit_test(what_repeats),
        cmocka_unit_test(protocols),
        cmocka_unit_test(fragments_of_fragments),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
