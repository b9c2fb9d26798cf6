/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The answers that records keep (--records): whose they are, and their rdata without compression. */
#include "kinds.h"

#define EXAMPLE   "\7example\3com" /* and the zero byte that ends the string */
#define WWW       "\3www" EXAMPLE
#define SAY(text) text, sizeof(text) - 1

enum { RRSIG = 46, NSEC = 47 };

static void gather(uint16_t type, const void *rdata, size_t len)
{
    message_answer(&m, NULL, type, 60, rdata, len);
}

static void parse_other(void)
{
    assert_int_equal(parse_with(DNS_WITH_OTHER), DROP_NONE);
}

static void check_rdata(unsigned index, const void *rdata, size_t len)
{
    assert_in_range(index, 0, (size_t)found.count - 1);
    assert_int_equal(found.list[index].rdata_len, len);
    if (len > 0)
        assert_memory_equal(found.list[index].rdata, rdata, len);
}

/* ---- rdata ---- */

static const struct rdata {
    uint16_t type;
    const char *sent;
    size_t sent_len;
    const char *kept;
    size_t kept_len;
} rewritten[] = {
    {2, SAY("\2n1\xc0\x10"), SAY("\2n1" EXAMPLE "\0")},
    {2, SAY("\xc0\x0c"), SAY(WWW "\0")},
    {2, SAY("\0"), SAY("\0")},
    {2, SAY("\2Ab\3CoM\0"), SAY("\2Ab\3CoM\0")},
    {3, SAY("\xc0\x10"), SAY(EXAMPLE "\0")},
    {4, SAY("\xc0\x10"), SAY(EXAMPLE "\0")},
    {6,
     SAY("\2ns\xc0\x10\xc0\x0c"
         "12345678901234567890"),
     SAY("\2ns" EXAMPLE "\0" WWW "\0"
         "12345678901234567890")},
    {7, SAY("\xc0\x10"), SAY(EXAMPLE "\0")},
    {8, SAY("\xc0\x10"), SAY(EXAMPLE "\0")},
    {9, SAY("\xc0\x10"), SAY(EXAMPLE "\0")},
    {12, SAY("\4host\xc0\x10"), SAY("\4host" EXAMPLE "\0")},
    {14, SAY("\1a\xc0\x10\1b\xc0\x10"), SAY("\1a" EXAMPLE "\0\1b" EXAMPLE "\0")},
    {15, SAY("\0\12\2mx\xc0\x10"), SAY("\0\12\2mx" EXAMPLE "\0")},
    {17, SAY("\xc0\x10\xc0\x18"), SAY(EXAMPLE "\0\3com\0")},
    {18, SAY("\0\1\xc0\x10"), SAY("\0\1" EXAMPLE "\0")},
    {21, SAY("\0\2\xc0\x10"), SAY("\0\2" EXAMPLE "\0")},
    {24, SAY("123456789012345678\xc0\x10signature"), SAY("123456789012345678" EXAMPLE "\0signature")},
    {24, SAY("123456789012345678\xc0\x10"), SAY("123456789012345678" EXAMPLE "\0")},
    {26, SAY("\0\3\1a\xc0\x10\1b\xc0\x10"), SAY("\0\3\1a" EXAMPLE "\0\1b" EXAMPLE "\0")},
    {30, SAY("\xc0\x10\x62\1"), SAY(EXAMPLE "\0\x62\1")},
    {33, SAY("\0\1\0\2\0\x35\3sip\xc0\x10"), SAY("\0\1\0\2\0\x35\3sip" EXAMPLE "\0")},
    {35, SAY("\0\1\0\2\1s\2up\0\xc0\x10"), SAY("\0\1\0\2\1s\2up\0" EXAMPLE "\0")},
};

