/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a source's sequence of numbers and its statistics tell. */
#include "receive/source.h"

#include "base/clock.h"
#include "flow/wire.h"
#include "testing.h"

enum { START = 1700000000 };

/* ---- numbers ---- */

/* An account and the datagrams without room that were told of but not yet missed. */
struct account {
    struct source source;
    uint64_t no_room;
};

static bool come_of_run(struct account *a, uint32_t start_time, uint32_t sequence)
{
    struct dnsflow_datagram datagram = {.sequence = sequence, .sets_count = 2};
    datagram.has_trailer = start_time != 0;
    datagram.trailer.start_time = start_time;
    return source_count(&a->source, &datagram, SECOND_US, &a->no_room);
}

static bool come(struct account *a, uint32_t sequence)
{
    return come_of_run(a, 0, sequence);
}

static void assert_account(const struct account *a, uint64_t total, uint64_t lost, uint64_t out_of_order,
                           uint64_t duplicates)
{
    assert_int_equal(a->source.total, total);
    assert_int_equal(a->source.lost, lost);
    assert_int_equal(a->source.out_of_order, out_of_order);
    assert_int_equal(a->source.duplicates, duplicates);
}

static void gaps(void **state)
{
    struct account a = {0};
    (void)state;
    assert_true(come(&a, 100)); /* what came before the first is not missing */
    assert_account(&a, 1, 0, 0, 0);
    assert_true(come(&a, 101));
    assert_account(&a, 2, 0, 0, 0);
    assert_true(come(&a, 105));
    assert_account(&a, 6, 3, 0, 0);
    assert_true(come(&a, 103)); /* late */
    assert_account(&a, 6, 2, 1, 0);
    assert_false(come(&a, 103));
    assert_account(&a, 6, 2, 2, 1);
    assert_false(come(&a, 105));
    assert_account(&a, 6, 2, 3, 2);
    assert_true(come(&a, 102));
    assert_true(come(&a, 104));
    assert_account(&a, 6, 0, 5, 2);
    assert_int_equal(a.source.data_datagrams, 8);
    assert_int_equal(a.source.records, 16);
}

/* What comes late from before the first was not missed, so that nothing else is found by it. */
static void before_the_first(void **state)
{
    struct account a = {0};
    (void)state;
    come(&a, 6000);
    come(&a, 6003);
    assert_account(&a, 4, 2, 0, 0);
    assert_true(come(&a, 5999));
    assert_account(&a, 4, 2, 1, 0);
    assert_false(come(&a, 5999));
    assert_account(&a, 4, 2, 2, 1);
    come(&a, 6004);
    come(&a, 5998);
    assert_account(&a, 5, 2, 3, 1);
    come(&a, 10); /* a new run */
    come(&a, 9);
    assert_account(&a, 6, 2, 4, 1);
    come(&a, 12);
    come(&a, 11);
    assert_account(&a, 8, 2, 5, 1);
    come_of_run(&a, START, 13);
    come_of_run(&a, START + 1, 50);
    come_of_run(&a, START + 1, 49);
    assert_account(&a, 10, 2, 6, 1);
}

/* A number counts as seen while it is among the last 64, the newest included. */
static void window(void **state)
{
    (void)state;
    for (uint32_t behind = 1; behind <= 130; behind++) {
        struct account at_once = {0}, by_steps = {0}, late = {0};
        bool is_known = behind <= 63;
        come(&at_once, 1000);
        come(&at_once, 1000 + behind);
        assert_int_equal(come(&at_once, 1000), !is_known);
        assert_account(&at_once, 1 + behind, behind - 1, 1, is_known);
        for (uint32_t n = 0; n <= behind; n++)
            come(&by_steps, 1000 + n);
        assert_int_equal(come(&by_steps, 1000), !is_known);
        assert_account(&by_steps, 1 + behind, 0, 1, is_known);
        come(&late, 999);
        come(&late, 1000 + behind);
        assert_true(come(&late, 1000));
        assert_account(&late, 2 + behind, behind - is_known, 1, 0); /* too late is as good as lost */
        assert_int_equal(come(&late, 1000), !is_known);
    }
}

static void no_room(void **state)
{
    struct account a = {.no_room = 3};
    (void)state;
    come(&a, 10);
    assert_int_equal(a.no_room, 3);
    come(&a, 16);
    assert_account(&a, 7, 2, 0, 0);
    assert_int_equal(a.source.no_room, 3);
    assert_int_equal(a.no_room, 0);
    a.no_room = 10;
    come(&a, 19);
    assert_account(&a, 10, 2, 0, 0);
    assert_int_equal(a.source.no_room, 5);
    assert_int_equal(a.no_room, 8);
    come(&a, 11); /* late ones are taken off the lost first */
    come(&a, 12);
    assert_account(&a, 10, 0, 2, 0);
    assert_int_equal(a.source.no_room, 5);
    for (uint32_t late = 13; late <= 18; late++)
        come(&a, late);
    assert_account(&a, 10, 0, 8, 1); /* 16 */
    assert_int_equal(a.source.no_room, 0);
    assert_int_equal(a.no_room, 8);
    come(&a, 5000);
    come(&a, 1); /* a restart misses nothing */
    assert_int_equal(a.no_room, 0);
    assert_int_equal(a.source.lost, 4980 - 8);
    assert_int_equal(a.source.no_room, 8);
}

