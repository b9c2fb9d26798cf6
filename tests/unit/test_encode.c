/* SPDX-License-Identifier: BSD-3-Clause */
#include "records.h"

#include "flow/encoder.h"

static struct made made[4];
static struct caught caught;

/* Bytes a set may take in a datagram of its own. */
static size_t set_room(bool extended, size_t limit)
{
    return limit - 8 - (extended ? 24 + 16 : 0);
}

static void bytes_of_one_set(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        4,    1,    0,    0,    0,    0,    0,    1, /* header */
        4,    1,    1,    1,    0,    8,    0,    0, /* family, counts, names_len, zero */
        0,    0,    0,    9,    0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0, /* client */
        0x5e, 0x5e, 0x5e, 0x5e, 0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0, /* resolver */
        3,    'A',  'b',  'c',  0,    0,    0,    0,                                        /* name, padding */
        0,    0,    0,    9,                                                                /* IPv4 */
        0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0, 0, 0, 9,
    };
    struct dnsflow_encoder *e = encoder_into(&caught, false, 0);
    made_rest(&made[0], 4, 1, 1, 9);
    made[0].record.names = (const uint8_t *)"\3Abc";
    made[0].record.names_len = 5;
    made[0].record.names_count = 1;
    assert_int_equal(dnsflow_encoder_add(e, &made[0].record), 1);
    assert_int_equal(caught.count, 0);
    assert_int_equal(dnsflow_encoder_flush(e), 1);
    assert_int_equal(dnsflow_encoder_flush(e), 0);
    assert_int_equal(caught.count, 1);
    assert_int_equal(caught.len[0], sizeof(expected));
    assert_memory_equal(caught.bytes[0], expected, sizeof(expected));
    release_caught(&caught);
    dnsflow_encoder_destroy(e);
}

static void bytes_of_the_trailer(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        1, 7, 0, 40, 0, 0, 0, 5,  0, 0,   0,    6, 0, 0,  0,    8, /* version, worker, length, id, start, rate */
        0, 0, 0, 0,  0, 0, 0, 9,                                   /* base time */
        0, 0, 0, 0,  0, 0, 0, 69, 0, 255, 0xcf, 8, 0, 16, 0x10, 9, /* offset, TTL, type, port, flags, result */
    };
    struct dnsflow_encoder_options options = {.size = sizeof(options),
                                              .extended = 1,
                                              .worker = 7,
                                              .sensor_id = 5,
                                              .start_time = 6,
                                              .sample_rate = 8,
                                              .emit = catch_datagram,
                                              .context = &caught};
    caught.count = 0;
    struct dnsflow_encoder *e = dnsflow_encoder_create(&options);
    made_rest(&made[0], 6, 1, 0, 9);
    made_short_names(&made[0], 1);
    made[0].record.time_us = 9;
    assert_int_equal(dnsflow_encoder_add(e, &made[0].record), 1);
    dnsflow_encoder_flush(e);
    assert_int_equal(caught.len[0], 8 + 40 + 4 + 4 + sizeof(expected));
    assert_int_equal(load_be16(caught.bytes[0] + 2), 2);
    assert_memory_equal(caught.bytes[0] + 56, expected, sizeof(expected));
    release_caught(&caught);
    dnsflow_encoder_destroy(e);
}

/* One record whose set would measure `size` bytes, behind a small one or alone. */
static void try_size(size_t size, size_t ip4s, size_t ip6s, size_t unpadded, bool extended, bool behind)
{
    size_t names_len = size - SET_HEADER - 4 * ip4s - 16 * ip6s;
    struct dnsflow_encoder *e = encoder_into(&caught, extended, 0);
    struct sets sets = sets_over(&caught, extended, DNSFLOW_LIMIT_IP4);
    made_rest(&made[0], 4, 1, 0, 1);
    made_short_names(&made[0], 1);
    made_rest(&made[1], 6, ip4s, ip6s, 2);
    made_names(&made[1], names_len - unpadded, 3);
    if (behind)
        assert_int_equal(dnsflow_encoder_add(e, &made[0].record), 1);
    int parts = dnsflow_encoder_add(e, &made[1].record);
    bool fits = size <= set_room(extended, DNSFLOW_LIMIT_IP4);
    assert_true(fits ? parts == 1 : parts > 1);
    made_rest(&made[2], 4, 0, 1, 3);
    made_short_names(&made[2], 2);
    assert_int_equal(dnsflow_encoder_add(e, &made[2].record), 1);
    dnsflow_encoder_flush(e);
    if (behind)
        expect_record(&sets, &made[0].record, 1);
    expect_record(&sets, &made[1].record, (size_t)parts);
    expect_record(&sets, &made[2].record, 1);
    expect_no_more(&sets);
    assert_true(caught.count <= (size_t)parts + 2u);
    release_caught(&caught);
    dnsflow_encoder_destroy(e);
}

