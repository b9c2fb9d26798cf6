/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The encoder with a result and other answers than addresses, and with records without an address. */
#include "answers.h"

#include "flow/encoder.h"

static void bytes_of_the_area(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        1,   0,    0,    82, 0, 0, 0, 0, 0, 0, 0,    0, 0,   0,  0,    0, /* version, worker, length, id, start, rate */
        0,   0,    0,    0,  0, 0, 0, 9,                                  /* base time */
        0,   0,    0,    0,  0, 0, 0, 0, 0, 1, 0xcf, 8, 0,   0,  0x10, 0, /* offset, TTL, type, port, flags, result */
        0,   0,    0,    0,  0, 0, 0, 5, 0, 2, 0xcf, 8, 0,   16, 0x7f, 0xff, /* QUIC, 4095 */
        1,   0,    23,                                                       /* the second set, 23 bytes */
        0,   0,    15,   0,  0, 0, 7, 0, 5, 0, 10,   1, 'm', 0,              /* owner, type, TTL, length, rdata */
        255, 0xff, 0xff, 0,  0, 0, 0, 0, 0,
    };
    static const uint8_t mx[] = {0, 10, 1, 'm', 0};
    struct dnsflow_encoder *e = encoder_with(false, 0);
    struct dnsflow_record *r = short_record(&made[0], 1, 0, 0);
    r->time_us = 9;
    r->min_ttl = 0;
    r->qtype = 1;
    r->set_flags = 0;
    r->transport = DNSFLOW_OVER_UDP;
    assert_int_equal(dnsflow_encoder_add(e, r), 1);
    r = short_record(&made[1], 0, 0, 0);
    r->time_us = 9;
    r->min_ttl = 5;
    r->qtype = 2;
    r->rcode = DNSFLOW_RCODE_MAX;
    r->transport = DNSFLOW_OVER_QUIC;
    struct dnsflow_answer one = {0, 15, 7, mx, sizeof(mx)}, two = {DNSFLOW_OWNER_OTHER, 0xffff, 0, NULL, 0};
    size_t used = dnsflow_put_answer(made[1].answers, 0, ANSWERS_ROOM, &one);
    r->answers_len = dnsflow_put_answer(made[1].answers, used, ANSWERS_ROOM, &two);
    r->answers = made[1].answers;
    assert_int_equal(dnsflow_encoder_add(e, r), 1);
    dnsflow_encoder_flush(e);
    assert_int_equal(load_be16(caught.bytes[0] + 2), DNSFLOW_FLAG_EXTENDED | DNSFLOW_FLAG_ANSWERS);
    assert_int_equal(caught.len[0], 8 + 48 + 44 + sizeof(expected));
    assert_memory_equal(caught.bytes[0] + 100, expected, sizeof(expected));
    end_with(e, NULL);
}

/* Some have answers, some have none, and the flag stands where there are any. */
static void several_sets(void **state)
{
    (void)state;
    for (unsigned pattern = 0; pattern < 16; pattern++) {
        struct dnsflow_encoder *e = encoder_with(pattern % 3 == 0, 0);
        struct sets sets = sets_over(&caught, true, DNSFLOW_LIMIT_IP4);
        for (unsigned n = 0; n < 4; n++) {
            short_record(&made[n], n % 3, 0, 1000 * n);
            for (unsigned k = 0; k < n + 1 && (pattern >> n & 1); k++)
                made_answer(&made[n], (uint8_t)(k ? 255 : 0), (uint16_t)(16 + k), n * k);
            assert_int_equal(dnsflow_encoder_add(e, &made[n].record), 1);
        }
        dnsflow_encoder_flush(e);
        assert_int_equal(caught.count, 1);
        assert_int_equal(!!(load_be16(caught.bytes[0] + 2) & DNSFLOW_FLAG_ANSWERS), pattern != 0);
        for (unsigned n = 0; n < 4; n++)
            expect_record(&sets, &made[n].record, 1);
        /* What comes next has nothing of it. */
        assert_int_equal(dnsflow_encoder_add(e, short_record(&made[0], 1, 0, 5)), 1);
        dnsflow_encoder_flush(e);
        assert_int_equal(load_be16(caught.bytes[1] + 2) & DNSFLOW_FLAG_ANSWERS, 0);
        expect_record(&sets, &made[0].record, 1);
        end_with(e, &sets);
    }
}