static void wrap(void **state)
{
    struct account a = {0};
    (void)state;
    for (uint32_t n = 0; n < 4; n++)
        assert_true(come(&a, 0xfffffffe + n));
    assert_account(&a, 4, 0, 0, 0);
    assert_false(come(&a, 0xfffffffe));
    assert_false(come(&a, 0));
    assert_account(&a, 4, 0, 2, 2);

    struct account over = {0};
    come(&over, 0xfffffff0);
    come(&over, 5);
    assert_account(&over, 22, 20, 0, 0);
    assert_true(come(&over, 0xffffffff));
    assert_false(come(&over, 0xffffffff));
    assert_account(&over, 22, 19, 2, 1);
}

/* Without a trailer a jump is taken for a new run, with one only another start. */
static void jumps(void **state)
{
    enum { AHEAD = 1 << 28 };
    static const struct {
        uint32_t from, to;
        bool is_new_run;
        uint32_t missing; /* in the same run; the number is late if it is 0 */
    } rows[] = {
        {5000, 4001, false, 0},
        {5000, 4000, false, 0},
        {5000, 3999, true, 0},
        {500, 0xfffffe0c, false, 0}, /* 1000 back across the wrap */
        {500, 0xfffffe0b, true, 0},
        {7, 7 + AHEAD - 1, false, AHEAD - 2},
        {7, 7 + AHEAD, false, AHEAD - 1},
        {7, 7 + AHEAD + 1, true, AHEAD},
        {0xffffff00, 0xffffff00 + AHEAD, false, AHEAD - 1},
        {0xffffff00, 0xffffff00 + AHEAD + 1, true, AHEAD},
        {7, 0x80000006, true, 0x7ffffffe},
        {7, 0x80000007, true, 0}, /* the middle: neither ahead nor back */
        {0x80000000, 0, true, 0},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        bool is_late = rows[i].missing == 0;
        for (uint32_t start_time = 0; start_time <= START; start_time += START) {
            struct account a = {0};
            come_of_run(&a, start_time, rows[i].from);
            a.source.may_have_restarted = false;
            assert_true(come_of_run(&a, start_time, rows[i].to));
            bool is_new_run = rows[i].is_new_run && start_time == 0;
            assert_int_equal(a.source.may_have_restarted, is_new_run);
            assert_false(a.source.has_restarted);
            assert_account(&a, is_new_run ? 2 : 1 + (is_late ? 0 : (uint64_t)rows[i].missing + 1),
                           is_new_run ? 0 : rows[i].missing, is_late && !is_new_run, 0);
            assert_int_equal(a.source.sequence, is_late && !is_new_run ? rows[i].from : rows[i].to);
        }
    }
}

static void restarts(void **state)
{
    struct account a = {0};
    (void)state;
    come(&a, 7);
    come_of_run(&a, START, 9); /* the start becomes known: no restart */
    assert_false(a.source.has_restarted);
    assert_account(&a, 3, 1, 0, 0);
    assert_true(come_of_run(&a, START + 1, 9));
    assert_true(a.source.has_restarted);
    assert_int_equal(a.source.former_start_time, START);
    assert_account(&a, 4, 1, 0, 0);
    assert_false(come_of_run(&a, START + 1, 9));
    assert_account(&a, 4, 1, 1, 1);
    assert_true(come_of_run(&a, START, 8)); /* of the run before; nothing is known of its numbers any more */
    assert_true(come_of_run(&a, START, 90));
    assert_account(&a, 4, 1, 3, 1);
    assert_int_equal(a.source.start_time, START + 1);
    come_of_run(&a, START + 1, 11);
    assert_account(&a, 6, 2, 3, 1);
    come(&a, 12); /* without a trailer: the same run */
    assert_account(&a, 7, 2, 3, 1);
    assert_int_equal(a.source.start_time, START + 1);
    assert_true(come_of_run(&a, START - 5, 3)); /* a clock may go back */
    assert_int_equal(a.source.start_time, START - 5);
    assert_account(&a, 8, 2, 3, 1);
}

/* ---- statistics ---- */

static bool stats_of_run(struct account *a, uint32_t start_time, uint32_t sequence, uint32_t captured)
{
    struct dnsflow_datagram datagram = {.sequence = sequence, .flags = DNSFLOW_FLAG_STATS, .sets_count = 1};
    datagram.has_trailer = start_time != 0;
    datagram.trailer.start_time = start_time;
    datagram.stats = (struct dnsflow_stats){captured, captured + 1, captured + 2, captured / 2, 0};
    return source_count(&a->source, &datagram, SECOND_US, &a->no_room);
}

