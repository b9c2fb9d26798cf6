/* SPDX-License-Identifier: BSD-3-Clause */
#include "testing.h"

#include "dns/message.h"

enum { NAMES_ROOM = 255 * 255 + 64 };

static struct message m;
static struct dns_response got;
static uint8_t names[NAMES_ROOM];
static struct writer names_out;

/* Parses the first `len` bytes of m in an allocation of that size. */
static enum drop_reason parse_cut(size_t len, bool complete)
{
    uint8_t *msg = exact_copy(m.bytes, len);
    memset(&got, 0xee, sizeof(got));
    names_out = writer_over(names, sizeof(names));
    enum drop_reason why = dns_parse_response(msg, len, complete, 0, &names_out, &got);
    free(msg);
    assert_true(why == DROP_NONE || drop_table[why].ledger == LEDGER_MESSAGE);
    return why;
}

static enum drop_reason parse(void)
{
    return parse_cut(message_len(&m), true);
}

#define expect(reason) expect_at(reason, __LINE__)

static void expect_at(enum drop_reason reason, int line)
{
    enum drop_reason why = parse();
    if (why != reason)
        fail_msg("line %d: %s, expected %s", line, drop_table[why].token, drop_table[reason].token);
}

static void a_typical_response(void **state)
{
    (void)state;
    static const char expect_names[] = "\3www\7example\3com\0\4edge\7example\3net";
    static const uint8_t ip6[16] = {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7};
    message_typical(&m);
    expect(DROP_NONE);
    assert_int_equal(got.names_count, 2);
    assert_int_equal(writer_len(&names_out), sizeof(expect_names));
    assert_memory_equal(names, expect_names, sizeof(expect_names));
    assert_int_equal(got.qtype, TYPE_A);
    assert_int_equal(got.ip4_count, 1);
    assert_memory_equal(got.ip4, "\xc0\0\2\1", 4);
    assert_int_equal(got.ip6_count, 1);
    assert_memory_equal(got.ip6, ip6, 16);
    assert_int_equal(got.min_ttl, 60);
    assert_false(got.incomplete);
    assert_false(got.names_truncated);
    assert_int_equal(got.bad_lengths, 0);
}

static void header_rules(void **state)
{
    (void)state;
    static const struct {
        uint16_t flags;
        enum drop_reason reason;
    } rows[] = {
        {0x8180, DROP_NONE},       {0x8380, DROP_NONE}, /* TC */
        {0x8580, DROP_NONE},                            /* AA */
        {0x81f0, DROP_NONE},                            /* Z, AD, CD */
        {0xf980, DROP_NONE},                            /* OPCODE 15 */
        {0x0180, DROP_DNS_QUERY},  {0x0000, DROP_DNS_QUERY},    {0x8080, DROP_DNS_NOT_RD}, {0x8000, DROP_DNS_NOT_RD},
        {0x8100, DROP_DNS_NOT_RA}, {0x8183, DROP_DNS_NXDOMAIN}, {0x8182, DROP_DNS_RCODE},  {0x8181, DROP_DNS_RCODE},
        {0x8185, DROP_DNS_RCODE},  {0x818f, DROP_DNS_RCODE},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        message_typical(&m);
        store_be16(m.bytes + 2, rows[i].flags);
        expect(rows[i].reason);
    }
}

static void question_rules(void **state)
{
    (void)state;
    static const uint16_t counts[] = {0, 2, 3, 65535};
    for (size_t i = 0; i < LEN(counts); i++) {
        message_typical(&m);
        store_be16(m.bytes + 4, counts[i]);
        expect(DROP_DNS_QDCOUNT);
    }
    for (unsigned type = 0; type <= 260; type++) {
        message_begin(&m, MESSAGE_RESPONSE);
        message_question(&m, "a.example", (uint16_t)type);
        message_a(&m, NULL, 1, 1);
        bool taken = type == TYPE_A || type == TYPE_AAAA || type == TYPE_ANY;
        expect(taken ? DROP_NONE : DROP_DNS_QTYPE);
        if (taken)
            assert_int_equal(got.qtype, type);
    }
    message_typical(&m); /* the class does not matter */
    store_be16(m.bytes + 12 + 17 + 2, 3);
    expect(DROP_NONE);
    message_begin(&m, MESSAGE_RESPONSE); /* the root is a name */
    message_question(&m, "", TYPE_A);
    message_a(&m, NULL, 1, 1);
    expect(DROP_NONE);
    assert_int_equal(writer_len(&names_out), 1);
}

