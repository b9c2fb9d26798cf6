/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Messages out of TCP, whatever way their bytes come. */
#include "segments.h"

#include "base/clock.h"

enum { MESSAGES = 24, SEGMENTS_MAX = 30000 };

/* What was delivered: lengths, and whether the bytes are those of the stream from `at` on. */
static struct {
    bool anything; /* the bytes may be any */
    size_t count;
    size_t len[400];
    bool complete[400];
    uint32_t number[400]; /* the first four bytes: which message it is */
} got;

static size_t message_len_of[MESSAGES];

static void take(void *context, const struct net_payload *m, int64_t time_us)
{
    (void)context, (void)time_us;
    assert_true(got.count < LEN(got.len));
    assert_true(m->len >= 12);
    if (got.anything) {
        uint8_t *copy = exact_copy(m->bytes, m->len);
        free(copy);
        return;
    }
    assert_true(looks_right(m->bytes, m->len));
    got.len[got.count] = m->len;
    got.complete[got.count] = m->complete;
    got.number[got.count] = load_be32(m->bytes);
    for (size_t i = 6; i < m->len; i++)
        assert_int_equal(m->bytes[i], (uint8_t)(i * 7 + load_be32(m->bytes)));
    got.count++;
}

static struct tcp_streams *create(unsigned streams, unsigned blocks)
{
    const struct tcp_options options = {.streams = streams, .blocks = blocks, .looks_right = looks_right, .take = take};
    struct tcp_streams *t = tcp_streams_create(&options);
    assert_non_null(t);
    got.count = 0;
    return t;
}

static void make_stream(struct chance *c, size_t longest)
{
    stream_len = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        size_t len = 12 + chance_below(c, longest - 11);
        uint8_t *at = stream + stream_len;
        assert_true(stream_len + 2 + len <= sizeof(stream));
        store_be16(at, (uint16_t)len);
        for (size_t k = 0; k < len; k++)
            at[2 + k] = (uint8_t)(k * 7 + i);
        store_be32(at + 2, (uint32_t)i);
        at[6] = 0xd5;
        at[7] = 0x5d;
        message_len_of[i] = len;
        stream_len += 2 + len;
    }
}

static void expect_all(void)
{
    assert_int_equal(got.count, MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_int_equal(got.number[i], i);
        assert_int_equal(got.len[i], message_len_of[i]);
        assert_true(got.complete[i]);
    }
}

/* Segments of random sizes, in order, out of order, twice and overlapping, around the wrap of sequence numbers. */
static void any_segments_give_the_messages(void **state)
{
    (void)state;
    struct chance c = {3};
    for (int round = 0; round < 600; round++) {
        static struct net_payload all[SEGMENTS_MAX];
        struct tcp_streams *t = create(64, 256);
        uint32_t base = round % 3 ? (uint32_t)chance_next(&c) : UINT32_MAX - (uint32_t)chance_below(&c, 3000);
        size_t count = 0, swaps = chance_below(&c, 6);
        size_t most = round % 5 == 0 ? 1460 : 1 + chance_below(&c, round % 2 ? 1460 : 60);
        make_stream(&c, round % 5 ? 700 : 6000);
        open_with_syn(t, base);
        for (size_t at = 0; at < stream_len;) {
            size_t len = 1 + chance_below(&c, most), back = chance_below(&c, 4) ? 0 : chance_below(&c, 40);
            len = len < stream_len - at ? len : stream_len - at;
            back = back < at ? back : at;
            assert_true(count + 2 < SEGMENTS_MAX);
            all[count++] = segment(base, at - back, len + back, 0);
            if (chance_below(&c, 8) == 0)
                all[count++] = segment(base, at, len, 0);
            at += len;
        }
        for (size_t i = 0; swaps > 0 && i + swaps < count; i++) {
            size_t k = i + chance_below(&c, swaps + 1);
            struct net_payload keep = all[i];
            all[i] = all[k];
            all[k] = keep;
        }
        for (size_t i = 0; i < count; i++)
            (void)tcp_streams_add(t, &all[i], 0);
        expect_all();
        assert_int_equal(tcp_streams_counts(t)->messages, MESSAGES);
        tcp_streams_destroy(t);
    }
}