static void every_size_around_the_limit(void **state)
{
    (void)state;
    static const size_t counts[][2] = {{1, 0}, {0, 1}, {1, 1}, {100, 0}, {255, 0}, {0, 60}, {100, 40}, {17, 70}};
    for (size_t size = 1400; size <= 1512; size += 4) {
        for (size_t i = 0; i < LEN(counts); i++) {
            for (unsigned variant = 0; variant < 16; variant++) {
                size_t taken = SET_HEADER + 4 * counts[i][0] + 16 * counts[i][1], names = size - taken;
                bool extended = variant & 1;
                size_t room = set_room(extended, DNSFLOW_LIMIT_IP4), one = counts[i][0] ? 4 : 16;
                if (counts[i][0] && counts[i][1])
                    one = 16; /* else the IPv6 addresses have no place in any set */
                if (size < taken + 8 || SET_HEADER + names + one > room)
                    continue;
                try_size(size, counts[i][0], counts[i][1], variant >> 2, extended, (variant & 2) != 0);
            }
        }
    }
}

static void counts_around_255(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 254, 255, 256, 300, 510, 511};
    for (size_t i = 0; i < LEN(counts); i++) {
        for (size_t k = 0; k < LEN(counts); k++) {
            for (int extended = 0; extended <= 1; extended++) {
                if (counts[i] + counts[k] == 0)
                    continue;
                struct dnsflow_encoder *e = encoder_into(&caught, extended, 0);
                struct sets sets = sets_over(&caught, extended, DNSFLOW_LIMIT_IP4);
                made_rest(&made[0], 4, counts[i], counts[k], 1);
                made_names(&made[0], 20, 1);
                int parts = dnsflow_encoder_add(e, &made[0].record);
                assert_true(parts > 0);
                dnsflow_encoder_flush(e);
                expect_record(&sets, &made[0].record, (size_t)parts);
                expect_no_more(&sets);
                release_caught(&caught);
                dnsflow_encoder_destroy(e);
            }
        }
    }
}

static void names_around_255(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 254, 255, 256, 300};
    for (size_t i = 0; i < LEN(counts); i++) {
        struct dnsflow_encoder *e = encoder_into(&caught, true, 0);
        struct sets sets = sets_over(&caught, true, DNSFLOW_LIMIT_IP4);
        made_rest(&made[0], 4, 1, 1, 1);
        made_short_names(&made[0], counts[i]);
        int parts = dnsflow_encoder_add(e, &made[0].record);
        dnsflow_encoder_flush(e);
        if (counts[i] == 0 || counts[i] > 255) {
            assert_int_equal(parts, DNSFLOW_INVALID);
            assert_int_equal(caught.count, 0);
        } else {
            assert_int_equal(parts, 1);
            expect_record(&sets, &made[0].record, 1);
        }
        expect_no_more(&sets);
        release_caught(&caught);
        dnsflow_encoder_destroy(e);
    }
}

static void names_that_leave_no_room(void **state)
{
    (void)state;
    for (int extended = 0; extended <= 1; extended++) {
        size_t room = set_room(extended, DNSFLOW_LIMIT_IP4) - SET_HEADER;
        for (size_t left = 0; left <= 20; left += 4) {
            for (unsigned kind = 1; kind <= 3; kind++) {
                struct dnsflow_encoder *e = encoder_into(&caught, extended, 0);
                struct sets sets = sets_over(&caught, extended, DNSFLOW_LIMIT_IP4);
                made_rest(&made[0], 4, 1, 0, 1);
                made_short_names(&made[0], 1);
                assert_int_equal(dnsflow_encoder_add(e, &made[0].record), 1);
                made_rest(&made[1], 4, kind & 1 ? 1 : 0, kind & 2 ? 1 : 0, 2);
                made_names(&made[1], room - left, 5);
                struct flow_left_out left_out;
                write_bytes(flow_encoder_names(e), made[1].names, made[1].record.names_len);
                int parts = flow_encoder_commit(e, &made[1].record, 16, &left_out);
                dnsflow_encoder_flush(e);
                expect_record(&sets, &made[0].record, 1);
                bool ip4_fits = (kind & 1) && left >= 4, ip6_fits = (kind & 2) && left >= 16;
                if (!ip4_fits && !ip6_fits) {
                    assert_int_equal(parts, DNSFLOW_OVERSIZE);
                } else {
                    assert_int_equal(parts, ip4_fits && ip6_fits && left < 20 ? 2 : 1);
                    assert_int_equal(left_out.no_room, kind == 3 && !ip6_fits);
                    assert_int_equal(left_out.over_most, 0);
                    if (kind == 3 && !ip6_fits)
                        made[1].record.ip6s_count = 0;
                    expect_record(&sets, &made[1].record, (size_t)parts);
                }
                expect_no_more(&sets);
                release_caught(&caught);
                dnsflow_encoder_destroy(e);
            }
        }
    }
}

