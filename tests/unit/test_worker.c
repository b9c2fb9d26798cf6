/* SPDX-License-Identifier: BSD-3-Clause */
#include "running.h"

enum { FRAME = 4096, MESSAGES = 12 };
static const int64_t start_us = INT64_C(1700000000000000);

static struct message m;
static struct run runs[8];
static uint8_t frame[FRAME];

/* A message of one of several kinds, some of which give no record. */
static void message_of(size_t kind)
{
    message_typical(&m);
    switch (kind) {
    case 0:
        store_be16(m.bytes + 2, 0x0100); /* query */
        break;
    case 1:
        store_be16(m.bytes + 2, 0x8183);
        break;
    case 2:
        store_be16(m.bytes + 2, 0x8100);
        break;
    case 3:
        message_begin(&m, MESSAGE_RESPONSE);
        message_question(&m, "a.example", TYPE_TXT);
        break;
    case 4:
        m.out.at -= 5; /* ends early */
        break;
    case 5:
        message_begin(&m, MESSAGE_RESPONSE);
        message_question(&m, "a.example", TYPE_A);
        for (uint32_t i = 0; i < 150; i++)
            message_a(&m, NULL, 1, i);
        break;
    case 6:
        message_begin(&m, 0x8400);
        message_a(&m, "one.local", 1, 1);
        message_aaaa(&m, "two.local", 1, 1);
        break;
    case 7:
        m.out = writer_over(m.bytes, sizeof(m.bytes));
        write_zeros(&m.out, 7);
        break;
    case 8:
        message_begin(&m, MESSAGE_RESPONSE);
        message_question(&m, "a.example", TYPE_A);
        for (unsigned i = 0; i < 6; i++) {
            m.bytes[0] = (uint8_t)i;
            uint8_t name[256];
            struct writer out = writer_over(name, sizeof(name));
            put_name_of(&out, 255, i);
            message_answer(&m, NULL, TYPE_CNAME, 1, name, 255);
        }
        message_a(&m, NULL, 1, 1);
        break;
    default:
        break;
    }
}

/* A frame with that message, or with something else. */
static size_t random_frame(struct chance *c)
{
    struct flow f = flow_of(chance_below(c, 2) ? 4 : 6);
    static const uint16_t ports[] = {53, 53, 53, 53, 5353, 443, 40001};
    message_of(chance_below(c, MESSAGES));
    f.resolver_port = ports[chance_below(c, LEN(ports))];
    f.client_port = chance_below(c, 8) ? 40000 : 53;
    f.client[3] = (uint8_t)chance_next(c);
    size_t len = build_frame(frame, sizeof(frame), &f, m.bytes, message_len(&m));
    switch (chance_below(c, 16)) {
    case 0:
        return chance_below(c, len + 1); /* snapped */
    case 1:
        store_be16(frame + 12, 0x0806);
        return len;
    case 2:
        frame[23] = (uint8_t)chance_next(c); /* another protocol */
        return len;
    case 3:
        frame[20] = 0x20; /* more fragments */
        return len;
    case 4:
        frame[21] = 9; /* a later fragment */
        return len;
    case 5:
        frame[chance_below(c, len)] ^= (uint8_t)chance_next(c);
        return len;
    default:
        return len;
    }
}

static void ledgers_balance(void **state)
{
    (void)state;
    struct chance c = {9};
    for (unsigned round = 0; round < 64; round++) {
        struct run *r = &runs[0];
        run_prepare(r);
        r->config.extended = round & 1;
        r->config.mdns = (round >> 1) & 1;
        r->config.sample = round & 4 ? 3 : 0;
        r->config.shares = round & 8 ? 2 : 0;
        r->config.balance_checksum = (round >> 4) & 1;
        if (round & 32)
            r->config.filter = "udp or arp";
        run_start(r, 0);
        int64_t now = start_us;
        for (int n = 0; n < 400; n++) {
            now += (int64_t)chance_below(&c, 20000) - 2000;
            run_frame(r, frame, random_frame(&c), now);
        }
        run_finish(r);
        assert_true(r->seen == 400);
        assert_true(r->with_record > 0);
        run_expect_balance(r);
        release_caught(&r->out);
    }
}

static size_t typical_frame(void)
{
    struct flow f = flow_of(4);
    message_typical(&m);
    return build_frame(frame, sizeof(frame), &f, m.bytes, message_len(&m));
}

/* The second runs on capture time, either way, and any frame moves it. */
static void an_open_datagram_leaves_after_a_second(void **state)
{
    (void)state;
    static const struct {
        int64_t later_us;
        uint64_t datagrams;
    } rows[] = {{0, 0},  {999999, 0},  {1000000, 1},  {1000001, 1},  {INT64_C(86400000000), 1},
                {-1, 0}, {-999999, 0}, {-1000000, 1}, {-1000001, 1}, {INT64_C(-86400000000), 1}};
    for (size_t i = 0; i < 3 * LEN(rows); i++) {
        struct run *r = &runs[0];
        run_prepare(r);
        run_start(r, 0);
        size_t len = typical_frame();
        int64_t then = start_us + rows[i / 3].later_us;
        run_frame(r, frame, len, start_us);
        if (i % 3 == 0)
            worker_tick(r->worker, then);
        else
            run_frame(r, frame, i % 3 == 1 ? 10 : len, then); /* what comes need not be DNS */
        assert_true(run_count(r, DROP_DATAGRAMS) == rows[i / 3].datagrams);
        run_finish(r);
        run_expect_balance(r);
        assert_true(r->out.time_us[0] == (r->out.bytes[0][1] == 2 ? then : start_us));
        release_caught(&r->out);
    }
}

