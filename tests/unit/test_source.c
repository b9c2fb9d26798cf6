/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Accounts of who sends: what makes a source, and which find a place. */
#include "receive/source.h"

#include "base/clock.h"
#include "testing.h"

enum { START = 1700000000 };

/* ---- who ---- */

struct sender {
    uint8_t address[16];
    struct received from;
};

/* From 10.0.0.0 on, with port and trailer. */
static void set_sender(struct sender *s, uint32_t number, int64_t time_us)
{
    memset(s, 0, sizeof(*s));
    store_be32(s->address, 0x0a000000 + number);
    s->from = (struct received){.ip_vers = 4, .address = s->address, .port = 4000, .time_us = time_us};
    s->from.datagram.trailer = (struct dnsflow_trailer){.worker = 1, .sensor_id = 2, .start_time = START};
}

static struct source *find(struct sources *all, uint32_t number, int64_t time_us, enum source_proof proof)
{
    struct sender s;
    set_sender(&s, number, time_us);
    return sources_find(all, &s.from, proof);
}

static void change(struct sender *s, char what)
{
    struct dnsflow_trailer *t = &s->from.datagram.trailer;
    s->address[3] ^= what == 'a';
    s->from.port ^= what == 'p';
    s->from.ip_vers = what == 'v' ? 6 : 4; /* with the same bytes in front */
    t->sensor_id ^= what == 's' ? 1u << 31 : 0;
    t->worker ^= what == 'w' ? 0x80 : 0;
    t->start_time ^= what == 't';
    t->sample_rate ^= what == 'r';
}

static void identity(void **state)
{
    static const struct {
        enum source_identity identity;
        enum source_proof proof;
        bool has_trailer;
        const char *apart; /* what makes another source */
    } rows[] = {
        {SOURCE_IS_ADDRESS, SOURCE_UNPROVEN, false, "apv"},  {SOURCE_IS_ADDRESS, SOURCE_UNPROVEN, true, "apv"},
        {SOURCE_IS_ADDRESS, SOURCE_ACCEPTED, false, "apv"},  {SOURCE_IS_ADDRESS, SOURCE_ACCEPTED, true, "apv"},
        {SOURCE_IS_ADDRESS, SOURCE_VERIFIED, true, "apv"},   {SOURCE_IS_STREAM, SOURCE_UNPROVEN, false, "apv"},
        {SOURCE_IS_STREAM, SOURCE_UNPROVEN, true, "apv"},    {SOURCE_IS_STREAM, SOURCE_ACCEPTED, false, "apv"},
        {SOURCE_IS_STREAM, SOURCE_ACCEPTED, true, "apvswt"}, {SOURCE_IS_STREAM, SOURCE_VERIFIED, true, "swt"},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++)
        for (const char *what = "apvswtr"; *what; what++) {
            struct sources *all = sources_create(rows[i].identity, true);
            struct sender s;
            set_sender(&s, 1, 0);
            s.from.datagram.has_trailer = rows[i].has_trailer;
            assert_non_null(sources_find(all, &s.from, rows[i].proof));
            change(&s, *what);
            const struct source *found = sources_find(all, &s.from, rows[i].proof);
            uint32_t count = strchr(rows[i].apart, *what) ? 2 : 1;
            if (sources_count(all) != count)
                fail_msg("row %zu, %c", i, *what);
            assert_ptr_equal(found, sources_at(all, count - 1));
            assert_int_equal(found->port, s.from.port); /* where it sends from now */
            assert_int_equal(found->ip_vers, s.from.ip_vers);
            assert_memory_equal(found->address, s.address, s.from.ip_vers == 6 ? 16 : 4);
            assert_int_equal(sources_proven(all), rows[i].proof == SOURCE_UNPROVEN ? 0 : count);
            sources_destroy(all);
        }
}

static void names(void **state)
{
    struct source four = {.ip_vers = 4, .port = 65535, .address = {10, 1, 2, 3}};
    struct source six = {.ip_vers = 6, .port = 4000, .address = {0x20, 1, 0xd, 0xb8, [15] = 7}};
    char name[SOURCE_NAME];
    (void)state;
    source_name(&four, name);
    assert_string_equal(name, "10.1.2.3:65535");
    source_name(&six, name);
    assert_string_equal(name, "[2001:db8::7]:4000");
    memset(six.address, 0xee, 16);
    source_name(&six, name);
    assert_string_equal(name, "[eeee:eeee:eeee:eeee:eeee:eeee:eeee:eeee]:4000");
}

