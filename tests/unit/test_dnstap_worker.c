/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a worker makes of dnstap messages: whose they are, and when their datagrams leave. */
#include "net/dnstap.h"

#include "running.h"

enum { CLIENT_RESPONSE = 6, FAR = 86400 };
static const int64_t start_us = INT64_C(1700000000000000);

static struct message m;
static struct run runs[8];
static uint8_t inner[2048], frame[4096];

static void put_varint(struct writer *out, uint64_t n)
{
    for (; n > 127; n >>= 7)
        write_u8(out, (n & 127) | 128);
    write_u8(out, n);
}

static void put_number(struct writer *out, unsigned field, uint64_t n)
{
    put_varint(out, field << 3);
    put_varint(out, n);
}

static void put_bytes(struct writer *out, unsigned field, const void *bytes, size_t len)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, len);
    write_bytes(out, bytes, len);
}

/* A response to the client, sent at that second; 0 = it does not say when. */
static size_t build(const uint8_t *client, size_t len, uint64_t seconds)
{
    struct writer in = writer_over(inner, sizeof(inner)), out = writer_over(frame, sizeof(frame));
    message_typical(&m);
    put_number(&in, 1, CLIENT_RESPONSE);
    put_bytes(&in, 4, client, len);
    if (seconds)
        put_number(&in, 12, seconds);
    put_bytes(&in, 14, m.bytes, message_len(&m));
    put_bytes(&out, 14, inner, writer_len(&in));
    put_number(&out, 15, 1);
    assert_false(in.failed || out.failed);
    return writer_len(&out);
}

static void take(struct run *r, size_t len, int64_t time_us)
{
    struct packet p = packet_of(frame, len, NET_LINK_DNSTAP, time_us);
    worker_packet(r->worker, &p);
}

/* By the address of the client in both families, whatever else is asked for. */
static void shares_go_by_the_client(void **state)
{
    (void)state;
    struct chance c = {10};
    for (uint32_t shares = 1; shares <= 7; shares += 2) {
        uint64_t total = 0, expected[8] = {0};
        for (uint32_t i = 0; i < shares; i++) {
            run_prepare(&runs[i]);
            runs[i].config.share = i;
            runs[i].config.shares = shares;
            runs[i].config.balance_checksum = shares & 2;
            run_start(&runs[i], 0);
        }
        for (int n = 0; n < 300; n++) {
            static const size_t sizes[] = {4, 16, 16};
            uint8_t client[16] = {[0] = n % 3 == 1 ? 0x20 : 0, [10] = 0xff, [11] = 0xff};
            uint32_t last = (uint32_t)chance_next(&c);
            store_be32(client + sizes[n % 3] - 4, last);
            expected[last % shares]++;
            for (uint32_t i = 0; i < shares; i++)
                take(&runs[i], build(client, sizes[n % 3], 0), start_us);
        }
        for (uint32_t i = 0; i < shares; i++) {
            run_finish(&runs[i]);
            run_expect_balance(&runs[i]);
            assert_true(runs[i].delivered == expected[i]);
            assert_true(runs[i].drops[DROP_OTHER_SHARE] == 300 - expected[i]);
            total += runs[i].with_record;
            release_caught(&runs[i].out);
        }
        assert_true(total == 300);
    }
}

/* Ten messages in each of four seconds, with times as servers may give them. The records bear these; the datagrams
 * leave by the time of the coming, and with the trailer bear that, unless it is too far from the record's. */
static void datagrams_go_by_the_time_of_coming(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int64_t even, odd; /* seconds from the time of coming; 0 = it is not told */
        size_t datagrams, extended;
        bool is_far;
    } rows[] = {
        {"not told", 0, 0, 4, 4, false},
        {"a second ago", -1, -1, 4, 4, false},
        {"some minutes ago", -1800, -1800, 4, 4, false},
        {"some minutes ahead", 1800, 1800, 4, 4, false},
        {"to and fro", -1000, 1000, 4, 4, false},
        {"one clock is wrong", 0, -2000, 4, 4, false},
        {"a day ago", -FAR, -FAR, 4, 4, true},
        {"a day ahead", FAR, FAR, 4, 4, true},
        {"one day ago, one day ahead", -FAR, FAR, 4, 40, true},
    };
    static const uint8_t client[4] = {10, 0, 0, 9};
    for (size_t i = 0; i < 2 * LEN(rows); i++) {
        struct run *r = &runs[0];
        bool is_extended = i % 2;
        run_prepare(r);
        r->config.files_count = 0;
        r->config.extended = is_extended;
        run_start(r, 0);
        for (int n = 0; n < 40; n++) {
            int64_t now_us = start_us + n / 10 * INT64_C(1000000) + n % 10 * 1000;
            int64_t away = n % 2 ? rows[i / 2].odd : rows[i / 2].even;
            take(r, build(client, 4, away ? (uint64_t)(start_us / 1000000 + away) : 0), now_us);
        }
        run_finish(r);
        size_t expected = is_extended ? rows[i / 2].extended : rows[i / 2].datagrams, sets = 0;
        if (r->out.count != expected)
            fail_msg("%s: %zu datagrams", rows[i / 2].what, r->out.count);
        for (size_t k = 0; k < r->out.count; k++) {
            struct dnsflow_datagram d;
            struct dnsflow_record set;
            assert_int_equal(dnsflow_decode(r->out.bytes[k], r->out.len[k], &d), DNSFLOW_OK);
            for (; dnsflow_next_record(&d, &set); sets++) {
                int64_t away = sets % 2 ? rows[i / 2].odd : rows[i / 2].even;
                int64_t come_us = start_us + (int64_t)sets / 10 * 1000000 + (int64_t)sets % 10 * 1000;
                if (is_extended)
                    assert_true(set.time_us == (away ? start_us + away * 1000000 : come_us));
            }
            if (is_extended) {
                assert_true(d.trailer.start_time == start_us / 1000000);
                assert_true(rows[i / 2].is_far || d.trailer.base_time_us == start_us + (int64_t)k * 1000000);
            }
        }
        assert_int_equal(sets, 40);
        release_caught(&r->out);
    }
}

/* No packet needs to come for a datagram to leave, whatever time its records bear. */
static void an_idle_second_is_enough(void **state)
{
    (void)state;
    static const uint64_t seconds[] = {0, 1, 1699999999, 1700086400, UINT32_MAX};
    static const uint8_t client[4] = {10, 0, 0, 9};
    for (size_t i = 0; i < LEN(seconds); i++) {
        struct run *r = &runs[0];
        run_prepare(r);
        r->config.files_count = 0;
        run_start(r, 0);
        take(r, build(client, 4, seconds[i]), start_us);
        for (int64_t n = 1; n <= 9; n++)
            worker_tick(r->worker, start_us + n * 100000);
        assert_true(run_count(r, DROP_DATAGRAMS) == 0);
        worker_tick(r->worker, start_us + 1000000);
        assert_true(run_count(r, DROP_DATAGRAMS) == 1);
        run_finish(r);
        release_caught(&r->out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_go_by_the_client),
        cmocka_unit_test(datagrams_go_by_the_time_of_coming),
        cmocka_unit_test(an_idle_second_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