/* The age is that of the first set, also when later ones come between. */
static void the_first_set_counts(void **state)
{
    (void)state;
    struct run *r = &runs[0];
    run_prepare(r);
    run_start(r, 0);
    size_t len = typical_frame();
    for (int64_t n = 0; n < 4; n++)
        run_frame(r, frame, len, start_us + n * 300000);
    assert_true(run_count(r, DROP_DATAGRAMS) == 0);
    run_frame(r, frame, len, start_us + 1000000);
    assert_true(run_count(r, DROP_DATAGRAMS) == 1);
    run_frame(r, frame, len, start_us + 1999999);
    assert_true(run_count(r, DROP_DATAGRAMS) == 1);
    worker_tick(r->worker, start_us + 2000000);
    assert_true(run_count(r, DROP_DATAGRAMS) == 2);
    run_finish(r);
    assert_int_equal(r->out.bytes[0][1], 4);
    assert_int_equal(r->out.bytes[1][1], 2);
    release_caught(&r->out);
}

/* Times a broken capture can give. */
static void times_at_the_ends_of_the_range(void **state)
{
    (void)state;
    static const int64_t times[] = {INT64_MAX, INT64_MIN, 0, INT64_MIN, INT64_MAX, -1, INT64_MIN + 1, INT64_MIN};
    for (int extended = 0; extended <= 1; extended++) {
        struct run *r = &runs[0];
        run_prepare(r);
        r->config.extended = extended;
        run_start(r, 0);
        size_t len = typical_frame();
        for (size_t i = 0; i < LEN(times); i++)
            run_frame(r, frame, len, times[i]);
        run_finish(r);
        run_expect_balance(r);
        assert_true(r->with_record == LEN(times));
        release_caught(&r->out);
    }
}

/* The owner of a frame by the documented arithmetic, computed from the frame's bytes. */
static uint32_t share_of(const uint8_t *bytes, uint8_t ip_vers, bool balance, bool fragment, uint32_t shares)
{
    const uint8_t *ip = bytes + 14, *dst = ip_vers == 4 ? ip + 16 : ip + 24 + 12;
    uint16_t checksum = load_be16(ip + (ip_vers == 4 ? 20 : 40) + 6);
    bool by_checksum = !fragment && (ip_vers == 6 || (balance && checksum != 0));
    return (by_checksum ? checksum : load_be32(dst)) % shares;
}