static void rates(void **state)
{
    struct sources *all = sources_create(SOURCE_IS_ADDRESS, true);
    struct source *first = find(all, 1, 0, SOURCE_ACCEPTED);
    (void)state;
    first->records = 30;
    find(all, 2, 0, SOURCE_ACCEPTED)->records = 4;
    sources_mark(all, 2);
    assert_true(sources_at(all, 0)->rate == 15 && sources_at(all, 1)->rate == 2);
    first->records = 31;
    sources_mark(all, 0.5);
    assert_true(sources_at(all, 0)->rate == 2 && sources_at(all, 1)->rate == 0);
    sources_destroy(all);
    sources_destroy(NULL);
}

/* ---- room ---- */

/* Those of whom nothing was accepted take no place from those who prove themselves. */
static void unproven(void **state)
{
    struct sources *all = sources_create(SOURCE_IS_ADDRESS, true);
    (void)state;
    for (uint32_t n = 0; n < SOURCES_UNPROVEN_MAX; n++)
        assert_non_null(find(all, n, 0, SOURCE_UNPROVEN));
    assert_null(find(all, SOURCES_UNPROVEN_MAX, 0, SOURCE_UNPROVEN));
    assert_ptr_equal(find(all, 5, 0, SOURCE_UNPROVEN), sources_at(all, 5));
    assert_int_equal(sources_proven(all), 0);

    for (uint32_t n = 0; n < SOURCES_UNPROVEN_MAX; n++)
        assert_non_null(find(all, 5000 + n, 0, SOURCE_ACCEPTED));
    assert_int_equal(sources_proven(all), SOURCES_UNPROVEN_MAX);
    assert_null(find(all, SOURCES_UNPROVEN_MAX, 0, SOURCE_UNPROVEN));
    assert_non_null(find(all, 5000, 0, SOURCE_UNPROVEN)); /* a proven one may be refused */
    assert_null(find(all, SOURCES_UNPROVEN_MAX, 0, SOURCE_UNPROVEN));
    assert_int_equal(sources_proven(all), SOURCES_UNPROVEN_MAX);

    for (int again = 0; again < 2; again++) /* one proves itself, once */
        assert_ptr_equal(find(all, 7, 0, SOURCE_VERIFIED), sources_at(all, 7));
    assert_int_equal(sources_proven(all), SOURCES_UNPROVEN_MAX + 1);
    assert_non_null(find(all, SOURCES_UNPROVEN_MAX, 0, SOURCE_UNPROVEN));
    assert_null(find(all, SOURCES_UNPROVEN_MAX + 1, 0, SOURCE_UNPROVEN));
    sources_destroy(all);
}

static uint32_t number_at(const struct sources *all, uint32_t index)
{
    return load_be32(sources_at(all, index)->address) - 0x0a000000;
}

/* Every fourth came a microsecond before the others; some of these were refused. */
static void fill(struct sources *all, int64_t time_us)
{
    for (uint32_t n = 0; n < SOURCES_MAX; n++)
        assert_non_null(find(all, n, time_us - (n % 4 == 0), n % 128 == 0 ? SOURCE_UNPROVEN : SOURCE_ACCEPTED));
    assert_int_equal(sources_count(all), SOURCES_MAX);
    for (uint32_t n = 0; n < 8; n++) {
        struct source *s = find(all, n, time_us - (n % 4 == 0), SOURCE_UNPROVEN);
        s->data_datagrams = 2;
        s->stats_datagrams = 1;
        s->lost = 3;
    }
}

static void assert_gone(const struct sources *all, uint64_t count, uint64_t datagrams, uint64_t lost)
{
    assert_int_equal(sources_gone(all)->sources, count);
    assert_int_equal(sources_gone(all)->datagrams, datagrams);
    assert_int_equal(sources_gone(all)->lost, lost);
}

