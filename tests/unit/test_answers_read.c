/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Answers one by one, and the decoder on datagrams that have them, however damaged. */
#include "answers.h"

static void put_and_taken(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 255, 256, 65534, 65535};
    static uint8_t rdata[65535], room[ANSWER + 65535 + 5];
    for (size_t i = 0; i < LEN(lengths); i++) {
        size_t len = lengths[i], size = ANSWER + len;
        struct dnsflow_answer answer = {7, 0xfffe, 0xfffffffd, rdata, (uint16_t)len}, got;
        memset(rdata, 0x5a, len);
        if (len > 0)
            rdata[len - 1] = 1;
        assert_int_equal(dnsflow_put_answer(room, 5, 5 + size - 1, &answer), 0);
        assert_int_equal(dnsflow_put_answer(room, 5, 5 + ANSWER - 1, &answer), 0);
        assert_int_equal(dnsflow_put_answer(room, 5, 5, &answer), 0);
        assert_int_equal(dnsflow_put_answer(room, 5, 4, &answer), 0);
        assert_int_equal(dnsflow_put_answer(room, 5, 5 + size, &answer), 5 + size);
        uint8_t *copy = exact_copy(room + 5, size);
        const uint8_t *at = copy;
        for (size_t cut = 0; cut < size; cut += cut < 20 || cut > size - 20 ? 1 : 7)
            assert_int_equal(dnsflow_next_answer(&at, copy + cut, &got), 0);
        assert_ptr_equal(at, copy);
        assert_int_equal(dnsflow_next_answer(&at, copy + size, &got), 1);
        assert_ptr_equal(at, copy + size);
        assert_int_equal(got.owner, 7);
        assert_int_equal(got.type, 0xfffe);
        assert_true(got.ttl == 0xfffffffd);
        assert_int_equal(got.rdata_len, len);
        if (len > 0)
            assert_memory_equal(got.rdata, rdata, len);
        assert_int_equal(dnsflow_next_answer(&at, copy + size, &got), 0);
        free(copy);
    }
    const uint8_t *none = NULL;
    struct dnsflow_answer got;
    assert_int_equal(dnsflow_next_answer(&none, NULL, &got), 0);
}

/* The sets and answers of what it accepts lie inside, and each set has those that are its own. */
static size_t walk(const uint8_t *bytes, size_t len, struct dnsflow_datagram *d)
{
    struct dnsflow_record r;
    size_t answers = 0, sets = 0;
    while (dnsflow_next_record(d, &r)) {
        const uint8_t *at = r.answers, *end = at ? at + r.answers_len : NULL;
        struct dnsflow_answer a;
        sets++;
        assert_true(!at || (at >= bytes && end <= bytes + len));
        assert_true(at || r.answers_len == 0);
        for (; dnsflow_next_answer(&at, end, &a); answers++)
            assert_true(a.rdata >= bytes && a.rdata + a.rdata_len <= bytes + len);
        assert_ptr_equal(at, end);
    }
    assert_int_equal(sets, d->flags & DNSFLOW_FLAG_STATS ? 0 : d->sets_count);
    return answers;
}

static int decode_copy(const uint8_t *bytes, size_t len, size_t *answers)
{
    struct dnsflow_datagram d;
    uint8_t *copy = exact_copy(bytes, len);
    int result = dnsflow_decode(copy, len, &d);
    assert_true(result <= 0);
    *answers = walk(copy, len, &d);
    assert_true(result == DNSFLOW_OK || *answers == 0);
    free(copy);
    return result;
}

/* Three sets, of which the first and the last have answers. */
static struct dnsflow_encoder *typical(bool is_signed)
{
    struct dnsflow_encoder *e = encoder_with(is_signed, 0);
    for (unsigned n = 0; n < 3; n++) {
        short_record(&made[n], n, 0, n);
        if (n != 1)
            made_answer(&made[n], 0, 16, 6);
        if (n == 2)
            made_answer(&made[n], 255, 257, 0);
        assert_int_equal(dnsflow_encoder_add(e, &made[n].record), 1);
    }
    dnsflow_encoder_flush(e);
    assert_int_equal(caught.count, 1);
    return e;
}

enum {
    TYPICAL_AREA = 8 + 3 * 44 + 12 + TRAILER + 3 * SET_TRAILER,
    TYPICAL = TYPICAL_AREA + 2 * AREA + 3 * ANSWER + 12
};

static void cut_and_changed(void **state)
{
    (void)state;
    for (int is_signed = 0; is_signed <= 1; is_signed++) {
        struct dnsflow_encoder *e = typical(is_signed);
        uint8_t *bytes = caught.bytes[0];
        size_t len = caught.len[0], answers, accepted = 0;
        assert_int_equal(len, TYPICAL + (is_signed ? DNSFLOW_TAG_SIZE : 0));
        assert_int_equal(decode_copy(bytes, len, &answers), DNSFLOW_OK);
        assert_int_equal(answers, 3);
        for (size_t cut = 0; cut < len; cut++)
            assert_true(decode_copy(bytes, cut, &answers) < 0);
        for (size_t at = 0; at < len; at++) {
            uint8_t was = bytes[at];
            for (unsigned value = 0; value < 256; value++) {
                bytes[at] = (uint8_t)value;
                accepted += decode_copy(bytes, len, &answers) == DNSFLOW_OK;
            }
            bytes[at] = was;
        }
        assert_in_range(accepted, 1000, 256 * len - 1000);
        end_with(e, NULL);
    }
}

