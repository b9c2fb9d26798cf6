/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Responses of every kind (--records): which make a record, and what they are. Their answers are in
 * test_kinds_answers.c. */
#include "kinds.h"

/* ---- kinds by header, question, answers and options ---- */

struct made {
    unsigned rcode, upper, opcode, questions;
    bool is_response, is_recursive, ra, tc, is_broken; /* the last: a broken record before the OPT */
    uint16_t qtype;
    enum { NO_ANSWER, ADDRESSES, ALIAS, TEXTS } answers;
};

static void make(const struct made *d)
{
    message_begin(&m, (uint16_t)(d->is_response << 15 | d->opcode << 11 | d->tc << 9 | d->is_recursive << 8 |
                                 d->ra << 7 | d->rcode));
    message_question(&m, "www.example.com", d->qtype);
    store_be16(m.bytes + 4, (uint16_t)d->questions);
    if (d->answers == ADDRESSES)
        message_a(&m, NULL, 60, 0xc0000201);
    if (d->answers == ALIAS)
        message_answer(&m, NULL, TYPE_CNAME, 60, "\1a\xc0\x10", 4);
    if (d->answers == TEXTS)
        message_answer(&m, NULL, TYPE_TXT, 60, "\1x", 2);
    if (d->is_broken) {
        store_be16(m.bytes + 8, 1);
        write_bytes(&m.out, "\x40\0\2\0\1\0\0\0\0\0\0", 11); /* no such kind of label */
    }
    if (d->upper)
        put_opt(d->upper << 4);
}

static bool is_address_question(uint16_t qtype)
{
    return qtype == TYPE_A || qtype == TYPE_AAAA || qtype == TYPE_ANY;
}

/* What becomes of it without --records, by the first rules of docs/WIRE.md. */
static enum drop_reason plain_reason(const struct made *d)
{
    return !d->is_response                  ? DROP_DNS_QUERY
           : !d->is_recursive               ? DROP_DNS_NOT_RD
           : !d->ra                         ? DROP_DNS_NOT_RA
           : d->rcode == 3                  ? DROP_DNS_NXDOMAIN
           : d->rcode                       ? DROP_DNS_RCODE
           : d->questions != 1              ? DROP_DNS_QDCOUNT
           : !is_address_question(d->qtype) ? DROP_DNS_QTYPE
           : d->answers == ADDRESSES        ? DROP_NONE
                                            : DROP_DNS_NO_ADDRESS;
}

static enum drop_reason expected(const struct made *d, unsigned options, enum dns_kind *kind)
{
    static const unsigned wanted[] = {0, DNS_WITH_NODATA, DNS_WITH_NXDOMAIN, DNS_WITH_ERROR, DNS_WITH_OTHER};
    enum drop_reason plain = plain_reason(d);
    unsigned rcode = d->rcode | (d->is_broken ? 0 : d->upper << 4);
    *kind = plain == DROP_NONE              ? DNS_ADDRESS
            : rcode == 3                    ? DNS_NXDOMAIN
            : rcode                         ? DNS_ERROR
            : is_address_question(d->qtype) ? DNS_NODATA
                                            : DNS_OTHER;
    if (plain == DROP_NONE)
        return DROP_NONE;
    if (!d->is_response || !d->is_recursive || d->opcode != 0 || d->questions != 1 || (!d->ra && d->rcode == 0) ||
        !(options & wanted[*kind]))
        return plain;
    return d->tc && d->answers != ADDRESSES ? DROP_DNS_TRUNCATED : DROP_NONE;
}

static void check_made(const struct made *d, unsigned options)
{
    enum dns_kind kind;
    enum drop_reason want = expected(d, options, &kind), why = parse_with(options);
    if (why != want || (why == DROP_NONE && found.kind != kind))
        fail_msg("rcode %u upper %u opcode %u questions %u qr %d rd %d ra %d tc %d broken %d qtype %u answers %d "
                 "options %u: "
                 "%d of kind %d instead of %d of kind %d",
                 d->rcode, d->upper, d->opcode, d->questions, d->is_response, d->is_recursive, d->ra, d->tc,
                 d->is_broken, d->qtype, (int)d->answers, options, (int)why, (int)found.kind, (int)want, (int)kind);
    if (why != DROP_NONE)
        return;
    assert_int_equal(found.rcode, d->rcode | (d->is_broken ? 0 : d->upper << 4));
    assert_int_equal(got.qtype, d->qtype);
    assert_int_equal(got.names_count, d->answers == ALIAS ? 2 : 1);
    assert_int_equal(got.min_ttl, d->answers == ADDRESSES || d->answers == ALIAS ? 60 : 0);
    assert_int_equal(got.ip4_count, d->answers == ADDRESSES);
    assert_int_equal(found.count, d->answers == TEXTS && d->qtype != TYPE_A && d->qtype != TYPE_AAAA);
    assert_false(got.incomplete || found.cut || found.bad);
}