static void rewrites(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rewritten); i++) {
        const struct rdata *r = &rewritten[i];
        begin(TYPE_ANY);
        gather(TYPE_TXT, "\1a", 2);
        gather(r->type, r->sent, r->sent_len);
        gather(r->type, r->sent, r->sent_len);
        gather(TYPE_TXT, "\1b", 2);
        assert_int_equal(parse_with(DNS_WITH_NODATA), DROP_NONE);
        assert_int_equal(found.kind, DNS_NODATA);
        assert_int_equal(found.bad, 0);
        assert_int_equal(found.count, 4);
        assert_int_equal(found.list[1].type, r->type);
        assert_int_equal(found.list[1].ttl, 60);
        check_rdata(0, "\1a", 2);
        check_rdata(1, r->kept, r->kept_len);
        check_rdata(2, r->kept, r->kept_len);
        check_rdata(3, "\1b", 2);
        assert_int_equal(found.bytes, 4 * DNS_ANSWER_HEAD + 4 + 2 * r->kept_len);
    }
}

/* Every length of rdata, made longer too; a broken one costs itself alone. */
static void broken_rdata_is_left_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rewritten); i++) {
        const struct rdata *r = &rewritten[i];
        bool is_open = r->type == 24 || r->type == 30; /* anything may follow the name */
        for (size_t len = 0; len <= r->sent_len + 1; len++) {
            uint8_t rdata[64] = {0};
            memcpy(rdata, r->sent, len < r->sent_len ? len : r->sent_len);
            begin(r->type);
            gather(r->type, rdata, len);
            gather(r->type, r->sent, r->sent_len);
            parse_other();
            bool is_good = len == r->sent_len || (is_open && len >= (r->type == 24 ? 20 : 2));
            assert_int_equal(found.bad, !is_good);
            assert_int_equal(found.count, is_good ? 2 : 1);
            check_rdata(found.count - 1, r->kept, r->kept_len);
            assert_false(found.cut);
        }
    }
}

static void odd_names_in_rdata(void **state)
{
    (void)state;
    static const struct {
        const char *rdata;
        size_t len;
    } rows[] = {
        {SAY("\xc0\x80")},    {SAY("\xff\xff")}, /* ahead */
        {SAY("\1a\xc0\x2d")},                    /* to itself */
        {SAY("\x40")},        {SAY("\x80\0")},   {SAY("\xc0")}, {SAY("")}, {SAY("\0\0")},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        begin(2);
        gather(2, rows[i].rdata, rows[i].len);
        gather(TYPE_TXT, "\1b", 2);
        parse_other();
        assert_int_equal(found.bad, 1);
        assert_int_equal(found.count, 1);
        check_rdata(0, "\1b", 2);
    }
}

/* Names in these are never compressed; what looks so is kept. */
static void others_are_copied(void **state)
{
    (void)state;
    static const uint16_t types[] = {0,  10, 11, 13, TYPE_TXT, 19,  20,  22,  23,    25,    27,
                                     29, 31, 32, 34, 36,       37,  39,  40,  43,    44,    48,
                                     50, 52, 64, 65, 99,       256, 257, 258, 32769, 65280, 65535};
    for (size_t i = 0; i < LEN(types); i++) {
        for (size_t len = 0; len < 5; len++) {
            begin(types[i] == 0 || types[i] == 64 ? TYPE_ANY : types[i]);
            gather(types[i], "\xc0\x10\xc0\x0c\xff", len);
            assert_int_equal(parse_with(DNS_WITH_ALL), DROP_NONE);
            assert_int_equal(found.count, 1);
            assert_int_equal(found.bad, 0);
            assert_int_equal(found.list[0].type, types[i]);
            check_rdata(0, "\xc0\x10\xc0\x0c\xff", len);
        }
    }
}

/* ---- which ---- */

static void signatures_only_where_asked_for(void **state)
{
    (void)state;
    static const struct {
        uint16_t qtype;
        unsigned sigs, nsecs, others;
    } rows[] = {{TYPE_ANY, 0, 0, 1}, {TYPE_TXT, 0, 0, 1}, {RRSIG, 1, 0, 1},
                {NSEC, 0, 1, 1},     {TYPE_A, 0, 0, 0},   {TYPE_AAAA, 0, 0, 0}};
    for (size_t i = 0; i < LEN(rows); i++) {
        unsigned count[3] = {0};
        begin(rows[i].qtype);
        gather(RRSIG, "123456789012345678\0sig", 22);
        gather(NSEC, "\0\0\1\2", 4);
        gather(50, "nsec3", 5);
        assert_int_equal(parse_with(DNS_WITH_ALL), DROP_NONE);
        for (unsigned k = 0; k < found.count; k++)
            count[found.list[k].type == RRSIG ? 0 : found.list[k].type == NSEC ? 1 : 2]++;
        assert_int_equal(count[0], rows[i].sigs);
        assert_int_equal(count[1], rows[i].nsecs);
        assert_int_equal(count[2], rows[i].others);
    }
}