static void each_refusal_has_its_reason(void **state)
{
    (void)state;
    enum { LEN_AT = TYPICAL_AREA - TRAILER - 3 * SET_TRAILER + 2, SECOND = TYPICAL_AREA + AREA + ANSWER + 6 };
    static const struct {
        const char *why;
        size_t at;
        uint8_t value;
        int result;
        size_t answers;
    } rows[] = {
        {"as it is", 0, 4, DNSFLOW_OK, 3},
        {"no flag: nothing is read of it", 3, DNSFLOW_FLAG_EXTENDED, DNSFLOW_OK, 0},
        {"without the trailer's flag", 3, DNSFLOW_FLAG_ANSWERS, DNSFLOW_SHORT_TRAILER, 0},
        {"a set that is not there", SECOND, 3, DNSFLOW_BAD_ANSWERS, 0},
        {"the last number there is", SECOND, 255, DNSFLOW_BAD_ANSWERS, 0},
        {"a set twice", SECOND, 0, DNSFLOW_BAD_ANSWERS, 0},
        {"another set of the three", SECOND, 1, DNSFLOW_OK, 3},
        {"sets that fall", TYPICAL_AREA, 2, DNSFLOW_BAD_ANSWERS, 0},
        {"two at a time", TYPICAL_AREA, 1, DNSFLOW_OK, 3},
        {"bytes one more than the answer", TYPICAL_AREA + 2, ANSWER + 7, DNSFLOW_BAD_ANSWERS, 0},
        {"bytes one less", TYPICAL_AREA + 2, ANSWER + 5, DNSFLOW_BAD_ANSWERS, 0},
        {"rdata one more", TYPICAL_AREA + AREA + 8, 7, DNSFLOW_BAD_ANSWERS, 0},
        {"rdata one less", TYPICAL_AREA + AREA + 8, 5, DNSFLOW_BAD_ANSWERS, 0},
        {"rdata far beyond", TYPICAL_AREA + AREA + 7, 255, DNSFLOW_BAD_ANSWERS, 0},
        {"the last answer's rdata beyond the end", TYPICAL - 1, 1, DNSFLOW_BAD_ANSWERS, 0},
        {"bytes beyond the trailer", SECOND + 2, 2 * ANSWER + 7, DNSFLOW_BAD_ANSWERS, 0},
        {"bytes far beyond", SECOND + 1, 255, DNSFLOW_BAD_ANSWERS, 0},
        {"an owner that is no name", SECOND + AREA, 254, DNSFLOW_OK, 3},
        {"an unknown version is passed over", LEN_AT - 2, 2, DNSFLOW_OK, 0},
        {"the trailer one byte shorter", LEN_AT + 1, TYPICAL - LEN_AT + 2 - 1, DNSFLOW_BAD_ANSWERS, 0},
        {"the trailer without answers", LEN_AT + 1, TRAILER + 3 * SET_TRAILER, DNSFLOW_OK, 0},
        {"the trailer without the second", LEN_AT + 1, SECOND - LEN_AT + 2, DNSFLOW_OK, 1},
        {"half a header", LEN_AT + 1, SECOND - LEN_AT + 2 + 2, DNSFLOW_BAD_ANSWERS, 0},
    };
    struct dnsflow_encoder *e = typical(false);
    for (size_t i = 0; i < LEN(rows); i++) {
        size_t answers;
        uint8_t bytes[TYPICAL];
        memcpy(bytes, caught.bytes[0], TYPICAL);
        bytes[rows[i].at] = rows[i].value;
        int result = decode_copy(bytes, TYPICAL, &answers);
        if (result != rows[i].result || answers != rows[i].answers)
            fail_msg("%s: %s, %zu answers", rows[i].why, dnsflow_result_text(result), answers);
    }
    end_with(e, NULL);
    /* Statistics have no answers; the flag still needs the trailer's. */
    for (unsigned version = 0; version <= 4; version++) {
        uint8_t stats[28] = {(uint8_t)version, 1, 0, DNSFLOW_FLAG_STATS | DNSFLOW_FLAG_ANSWERS};
        size_t answers;
        assert_int_equal(decode_copy(stats, sizeof(stats), &answers), version < 4 ? DNSFLOW_OK : DNSFLOW_SHORT_TRAILER);
    }
}

/* No encoder writes it, but it contradicts nothing. */
static void an_area_of_no_bytes(void **state)
{
    (void)state;
    struct dnsflow_encoder *e = typical(false);
    uint8_t bytes[TYPICAL_AREA + 2 * AREA];
    struct dnsflow_datagram d;
    memcpy(bytes, caught.bytes[0], TYPICAL_AREA);
    memcpy(bytes + TYPICAL_AREA, "\0\0\0\2\0\0", 2 * AREA);
    store_be16(bytes + TYPICAL_AREA - TRAILER - 3 * SET_TRAILER + 2, TRAILER + 3 * SET_TRAILER + 2 * AREA);
    uint8_t *copy = exact_copy(bytes, sizeof(bytes));
    assert_int_equal(dnsflow_decode(copy, sizeof(bytes), &d), DNSFLOW_OK);
    assert_int_equal(walk(copy, sizeof(bytes), &d), 0);
    free(copy);
    end_with(e, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_and_taken),
        cmocka_unit_test(cut_and_changed),
        cmocka_unit_test(each_refusal_has_its_reason),
        cmocka_unit_test(an_area_of_no_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