static void idle_ones_give_way(void **state)
{
    enum { EARLY = SOURCES_MAX / 4, LEFT = SOURCES_MAX - EARLY };
    const int64_t begin = (int64_t)START * SECOND_US, now = begin + (int64_t)SOURCES_IDLE_S * SECOND_US;
    struct sources *all = sources_create(SOURCE_IS_ADDRESS, true);
    (void)state;
    fill(all, begin);
    assert_gone(all, 0, 0, 0);
    assert_non_null(find(all, SOURCES_MAX, now, SOURCE_ACCEPTED));
    assert_gone(all, EARLY, 2 * 3, 2 * 3);
    assert_int_equal(sources_count(all), LEFT + 1);
    assert_int_equal(sources_proven(all), LEFT + 1);
    for (uint32_t i = 0; i < LEFT; i++) { /* in order, and found where they are */
        uint32_t number = i / 3 * 4 + i % 3 + 1;
        assert_int_equal(number_at(all, i), number);
        assert_ptr_equal(find(all, number, begin, SOURCE_ACCEPTED), sources_at(all, i));
    }
    assert_int_equal(number_at(all, LEFT), SOURCES_MAX);
    assert_int_equal(sources_at(all, 0)->lost, 3);

    for (uint32_t n = 1; n < EARLY; n++)
        assert_non_null(find(all, SOURCES_MAX + n, now, SOURCE_ACCEPTED));
    assert_int_equal(sources_count(all), SOURCES_MAX);
    assert_null(find(all, 0, now + 1, SOURCE_ACCEPTED)); /* others are idle now, but that was only just looked at */
    assert_null(find(all, 0, now + 60 * SECOND_US - 1, SOURCE_ACCEPTED));
    assert_non_null(find(all, SOURCES_MAX, now + 60 * SECOND_US - 1, SOURCE_ACCEPTED));
    assert_gone(all, EARLY, 2 * 3, 2 * 3);
    assert_non_null(find(all, 0, now + 60 * SECOND_US, SOURCE_UNPROVEN));
    assert_gone(all, SOURCES_MAX, 8 * 3, 8 * 3);
    assert_int_equal(sources_count(all), EARLY + 1);
    assert_int_equal(sources_proven(all), EARLY);
    assert_int_equal(number_at(all, 0), SOURCES_MAX);
    assert_int_equal(number_at(all, EARLY), 0);
    assert_int_equal(sources_at(all, EARLY)->lost, 0); /* a new one */
    sources_destroy(all);
}

/* Their time is past, and all of them are to be told of. */
static void files_forget_nobody(void **state)
{
    const int64_t begin = (int64_t)START * SECOND_US, later = begin + INT64_C(365) * 86400 * SECOND_US;
    struct sources *all = sources_create(SOURCE_IS_ADDRESS, false);
    (void)state;
    fill(all, begin);
    assert_null(find(all, SOURCES_MAX, later, SOURCE_ACCEPTED));
    assert_null(find(all, SOURCES_MAX, later, SOURCE_UNPROVEN));
    assert_ptr_equal(find(all, 1, later, SOURCE_ACCEPTED), sources_at(all, 1));
    assert_int_equal(sources_count(all), SOURCES_MAX);
    assert_gone(all, 0, 0, 0);
    sources_destroy(all);
}

static void fill_unproven(struct sources *all, uint32_t first, int64_t time_us)
{
    for (uint32_t n = 0; n < SOURCES_UNPROVEN_MAX; n++)
        assert_non_null(find(all, first + n, time_us, SOURCE_UNPROVEN));
    assert_null(find(all, first + SOURCES_UNPROVEN_MAX, time_us, SOURCE_UNPROVEN));
}

/* A burst of forged addresses does not keep the accounts of what is refused for good. */
static void idle_refused_ones_give_way(void **state)
{
    const int64_t begin = (int64_t)START * SECOND_US, idle = (int64_t)SOURCES_IDLE_S * SECOND_US;
    struct sources *all = sources_create(SOURCE_IS_ADDRESS, true);
    (void)state;
    fill_unproven(all, 0, begin);
    assert_non_null(find(all, 5, begin + idle, SOURCE_UNPROVEN));
    assert_null(find(all, SOURCES_UNPROVEN_MAX, begin + idle, SOURCE_UNPROVEN));
    assert_non_null(find(all, SOURCES_UNPROVEN_MAX, begin + idle + 60 * SECOND_US, SOURCE_UNPROVEN));
    assert_gone(all, SOURCES_UNPROVEN_MAX - 1, 0, 0);
    assert_int_equal(sources_count(all), 2);
    assert_int_equal(number_at(all, 0), 5);
    sources_destroy(all);
}

/* They are idle for as long by a clock that went back a day, and are looked at each minute by it. */
static void clock_back(void **state)
{
    const int64_t begin = (int64_t)START * SECOND_US, idle = (int64_t)SOURCES_IDLE_S * SECOND_US;
    const int64_t back = begin - (int64_t)86400 * SECOND_US;
    struct sources *all = sources_create(SOURCE_IS_ADDRESS, true);
    (void)state;
    fill_unproven(all, 0, begin);
    assert_null(find(all, SOURCES_UNPROVEN_MAX, back, SOURCE_UNPROVEN));
    assert_null(find(all, SOURCES_UNPROVEN_MAX, back + idle, SOURCE_UNPROVEN));
    assert_non_null(find(all, SOURCES_UNPROVEN_MAX, back + idle + 60 * SECOND_US, SOURCE_UNPROVEN));
    assert_gone(all, SOURCES_UNPROVEN_MAX, 0, 0);
    sources_destroy(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity),
        cmocka_unit_test(names),
        cmocka_unit_test(rates),
        cmocka_unit_test(unproven),
        cmocka_unit_test(idle_ones_give_way),
        cmocka_unit_test(files_forget_nobody),
        cmocka_unit_test(idle_refused_ones_give_way),
        cmocka_unit_test(clock_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
