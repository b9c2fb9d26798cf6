/* SPDX-License-Identifier: BSD-3-Clause
 *
 * TCP streams with holes, however they end: all that is whole is delivered, once, with the time of its last byte. The
 * oracle knows for each byte of the stream whether and when it came. */
#include "segments.h"

#include "base/clock.h"

enum { MESSAGES = 20, SEGMENTS_MAX = 2000, NEVER = -1, OTHER = 0xffff };

static size_t starts[MESSAGES + 1]; /* of the messages' prefixes */
static int64_t came[STREAM_MAX];    /* when each byte came first */

static struct {
    size_t count, whole;
    size_t number[128 * MESSAGES];
} got;

/* The bytes are those of a message, and the time that of the last of them. */
static void take(void *context, const struct net_payload *m, int64_t time_us)
{
    (void)context;
    size_t i = load_be16(m->bytes);
    int64_t last = NEVER;
    if (i == OTHER)
        return;
    assert_true(i < MESSAGES && got.count < LEN(got.number));
    assert_true(m->len <= starts[i + 1] - starts[i] - 2);
    assert_int_equal(m->complete, m->len == starts[i + 1] - starts[i] - 2);
    assert_memory_equal(m->bytes, stream + starts[i] + 2, m->len);
    for (size_t k = starts[i]; k < starts[i] + 2 + m->len; k++) {
        assert_true(came[k] != NEVER);
        last = came[k] > last ? came[k] : last;
    }
    assert_int_equal(time_us, last);
    got.number[got.count++] = i;
    got.whole += m->complete;
}

static struct tcp_streams *create(unsigned streams, unsigned blocks)
{
    const struct tcp_options options = {
        .streams = streams, .blocks = blocks, .seed = 5, .looks_right = looks_right, .take = take};
    struct tcp_streams *t = tcp_streams_create(&options);
    assert_non_null(t);
    memset(&got, 0, sizeof(got));
    for (size_t i = 0; i < STREAM_MAX; i++)
        came[i] = NEVER;
    return t;
}

static void make_stream(struct chance *c, size_t longest)
{
    stream_len = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        size_t len = 14 + chance_below(c, longest - 13);
        uint8_t *at = stream + stream_len;
        assert_true(stream_len + 2 + len <= sizeof(stream));
        for (size_t k = 0; k < len; k++)
            at[2 + k] = (uint8_t)(chance_next(c) & 0x7f);
        store_be16(at, (uint16_t)len);
        store_be16(at + 2, (uint16_t)i);
        store_be16(at + 6, 0xd55d);
        starts[i] = stream_len;
        stream_len += 2 + len;
    }
    starts[MESSAGES] = stream_len;
}

static enum tcp_result add(struct tcp_streams *t, const struct net_payload *p, int64_t time_us)
{
    for (size_t k = 0; k < p->len; k++)
        if (came[(size_t)(p->bytes - stream) + k] == NEVER)
            came[(size_t)(p->bytes - stream) + k] = time_us;
    return tcp_streams_add(t, p, time_us);
}

static struct net_payload message_segment(uint32_t base, size_t i)
{
    return segment(base, starts[i], starts[i + 1] - starts[i], 0);
}

/* ---- holes ---- */

enum way { AT_EOF, AT_SILENCE, AT_FIN, AT_RST, AT_SYN, AT_FAR, AT_LOWER, AT_EVICTION, AT_ROOM, AT_GAP, WAYS };

/* The beginning of a message of another connection; take() knows it by its number. */
static struct net_payload other_segment(uint32_t seq, uint16_t port, size_t len)
{
    static const uint8_t bytes[2002] = {0x7f, 0xff, 0xff, 0xff, 0, 0, 0xd5, 0x5d};
    struct net_payload p = segment(0, 0, len, 0);
    p.bytes = bytes;
    p.tcp_seq = seq;
    p.dst_port = port;
    return p;
}