static void every_result(void **state)
{
    (void)state;
    static const uint16_t rcodes[] = {0, 1, 3, 15, 16, 23, 255, 256, 4094, 4095};
    struct dnsflow_encoder *e = encoder_with(false, 0);
    struct sets sets = sets_over(&caught, true, DNSFLOW_LIMIT_IP4);
    for (int pass = 0; pass < 2; pass++) {
        for (uint8_t transport = 0; transport <= DNSFLOW_OVER_MAX; transport++) {
            for (size_t i = 0; i < LEN(rcodes); i++) {
                struct dnsflow_record *r = short_record(&made[0], i % 2, 0, (uint32_t)i);
                r->rcode = rcodes[i];
                r->transport = transport;
                if (pass == 0)
                    assert_int_equal(dnsflow_encoder_add(e, r), 1);
                else
                    expect_record(&sets, r, 1);
            }
        }
        dnsflow_encoder_flush(e);
    }
    end_with(e, &sets);
}

/* Behind a small record, at each size around what is left of the datagram, and of an empty one. */
static void every_size_around_the_limit(void **state)
{
    (void)state;
    static const size_t limits[] = {1472, 1452, 1300, 1232};
    for (size_t i = 0; i < 4 * LEN(limits); i++) {
        size_t limit = limits[i / 4], tag = i & 1 ? DNSFLOW_TAG_SIZE : 0, ip4s = i & 2 ? 1 : 0;
        size_t alone = limit - BESIDE - tag - 4 - 4 * ip4s - AREA - ANSWER;
        size_t behind = alone - SET_HEADER - SET_TRAILER - 4;
        for (size_t len = behind - 3; len <= alone + 3; len += len == behind + 3 ? alone - behind - 6 : 1) {
            struct dnsflow_encoder *e = encoder_with(tag > 0, limit);
            struct sets sets = sets_over(&caught, true, limit);
            assert_int_equal(dnsflow_encoder_add(e, short_record(&made[0], 0, 0, 1)), 1);
            short_record(&made[1], ip4s, 0, 2);
            made_answer(&made[1], 0, 16, len);
            assert_int_equal(dnsflow_encoder_add(e, &made[1].record), 1);
            dnsflow_encoder_flush(e);
            assert_int_equal(caught.count, len <= behind ? 1 : 2);
            if (len == behind || len == alone)
                assert_int_equal(caught.len[caught.count - 1], limit);
            expect_record(&sets, &made[0].record, 1);
            struct sets look = sets;
            assert_int_equal(next_set(&look).answers_len, len <= alone ? ANSWER + len : 0);
            expect_record(&sets, &made[1].record, 1);
            end_with(e, &sets);
        }
    }
}

/* The sizes that docs/WIRE.md names. */
static void largest_rdata(void **state)
{
    (void)state;
    static const struct {
        size_t limit, names_len, largest;
    } rows[] = {{1472, 4, 1352}, {1472, 20, 1336}, {1472, 256, 1100},
                {1232, 4, 1112}, {1232, 20, 1096}, {1232, 256, 860}};
    for (size_t i = 0; i < LEN(rows); i++) {
        for (size_t more = 0; more <= 1; more++) {
            struct dnsflow_encoder *e = encoder_with(true, rows[i].limit);
            made_rest(&made[0], 6, 0, 0, 1);
            made_names(&made[0], rows[i].names_len - 1, 1);
            made_answer(&made[0], 0, 16, rows[i].largest + more);
            assert_int_equal(dnsflow_encoder_add(e, &made[0].record), 1);
            dnsflow_encoder_flush(e);
            assert_int_equal(caught.count, 1);
            assert_int_equal(caught.len[0], more ? rows[i].limit - rows[i].largest - AREA - ANSWER : rows[i].limit);
            struct sets sets = sets_over(&caught, true, rows[i].limit);
            struct dnsflow_record got = next_set(&sets);
            assert_int_equal(got.answers_len, more ? 0 : ANSWER + rows[i].largest);
            assert_int_equal(got.set_flags & DNSFLOW_SET_CUT, more ? DNSFLOW_SET_CUT : 0);
            end_with(e, &sets);
        }
    }
}