static void sequence_and_statistics(void **state)
{
    (void)state;
    struct dnsflow_stats stats = {1, 2, 3, 4, 5};
    uint64_t counters[129] = {UINT64_MAX, 1};
    for (int extended = 0; extended <= 1; extended++) {
        struct dnsflow_datagram d;
        struct dnsflow_encoder *e = encoder_into(&caught, extended, 0);
        made_rest(&made[0], 4, 1, 0, 1);
        made_short_names(&made[0], 1);
        assert_int_equal(dnsflow_encoder_add(e, &made[0].record), 1);
        assert_int_equal(dnsflow_encoder_stats(e, &stats, 77, counters, 128), DNSFLOW_OK);
        assert_int_equal(dnsflow_encoder_stats(e, &stats, 78, NULL, 0), DNSFLOW_OK);
        assert_int_equal(dnsflow_encoder_stats(e, &stats, 78, counters, 129), DNSFLOW_INVALID);
        assert_int_equal(dnsflow_encoder_stats(e, &stats, 78, NULL, 1), DNSFLOW_INVALID);
        assert_int_equal(dnsflow_encoder_add(e, &made[0].record), 1);
        dnsflow_encoder_flush(e);
        assert_int_equal(caught.count, 4);
        assert_true(flow_encoder_datagrams(e) == 4);
        for (uint32_t i = 0; i < 4; i++) {
            assert_int_equal(dnsflow_decode(caught.bytes[i], caught.len[i], &d), DNSFLOW_OK);
            assert_true(d.sequence == i + 1);
            assert_int_equal(d.flags & DNSFLOW_FLAG_STATS, i == 1 || i == 2);
            assert_int_equal(d.sets_count, 1);
        }
        assert_int_equal(dnsflow_decode(caught.bytes[1], caught.len[1], &d), DNSFLOW_OK);
        assert_memory_equal(&d.stats, &stats, sizeof(stats));
        assert_true(caught.time_us[1] == 77);
        assert_int_equal(caught.len[1], extended ? 28 + 24 + 4 + 1024 : 28);
        assert_int_equal(d.counters_count, extended ? 128 : 0);
        if (extended)
            assert_true(load_be64(d.counters) == UINT64_MAX && d.trailer.base_time_us == 77);
        release_caught(&caught);
        dnsflow_encoder_destroy(e);
    }
}

/* Times whose distance to the first set's leaves 32 bits, either way. */
static void a_far_time_starts_a_datagram(void **state)
{
    (void)state;
    static const struct {
        int64_t offset;
        bool starts;
    } rows[] = {
        {0, false},
        {INT32_MAX, false},
        {INT64_C(1) + INT32_MAX, true},
        {INT32_MIN, false},
        {INT64_C(-1) + INT32_MIN, true},
        {INT64_C(86400000000), true},
    };
    for (size_t i = 0; i < 2 * LEN(rows); i++) {
        bool extended = i % 2;
        struct dnsflow_encoder *e = encoder_into(&caught, extended, 0);
        struct sets sets = sets_over(&caught, extended, DNSFLOW_LIMIT_IP4);
        for (int n = 0; n < 2; n++) {
            made_rest(&made[n], 4, 1, 0, 1);
            made_short_names(&made[n], 1);
            made[n].record.time_us += n ? rows[i / 2].offset : 0;
            assert_int_equal(dnsflow_encoder_add(e, &made[n].record), 1);
        }
        dnsflow_encoder_flush(e);
        assert_int_equal(caught.count, extended && rows[i / 2].starts ? 2 : 1);
        expect_record(&sets, &made[0].record, 1);
        expect_record(&sets, &made[1].record, 1);
        expect_no_more(&sets);
        release_caught(&caught);
        dnsflow_encoder_destroy(e);
    }
}

/* Times a broken capture can give: the distance between two of them does not fit 64 bits. */
static void times_at_the_ends_of_the_range(void **state)
{
    (void)state;
    for (int extended = 0; extended <= 1; extended++) {
        struct dnsflow_encoder *e = encoder_into(&caught, extended, 0);
        for (int n = 0; n < 4; n++) {
            made_rest(&made[n], 4, 1, 0, 1);
            made_short_names(&made[n], 1);
            made[n].record.time_us = n % 2 ? INT64_MIN + 1 : INT64_MAX - 1;
            assert_int_equal(dnsflow_encoder_add(e, &made[n].record), 1);
        }
        dnsflow_encoder_flush(e);
        struct sets sets = sets_over(&caught, extended, DNSFLOW_LIMIT_IP4);
        for (int n = 0; n < 4; n++)
            expect_record(&sets, &made[n].record, 1);
        expect_no_more(&sets);
        release_caught(&caught);
        dnsflow_encoder_destroy(e);
    }
}