/* Bits of `i`, one after the other. */
static unsigned take(unsigned *i, unsigned n)
{
    unsigned value = *i % n;
    *i /= n;
    return value;
}

static void every_header(void **state)
{
    (void)state;
    static const unsigned rcodes[] = {0, 1, 2, 3, 5, 15}, opcodes[] = {0, 1, 5, 15}, questions[] = {1, 0, 2};
    static const uint16_t qtypes[] = {TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_TXT, TYPE_HTTPS};
    unsigned all = LEN(rcodes) * LEN(opcodes) * LEN(questions) * LEN(qtypes) * 3 * 4 * 2 * 2 * 2 * 2;
    for (unsigned number = 0; number < all; number++) {
        unsigned i = number;
        struct made d = {.rcode = rcodes[take(&i, LEN(rcodes))],
                         .opcode = opcodes[take(&i, LEN(opcodes))],
                         .questions = questions[take(&i, LEN(questions))],
                         .qtype = qtypes[take(&i, LEN(qtypes))],
                         .answers = take(&i, 4),
                         .is_response = take(&i, 2),
                         .is_recursive = take(&i, 2),
                         .ra = take(&i, 2),
                         .tc = take(&i, 2)};
        unsigned behind = take(&i, 3);
        d.upper = behind > 0;
        d.is_broken = behind > 1;
        make(&d);
        for (unsigned options = 0; options < 32; options += 2)
            check_made(&d, options);
    }
}

static void rcodes(void **state)
{
    (void)state;
    for (unsigned rcode = 0; rcode < 4096; rcode++) {
        struct made d = {.rcode = rcode & 15,
                         .upper = rcode >> 4,
                         .questions = 1,
                         .is_response = true,
                         .is_recursive = true,
                         .ra = true,
                         .qtype = TYPE_A};
        make(&d);
        check_made(&d, DNS_WITH_ALL);
        assert_int_equal(found.kind, rcode == 0 ? DNS_NODATA : rcode == 3 ? DNS_NXDOMAIN : DNS_ERROR);
        check_made(&d, DNS_WITH_NXDOMAIN);
        check_made(&d, DNS_WITH_ERROR);
        check_made(&d, DNS_WITH_NODATA);
    }
}

/* ---- where the OPT is looked for ---- */

static uint16_t rcode_of(void)
{
    assert_int_equal(parse_with(DNS_WITH_ALL), DROP_NONE);
    return found.rcode;
}

static void behind_the_answers(void **state)
{
    (void)state;
    begin(TYPE_A);
    message_count(&m, 8);
    put_name(&m.out, "example.com");
    put_rr_tail(6, 1, 60, "\0\0", 2); /* broken inside of its length, which nobody looks at */
    put_opt(1 << 4);
    assert_int_equal(rcode_of(), 16);
    store_be16(m.bytes + 10, 0); /* bytes behind the last record are none */
    assert_int_equal(rcode_of(), 0);
    store_be16(m.bytes + 10, 2); /* one record less than there should be: it has been found before */
    assert_int_equal(rcode_of(), 16);
    begin(TYPE_A); /* one among the answers is none */
    put_opt(1 << 4);
    store_be16(m.bytes + 10, 0);
    message_count(&m, 6);
    assert_int_equal(rcode_of(), 0);
}

static void bounded(void **state)
{
    (void)state;
    for (unsigned before = 511; before <= 512; before++) {
        begin(TYPE_A);
        for (unsigned i = 0; i < before; i++) {
            message_count(&m, 8);
            write_be16(&m.out, 0xc00c);
            put_rr_tail(TYPE_TXT, 1, 60, "", 0);
        }
        put_opt(1 << 4);
        assert_int_equal(rcode_of(), before < 512 ? 16 : 0);
    }
}

/* ---- a cut message ---- */

static void cut_messages_are_no_nodata(void **state)
{
    (void)state;
    begin(TYPE_A);
    message_answer(&m, NULL, TYPE_CNAME, 60, "\1a\xc0\x10", 4);
    size_t alias = message_len(&m);
    message_answer(&m, "a.example.com", TYPE_TXT, 60, "\1x", 2);
    size_t answers = message_len(&m);
    put_opt(1 << 4);
    for (size_t len = 0; len <= message_len(&m); len++) {
        enum drop_reason why = parse_cut(len, false, DNS_WITH_ALL);
        if (len < answers) {
            assert_int_equal(why, DROP_DNS_CUT);
            continue;
        }
        assert_int_equal(why, DROP_NONE); /* the answers are whole; where the OPT is not there is none */
        assert_int_equal(found.kind, len < message_len(&m) ? DNS_NODATA : DNS_ERROR);
        assert_false(got.incomplete);
    }
    m.bytes[3] |= 3; /* the RCODE says it all */
    for (size_t len = 0; len < message_len(&m); len++) {
        bool has_question = len >= 12 + 17 + 4;
        assert_int_equal(parse_cut(len, false, DNS_WITH_NXDOMAIN), has_question ? DROP_NONE : DROP_DNS_CUT);
        if (!has_question)
            continue;
        assert_int_equal(found.kind, DNS_NXDOMAIN);
        assert_int_equal(got.incomplete, len < answers);
        assert_int_equal(got.names_count, len < alias ? 1 : 2);
    }
    for (size_t len = 0; len < answers; len++)
        assert_int_equal(parse_cut(len, true, DNS_WITH_NXDOMAIN), len < 12 ? DROP_DNS_SHORT : DROP_DNS_MALFORMED);
}