static void without_a_syn_it_begins_at_a_message(void **state)
{
    (void)state;
    struct chance c = {4};
    for (size_t first = 0; first < MESSAGES; first++) {
        struct tcp_streams *t = create(64, 256);
        size_t at = 0, start = 0;
        make_stream(&c, 300);
        for (size_t i = 0; i < first; i++)
            start += 2 + message_len_of[i];
        if (start > 0) { /* its beginning has been missed */
            struct net_payload middle = segment(9, start - 5, 5, 0);
            assert_int_equal(tcp_streams_add(t, &middle, 0), TCP_NO_START);
        }
        for (at = start; at < stream_len;) {
            size_t len = at == start ? 40 : 1 + chance_below(&c, 200);
            len = len < stream_len - at ? len : stream_len - at;
            struct net_payload p = segment(9, at, len, 0);
            (void)tcp_streams_add(t, &p, 0);
            at += len;
        }
        assert_int_equal(got.count, MESSAGES - first);
        assert_int_equal(got.number[0], first);
        tcp_streams_destroy(t);
    }
}

/* Some servers send the length in a segment of its own. */
static void a_length_by_itself(void **state)
{
    (void)state;
    struct chance c = {5};
    struct tcp_streams *t = create(64, 64);
    size_t at = 0;
    make_stream(&c, 300);
    for (size_t i = 0; i < MESSAGES; i++) {
        struct net_payload prefix = segment(77, at, 2, 0), rest = segment(77, at + 2, message_len_of[i], 0);
        assert_int_equal(tcp_streams_add(t, &prefix, 0), TCP_HELD);
        assert_int_equal(tcp_streams_add(t, &rest, 0), TCP_DELIVERED);
        at += 2 + message_len_of[i];
    }
    expect_all();
    tcp_streams_destroy(t);
}

/* A lost segment costs its messages; after a while the stream goes on behind it. */
static void a_gap_is_passed_over(void **state)
{
    (void)state;
    struct chance c = {6};
    struct tcp_streams *t = create(64, 256);
    size_t at = 0;
    make_stream(&c, 300);
    open_with_syn(t, 1);
    for (size_t i = 0; i < MESSAGES; i++) {
        struct net_payload p = segment(1, at, 2 + message_len_of[i], 0);
        if (i != 5)
            (void)tcp_streams_add(t, &p, (int64_t)i * SECOND_US);
        at += 2 + message_len_of[i];
    }
    assert_int_equal(got.count, MESSAGES - 1);
    assert_int_equal(tcp_streams_counts(t)->gaps, 1);
    for (size_t i = 0; i < got.count; i++)
        assert_int_equal(got.number[i], i < 5 ? i : i + 1);
    tcp_streams_destroy(t);
}

/* Behind a hole a segment that begins like a message is where the stream goes on, whole or not. */
static void a_gap_before_part_of_a_message(void **state)
{
    (void)state;
    struct chance c = {13};
    struct tcp_streams *t = create(64, 256);
    make_stream(&c, 300);
    open_with_syn(t, 1);
    size_t second = 2 + message_len_of[0], third = second + 2 + message_len_of[1];
    struct net_payload tail = segment(1, second - 1, 1, 0), half = segment(1, second, third - second - 1, 0),
                       rest = segment(1, third - 1, stream_len - third + 1, 0);
    assert_int_equal(tcp_streams_add(t, &tail, 0), TCP_HELD);
    assert_int_equal(tcp_streams_add(t, &half, 0), TCP_HELD);
    assert_int_equal(tcp_streams_add(t, &tail, (TCP_GAP_SECONDS + 1) * SECOND_US), TCP_OLD);
    assert_int_equal(got.count, 0);
    assert_int_equal(tcp_streams_counts(t)->gaps, 1);
    assert_int_equal(tcp_streams_add(t, &rest, (TCP_GAP_SECONDS + 1) * SECOND_US), TCP_DELIVERED);
    assert_int_equal(got.count, MESSAGES - 1);
    assert_int_equal(got.number[0], 1);
    tcp_streams_destroy(t);
}