/* As decoded ones are: without a resolver below version 4, with names as text in version 0. */
static void refuses_what_is_not_whole(void **state)
{
    (void)state;
    struct dnsflow_encoder *e = encoder_into(&caught, true, 0);
    const uint8_t **parts[] = {&made[0].record.client, &made[0].record.resolver, &made[0].record.names,
                               &made[0].record.ip4s, &made[0].record.ip6s};
    for (size_t i = 0; i <= LEN(parts); i++) {
        made_rest(&made[0], 4, 1, 1, 1);
        made_short_names(&made[0], 3);
        if (i < LEN(parts))
            *parts[i] = NULL;
        else
            made[0].record.names_text = 1;
        assert_int_equal(dnsflow_encoder_add(e, &made[0].record), DNSFLOW_INVALID);
    }
    assert_int_equal(dnsflow_encoder_flush(e), 0);
    dnsflow_encoder_destroy(e);
    assert_string_equal(dnsflow_result_text(DNSFLOW_INVALID), "the record contradicts itself, or lacks something");
    assert_string_equal(dnsflow_result_text(1), "no error");
    assert_string_equal(dnsflow_result_text(-100), "an error of a later version");
}

static void refuses_what_contradicts_itself(void **state)
{
    (void)state;
    struct dnsflow_encoder *e = encoder_into(&caught, false, 0);
    for (int kind = 0; kind < 9; kind++) {
        struct dnsflow_record *r = &made[0].record;
        made_rest(&made[0], 4, 1, 1, 1);
        made_short_names(&made[0], 3);
        switch (kind) {
        case 0:
            r->ip_vers = 0;
            break;
        case 1:
            r->ip_vers = 5;
            break;
        case 2:
            r->ip4s_count = r->ip6s_count = 0;
            break;
        case 3:
            r->names_count = 2;
            break;
        case 4:
            r->names_count = 4;
            break;
        case 5:
            r->names_len--;
            break;
        case 6:
            made[0].names[0] = 64;
            break;
        case 7:
            made[0].names[0] = 0xc0;
            break;
        default:
            r->names_len = 0;
            break;
        }
        assert_int_equal(dnsflow_encoder_add(e, r), DNSFLOW_INVALID);
    }
    made_rest(&made[0], 4, 1, 1, 1);
    struct writer out = writer_over(made[0].names, sizeof(made[0].names));
    put_name_of(&out, 256, 1);
    made[0].record.names_len = 256;
    made[0].record.names_count = 1;
    assert_int_equal(dnsflow_encoder_add(e, &made[0].record), DNSFLOW_INVALID);
    assert_int_equal(dnsflow_encoder_flush(e), 0);
    dnsflow_encoder_destroy(e);
    struct dnsflow_encoder_options options = {.size = sizeof(options)};
    assert_null(dnsflow_encoder_create(&options));
    options.emit = catch_datagram;
    options.size = 1;
    assert_null(dnsflow_encoder_create(&options));
    dnsflow_encoder_destroy(NULL);
}

/* A record that was begun and given up leaves nothing behind, even in the middle of a datagram. */
static void names_begun_and_given_up(void **state)
{
    (void)state;
    struct dnsflow_encoder *e = encoder_into(&caught, true, 0);
    struct sets sets = sets_over(&caught, true, DNSFLOW_LIMIT_IP4);
    for (uint32_t n = 0; n < 4; n++) {
        struct writer *names = flow_encoder_names(e);
        write_bytes(names, "rubbish", 7);
        write_zeros(flow_encoder_names(e), 255 * 255);
        made_rest(&made[n], 6, n, 1, n);
        made_names(&made[n], 5 + n, n);
        assert_int_equal(dnsflow_encoder_add(e, &made[n].record), 1);
        write_bytes(flow_encoder_names(e), "rubbish", 7);
    }
    dnsflow_encoder_flush(e);
    assert_int_equal(caught.count, 1);
    for (uint32_t n = 0; n < 4; n++)
        expect_record(&sets, &made[n].record, 1);
    release_caught(&caught);
    dnsflow_encoder_destroy(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_one_set),
        cmocka_unit_test(bytes_of_the_trailer),
        cmocka_unit_test(every_size_around_the_limit),
        cmocka_unit_test(counts_around_255),
        cmocka_unit_test(names_around_255),
        cmocka_unit_test(names_that_leave_no_room),
        cmocka_unit_test(sequence_and_statistics),
        cmocka_unit_test(a_far_time_starts_a_datagram),
        cmocka_unit_test(refuses_what_is_not_whole),
        cmocka_unit_test(refuses_what_contradicts_itself),
        cmocka_unit_test(names_begun_and_given_up),
        cmocka_unit_test(times_at_the_ends_of_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