static void other_classes_are_passed_over(void **state)
{
    (void)state;
    static const uint16_t classes[] = {0, 3, 4, 254, 255, 0x8001};
    begin(TYPE_TXT);
    for (size_t i = 0; i < LEN(classes); i++) {
        message_count(&m, 6);
        write_be16(&m.out, 0xc00c);
        put_rr_tail(TYPE_TXT, classes[i], 60, "\1x", 2);
    }
    gather(TYPE_TXT, "\1y", 2);
    parse_other();
    assert_int_equal(found.count, 1);
    check_rdata(0, "\1y", 2);
}

/* Addresses and aliases are in the record already. */
static void addresses_and_aliases_are_not_gathered(void **state)
{
    (void)state;
    begin(TYPE_CNAME);
    message_answer(&m, NULL, TYPE_CNAME, 90, "\1a\xc0\x10", 4);
    message_a(&m, "a.example.com", 70, 0xc0000201);
    parse_other();
    assert_int_equal(found.kind, DNS_OTHER);
    assert_int_equal(found.count, 0);
    assert_int_equal(got.names_count, 2);
    assert_int_equal(got.ip4_count, 1);
    assert_int_equal(got.min_ttl, 70);
}

static void an_answer_to_any_has_both(void **state)
{
    (void)state;
    begin(TYPE_ANY);
    message_a(&m, NULL, 60, 0xc0000201);
    gather(15, "\0\5\xc0\x10", 4);
    for (unsigned options = 0; options < 32; options++) {
        assert_int_equal(parse_with(options), DROP_NONE);
        assert_int_equal(found.kind, DNS_ADDRESS);
        assert_int_equal(got.ip4_count, 1);
        assert_int_equal(found.count, 1);
        check_rdata(0, SAY("\0\5" EXAMPLE "\0"));
    }
}

static void nxdomain_has_the_chain(void **state)
{
    (void)state;
    static const char expected[] = WWW "\0\1A" EXAMPLE "\0\1b\1A" EXAMPLE;
    begin(TYPE_A);
    m.bytes[3] |= 3;
    message_answer(&m, NULL, TYPE_CNAME, 90, "\1A\xc0\x10", 4);
    message_answer(&m, "a.example.com", TYPE_CNAME, 80, "\1b\xc0\x2d", 4);
    assert_int_equal(parse_with(DNS_WITH_NXDOMAIN), DROP_NONE);
    assert_int_equal(got.names_count, 3);
    assert_int_equal(writer_len(&names_out), sizeof(expected));
    assert_memory_equal(names, expected, sizeof(expected));
    assert_int_equal(got.min_ttl, 80);
}

/* ---- whose ---- */

static void add_owner(const char *owner, size_t len)
{
    message_count(&m, 6);
    write_bytes(&m.out, owner, len);
    put_rr_tail(TYPE_TXT, 1, 60, "\1x", 2);
}

