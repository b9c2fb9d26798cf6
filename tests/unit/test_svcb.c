/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SVCB and HTTPS answers (RFC 9460). */
#include "testing.h"

#include "dns/message.h"

enum { HTTPS = 65, SVCB = 64, NAMES_ROOM = 255 * 255 + 64 };

static struct message m;
static struct dns_response got;
static uint8_t names[NAMES_ROOM];
static struct writer names_out;

static enum drop_reason parse_cut(size_t len, bool complete, unsigned options)
{
    uint8_t *msg = exact_copy(m.bytes, len);
    memset(&got, 0xee, sizeof(got));
    names_out = writer_over(names, sizeof(names));
    enum drop_reason why = dns_parse_response(msg, len, complete, options, &names_out, &got);
    free(msg);
    return why;
}

static enum drop_reason parse(void)
{
    return parse_cut(message_len(&m), true, DNS_WITH_SVCB);
}

#define RDATA(text) text, sizeof(text) - 1

/* 1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1 */
#define SERVICE                            \
    RDATA("\0\1\0"                         \
          "\0\1\0\3\2h2"                   \
          "\0\4\0\x08\xc0\0\2\1\xc0\0\2\2" \
          "\0\6\0\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1")

static void answer(uint16_t type, const char *rdata, size_t len)
{
    message_answer(&m, "www.example.com", type, 300, rdata, len);
}

static void begin(uint16_t qtype)
{
    message_begin(&m, MESSAGE_RESPONSE);
    message_question(&m, "www.example.com", qtype);
}

static void hints_are_addresses(void **state)
{
    (void)state;
    for (uint16_t type = SVCB; type <= HTTPS; type++) {
        begin(type);
        answer(type, SERVICE);
        assert_int_equal(parse(), DROP_NONE);
        assert_int_equal(got.qtype, type);
        assert_int_equal(got.names_count, 1);
        assert_int_equal(got.ip4_count, 2);
        assert_memory_equal(got.ip4, "\xc0\0\2\1\xc0\0\2\2", 8);
        assert_int_equal(got.ip6_count, 1);
        assert_int_equal(got.min_ttl, 300);
    }
}

static void only_when_asked_for(void **state)
{
    (void)state;
    begin(HTTPS);
    answer(HTTPS, SERVICE);
    assert_int_equal(parse_cut(message_len(&m), true, 0), DROP_DNS_QTYPE);
    begin(TYPE_A); /* and only for such questions */
    answer(HTTPS, SERVICE);
    assert_int_equal(parse(), DROP_DNS_NO_ADDRESS);
}

static void aliases_are_names(void **state)
{
    (void)state;
    static const char expected[] = "\3www\7example\3com\0\3cdn\7example\3net\0\4pool\7example\3net";
    begin(HTTPS);
    message_cname(&m, "www.example.com", 60, "cdn.example.net");
    answer(HTTPS, RDATA("\0\0\4pool\7example\3net\0"));
    answer(HTTPS, SERVICE);
    assert_int_equal(parse(), DROP_NONE);
    assert_int_equal(got.names_count, 3);
    assert_int_equal(writer_len(&names_out), sizeof(expected));
    assert_memory_equal(names, expected, sizeof(expected));
    assert_int_equal(got.ip4_count, 2);
    begin(HTTPS); /* the root as alias: there is no such service */
    answer(HTTPS, RDATA("\0\0\0"));
    answer(TYPE_A, RDATA("\xc0\0\2\3"));
    assert_int_equal(parse(), DROP_NONE);
    assert_int_equal(got.names_count, 1);
    assert_int_equal(got.ip4_count, 1);
}

static void what_is_broken(void **state)
{
    (void)state;
    static const struct {
        const char *what, *rdata;
        size_t len;
        enum drop_reason why;
        unsigned bad_lengths;
    } rows[] = {
        {"empty", RDATA(""), DROP_DNS_MALFORMED, 0},
        {"half a priority", RDATA("\0"), DROP_DNS_MALFORMED, 0}, /* these three end with the message, and no byte of */
        {"priority only", RDATA("\0\1"), DROP_DNS_MALFORMED, 0}, /* what would follow is read, nor taken for zero */
        {"priority of an alias only", RDATA("\0\0"), DROP_DNS_MALFORMED, 0},
        {"target is cut", RDATA("\0\1\3ab"), DROP_DNS_MALFORMED, 0},
        {"key is cut", RDATA("\0\1\0\0\4\0"), DROP_DNS_MALFORMED, 0},
        {"value is cut", RDATA("\0\1\0\0\4\0\x08\xc0\0\2\1"), DROP_DNS_MALFORMED, 0},
        {"hint of no length", RDATA("\0\1\0\0\4\0\0"), DROP_DNS_NO_ADDRESS, 1},
        {"hint of 5", RDATA("\0\1\0\0\4\0\5\xc0\0\2\1\1"), DROP_DNS_NO_ADDRESS, 1},
        {"hint of 6 of IPv6", RDATA("\0\1\0\0\6\0\6\xc0\0\2\1\1\1"), DROP_DNS_NO_ADDRESS, 1},
        {"no hints", RDATA("\0\1\0\0\1\0\3\2h3"), DROP_DNS_NO_ADDRESS, 0},
        {"alias that is cut", RDATA("\0\0\3ab"), DROP_DNS_MALFORMED, 0},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        begin(HTTPS);
        answer(HTTPS, rows[i].rdata, rows[i].len);
        enum drop_reason why = parse();
        if (why != rows[i].why)
            fail_msg("%s: %s", rows[i].what, drop_table[why].token);
        assert_int_equal(got.bad_lengths, rows[i].bad_lengths);
    }
}

/* Hints fill the message: as many addresses as there are, none outside of it. */
static void as_many_hints_as_a_message_holds(void **state)
{
    (void)state;
    static uint8_t rdata[65000];
    for (size_t size = 4; size <= 16; size += 12) {
        size_t len = (sizeof(rdata) - 7) / size * size;
        memset(rdata, 0, sizeof(rdata));
        rdata[1] = 1;
        rdata[4] = size == 4 ? 4 : 6;
        store_be16(rdata + 5, (uint16_t)len);
        begin(HTTPS);
        message_answer(&m, "", HTTPS, 60, rdata, 7 + len);
        assert_int_equal(parse(), DROP_NONE);
        assert_int_equal(size == 4 ? got.ip4_count : got.ip6_count, len / size);
    }
}

static void cut_at_every_length(void **state)
{
    (void)state;
    begin(HTTPS);
    answer(HTTPS, SERVICE);
    answer(HTTPS, SERVICE);
    for (size_t len = 0; len <= message_len(&m); len++) {
        enum drop_reason why = parse_cut(len, false, DNS_WITH_SVCB);
        assert_true(why == DROP_DNS_CUT || why == DROP_NONE);
        if (why == DROP_NONE)
            assert_true(got.ip4_count == 2 || (got.ip4_count == 4 && len == message_len(&m)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hints_are_addresses),
        cmocka_unit_test(only_when_asked_for),
        cmocka_unit_test(aliases_are_names),
        cmocka_unit_test(what_is_broken),
        cmocka_unit_test(as_many_hints_as_a_message_holds),
        cmocka_unit_test(cut_at_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