static void shares_divide_the_traffic(void **state)
{
    (void)state;
    struct chance c = {10};
    for (uint32_t shares = 1; shares <= 7; shares += 2) {
        for (int balance = 0; balance <= 1; balance++) {
            uint64_t total = 0, expected[8] = {0};
            for (uint32_t i = 0; i < shares; i++) {
                run_prepare(&runs[i]);
                runs[i].config.share = i;
                runs[i].config.shares = shares;
                runs[i].config.balance_checksum = balance;
                runs[i].config.defrag_given = true; /* and off: what a first fragment holds counts */
                run_start(&runs[i], 0);
            }
            for (int n = 0; n < 300; n++) {
                uint8_t ip_vers = chance_below(&c, 2) ? 4 : 6;
                struct flow f = flow_of(ip_vers);
                bool fragment = ip_vers == 4 && chance_below(&c, 4) == 0;
                store_be32(f.client + (ip_vers == 4 ? 0 : 12), (uint32_t)chance_next(&c));
                message_typical(&m);
                m.bytes[0] = (uint8_t)chance_next(&c);
                size_t len = build_frame(frame, sizeof(frame), &f, m.bytes, message_len(&m));
                if (fragment)
                    frame[20] = 0x20;
                else if (ip_vers == 4 && chance_below(&c, 4) == 0)
                    store_be16(frame + 14 + 20 + 6, 0);
                expected[share_of(frame, ip_vers, balance, fragment, shares)]++;
                for (uint32_t i = 0; i < shares; i++)
                    run_frame(&runs[i], frame, len, start_us);
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
}

static void run_sampled(struct run *r, uint32_t sample, unsigned index)
{
    struct chance c = {12};
    run_prepare(r);
    r->config.sample = sample;
    run_start(r, index);
    for (int n = 0; n < 3000; n++) {
        struct flow f = flow_of(4);
        message_typical(&m);
        store_be32(f.client, (uint32_t)chance_next(&c));
        run_frame(r, frame, build_frame(frame, sizeof(frame), &f, m.bytes, message_len(&m)), start_us + n);
    }
    run_finish(r);
    run_expect_balance(r);
}

static void sampling_is_reproducible(void **state)
{
    (void)state;
    for (uint32_t sample = 2; sample <= 50; sample *= 5) {
        run_sampled(&runs[0], sample, 0);
        run_sampled(&runs[1], sample, 0);
        run_sampled(&runs[2], sample, 1);
        assert_int_equal(runs[0].out.count, runs[1].out.count);
        for (size_t i = 0; i < runs[0].out.count; i++) {
            assert_int_equal(runs[0].out.len[i], runs[1].out.len[i]);
            assert_memory_equal(runs[0].out.bytes[i], runs[1].out.bytes[i], runs[0].out.len[i]);
        }
        double expected = 3000.0 / sample, deviation = 5 * expected / 10 + 10;
        assert_in_range(runs[0].with_record, (size_t)(expected - deviation < 1 ? 1 : expected - deviation),
                        (size_t)(expected + deviation));
        assert_true(runs[0].drops[DROP_SAMPLED] + runs[0].with_record == 3000);
        assert_memory_not_equal(runs[0].out.bytes[0], runs[2].out.bytes[0], 100);
        for (int i = 0; i < 3; i++)
            release_caught(&runs[i].out);
    }
}

static void ports(void **state)
{
    (void)state;
    static const struct {
        uint16_t from, to;
        bool mdns, filter;
        enum drop_reason reason;
    } rows[] = {
        {53, 40000, false, false, DROP_NONE},
        {40000, 53, false, false, DROP_QUERY_PORT},
        {40000, 40001, false, false, DROP_OTHER_PORT},
        {5353, 40000, false, false, DROP_OTHER_PORT},
        {5353, 40000, true, false, DROP_NONE},
        {40000, 5353, true, false, DROP_QUERY_PORT},
        {53, 53, false, false, DROP_NONE},
        {40000, 40001, false, true, DROP_NONE},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        struct run *r = &runs[0];
        struct flow f = flow_of(4);
        f.resolver_port = rows[i].from;
        f.client_port = rows[i].to;
        run_prepare(r);
        r->config.mdns = rows[i].mdns;
        r->config.filter = rows[i].filter ? "udp" : NULL;
        run_start(r, 0);
        message_typical(&m);
        run_frame(r, frame, build_frame(frame, sizeof(frame), &f, m.bytes, message_len(&m)), start_us);
        run_finish(r);
        assert_true(rows[i].reason == DROP_NONE ? r->with_record == 1 : r->drops[rows[i].reason] == 1);
        run_expect_balance(r);
        release_caught(&r->out);
    }
}

/* With the trailer: one statistics datagram, the last, that counts everything; without: none. */
static void statistics_at_the_end(void **state)
{
    (void)state;
    for (int extended = 0; extended <= 1; extended++) {
        struct run *r = &runs[0];
        struct dnsflow_datagram d;
        run_prepare(r);
        r->config.extended = extended;
        r->config.sensor_id = 77;
        run_start(r, 3);
        size_t len = typical_frame();
        for (int n = 0; n < 100; n++)
            run_frame(r, frame, n % 10 ? len : 5, start_us + n);
        run_finish(r);
        run_expect_balance(r);
        assert_int_equal(dnsflow_decode(r->out.bytes[r->out.count - 1], r->out.len[r->out.count - 1], &d), DNSFLOW_OK);
        assert_int_equal(d.flags & DNSFLOW_FLAG_STATS, extended);
        if (extended) {
            assert_true(d.stats.pkts_captured == 100 && d.stats.pkts_received == 100 && d.stats.pkts_dropped == 0);
            assert_true(d.trailer.sensor_id == 77 && d.trailer.worker == 3);
            assert_true(d.trailer.start_time == start_us / 1000000);
            assert_int_equal(d.counters_count, 5 + DROP_REASON_COUNT - 1);
            assert_true(load_be64(d.counters) == 100 && load_be64(d.counters + 8) == 90);
            assert_true(load_be64(d.counters + 8 * (4 + DROP_LINK_SHORT)) == 10);
        }
        release_caught(&r->out);
    }
}

static void what_cannot_be_opened(void **state)
{
    (void)state;
    struct run *r = &runs[0];
    struct error err = {""};
    const struct worker_start start = {.stop = &r->stop};
    run_prepare(r);
    run_write_to(r, "/nonexistent/dnsflow.pcap");
    assert_int_equal(worker_create(&r->config, &start, &r->worker, &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent/dnsflow.pcap"));
    run_write_to(r, r->path);
    r->config.filter = "no such word";
    assert_int_equal(worker_create(&r->config, &start, &r->worker, &err), -1);
    worker_destroy(NULL);
    unlink(r->path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ledgers_balance),
        cmocka_unit_test(an_open_datagram_leaves_after_a_second),
        cmocka_unit_test(the_first_set_counts),
        cmocka_unit_test(shares_divide_the_traffic),
        cmocka_unit_test(sampling_is_reproducible),
        cmocka_unit_test(ports),
        cmocka_unit_test(statistics_at_the_end),
        cmocka_unit_test(what_cannot_be_opened),
        cmocka_unit_test(times_at_the_ends_of_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