/* The snap length cuts segments: what there is of a message goes out, and the next one is found. */
static void cut_segments(void **state)
{
    (void)state;
    struct chance c = {7};
    struct tcp_streams *t = create(64, 256);
    size_t at = 0;
    make_stream(&c, 300);
    for (size_t i = 0; i < MESSAGES; i++) {
        struct net_payload p = segment(1, at, 2 + message_len_of[i], 0);
        p.len = p.len > 40 ? 40 : p.len;
        p.complete = p.len == p.wire_len;
        assert_int_equal(tcp_streams_add(t, &p, 0), TCP_DELIVERED);
        at += 2 + message_len_of[i];
    }
    assert_int_equal(got.count, MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_int_equal(got.number[i], i);
        assert_int_equal(got.complete[i], message_len_of[i] <= 38);
    }
    tcp_streams_destroy(t);
}

/* What is in hand when a stream ends, by whatever way, is delivered as incomplete. */
static void ends(void **state)
{
    (void)state;
    struct chance c = {8};
    for (int way = 0; way < 4; way++) {
        struct tcp_streams *t = create(64, 256);
        make_stream(&c, 300);
        message_len_of[0] = load_be16(stream);
        struct net_payload part = segment(1, 0, 1 + message_len_of[0], 0);
        struct net_payload rst = segment(1, 1 + message_len_of[0], 0, TCP_RST), syn = segment(9000, 0, 0, TCP_SYN);
        assert_int_equal(tcp_streams_add(t, &part, 0), TCP_HELD);
        if (way == 0)
            (void)tcp_streams_add(t, &rst, 0);
        else if (way == 1)
            (void)tcp_streams_add(t, &syn, 0);
        else
            tcp_streams_expire(t, way == 2 ? INT64_MAX : (int64_t)(TCP_IDLE_SECONDS + 1) * SECOND_US);
        assert_int_equal(got.count, 1);
        assert_false(got.complete[0]);
        assert_int_equal(tcp_streams_counts(t)->expired, 1);
        tcp_streams_destroy(t);
    }
}

/* Nothing is kept after a FIN, so that the same ports can be used again. */
static void fin(void **state)
{
    (void)state;
    struct chance c = {9};
    struct tcp_streams *t = create(64, 256);
    make_stream(&c, 300);
    for (uint32_t base = 1; base < 100; base += 7) {
        struct net_payload all = segment(base, 0, stream_len, TCP_FIN);
        got.count = 0;
        open_with_syn(t, base);
        assert_int_equal(tcp_streams_add(t, &all, 0), TCP_DELIVERED);
        expect_all();
    }
    assert_int_equal(tcp_streams_counts(t)->expired, 0);
    tcp_streams_destroy(t);
}

/* A SYN that comes again, early or late, changes nothing. */
static void a_syn_that_comes_again(void **state)
{
    (void)state;
    struct chance c = {14};
    make_stream(&c, 300);
    for (size_t half = 0; half < stream_len; half += 37) {
        struct tcp_streams *t = create(8, 64);
        struct net_payload one = segment(1000, 0, half, 0), two = segment(1000, half, stream_len - half, 0);
        open_with_syn(t, 1000);
        open_with_syn(t, 1000);
        (void)tcp_streams_add(t, &one, 0);
        open_with_syn(t, 1000);
        assert_int_equal(tcp_streams_add(t, &two, 0), TCP_DELIVERED);
        open_with_syn(t, 1000);
        expect_all();
        assert_int_equal(tcp_streams_counts(t)->expired, 0);
        tcp_streams_destroy(t);
    }
}

/* A FIN that comes before what it follows, with data or none, ends the stream once that has come, and not before. */
static void a_fin_that_comes_early(void **state)
{
    (void)state;
    struct chance c = {12};
    make_stream(&c, 300);
    for (size_t fin_len = 0; fin_len <= 20; fin_len += 20) {
        struct tcp_streams *t = create(8, 64);
        size_t before = stream_len - fin_len, half = before / 2;
        struct net_payload fin = segment(1000, before, fin_len, TCP_FIN), one = segment(1000, 0, half, 0),
                           two = segment(1000, half, before - 9 - half, 0), three = segment(1000, before - 9, 9, 0),
                           behind = segment(1000, stream_len + 1, 5, 0);
        open_with_syn(t, 1000);
        assert_int_equal(tcp_streams_add(t, &fin, 0), fin_len ? TCP_HELD : TCP_EMPTY);
        assert_int_equal(tcp_streams_add(t, &one, 0), TCP_DELIVERED);
        assert_int_equal(tcp_streams_add(t, &behind, 0), TCP_REFUSED); /* nothing follows a FIN */
        assert_true(got.count < MESSAGES);
        assert_int_equal(tcp_streams_add(t, &two, 0), TCP_DELIVERED);
        assert_int_equal(tcp_streams_add(t, &three, 0), TCP_DELIVERED);
        expect_all();
        assert_int_equal(tcp_streams_add(t, &behind, 0), TCP_NO_START); /* there is no stream any more */
        tcp_streams_expire(t, INT64_MAX);
        assert_true(tcp_streams_counts(t)->expired == 0 && tcp_streams_counts(t)->gaps == 0);
        tcp_streams_destroy(t);
    }
}

