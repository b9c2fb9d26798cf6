/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Datagrams that come again, or from before what is known: counted, and not taken where that is not wanted. */
#include "receive/intake.h"

#include "base/clock.h"
#include "records.h"

enum { START = 1700000000 };

static const int64_t now = (int64_t)START * SECOND_US;

struct told {
    size_t datagrams, records;
    uint32_t last;
};

static void tell_datagram(void *context, const struct received *from, const struct source *source)
{
    struct told *told = context;
    (void)source;
    told->datagrams++;
    told->last = from->datagram.sequence;
}

static void tell_record(void *context, const struct received *from, const struct dnsflow_record *record)
{
    (void)from;
    (void)record;
    ((struct told *)context)->records++;
}

static void tell_malformed(void *context, const struct source *source, int result)
{
    (void)context;
    (void)source;
    (void)result;
    fail();
}

static struct intake open_intake(struct told *told, bool only_once, bool in_order)
{
    struct intake intake;
    struct intake_options options = {.is_live = true,
                                     .only_once = only_once,
                                     .in_order = in_order,
                                     .whose = SOURCE_IS_STREAM,
                                     .calls = {told, tell_datagram, tell_record, tell_malformed}};
    memset(told, 0, sizeof(*told));
    assert_int_equal(intake_open(&intake, &options, NULL), 0);
    return intake;
}

/* One record in it; with a trailer or without. */
static uint8_t *make_datagram(bool extended, uint32_t start_time, size_t *len)
{
    static struct made m;
    static struct caught caught;
    const struct dnsflow_encoder_options options = {.size = sizeof(options),
                                                    .extended = extended,
                                                    .start_time = start_time,
                                                    .emit = catch_datagram,
                                                    .context = &caught};
    struct dnsflow_encoder *encoder = dnsflow_encoder_create(&options);
    assert_non_null(encoder);
    made_short_names(&m, 1);
    made_rest(&m, 4, 1, 0, 0);
    assert_int_equal(dnsflow_encoder_add(encoder, &m.record), 1);
    dnsflow_encoder_flush(encoder);
    dnsflow_encoder_destroy(encoder);
    assert_int_equal(caught.count, 1);
    uint8_t *bytes = exact_copy(caught.bytes[0], caught.len[0]);
    *len = caught.len[0];
    release_caught(&caught);
    return bytes;
}

/* Whether it was taken. */
static bool is_taken(struct intake *intake, const struct told *told, uint8_t *bytes, size_t len, uint32_t sequence)
{
    size_t datagrams = told->datagrams, records = told->records;
    struct listener_datagram d = {
        .ip_vers = 4, .address = {10, 0, 0, 1}, .port = 4001, .time_us = now, .bytes = bytes, .len = len};
    store_be32(bytes + 4, sequence);
    intake_datagram(intake, &d);
    assert_int_equal(told->records - records, told->datagrams - datagrams);
    assert_true(told->datagrams == datagrams || told->last == sequence);
    assert_int_equal(intake->datagrams, told->datagrams);
    return told->datagrams > datagrams;
}

/* The same number of a stream: taken once where that is wanted, else as often as it comes. */
static void only_once(void **state)
{
    static const struct {
        uint32_t sequence;
        bool is_first;
    } rows[] = {{100, true}, {100, false}, {102, true},
                {101, true}, {101, false}, {100, false},
                {165, true}, {102, false}, {101, true} /* too long ago to tell */,
                {99, true},  {164, true},  {164, false}};
    (void)state;
    for (int way = 0; way < 4; way++) {
        bool wants_once = way & 1, extended = way & 2;
        struct told told;
        struct intake intake = open_intake(&told, wants_once, false);
        uint64_t doubled = 0;
        size_t len;
        uint8_t *bytes = make_datagram(extended, START, &len);
        for (size_t i = 0; i < LEN(rows); i++) {
            doubled += !rows[i].is_first && wants_once;
            if (is_taken(&intake, &told, bytes, len, rows[i].sequence) != (rows[i].is_first || !wants_once))
                fail_msg("way %d, row %zu", way, i);
            assert_int_equal(intake.doubled, doubled);
        }
        assert_int_equal(sources_count(intake.sources), 1);
        assert_int_equal(sources_at(intake.sources, 0)->duplicates, 5);
        assert_int_equal(sources_at(intake.sources, 0)->data_datagrams, LEN(rows)); /* the account has all */
        assert_int_equal(intake.older, 0);
        intake_close(&intake);
        free(bytes);
    }
}

/* Two runs have numbers of their own. */
static void once_in_each_run(void **state)
{
    struct told told;
    struct intake intake = open_intake(&told, true, false);
    size_t len;
    (void)state;
    for (uint32_t run = 0; run < 3; run++) {
        uint8_t *bytes = make_datagram(true, START + run, &len);
        assert_true(is_taken(&intake, &told, bytes, len, 7));
        assert_false(is_taken(&intake, &told, bytes, len, 7));
        free(bytes);
    }
    assert_int_equal(intake.doubled, 3);
    intake_close(&intake);
}

