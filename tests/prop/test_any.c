/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The parser of all kinds of responses (--records) against that of addresses alone, over random messages: without kinds
 * to take it finds the same, and what it does not take it drops for the same reason. */
#include "found.h"
#include "random_message.h"

enum { ROUNDS = 60000 };

static struct dns_response plain, any;
static struct dns_answers answers;
static uint8_t plain_names[DNS_NAMES_MAX * 255 + 64], any_names[DNS_NAMES_MAX * 255 + 64];

static void assert_same(const struct writer *a, const struct writer *b)
{
    assert_int_equal(any.qtype, plain.qtype);
    assert_int_equal(any.names_count, plain.names_count);
    assert_int_equal(any.names_truncated, plain.names_truncated);
    assert_int_equal(any.incomplete, plain.incomplete);
    assert_int_equal(any.bad_lengths, plain.bad_lengths);
    assert_int_equal(any.min_ttl, plain.min_ttl);
    assert_int_equal(any.ip4_count, plain.ip4_count);
    assert_int_equal(any.ip6_count, plain.ip6_count);
    assert_memory_equal(any.ip4, plain.ip4, 4 * plain.ip4_count);
    assert_memory_equal(any.ip6, plain.ip6, 16 * plain.ip6_count);
    assert_int_equal(writer_len(a), writer_len(b));
    assert_memory_equal(a->start, b->start, writer_len(a));
}

static bool is_within(const uint8_t *at, size_t len, const uint8_t *start, size_t size)
{
    return at >= start && at <= start + size && (size_t)(start + size - at) >= len;
}

/* What is promised of the answers. */
static void check_answers(const uint8_t *msg, size_t len)
{
    size_t bytes = 0;
    assert_true(answers.count <= DNS_ANSWERS_MAX);
    for (unsigned i = 0; i < answers.count; i++) {
        const struct dns_answer *a = &answers.list[i];
        assert_true(a->owner == DNS_OWNER_NONE || a->owner < any.names_count);
        assert_true(is_within(a->rdata, a->rdata_len, msg, len) ||
                    is_within(a->rdata, a->rdata_len, answers.rewritten, sizeof(answers.rewritten)));
        bytes += DNS_ANSWER_HEAD + a->rdata_len;
    }
    assert_int_equal(bytes, answers.bytes);
    assert_true(bytes <= DNS_ANSWERS_BYTES);
}

static bool is_wanted(unsigned options)
{
    return (answers.kind == DNS_NODATA && (options & DNS_WITH_NODATA)) ||
           (answers.kind == DNS_NXDOMAIN && (options & DNS_WITH_NXDOMAIN)) ||
           (answers.kind == DNS_ERROR && (options & DNS_WITH_ERROR)) ||
           (answers.kind == DNS_OTHER && (options & DNS_WITH_OTHER));
}

/* Returns whether it makes a record that is none of addresses. */
static bool compare(const uint8_t *bytes, size_t len, bool complete, unsigned options)
{
    uint8_t *msg = exact_copy(bytes, len);
    struct writer a = writer_over(any_names, sizeof(any_names)), b = writer_over(plain_names, sizeof(plain_names));
    enum drop_reason want = dns_parse_response(msg, len, complete, options & DNS_WITH_SVCB, &b, &plain);
    enum drop_reason why = dns_parse_any(msg, len, complete, options, &a, &any, &answers);
    bool is_more = want != DROP_NONE && why == DROP_NONE;
    if (want == DROP_NONE || !(options & ~(unsigned)DNS_WITH_SVCB)) {
        assert_int_equal(why, want);
        if (why == DROP_NONE) {
            assert_int_equal(answers.kind, DNS_ADDRESS);
            assert_same(&a, &b);
        }
        assert_int_equal(any.bad_lengths, plain.bad_lengths);
    } else if (why == DROP_NONE) {
        assert_true(is_wanted(options));
        assert_true(answers.kind != DNS_NODATA || !any.incomplete);
    } else if (why != DROP_DNS_MALFORMED && why != DROP_DNS_TRUNCATED && why != DROP_DNS_CUT) {
        assert_int_equal(why, want);
    }
    if (why == DROP_NONE)
        check_answers(msg, len);
    free(msg);
    return is_more;
}

static void like_the_plain_parser(void **state)
{
    (void)state;
    static struct random_message r;
    static const uint16_t qtypes[] = {2, 5, 6, 12, 15, 16, 33, 46, 47, 64, 65};
    struct chance c = {1};
    size_t more = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t len = random_message(&c, &r);
        if (one_in(&c, 3))
            r.m.bytes[3] = (uint8_t)((r.m.bytes[3] & 0xf0) | chance_below(&c, 6));
        size_t end = skip_name(r.m.bytes, len, 12);
        if (one_in(&c, 3) && end > 0 && end + 2 <= len)
            store_be16(r.m.bytes + end, qtypes[chance_below(&c, LEN(qtypes))]);
        if (one_in(&c, 4))
            len = damage_message(&c, r.m.bytes, len, NULL, 0);
        bool complete = !one_in(&c, 3);
        if (!complete)
            len = chance_below(&c, len + 1);
        compare(r.m.bytes, len, complete, 0);
        compare(r.m.bytes, len, complete, DNS_WITH_SVCB);
        more += compare(r.m.bytes, len, complete, (unsigned)chance_below(&c, 32));
        more += compare(r.m.bytes, len, complete, 31);
    }
    assert_true(more > ROUNDS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_the_plain_parser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