/* In order while they fit: what comes behind the first that does not is left out, were it ever so small. */
static void too_many_for_an_empty_datagram(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 500, 65535, 1};
    const size_t room = DNSFLOW_LIMIT_IP4 - BESIDE - 4 - AREA;
    for (size_t variant = 0; variant < 6; variant++) {
        struct dnsflow_encoder *e = encoder_with(false, 0);
        struct sets sets = sets_over(&caught, true, DNSFLOW_LIMIT_IP4);
        assert_int_equal(dnsflow_encoder_add(e, short_record(&made[0], 1, 0, 1)), 1);
        short_record(&made[1], 0, 0, 2);
        size_t kept = 0;
        switch (variant) {
        case 4: /* the last fits to the byte */
        case 5: /* one byte more */
            made_answer(&made[1], 0, 99, 700);
            made_answer(&made[1], 0, 0, room - 2 * ANSWER - 700 + (variant - 4));
            kept = variant == 4 ? room : ANSWER + 700;
            made_answer(&made[1], 0, 0, 0);
            break;
        default:
            for (size_t k = 0; k < LEN(lengths); k++) {
                size_t len = lengths[(variant + k) % LEN(lengths)];
                if (kept == made[1].record.answers_len && kept + ANSWER + len <= room)
                    kept += ANSWER + len;
                made_answer(&made[1], 0, (uint16_t)k, len);
            }
        }
        assert_int_equal(dnsflow_encoder_add(e, &made[1].record), 1);
        assert_int_equal(dnsflow_encoder_add(e, short_record(&made[2], 0, 1, 3)), 1);
        dnsflow_encoder_flush(e);
        expect_record(&sets, &made[0].record, 1);
        struct sets look = sets;
        struct dnsflow_record got = next_set(&look);
        assert_int_equal(got.answers_len, kept);
        assert_int_equal(got.set_flags & DNSFLOW_SET_CUT, DNSFLOW_SET_CUT);
        expect_record(&sets, &made[1].record, 1);
        expect_record(&sets, &made[2].record, 1);
        end_with(e, &sets);
    }
}

/* Answers leave room for one address, the rest of which goes into further sets. */
static void addresses_and_answers(void **state)
{
    (void)state;
    static const size_t counts[][2] = {{1, 0}, {0, 1}, {1, 1}, {40, 0}, {0, 40}, {255, 255}, {600, 20}};
    const size_t room = DNSFLOW_LIMIT_IP4 - BESIDE - 4 - AREA;
    for (size_t i = 0; i < LEN(counts); i++) {
        size_t one = counts[i][0] ? 4 : 16;
        for (size_t len = room - ANSWER - 340; len <= room - ANSWER; len++) {
            struct dnsflow_encoder *e = encoder_with(false, 0);
            struct sets sets = sets_over(&caught, true, DNSFLOW_LIMIT_IP4);
            assert_int_equal(dnsflow_encoder_add(e, short_record(&made[0], 1, 0, 1)), 1);
            short_record(&made[1], counts[i][0], counts[i][1], 2);
            made_answer(&made[1], 255, 48, len);
            int parts = dnsflow_encoder_add(e, &made[1].record);
            assert_true(parts > 0);
            assert_int_equal(dnsflow_encoder_add(e, short_record(&made[2], 1, 0, 3)), 1);
            dnsflow_encoder_flush(e);
            expect_record(&sets, &made[0].record, 1);
            struct sets look = sets;
            struct dnsflow_record got = next_set(&look);
            assert_int_equal(got.answers_len, ANSWER + len + one <= room ? ANSWER + len : 0);
            expect_record(&sets, &made[1].record, (size_t)parts);
            expect_record(&sets, &made[2].record, 1);
            end_with(e, &sets);
        }
    }
}