/* Lets the stream that began at `base` end, or go on behind its holes. */
static void end_stream(struct tcp_streams *t, uint32_t base, enum way way, int64_t now_us)
{
    struct net_payload p = segment(base, stream_len, 0, way == AT_FIN ? TCP_FIN : TCP_RST);
    if (way == AT_SYN)
        p = segment(base + 77777, 0, 0, TCP_SYN);
    if (way == AT_FAR || way == AT_LOWER)
        p = other_segment(way == AT_FAR ? base + 1000000 : base - 1000000, 4000, 20);
    if (way == AT_GAP)
        p = message_segment(base, MESSAGES - 1);
    if (way == AT_EVICTION || way == AT_ROOM)
        for (unsigned i = 0; i < 200; i++) {
            p = other_segment(1, (uint16_t)(5000 + i), way == AT_ROOM ? 2002 : 20);
            (void)tcp_streams_add(t, &p, now_us);
        }
    else if (way == AT_GAP)
        for (int i = 1; i <= 2; i++)
            (void)add(t, &p, now_us + i * (TCP_GAP_SECONDS + 1) * SECOND_US);
    else if (way >= AT_FIN)
        assert_int_not_equal(tcp_streams_add(t, &p, now_us), TCP_DELIVERED);
    if (way == AT_EOF)
        tcp_streams_expire(t, INT64_MAX);
    if (way == AT_SILENCE || way == AT_FIN)
        tcp_streams_expire(t, now_us + (TCP_IDLE_SECONDS + 1) * SECOND_US);
}

/* Messages of which all bytes came are delivered whole, in order and once; of others at most a part. */
static void expect_whole(void)
{
    size_t whole = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        bool is_whole = true;
        for (size_t k = starts[i]; k < starts[i + 1]; k++)
            is_whole &= came[k] != NEVER;
        whole += is_whole;
    }
    assert_int_equal(got.whole, whole);
    for (size_t i = 1; i < got.count; i++)
        assert_true(got.number[i - 1] < got.number[i]);
}

/* The stream in segments that end at `ends`, without those of which a bit of `lost` says so; with a `window` some come
 * later by so many, and some twice. */
static void run(struct chance *c, const size_t *ends, size_t count, const uint64_t lost[2], size_t window, enum way way)
{
    static struct net_payload all[2 * SEGMENTS_MAX];
    struct tcp_streams *t = create(way == AT_EVICTION ? 8 : 64, 64);
    uint32_t base = (uint32_t)chance_next(c);
    size_t made = 0;
    for (size_t i = 0, from = 0; i < count; from = ends[i++]) {
        size_t back = window > 0 && from > 30 ? chance_below(c, 30) : 0;
        if (i < 128 && (lost[i / 64] >> (i % 64) & 1))
            continue;
        all[made++] = segment(base, from, ends[i] - from, 0);
        if (window > 0 && chance_below(c, 6) == 0)
            all[made++] = segment(base, from - back, ends[i] - from + back, 0);
    }
    for (size_t i = 0; window > 0 && i + window < made; i++) {
        size_t k = i + chance_below(c, window + 1);
        struct net_payload keep = all[i];
        all[i] = all[k];
        all[k] = keep;
    }
    open_with_syn(t, base);
    for (size_t i = 0; i < made; i++)
        (void)add(t, &all[i], (int64_t)i * 1000);
    end_stream(t, base, way, (int64_t)made * 1000);
    expect_whole();
    tcp_streams_destroy(t);
}

enum cut { BY_MESSAGE, BY_PREFIX, BY_SIZE, BY_CHANCE, CUTS };

static size_t cut_stream(struct chance *c, enum cut cut, size_t *ends)
{
    size_t count = 0, at = 0, size = 90 + chance_below(c, 60);
    if (cut == BY_MESSAGE || cut == BY_PREFIX) {
        for (size_t i = 0; i < MESSAGES; i++) {
            if (cut == BY_PREFIX)
                ends[count++] = starts[i] + 2;
            ends[count++] = starts[i + 1];
        }
        return count;
    }
    while (at < stream_len) {
        at += cut == BY_SIZE ? size : 1 + chance_below(c, 300);
        at = at < stream_len ? at : stream_len;
        ends[count++] = at;
    }
    assert_true(count <= SEGMENTS_MAX);
    return count;
}