static void no_address(void **state)
{
    (void)state;
    message_begin(&m, MESSAGE_RESPONSE);
    message_question(&m, "a.example", TYPE_A);
    expect(DROP_DNS_NO_ADDRESS);
    message_cname(&m, NULL, 1, "b.example");
    message_answer(&m, NULL, TYPE_TXT, 1, "\4text", 5);
    expect(DROP_DNS_NO_ADDRESS);
    message_answer(&m, NULL, TYPE_A, 1, "\1\2\3", 3);
    expect(DROP_DNS_NO_ADDRESS);
    assert_int_equal(got.bad_lengths, 1);
}

static void wrong_lengths_are_skipped_and_counted(void **state)
{
    (void)state;
    static const uint8_t rdata[32] = {1, 2, 3};
    for (size_t len = 0; len <= 20; len++) {
        message_begin(&m, MESSAGE_RESPONSE);
        message_question(&m, "a.example", TYPE_A);
        message_answer(&m, NULL, TYPE_A, 5, rdata, len);
        message_answer(&m, NULL, TYPE_AAAA, 6, rdata, len);
        message_a(&m, NULL, 70, 9);
        expect(DROP_NONE);
        assert_int_equal(got.ip4_count, len == 4 ? 2 : 1);
        assert_int_equal(got.ip6_count, len == 16);
        assert_int_equal(got.bad_lengths, 2 - (len == 4) - (len == 16));
        assert_int_equal(got.min_ttl, len == 4 ? 5 : len == 16 ? 6 : 70);
    }
}

static void ttl_rule(void **state)
{
    (void)state;
    static const uint32_t rows[][4] = {
        /* CNAME, A, AAAA: smallest */
        {30, 20, 10, 10},
        {10, 20, 30, 10},
        {5, 5, 5, 5},
        {0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff},
        {0x80000000, 100, 100, 0},
        {100, 0xffffffff, 100, 0},
        {100, 100, 0x80000001, 0},
        {0, 100, 100, 0},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        message_begin(&m, MESSAGE_RESPONSE);
        message_question(&m, "a.example", TYPE_ANY);
        message_answer(&m, NULL, TYPE_TXT, 1, "", 0); /* does not count */
        message_cname(&m, NULL, rows[i][0], "b.example");
        message_a(&m, "b.example", rows[i][1], 1);
        message_aaaa(&m, "b.example", rows[i][2], 1);
        expect(DROP_NONE);
        assert_true(got.min_ttl == rows[i][3]);
    }
}

static void cname_chains(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 2, 253, 254, 255, 256, 300}; /* names, the question's included */
    for (size_t i = 0; i < LEN(counts); i++) {
        char target[32];
        message_begin(&m, MESSAGE_RESPONSE);
        message_question(&m, "a", TYPE_A);
        for (unsigned n = 1; n < counts[i]; n++) {
            snprintf(target, sizeof(target), "n%u", n);
            message_cname(&m, NULL, 1000 - n, target);
        }
        message_a(&m, NULL, 5000, 1);
        expect(DROP_NONE);
        assert_int_equal(got.names_count, counts[i] < 255 ? counts[i] : 255);
        assert_int_equal(got.names_truncated, counts[i] > 255);
        const uint8_t *at = names;
        char text[1024];
        for (unsigned n = 0; n < got.names_count; n++) {
            snprintf(target, sizeof(target), n ? "n%u" : "a", n);
            assert_true(dnsflow_name_text(&at, names_out.at, NULL, text, sizeof(text)) > 0);
            assert_string_equal(text, target);
        }
        assert_ptr_equal(at, names_out.at);
    }
}

/* Names of 255 octets, more than a datagram can have, are kept up to a bound and passed over behind it. */
static void the_longest_names(void **state)
{
    (void)state;
    message_begin(&m, MESSAGE_RESPONSE);
    put_name_of(&m.out, 255, 1);
    write_be32(&m.out, 0x00010001);
    message_count(&m, 4);
    for (unsigned n = 0; n < 255; n++) /* each target is the question name */
        message_answer(&m, NULL, TYPE_CNAME, 1, "\xc0\x0c", 2);
    message_a(&m, NULL, 1, 1);
    expect(DROP_NONE);
    assert_int_equal(got.names_count, DNS_NAMES_BYTES / 255 + 1);
    assert_int_equal(writer_len(&names_out), got.names_count * 255);
    assert_int_equal(got.ip4_count, 1);
    assert_false(names_out.failed);
}