/* The names may take all the room there is. */
static void without_an_address(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        size_t limit = i & 1 ? DNSFLOW_LIMIT_IP4 : DNSFLOW_LIMIT_MIN, tag = i & 2 ? DNSFLOW_TAG_SIZE : 0;
        for (size_t len = limit - BESIDE - tag - 4; len <= limit - BESIDE - tag + 4; len++) {
            bool fits = len <= limit - BESIDE - tag;
            struct dnsflow_encoder *e = encoder_with(tag > 0, limit);
            struct sets sets = sets_over(&caught, true, limit);
            assert_int_equal(dnsflow_encoder_add(e, short_record(&made[0], 0, 0, 1)), 1);
            made_rest(&made[1], 6, 0, 0, 2);
            made_names(&made[1], len, 3);
            made_answer(&made[1], 0, 16, 0); /* which has no room */
            assert_int_equal(dnsflow_encoder_add(e, &made[1].record), fits ? 1 : DNSFLOW_OVERSIZE);
            dnsflow_encoder_flush(e);
            expect_record(&sets, &made[0].record, 1);
            if (fits) {
                if (padded(len) == limit - BESIDE - tag)
                    assert_int_equal(caught.len[1], limit);
                expect_record(&sets, &made[1].record, 1);
            }
            end_with(e, &sets);
        }
    }
    /* With and without answers, nothing is written of it without the trailer. */
    struct dnsflow_encoder *plain = encoder_into(&caught, false, 0);
    short_record(&made[0], 0, 0, 1);
    assert_int_equal(dnsflow_encoder_add(plain, &made[0].record), DNSFLOW_INVALID);
    made_answer(&made[0], 0, 16, 3);
    assert_int_equal(dnsflow_encoder_add(plain, &made[0].record), DNSFLOW_INVALID);
    assert_int_equal(dnsflow_encoder_flush(plain), 0);
    end_with(plain, NULL);
}

/* A record with an address and answers is a plain one without the trailer. */
static void not_without_the_trailer(void **state)
{
    (void)state;
    struct dnsflow_encoder *e = encoder_into(&caught, false, 0);
    struct sets sets = sets_over(&caught, false, DNSFLOW_LIMIT_IP4);
    short_record(&made[0], 1, 1, 1);
    made_answer(&made[0], 0, 16, 65535);
    assert_int_equal(dnsflow_encoder_add(e, &made[0].record), 1);
    dnsflow_encoder_flush(e);
    assert_int_equal(caught.len[0], 8 + SET_HEADER + 4 + 20);
    assert_int_equal(load_be16(caught.bytes[0] + 2), 0);
    expect_record(&sets, &made[0].record, 1);
    end_with(e, &sets);
}

static void refused_by_the_encoder(void **state)
{
    (void)state;
    struct dnsflow_encoder *e = encoder_with(false, 0);
    for (int kind = 0; kind < 8; kind++) {
        struct dnsflow_record *r = short_record(&made[0], 1, 0, 1);
        made_answer(&made[0], 0, 16, 5);
        made_answer(&made[0], 9, 17, 0);
        switch (kind) {
        case 0:
            r->rcode = DNSFLOW_RCODE_MAX + 1;
            break;
        case 1:
            r->rcode = 65535;
            break;
        case 2:
            r->transport = DNSFLOW_OVER_MAX + 1;
            break;
        case 3:
            r->transport = 255;
            break;
        case 4:
            r->answers_len--;
            break;
        case 5:
            made[0].answers[8] = 6; /* takes the first byte of the second */
            break;
        case 6:
            r->answers_len++;
            break;
        default:
            r->answers = NULL;
            break;
        }
        if (dnsflow_encoder_add(e, r) != DNSFLOW_INVALID)
            fail_msg("kind %d", kind);
    }
    assert_int_equal(dnsflow_encoder_flush(e), 0);
    end_with(e, NULL);
}

/* A smaller limit counts the answers of what is open. */
static void a_limit_that_sinks(void **state)
{
    (void)state;
    for (size_t size = 1296; size <= 1304; size++) {
        struct dnsflow_encoder *e = encoder_with(false, 0);
        short_record(&made[0], 0, 0, 1);
        made_answer(&made[0], 0, 16, size - BESIDE - 4 - AREA - ANSWER);
        assert_int_equal(dnsflow_encoder_add(e, &made[0].record), 1);
        flow_encoder_set_limit(e, 1300);
        assert_int_equal(caught.count, size > 1300 ? 1 : 0);
        dnsflow_encoder_flush(e);
        assert_int_equal(caught.len[0], size);
        end_with(e, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_the_area),
        cmocka_unit_test(several_sets),
        cmocka_unit_test(every_result),
        cmocka_unit_test(every_size_around_the_limit),
        cmocka_unit_test(largest_rdata),
        cmocka_unit_test(too_many_for_an_empty_datagram),
        cmocka_unit_test(addresses_and_answers),
        cmocka_unit_test(without_an_address),
        cmocka_unit_test(not_without_the_trailer),
        cmocka_unit_test(refused_by_the_encoder),
        cmocka_unit_test(a_limit_that_sinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