/* Every single segment and every pair of neighbours or others lost, and some at random. */
static void holes_anywhere(void **state)
{
    (void)state;
    struct chance c = {21};
    static size_t ends[SEGMENTS_MAX];
    for (enum way way = 0; way < WAYS; way++)
        for (enum cut cut = 0; cut < CUTS; cut++) {
            make_stream(&c, 300);
            size_t count = cut_stream(&c, cut, ends);
            for (size_t i = 0; i < count; i++)
                for (size_t k = i; k < count && k < 128; k += k == i ? 1 : 1 + chance_below(&c, 5)) {
                    uint64_t lost[2] = {0};
                    lost[i / 64] |= UINT64_C(1) << i % 64;
                    lost[k / 64] |= UINT64_C(1) << k % 64;
                    run(&c, ends, count, lost, 0, way);
                }
            for (size_t round = 0; round < 200; round++) {
                uint64_t lost[2] = {chance_next(&c), chance_next(&c)};
                for (size_t i = 0; i < 4; i++)
                    lost[i % 2] &= chance_next(&c);
                run(&c, ends, count, lost, round % 4, way);
            }
        }
}

/* ---- once ---- */

/* Whatever ended the stream: what is sent again is not delivered again, in its segments or others. */
static void nothing_comes_twice(void **state)
{
    (void)state;
    static const enum way ways[] = {AT_FIN, AT_RST, AT_SYN, AT_FAR, AT_LOWER, AT_ROOM, AT_GAP};
    struct chance c = {22};
    for (size_t w = 0; w < LEN(ways); w++)
        for (size_t lost = 0; lost <= MESSAGES; lost++) {
            struct tcp_streams *t = create(1024, 64);
            make_stream(&c, 300);
            open_with_syn(t, 1000);
            for (size_t i = 0; i < MESSAGES; i++) {
                struct net_payload p = message_segment(1000, i);
                if (i != lost)
                    (void)add(t, &p, 0);
            }
            if (ways[w] == AT_FIN) {
                struct net_payload fin = segment(1000, stream_len, 0, TCP_FIN);
                (void)tcp_streams_add(t, &fin, 0);
            } else {
                end_stream(t, 1000, ways[w], 0);
            }
            size_t count = got.count;
            for (size_t i = 0; i + 1 < MESSAGES; i += 1 + i % 3) {
                size_t to = i + 1 + i % 2;
                struct net_payload p = segment(1000, starts[i], starts[to] - starts[i], 0);
                if (i != lost && to - 1 != lost)
                    assert_int_equal(tcp_streams_add(t, &p, 1000), TCP_OLD);
            }
            assert_int_equal(got.count, count);
            tcp_streams_expire(t, INT64_MAX);
            expect_whole();
            tcp_streams_destroy(t);
        }
}

/* SYN and FIN among the segments in any order, the FIN twice, or no SYN at all; some segments never come. */
static void in_any_order(void **state)
{
    (void)state;
    struct chance c = {23};
    for (int round = 0; round < 3000; round++) {
        struct tcp_streams *t = create(64, 64);
        struct net_payload all[2 * MESSAGES];
        uint32_t base = (uint32_t)chance_next(&c);
        size_t count = 0, lost = 0;
        make_stream(&c, 300);
        for (size_t i = 0; i < MESSAGES; i++) {
            if (round % 3 && chance_below(&c, 8) == 0)
                lost++;
            else
                all[count++] = message_segment(base, i);
        }
        for (size_t i = 0; i < 8; i++, count++)
            all[count] = all[chance_below(&c, MESSAGES - lost)];
        for (int i = 0; i < 2; i++)
            all[count++] = segment(base, stream_len, 0, TCP_FIN);
        if (round % 2)
            all[count++] = segment(base - 1, 0, 0, TCP_SYN);
        for (size_t i = 0; i < count; i++) {
            size_t k = chance_below(&c, count);
            struct net_payload keep = all[i];
            all[i] = all[k];
            all[k] = keep;
        }
        for (size_t i = 0; i < count; i++)
            (void)add(t, &all[i], (int64_t)i);
        tcp_streams_expire(t, INT64_MAX);
        assert_int_equal(got.count, MESSAGES - lost);
        assert_int_equal(got.whole, MESSAGES - lost);
        if (lost == 0)
            assert_int_equal(tcp_streams_counts(t)->gaps, 0);
        tcp_streams_destroy(t);
    }
}

/* ---- other connections of the same ports ---- */