/* A FIN that belongs to another connection, as its number is far from what is expected, ends nothing. */
static void a_fin_from_elsewhere(void **state)
{
    (void)state;
    struct chance c = {13};
    make_stream(&c, 300);
    for (size_t i = 0; i < 2; i++) {
        struct tcp_streams *t = create(8, 64);
        size_t half = stream_len / 2;
        struct net_payload one = segment(1000, 0, half, 0), two = segment(1000, half, stream_len - half, 0),
                           fin = segment(1000 + (i ? 1000000u : -1000000u), 0, 0, TCP_FIN);
        open_with_syn(t, 1000);
        assert_int_equal(tcp_streams_add(t, &one, 0), TCP_DELIVERED);
        assert_int_equal(tcp_streams_add(t, &fin, 0), TCP_EMPTY);
        assert_int_equal(tcp_streams_add(t, &two, 0), TCP_DELIVERED);
        expect_all();
        assert_int_equal(tcp_streams_counts(t)->expired, 0);
        tcp_streams_destroy(t);
    }
}

static void what_is_refused(void **state)
{
    (void)state;
    struct chance c = {10};
    struct tcp_streams *t = create(64, 256);
    make_stream(&c, 300);
    open_with_syn(t, 1);
    struct net_payload none = segment(1, 0, 0, 0), first = segment(1, 0, 10, 0), far = segment(200000, 100, 50, 0);
    assert_int_equal(tcp_streams_add(t, &none, 0), TCP_EMPTY);
    assert_int_equal(tcp_streams_add(t, &first, 0), TCP_HELD);
    assert_int_equal(tcp_streams_add(t, &first, 0), TCP_OLD);
    assert_int_equal(tcp_streams_add(t, &far, 0), TCP_REFUSED);
    uint8_t garbage[16] = {0, 3, 1, 2, 3};
    struct net_payload bad = segment(500, 0, sizeof(garbage), 0);
    bad.bytes = garbage;
    bad.dst_port = 4001;
    assert_int_equal(tcp_streams_add(t, &bad, 0), TCP_NO_START);
    tcp_streams_destroy(t);
}

/* More streams and data than there is room for: the oldest go, what is new is served, and nothing is lost track of. */
static void a_flood_is_bounded(void **state)
{
    (void)state;
    struct chance c = {11};
    struct tcp_streams *t = create(64, 32);
    make_stream(&c, 6000);
    for (uint32_t i = 0; i < 50000; i++) {
        struct net_payload half = segment(i * 7, i % 3 ? 0 : 3000 + i % 900, 1000, 0);
        half.dst_port = (uint16_t)i;
        got.count = 0;
        (void)tcp_streams_add(t, &half, i);
    }
    got.count = 0;
    make_stream(&c, 500);
    struct net_payload all = segment(1, 0, stream_len, 0);
    all.dst_port = 65000;
    assert_int_equal(tcp_streams_add(t, &all, 50000), TCP_DELIVERED);
    expect_all();
    assert_true(tcp_streams_counts(t)->evicted > 30000);
    tcp_streams_destroy(t);
}

/* A pool too small for one stream: its data is refused, and none of the pool is lost by that. */
static void a_small_pool(void **state)
{
    (void)state;
    static uint8_t half[2002] = {0x7f, 0xff, [6] = 0xd5, [7] = 0x5d};
    struct tcp_streams *t = create(64, 3);
    got.anything = true;
    for (unsigned i = 0; i < 2000; i++) {
        struct net_payload p = segment(1, 0, sizeof(half), 0);
        p.bytes = half;
        p.dst_port = (uint16_t)i;
        for (unsigned k = 0; k < 3; k++, p.tcp_seq += 2002)
            assert_int_equal(tcp_streams_add(t, &p, i), k < 2 ? TCP_HELD : TCP_REFUSED);
    }
    got.anything = false;
    tcp_streams_destroy(t);
}