/* 1001, 1003, 1004 and so on to 1200 have come, but not 1190, when a file is read that may hold any of them. */
static void in_order(void **state)
{
    static const struct {
        uint32_t sequence;
        bool is_taken;
        bool is_older;
    } rows[] = {{1200, false, false},
                {1001, false, false},
                {1000, false, true},
                {1, false, true},
                {1190, true, false},
                {1190, false, false},
                {1191, false, false},
                {1136, false, false},
                {1137, false, false},
                {1201, true, false},
                {1201, false, false},
                {1400, true, false},
                {1300, true, false} /* missing since, and too long ago to tell */,
                {1200, false, false},
                {1002, false, false} /* missing, but too long ago to tell */};
    struct told told;
    struct intake intake = open_intake(&told, true, true);
    size_t len;
    uint64_t doubled = 0, older = 0;
    uint8_t *bytes = make_datagram(true, START, &len);
    (void)state;
    for (uint32_t n = 1001; n <= 1200; n++)
        if (n != 1002 && n != 1190)
            assert_true(is_taken(&intake, &told, bytes, len, n));
    sources_resume(intake.sources);
    for (size_t i = 0; i < LEN(rows); i++) {
        if (is_taken(&intake, &told, bytes, len, rows[i].sequence) != rows[i].is_taken)
            fail_msg("row %zu", i);
        older += rows[i].is_older;
        doubled += !rows[i].is_taken && !rows[i].is_older;
        assert_int_equal(intake.older, older);
        assert_int_equal(intake.doubled, doubled);
    }
    free(bytes);
    bytes = make_datagram(true, START + 1, &len); /* another stream, of which nothing was known */
    assert_true(is_taken(&intake, &told, bytes, len, 1100));
    free(bytes);
    intake_close(&intake);
}

/* Of few numbers that have come, what is before the first is older, however near it is. */
static void in_order_behind_few(void **state)
{
    (void)state;
    for (uint32_t known = 1; known <= 70; known++) {
        struct told told;
        struct intake intake = open_intake(&told, true, true);
        size_t len;
        uint8_t *bytes = make_datagram(true, START, &len);
        for (uint32_t n = 0; n < known; n++)
            assert_true(is_taken(&intake, &told, bytes, len, 1000 + n));
        sources_resume(intake.sources);
        assert_false(is_taken(&intake, &told, bytes, len, 999));
        assert_false(is_taken(&intake, &told, bytes, len, 900));
        assert_true(intake.older == 2 && intake.doubled == 0);
        assert_false(is_taken(&intake, &told, bytes, len, 1000));
        assert_false(is_taken(&intake, &told, bytes, len, 999 + known));
        assert_true(intake.older == 2 && intake.doubled == 2);
        assert_true(is_taken(&intake, &told, bytes, len, 1000 + known));
        free(bytes);
        intake_close(&intake);
    }
}

/* The same across the wrap of the numbers. */
static void in_order_across_the_wrap(void **state)
{
    struct told told;
    struct intake intake = open_intake(&told, true, true);
    size_t len;
    uint8_t *bytes = make_datagram(true, START, &len);
    (void)state;
    for (uint32_t n = 0; n < 100; n++)
        assert_true(is_taken(&intake, &told, bytes, len, 0xffffffce + n)); /* 50 before 0 to 49 */
    sources_resume(intake.sources);
    for (uint32_t n = 0; n < 100; n++)
        assert_false(is_taken(&intake, &told, bytes, len, 0xffffffce + n));
    assert_int_equal(intake.doubled, 100);
    assert_false(is_taken(&intake, &told, bytes, len, 0xffffffcd));
    assert_int_equal(intake.older, 1);
    assert_true(is_taken(&intake, &told, bytes, len, 50));
    free(bytes);
    intake_close(&intake);
}

/* Without a trailer the run is not known: what comes again may be another one's. */
static void in_order_without_trailer(void **state)
{
    struct told told;
    struct intake intake = open_intake(&told, true, true);
    size_t len;
    uint8_t *bytes = make_datagram(false, 0, &len);
    (void)state;
    for (int again = 0; again < 2; again++) {
        for (uint32_t n = 1; n <= 70; n++)
            assert_true(is_taken(&intake, &told, bytes, len, n));
        sources_resume(intake.sources);
    }
    assert_int_equal(intake.doubled, 0);
    free(bytes);
    intake_close(&intake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_once),
        cmocka_unit_test(once_in_each_run),
        cmocka_unit_test(in_order),
        cmocka_unit_test(in_order_behind_few),
        cmocka_unit_test(in_order_across_the_wrap),
        cmocka_unit_test(in_order_without_trailer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