/* The second connection begins `ahead` of the first one's end; what waits of the first is delivered. */
static void ports_used_again(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t ahead;
        bool has_syn, had_syn, has_fin;
    } rows[] = {
        {"lower", (uint32_t)-2000000000, false, true, false},
        {"a little lower", (uint32_t)-30000, false, true, false},
        {"lower, in the middle of the first", (uint32_t)-2000000000, false, false, false},
        {"far ahead", 1000000, false, true, false},
        {"far ahead, in the middle of the first", 1000000, false, false, false},
        {"lower, behind a FIN", (uint32_t)-2000000000, false, true, true},
        {"ahead, behind a FIN", 700, false, true, true},
        {"far ahead, behind a FIN", 1000000, false, true, true},
        {"with a SYN, lower", (uint32_t)-300000, true, true, false},
        {"with a SYN, ahead", 700, true, true, false},
        {"with a SYN, where the first was", (uint32_t)-40, true, true, true},
    };
    struct chance c = {24};
    for (size_t r = 0; r < 2 * LEN(rows); r++) {
        bool has_hole = r >= LEN(rows);
        size_t row = r % LEN(rows), half = MESSAGES / 2;
        struct tcp_streams *t = create(64, 64);
        make_stream(&c, 300);
        uint32_t base = 5000, other = base + (uint32_t)starts[half] + rows[row].ahead - (uint32_t)starts[half];
        if (rows[row].had_syn)
            open_with_syn(t, base);
        for (size_t i = 0; i < half; i++) {
            struct net_payload p = message_segment(base, i);
            if (!has_hole || i != 3)
                (void)add(t, &p, 1);
        }
        struct net_payload fin = segment(base, starts[half], 0, TCP_FIN);
        struct net_payload syn = segment(other, starts[half], 0, TCP_SYN);
        if (rows[row].has_fin)
            (void)tcp_streams_add(t, &fin, 1);
        syn.tcp_seq--;
        if (rows[row].has_syn)
            (void)tcp_streams_add(t, &syn, 2);
        for (size_t i = half; i < MESSAGES; i++) {
            struct net_payload p = message_segment(other, i);
            (void)add(t, &p, 2);
        }
        if (got.count != (size_t)MESSAGES - has_hole && !(has_hole && rows[row].ahead == 700))
            fail_msg("%s: %zu messages", rows[row].what, got.count);
        tcp_streams_expire(t, INT64_MAX);
        expect_whole();
        tcp_streams_destroy(t);
    }
}

/* A stream that begins earlier than thought, with bytes that do not lead up to where it was picked up. */
static void a_beginning_that_does_not_fit(void **state)
{
    (void)state;
    struct chance c = {25};
    struct tcp_streams *t = create(64, 64);
    make_stream(&c, 300);
    struct net_payload second = message_segment(1, 1), first = segment(1, 0, starts[1], 0);
    first.tcp_seq += 3; /* runs over the second */
    for (size_t i = 0; i < 5; i++)
        came[starts[0] + i] = 0;
    assert_int_equal(add(t, &second, 0), TCP_DELIVERED);
    (void)add(t, &first, 0);
    for (size_t i = 2; i < MESSAGES; i++) {
        struct net_payload p = message_segment(1, i);
        assert_int_equal(add(t, &p, 0), TCP_DELIVERED);
    }
    tcp_streams_destroy(t);
}

/* ---- times ---- */

/* Part of a message has the time of its own last byte, whatever makes it known that no more will come. take() looks. */
static void the_time_of_a_part(void **state)
{
    (void)state;
    struct chance c = {26};
    for (enum way way = 0; way < WAYS; way++)
        for (size_t lost = 0; lost < 3; lost++) {
            struct tcp_streams *t = create(way == AT_EVICTION ? 8 : 64, 64);
            make_stream(&c, 300);
            open_with_syn(t, 1);
            for (size_t at = 0, i = 0; at < starts[3]; at += 16, i++) {
                size_t len = starts[3] - at < 16 ? starts[3] - at : 16;
                struct net_payload p = segment(1, at, len, 0);
                if (i != 2 + 3 * lost)
                    (void)add(t, &p, (int64_t)(100 * i + chance_below(&c, 500)));
            }
            end_stream(t, 1, way, INT64_C(28800) * SECOND_US);
            expect_whole();
            tcp_streams_destroy(t);
        }
}