static void owner_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *owner;
        size_t len;
        unsigned number;
    } rows[] = {
        {SAY("\xc0\x0c"), 0},           {SAY(WWW "\0"), 0},     {SAY("\3WwW\7ExamplE\3CoM\0"), 0},
        {SAY("\3www\xc0\x10"), 0},      {SAY("\xc0\x2d"), 1}, /* where the first target stands */
        {SAY("\5aLIAS\xc0\x10"), 1},    {SAY("\xc0\x52"), 2},   {SAY("\4last\5alias\7EXAMPLE\3com\0"), 2},
        {SAY("\xc0\x2d"), 1}, /* by the same pointer again, and another between */
        {SAY("\xc0\x2d"), 1},           {SAY("\xc0\x52"), 2},   {SAY("\xc0\x10"), 255},
        {SAY("\xc0\x10"), 255},         {SAY("\0"), 255},       {SAY("\3wwx\xc0\x10"), 255},
        {SAY("\3ww\x77\xc0\x18"), 255}, {SAY("\xff\xff"), 255}, /* ahead */
        {SAY("\xc0\0"), 255},                                   /* into the header */
    };
    begin(TYPE_TXT);
    message_answer(&m, NULL, TYPE_CNAME, 90, SAY("\5alias\xc0\x10"));
    message_answer(&m, "alias.example.com", TYPE_CNAME, 90, SAY("\4last\xc0\x2d"));
    m.bytes[0] = 0x40; /* no label */
    for (size_t i = 0; i < LEN(rows); i++)
        add_owner(rows[i].owner, rows[i].len);
    store_be16(m.bytes + 6, (uint16_t)(2 + LEN(rows)));
    parse_other();
    assert_int_equal(found.count, LEN(rows));
    assert_int_equal(got.names_count, 3);
    for (size_t i = 0; i < LEN(rows); i++)
        if (found.list[i].owner != rows[i].number)
            fail_msg("answer %zu: owner %u instead of %u", i, found.list[i].owner, rows[i].number);
}

/* The alias may stand behind. */
static void an_owner_that_comes_later(void **state)
{
    (void)state;
    begin(TYPE_TXT);
    add_owner(SAY("\xc0\x10"));
    message_answer(&m, NULL, TYPE_CNAME, 90, SAY("\xc0\x10"));
    add_owner(SAY("\xc0\x10"));
    parse_other();
    assert_int_equal(found.list[0].owner, 1);
    assert_int_equal(found.list[1].owner, 1);
}

static void the_last_of_255_names(void **state)
{
    (void)state;
    begin(TYPE_TXT);
    for (unsigned i = 1; i <= 255; i++) {
        uint8_t target[5] = {3, (uint8_t)('a' + i / 100), (uint8_t)('0' + i / 10 % 10), (uint8_t)('0' + i % 10), 0};
        message_answer(&m, NULL, TYPE_CNAME, 60, target, 5);
    }
    message_answer(&m, "c54", TYPE_TXT, 60, "\1x", 2);
    message_answer(&m, "c55", TYPE_TXT, 60, "\1x", 2);
    parse_other();
    assert_int_equal(got.names_count, 255);
    assert_int_equal(found.list[0].owner, 254);
    assert_int_equal(found.list[1].owner, DNS_OWNER_NONE);
}

/* ---- how much ---- */

static void room(void **state)
{
    (void)state;
    static const uint8_t rdata[DNS_ANSWERS_BYTES + 1];
    for (size_t over = 0; over < 2; over++) {
        begin(TYPE_TXT);
        gather(TYPE_TXT, rdata, 100);
        gather(TYPE_TXT, rdata, DNS_ANSWERS_BYTES - 100 - 2 * DNS_ANSWER_HEAD + over);
        gather(TYPE_TXT, rdata, 1);
        parse_other();
        assert_true(found.cut);
        assert_int_equal(found.count, 2 - over);
        assert_int_equal(found.bytes, over ? 109 : DNS_ANSWERS_BYTES);
        store_be16(m.bytes + 6, 2);
        parse_other();
        assert_int_equal(found.cut, over);
    }
    begin(2); /* short as it was sent */
    put_name_of(&m.out, 255, 1);
    m.out.at -= 255;
    size_t at = message_len(&m);
    gather(TYPE_TXT, "", 0);
    store_be16(m.bytes + 6, 0);
    m.out.at = m.out.start + at;
    message_count(&m, 6);
    put_name_of(&m.out, 255, 1);
    put_rr_tail(TYPE_TXT, 1, 60, "", 0);
    for (int i = 0; i < 6; i++) {
        uint8_t pointer[2] = {(uint8_t)(0xc0 | at >> 8), (uint8_t)at};
        gather(2, pointer, 2);
    }
    parse_other();
    assert_true(found.cut);
    assert_int_equal(found.count, 1 + (DNS_ANSWERS_BYTES - 9) / (255 + 9));
}