/* Streams full of holes, and of bytes that look like beginnings: each byte is looked at a few times and no more. */
static void many_holes(void **state)
{
    (void)state;
    enum { COUNT = 20000, LONG = 1400, SHORT = 40 };
    static const struct {
        uint32_t len, hole, every;
    } steps[] = {{LONG, 1, 1}, {LONG, 100, 50}, {SHORT, 1, 1}, {LONG, 0, 1}};
    static uint8_t bytes[4][LONG];
    for (size_t i = 0; i < LONG; i++) {
        bytes[0][i] = 0x20;                                                           /* long messages, none begins */
        bytes[1][i] = i % 4 == 0 ? 0xd5 : i % 4 == 1 ? 0x5d : i % 2 ? 20 : 0;         /* each fourth byte begins one */
        bytes[2][i] = i % 16 == 1 ? 14 : i % 16 == 6 ? 0xd5 : i % 16 == 7 ? 0x5d : 0; /* one behind the other */
        bytes[3][i] = i % 18 == 1 ? 14 : i % 18 == 6 ? 0xd5 : i % 18 == 7 ? 0x5d : 0; /* with junk between */
    }
    got.anything = true;
    for (size_t k = 0; k < LEN(bytes) * LEN(steps); k++) {
        uint32_t seq = 1, len = steps[k / LEN(bytes)].len;
        struct tcp_streams *t = create(64, 256);
        looks = 0;
        open_with_syn(t, seq);
        for (uint32_t i = 1; i <= COUNT; i++) {
            struct net_payload p = segment(0, 0, len, 0);
            p.bytes = bytes[k % LEN(bytes)];
            p.tcp_seq = seq;
            seq += len + (i % steps[k / LEN(bytes)].every ? 0 : steps[k / LEN(bytes)].hole);
            (void)tcp_streams_add(t, &p, i);
        }
        tcp_streams_expire(t, INT64_MAX);
        assert_true(looks <= (uint64_t)COUNT * (2 * len + 4));
        tcp_streams_destroy(t);
    }
    got.anything = false;
}

/* Anything at all: what is delivered lies in memory that may be read. */
static void random_segments(void **state)
{
    (void)state;
    struct chance c = {12};
    got.anything = true;
    for (int round = 0; round < 60; round++) {
        struct tcp_streams *t = create(16, 24);
        make_stream(&c, 3000);
        for (int i = 0; i < 3000; i++) {
            size_t from = chance_below(&c, stream_len), len = chance_below(&c, 1500);
            len = len < stream_len - from ? len : stream_len - from;
            struct net_payload p = segment(1, from, len, 0);
            if (chance_below(&c, 50) == 0)
                p.tcp_flags = (uint8_t)(1u << chance_below(&c, 3));
            if (p.tcp_flags & TCP_SYN)
                p.tcp_seq = 0, p.len = p.wire_len = 0;
            if (chance_below(&c, 10) == 0)
                p.wire_len += (uint32_t)chance_below(&c, 3000);
            p.dst_port = (uint16_t)(4000 + chance_below(&c, 3));
            got.count = 0;
            (void)tcp_streams_add(t, &p, (int64_t)i * SECOND_US / 100);
        }
        got.count = 0;
        tcp_streams_expire(t, INT64_MAX);
        tcp_streams_destroy(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_segments_give_the_messages),
        cmocka_unit_test(without_a_syn_it_begins_at_a_message),
        cmocka_unit_test(a_length_by_itself),
        cmocka_unit_test(a_gap_is_passed_over),
        cmocka_unit_test(a_gap_before_part_of_a_message),
        cmocka_unit_test(cut_segments),
        cmocka_unit_test(ends),
        cmocka_unit_test(fin),
        cmocka_unit_test(a_syn_that_comes_again),
        cmocka_unit_test(a_fin_that_comes_early),
        cmocka_unit_test(a_fin_from_elsewhere),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(a_flood_is_bounded),
        cmocka_unit_test(a_small_pool),
        cmocka_unit_test(many_holes),
        cmocka_unit_test(random_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