static void as_many_addresses_as_a_message_holds(void **state)
{
    (void)state;
    for (int family = 4; family <= 6; family += 2) {
        size_t size = family == 4 ? 15 : 27, expected = (65535 - 12 - 5) / size;
        message_begin(&m, MESSAGE_RESPONSE);
        message_question(&m, "", TYPE_A);
        for (uint32_t n = 0; n < expected; n++) {
            if (family == 4)
                message_a(&m, "", 1, n);
            else
                message_aaaa(&m, "", 1, n);
        }
        assert_in_range(message_len(&m), 65535 - 27, 65535);
        expect(DROP_NONE);
        assert_int_equal(family == 4 ? got.ip4_count : got.ip6_count, expected);
        assert_int_equal(load_be32(family == 4 ? got.ip4 + 4 * (expected - 1) : got.ip6 + 16 * expected - 4),
                         expected - 1);
    }
}

static void broken_answers(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint8_t len;
        const char *rdata;
    } rows[] = {
        {"target longer than the rdata", 3, "\3abc"},
        {"target shorter than the rdata", 4, "\1a\0x"},
        {"pointer to itself", 2, "\xc0\x37"},
        {"pointer forward", 2, "\xff\xff"},
        {"bad label", 2, "\x80\0"},
        {"no rdata", 0, ""},
        {"rdata ends without the root", 2, "\1a"},
        {"half a pointer", 1, "\xc0"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        message_begin(&m, MESSAGE_RESPONSE);
        message_question(&m, "a.example", TYPE_A);
        message_a(&m, NULL, 1, 1);
        message_answer(&m, NULL, TYPE_CNAME, 1, rows[i].rdata, rows[i].len);
        message_a(&m, NULL, 1, 1);
        if (parse() != DROP_DNS_MALFORMED)
            fail_msg("%s", rows[i].why);
        assert_int_equal(parse_cut(message_len(&m), false), DROP_DNS_MALFORMED);
    }
    message_typical(&m); /* one answer more than there is */
    message_count(&m, 6);
    expect(DROP_DNS_MALFORMED);
    message_typical(&m); /* broken question */
    m.bytes[12] = 0x40;
    expect(DROP_DNS_MALFORMED);
}

/* Only what comes before the end of the answer section costs the record. */
static void broken_authority_is_ignored(void **state)
{
    (void)state;
    message_typical(&m);
    write_bytes(&m.out, "\x80\xff\xc0", 3);
    store_be16(m.bytes + 8, 65535);
    store_be16(m.bytes + 10, 65535);
    expect(DROP_NONE);
    assert_false(got.incomplete);
}

/* At every length: a whole message that ends early is broken, a captured part gives what is whole. */
static void cut_at_every_length(void **state)
{
    (void)state;
    message_typical(&m);
    size_t whole = message_len(&m);
    size_t aaaa_end = whole, a_end = aaaa_end - (18 + 10 + 16); /* the owners are "edge.example.net" */
    for (size_t len = 0; len <= whole; len++) {
        enum drop_reason why = parse_cut(len, true);
        assert_int_equal(why, len < 12 ? DROP_DNS_SHORT : len < whole ? DROP_DNS_MALFORMED : DROP_NONE);
        why = parse_cut(len, false);
        assert_int_equal(why, len < a_end ? DROP_DNS_CUT : DROP_NONE);
        if (why == DROP_NONE) {
            assert_int_equal(got.incomplete, len < whole);
            assert_int_equal(got.ip4_count, 1);
            assert_int_equal(got.ip6_count, len == whole);
            assert_int_equal(got.names_count, 2);
        }
    }
}

static void smallest_message(void **state)
{
    (void)state;
    message_begin(&m, MESSAGE_RESPONSE);
    expect(DROP_DNS_QDCOUNT);
    message_question(&m, "", TYPE_A);
    message_a(&m, "", 0, 0);
    assert_int_equal(message_len(&m), 12 + 5 + 15);
    expect(DROP_NONE);
    assert_int_equal(got.min_ttl, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_typical_response),
        cmocka_unit_test(header_rules),
        cmocka_unit_test(question_rules),
        cmocka_unit_test(no_address),
        cmocka_unit_test(wrong_lengths_are_skipped_and_counted),
        cmocka_unit_test(ttl_rule),
        cmocka_unit_test(cname_chains),
        cmocka_unit_test(the_longest_names),
        cmocka_unit_test(as_many_addresses_as_a_message_holds),
        cmocka_unit_test(broken_answers),
        cmocka_unit_test(broken_authority_is_ignored),
        cmocka_unit_test(cut_at_every_length),
        cmocka_unit_test(smallest_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