/* ---- what a broken message is called ---- */

static void malformed(void **state)
{
    (void)state;
    static const struct {
        uint16_t flags, qtype;
        unsigned options;
        enum drop_reason why;
    } rows[] = {{0, TYPE_A, 0, DROP_DNS_MALFORMED},
                {0, TYPE_A, DNS_WITH_ALL, DROP_DNS_MALFORMED},
                {0, TYPE_TXT, 0, DROP_DNS_QTYPE},
                {0, TYPE_TXT, DNS_WITH_NODATA, DROP_DNS_QTYPE},
                {0, TYPE_TXT, DNS_WITH_ERROR, DROP_DNS_QTYPE},
                {0, TYPE_TXT, DNS_WITH_OTHER, DROP_DNS_MALFORMED},
                {0, TYPE_HTTPS, DNS_WITH_SVCB, DROP_DNS_MALFORMED},
                {3, TYPE_A, DNS_WITH_OTHER, DROP_DNS_NXDOMAIN},
                {3, TYPE_A, DNS_WITH_ERROR, DROP_DNS_NXDOMAIN},
                {3, TYPE_A, DNS_WITH_NXDOMAIN, DROP_DNS_MALFORMED},
                {2, TYPE_TXT, DNS_WITH_NXDOMAIN, DROP_DNS_RCODE},
                {2, TYPE_TXT, DNS_WITH_ERROR, DROP_DNS_MALFORMED}};
    for (size_t i = 0; i < LEN(rows); i++) {
        message_begin(&m, MESSAGE_RESPONSE | rows[i].flags);
        message_question(&m, "www.example.com", rows[i].qtype);
        message_answer(&m, NULL, TYPE_CNAME, 60, "\xc0\x10\0", 3);
        assert_int_equal(parse_with(rows[i].options), rows[i].why);
    }
}

static void wrong_lengths_are_counted_where_read(void **state)
{
    (void)state;
    begin(TYPE_TXT);
    message_answer(&m, NULL, TYPE_A, 60, "\1\2\3", 3);
    assert_int_equal(parse_with(0), DROP_DNS_QTYPE);
    assert_int_equal(got.bad_lengths, 0);
    assert_int_equal(parse_with(DNS_WITH_OTHER), DROP_NONE);
    assert_int_equal(got.bad_lengths, 1);
}

/* ---- HTTPS and SVCB ---- */

static void hints(void **state)
{
    (void)state;
    static const char with[] = "\0\1\0\0\4\0\4\xc0\0\2\1", without[] = "\0\1\0";
    begin(TYPE_HTTPS);
    message_answer(&m, NULL, TYPE_HTTPS, 60, with, sizeof(with) - 1);
    assert_int_equal(parse_with(DNS_WITH_SVCB), DROP_NONE);
    assert_int_equal(found.kind, DNS_ADDRESS);
    assert_int_equal(got.ip4_count, 1);
    assert_int_equal(parse_with(DNS_WITH_OTHER), DROP_NONE);
    assert_int_equal(found.kind, DNS_OTHER);
    assert_int_equal(got.ip4_count, 0);
    assert_int_equal(found.count, 1);
    begin(TYPE_HTTPS);
    message_answer(&m, NULL, TYPE_HTTPS, 60, without, sizeof(without) - 1);
    assert_int_equal(parse_with(DNS_WITH_SVCB), DROP_DNS_NO_ADDRESS);
    assert_int_equal(parse_cut(message_len(&m) - 1, false, DNS_WITH_SVCB), DROP_DNS_CUT);
    assert_int_equal(parse_with(DNS_WITH_SVCB | DNS_WITH_OTHER), DROP_NONE);
    assert_int_equal(found.kind, DNS_OTHER);
    assert_int_equal(parse_with(DNS_WITH_SVCB | DNS_WITH_NODATA), DROP_DNS_NO_ADDRESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_header),
        cmocka_unit_test(rcodes),
        cmocka_unit_test(behind_the_answers),
        cmocka_unit_test(bounded),
        cmocka_unit_test(cut_messages_are_no_nodata),
        cmocka_unit_test(malformed),
        cmocka_unit_test(wrong_lengths_are_counted_where_read),
        cmocka_unit_test(hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