/* Captured half a millisecond back in time, as on two taps: no hole is given up for that. */
static void time_goes_back(void **state)
{
    (void)state;
    struct chance c = {27};
    struct tcp_streams *t = create(64, 64);
    make_stream(&c, 300);
    open_with_syn(t, 1);
    for (size_t i = 0; i < MESSAGES; i++) {
        struct net_payload p = message_segment(1, i ^ 1);
        (void)add(t, &p, SECOND_US - (int64_t)i * 500);
    }
    assert_int_equal(got.whole, MESSAGES);
    assert_int_equal(tcp_streams_counts(t)->gaps, 0);
    tcp_streams_destroy(t);
}

/* Every other segment lost, ten times as many holes as there is room for. */
static void more_holes_than_room(void **state)
{
    (void)state;
    struct chance c = {29};
    struct tcp_streams *t = create(64, 64);
    make_stream(&c, 300);
    open_with_syn(t, 1);
    for (uint32_t round = 0; round < 16; round++)
        for (size_t i = 0; i < MESSAGES; i += 2) {
            struct net_payload p = message_segment(1 + round * (uint32_t)stream_len, i);
            (void)add(t, &p, 0);
        }
    tcp_streams_expire(t, INT64_MAX);
    assert_int_equal(got.whole, 16 * MESSAGES / 2);
    tcp_streams_destroy(t);
}

/* More data behind a hole than there is room for, in segments that begin anywhere. */
static void more_data_than_room(void **state)
{
    (void)state;
    enum { SIZE = 97, ROUNDS = 100 };
    struct chance c = {30};
    struct tcp_streams *t = create(64, 256);
    size_t lost = 0;
    make_stream(&c, 300);
    assert_true(ROUNDS * stream_len > 2 * 64 * 2048);
    open_with_syn(t, 1);
    for (uint32_t round = 0; round < ROUNDS; round++)
        for (size_t at = 0; at < stream_len; at += SIZE) {
            size_t len = stream_len - at < SIZE ? stream_len - at : SIZE;
            struct net_payload p = segment(1 + round * (uint32_t)stream_len, at, len, 0);
            if (round > 0 || at > 0)
                (void)add(t, &p, 0);
        }
    while (starts[lost] < SIZE)
        lost++;
    assert_int_equal(got.whole, ROUNDS * MESSAGES - lost);
    assert_int_equal(tcp_streams_counts(t)->gaps, 1);
    tcp_streams_destroy(t);
}

/* A stream knows what came in its last 2^30 bytes. Numbers further back, which are used again after 2^32, are not old.
 */
static void what_came_long_ago_is_forgotten(void **state)
{
    (void)state;
    enum { PIECE = 1 << 15, KNOWN = 1 << 30 };
    struct tcp_streams *t = create(8, 64);
    uint32_t base = 0xf0000000, at = base;
    struct net_payload piece = segment(0, 0, PIECE, 0), byte = segment(0, 0, 1, 0);
    memset(stream, 0, PIECE);
    store_be16(stream, PIECE - 2);
    store_be16(stream + 2, OTHER);
    store_be16(stream + 6, 0xd55d);
    open_with_syn(t, base);
    for (; at != base + KNOWN; at += PIECE) {
        piece.tcp_seq = at;
        assert_int_equal(tcp_streams_add(t, &piece, 0), TCP_DELIVERED);
    }
    byte.tcp_seq = base;
    assert_int_equal(tcp_streams_add(t, &byte, 0), TCP_OLD);
    piece.tcp_seq = at;
    assert_int_equal(tcp_streams_add(t, &piece, 0), TCP_DELIVERED);
    byte.tcp_seq = base + PIECE;
    assert_int_equal(tcp_streams_add(t, &byte, 0), TCP_OLD);
    byte.tcp_seq = base + PIECE - 1;
    assert_int_equal(tcp_streams_add(t, &byte, 0), TCP_NO_START);
    tcp_streams_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_long_ago_is_forgotten),
        cmocka_unit_test(holes_anywhere),
        cmocka_unit_test(nothing_comes_twice),
        cmocka_unit_test(in_any_order),
        cmocka_unit_test(ports_used_again),
        cmocka_unit_test(a_beginning_that_does_not_fit),
        cmocka_unit_test(the_time_of_a_part),
        cmocka_unit_test(time_goes_back),
        cmocka_unit_test(more_holes_than_room),
        cmocka_unit_test(more_data_than_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