static void smallest_answers(void **state)
{
    (void)state;
    begin(TYPE_TXT);
    for (int i = 0; i < 200; i++)
        gather(TYPE_TXT, "", 0);
    parse_other();
    assert_int_equal(found.count, DNS_ANSWERS_MAX);
    assert_true(found.cut);
}

/* A pointer is two bytes, the name it leads to 255. */
static void work_is_bounded(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 2; kind++) {
        begin(TYPE_ANY);
        size_t at = message_len(&m);
        put_name_of(&m.out, 250, 1);
        put_rr_tail(TYPE_TXT, 1, 60, "", 0);
        message_count(&m, 6);
        for (unsigned i = 0; i < 90; i++) {
            message_count(&m, 6);
            write_be16(&m.out, kind ? 0xc000 | at : 0xc000 | (at + 64 * (i % 2)));
            put_rr_tail(TYPE_TXT, 1, 60, "", 0);
        }
        assert_int_equal(parse_with(DNS_WITH_NODATA), DROP_NONE);
        assert_int_equal(found.cut, kind == 0);
        assert_in_range(found.count, 5, 91);
        assert_int_equal(found.list[4].owner, DNS_OWNER_NONE);
    }
    begin(2);
    for (unsigned i = 0; i < 90; i++)
        gather(2, "\xc0\x10\0", 3);
    parse_other();
    assert_true(found.cut);
    assert_in_range(found.bad, 10, 60);
}

/* What genuine servers send: an alias, and a full datagram of answers to it. */
static void answers_behind_an_alias(void **state)
{
    (void)state;
    begin(TYPE_TXT);
    message_answer(&m, NULL, TYPE_CNAME, 90, SAY("\4this\2is\1a\4name\2of\6medium\6length\xc0\x10"));
    while (message_len(&m) < 1400)
        add_owner(SAY("\xc0\x2d"));
    parse_other();
    assert_int_equal(found.count, load_be16(m.bytes + 6) - 1);
    assert_false(found.cut);
    for (unsigned i = 0; i < found.count; i++)
        assert_int_equal(found.list[i].owner, 1);
}

/* ---- cut ---- */

/* Whatever is found in a beginning is the beginning of what is found in the whole. */
static void cut_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rewritten); i++) {
        begin(rewritten[i].type);
        message_answer(&m, NULL, TYPE_CNAME, 90, SAY("\1a\xc0\x10"));
        message_answer(&m, "a.example.com", rewritten[i].type, 60, rewritten[i].sent, rewritten[i].sent_len);
        gather(TYPE_TXT, "\1b", 2);
        size_t answers = message_len(&m);
        put_opt(1 << 4);
        for (size_t len = 0; len < message_len(&m); len++) {
            if (parse_cut(len, false, DNS_WITH_ALL) != DROP_NONE)
                continue;
            assert_int_equal(found.kind, DNS_OTHER);
            assert_int_equal(got.incomplete, len < answers);
            assert_int_equal(found.bad, 0);
            assert_int_equal(found.cut, 0);
            if (found.count > 0)
                check_rdata(0, rewritten[i].kept, rewritten[i].kept_len);
            assert_int_equal(found.count, len >= answers ? 2 : len >= answers - 14);
            assert_true(found.count == 0 || found.list[0].owner == 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewrites),
        cmocka_unit_test(broken_rdata_is_left_out),
        cmocka_unit_test(odd_names_in_rdata),
        cmocka_unit_test(others_are_copied),
        cmocka_unit_test(signatures_only_where_asked_for),
        cmocka_unit_test(other_classes_are_passed_over),
        cmocka_unit_test(addresses_and_aliases_are_not_gathered),
        cmocka_unit_test(an_answer_to_any_has_both),
        cmocka_unit_test(nxdomain_has_the_chain),
        cmocka_unit_test(owner_numbers),
        cmocka_unit_test(an_owner_that_comes_later),
        cmocka_unit_test(the_last_of_255_names),
        cmocka_unit_test(room),
        cmocka_unit_test(smallest_answers),
        cmocka_unit_test(work_is_bounded),
        cmocka_unit_test(answers_behind_an_alias),
        cmocka_unit_test(cut_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