static void statistics(void **state)
{
    struct account a = {0};
    const uint64_t *grown = a.source.grown;
    (void)state;
    stats_of_run(&a, 0, 5000, 0xffffff00);
    assert_int_equal(grown[GROWN_CAPTURED], 0);
    stats_of_run(&a, 0, 5001, 0x100); /* across their wrap */
    assert_int_equal(grown[GROWN_CAPTURED], 0x200);
    assert_int_equal(grown[GROWN_RECEIVED], 0x200);
    assert_int_equal(grown[GROWN_DROPPED], 0x200);
    assert_int_equal(grown[GROWN_IFDROPPED], (uint32_t)(0x80 - 0x7fffff80));
    stats_of_run(&a, 0, 5001, 0x900); /* again, and late */
    stats_of_run(&a, 0, 4999, 0x900);
    assert_int_equal(a.source.last_stats.pkts_captured, 0x100);
    stats_of_run(&a, 0, 10, 0x50); /* back, and fallen: from 0 */
    assert_int_equal(grown[GROWN_CAPTURED], 0x250);
    assert_int_equal(grown[GROWN_RECEIVED], 0x251);
    assert_int_equal(grown[GROWN_DROPPED], 0x252);
    stats_of_run(&a, 0, 0x20000000, 0x70); /* a jump, but not fallen: the same run */
    assert_int_equal(grown[GROWN_CAPTURED], 0x270);
    stats_of_run(&a, 0, 0x20000001, 0x60); /* no jump: a wrap */
    assert_int_equal(grown[GROWN_CAPTURED], 0x270 + UINT64_C(0xfffffff0));
    assert_int_equal(a.source.stats_datagrams, 7);
    assert_int_equal(a.source.data_datagrams, 0);
    assert_int_equal(a.source.records, 0);
}

static void statistics_of_runs(void **state)
{
    struct account a = {0};
    const uint64_t *grown = a.source.grown;
    (void)state;
    come_of_run(&a, START, 2);
    stats_of_run(&a, START, 1, 100); /* late, but the first */
    assert_true(a.source.has_stats);
    come_of_run(&a, START + 9, 1);
    stats_of_run(&a, START, 3, 500); /* of the run before */
    assert_int_equal(a.source.last_stats.pkts_captured, 100);
    stats_of_run(&a, START + 9, 2, 300); /* more than before, but from 0 */
    assert_int_equal(grown[GROWN_CAPTURED], 300);
    assert_false(a.source.has_restarted);
    stats_of_run(&a, START + 9, 3, 310);
    assert_int_equal(grown[GROWN_CAPTURED], 310);
    assert_int_equal(a.source.first_time_us, SECOND_US);
}

static void send_counters(struct account *a, uint32_t sequence, uint64_t first, size_t count)
{
    uint8_t bytes[8 * (WIRE_COUNTERS_MAX + 1)];
    for (size_t i = 0; i < count; i++)
        store_be64(bytes + 8 * i, first + i);
    uint8_t *counters = exact_copy(bytes, 8 * count);
    struct dnsflow_datagram datagram = {
        .sequence = sequence, .flags = DNSFLOW_FLAG_STATS, .counters = counters, .counters_count = count};
    source_count(&a->source, &datagram, SECOND_US, &a->no_room);
    free(counters);
}

static void assert_counters(const struct account *a, uint64_t first, size_t count)
{
    assert_int_equal(a->source.counters_count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(a->source.counters[i], first + i);
}

/* Those of the newest statistics that had some. */
static void counters(void **state)
{
    struct account a = {0};
    (void)state;
    send_counters(&a, 1, 0, 0);
    assert_null(a.source.counters);
    send_counters(&a, 3, UINT64_C(1) << 40, 3);
    assert_counters(&a, UINT64_C(1) << 40, 3);
    send_counters(&a, 2, 70, 5); /* late */
    send_counters(&a, 4, 0, 0);
    come(&a, 5);
    assert_counters(&a, UINT64_C(1) << 40, 3);
    send_counters(&a, 6, 90, WIRE_COUNTERS_MAX);
    assert_counters(&a, 90, WIRE_COUNTERS_MAX);
    send_counters(&a, 7, 91, WIRE_COUNTERS_MAX + 1);
    assert_counters(&a, 91, WIRE_COUNTERS_MAX);
    send_counters(&a, 8, 5, 1);
    assert_counters(&a, 5, 1);
    free(a.source.counters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps),
        cmocka_unit_test(before_the_first),
        cmocka_unit_test(window),
        cmocka_unit_test(no_room),
        cmocka_unit_test(wrap),
        cmocka_unit_test(jumps),
        cmocka_unit_test(restarts),
        cmocka_unit_test(statistics),
        cmocka_unit_test(statistics_of_runs),
        cmocka_unit_test(counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
