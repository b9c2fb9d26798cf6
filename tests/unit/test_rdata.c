/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rdata as text, and the words for types and RCODEs. */
#include "base/dns_words.h"
#include "record/name.h"
#include "record/rdata.h"

#include "testing.h"

enum { TEXT_SIZE = 4 * 65535 + 4096, ANY_CUT = 9999 };

#define BYTES(literal) literal, sizeof(literal) - 1
#define DIGEST         "\x00\x7f\x80\xff"
#define NAME_A         "\1a\7example\0"
#define SIGNED         "\0\1\x0d\2\0\0\1\x2c\x65\x92\x00\x80\x65\x69\x22\0\x30\x39\7example\0"

struct row {
    uint16_t type;
    const char *rdata;
    size_t len;
    size_t from; /* cut to so many bytes or more it is still valid; 0 = it is not; ANY_CUT = sometimes */
    const char *text;
};

static const struct row rows[] = {
    {1, BYTES("\xc0\0\2\1"), 0, "192.0.2.1"},
    {1, BYTES("\xff\xff\xff\xff"), 0, "255.255.255.255"},
    {28, BYTES("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"), 0, "2001:db8::7"},
    {28, BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 0, "::"},
    {2, BYTES(NAME_A), 0, "a.example"},
    {2, BYTES("\0"), 0, "."},
    {5, BYTES("\3w.w\4\x00\xff\" \0"), 0, "w\\.w.\\000\\255\\\"\\032"},
    {12, BYTES("\1\t\3\n;\\\0"), 0, "\\009.\\010\\;\\\\"},
    {39, BYTES(NAME_A), 0, "a.example"},
    {7, BYTES(NAME_A), 0, "a.example"},
    {8, BYTES(NAME_A), 0, "a.example"},
    {9, BYTES(NAME_A), 0, "a.example"},
    {6, BYTES("\2ns\0\4h.st\0\x78\xb2\xd7\xd7\0\0\x0e\x10\0\0\7\x08\0\x09\x3a\x80\xff\xff\xff\xff"), 0,
     "ns h\\.st 2024986583 3600 1800 604800 4294967295"},
    {13, BYTES("\3X86\0"), 0, "\"X86\" \"\""},
    {14, BYTES("\1a\0\1b\0"), 0, "a b"},
    {17, BYTES("\1a\0\0"), 0, "a ."},
    {15, BYTES("\0\x0a\2mx\7example\0"), 0, "10 mx.example"},
    {15, BYTES("\0\0\0"), 0, "0 ."},
    {18, BYTES("\0\1\1a\0"), 0, "1 a"},
    {21, BYTES("\0\1\1a\0"), 0, "1 a"},
    {36, BYTES("\0\1\1a\0"), 0, "1 a"},
    {16, BYTES("\0"), 0, "\"\""},
    {16, BYTES("\3a b"), 0, "\"a b\""},
    {16, BYTES("\3v=1\0\2\"\\"), ANY_CUT, "\"v=1\" \"\" \"\\\"\\\\\""},
    {16, BYTES("\x0a\x00\t\n\r\x1b\x1f\x20\x7e\x7f\xff"), 0, "\"\\000\\009\\010\\013\\027\\031 ~\\127\\255\""},
    {99, BYTES("\6v=spf1"), 0, "\"v=spf1\""},
    {33, BYTES("\0\0\0\5\x13\xc4\3sip\7example\0"), 0, "0 5 5060 sip.example"},
    {33, BYTES("\xff\xff\xff\xff\xff\xff\0"), 0, "65535 65535 65535 ."},
    {35, BYTES("\0\x64\0\x0a\1S\7SIP+D2U\0\4_sip\4_udp\7example\0"), 0,
     "100 10 \"S\" \"SIP+D2U\" \"\" _sip._udp.example"},
    {35, BYTES("\0\1\0\2\1u\7E2U+sip\x0f!^.*$!sip:a\\1!\"\0"), 0, "1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:a\\\\1!\\\"\" ."},
    {43, BYTES("\xff\xff\x0d\2" DIGEST), 5, "65535 13 2 007F80FF"},
    {59, BYTES("\0\0\0\0\0"), 0, "0 0 0 00"},
    {32769, BYTES("\0\1\5\1" DIGEST), 5, "1 5 1 007F80FF"},
    {44, BYTES("\4\2" DIGEST), 3, "4 2 007F80FF"},
    {52, BYTES("\3\1\1" DIGEST), 4, "3 1 1 007F80FF"},
    {53, BYTES("\3\0\1" DIGEST), 4, "3 0 1 007F80FF"},
    {63, BYTES("\x7f\xff\xff\xff\1\1" DIGEST), 7, "2147483647 1 1 007F80FF"},
    {48, BYTES("\1\1\3\x0d\x14\xfb\x9c\x03\xd9\x7e"), 5, "257 3 13 FPucA9l+"},
    {48, BYTES("\1\0\3\x08\x14\xfb\x9c\x03\xd9"), 5, "256 3 8 FPucA9k="},
    {60, BYTES("\0\0\3\0\0"), 0, "0 3 0 AA=="},
    {61, BYTES("\xff\xff\xfe"), 1, "///+"},
    {46, BYTES(SIGNED "\1\2\3\4"), sizeof(SIGNED), "A 13 2 300 20240101000000 20231201000000 12345 example AQIDBA=="},
    {46, BYTES("\x12\x34\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\xff"), 0,
     "TYPE4660 0 0 0 21060207062815 19700101000000 0 . /w=="},
    {46, BYTES("\xff\xff\1\1\0\0\0\0\xf4\x86\x57\0\xf4\x86\x56\xff\0\0\0\xff"), 0,
     "TYPE65535 1 1 0 21000101000000 20991231235959 0 . /w=="},
    {47, BYTES("\1b\0\0\7\x62\x01\x80\x08\x00\x03\x80\1\1\x40"), ANY_CUT,
     "b A NS SOA MX TXT AAAA RRSIG NSEC DNSKEY CAA"},
    {62, BYTES("\0\0\0\x42\0\3\0\4\x60\0\0\x08"), ANY_CUT, "66 3 A NS AAAA"},
    {51, BYTES("\1\0\0\x0a\0"), 0, "1 0 10 -"},
    {51, BYTES("\1\0\0\x0a\2\xaa\xbb"), 0, "1 0 10 AABB"},
    {256, BYTES("\0\x0a\0\1https://e/\""), 5, "10 1 \"https://e/\\\"\""},
    {257, BYTES("\0\5issueca.example"), 7, "0 issue \"ca.example\""},
    {257, BYTES("\x80\5issue"), 0, "128 issue \"\""},
    {257, BYTES("\0\x09iodefZ09Amailto:a\n"), 11, "0 iodefZ09A \"mailto:a\\010\""},
    /* RFC 9460, appendix D */
    {65, BYTES("\0\0\3foo\7example\3com\0"), 0, "0 foo.example.com"},
    {64, BYTES("\0\1\0"), 0, "1 ."},
    {64, BYTES("\0\x10\3foo\0\0\3\0\2\0\x35"), ANY_CUT, "16 foo port=53"},
    {64, BYTES("\0\1\3foo\0\x02\x9b\0\5hello"), ANY_CUT, "1 foo key667=\"hello\""},
    {64, BYTES("\0\1\3foo\0\x02\x9b\0\x09hello\xd2qoo"), ANY_CUT, "1 foo key667=\"hello\\210qoo\""},
    {64, BYTES("\0\1\3foo\0\0\6\0\x20\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\x53\0\1"),
     ANY_CUT, "1 foo ipv6hint=2001:db8::1,2001:db8::53:1"},
    {64, BYTES("\0\x10\3foo\0\0\0\0\4\0\1\0\4\0\1\0\x09\2h2\5h3-19\0\4\0\4\xc0\0\2\1"), ANY_CUT,
     "16 foo mandatory=alpn,ipv4hint alpn=\"h2,h3-19\" ipv4hint=192.0.2.1"},
    {64,
     BYTES("\0\x10\3foo\0\0\1\0\x0c\x08"
           "f\\oo,bar\2h2"),
     ANY_CUT, "16 foo alpn=\"f\\\\\\\\oo\\\\,bar,h2\""},
    {65,
     BYTES("\0\1\0\0\0\0\6\0\1\0\3\x02\x9b\0\1\0\4\3\"\n\xff\0\2\0\0\0\3\0\2\xff\xff\0\4\0\x08\1\2\3\4\5\6\7\x08"
           "\0\5\0\4" DIGEST "\0\7\0\5/q{?\t\0\x08\0\0\0\x09\0\0\xff\xff\0\1\\"),
     ANY_CUT,
     "1 . mandatory=alpn,port,key667 alpn=\"\\\"\\010\\255\" no-default-alpn port=65535 ipv4hint=1.2.3.4,5.6.7.8 "
     "ech=AH+A/w== dohpath=\"/q{?\\009\" ohttp key9 key65535=\"\\\\\""},
    /* what is not known, and what is not valid */
    {0, BYTES("\1"), 0, "\\# 1 01"},
    {10, BYTES(DIGEST), 0, "\\# 4 007F80FF"},
    {65280, BYTES("\x0a"), 0, "\\# 1 0A"},
    {1, BYTES(""), 0, "\\# 0"},
    {16, BYTES(""), 0, "\\# 0"},
    {2, BYTES("\1a\xc0\x0c"), 0, "\\# 4 0161C00C"},
    {2,
     BYTES("\x40"
           "a\0"),
     0, "\\# 3 406100"},
    {13, BYTES("\1a\1b\1c"), 0, "\\# 6 016101620163"},
    {43, BYTES("\0\1\5\1"), 0, "\\# 4 00010501"},
    {48, BYTES("\1\1\3\x0d"), 0, "\\# 4 0101030D"},
    {256, BYTES("\0\1\0\2"), 0, "\\# 4 00010002"},
    {257, BYTES("\0\0x"), 0, "\\# 3 000078"},
    {257, BYTES("\0\2a-x"), 0, "\\# 5 0002612D78"},
    {257, BYTES("\0\2\nax"), 0, "\\# 5 00020A6178"},
    {47, BYTES("\0\0\1\0"), 0, "\\# 4 00000100"},
    {47, BYTES("\0\0\0"), 0, "\\# 3 000000"},
    {47, BYTES("\0\1\1\1\1\1\1"), 0, "\\# 7 00010101010101"},
    {47, BYTES("\0\1\1\1\0\1\1"), 0, "\\# 7 00010101000101"},
    {64, BYTES("\0\1\0\0\1\0\0"), 0, "\\# 7 00010000010000"},     /* no protocol */
    {64, BYTES("\0\1\0\0\1\0\1\0"), 0, "\\# 8 0001000001000100"}, /* an empty one */
    {64, BYTES("\0\1\0\0\2\0\1\0"), 0, "\\# 8 0001000002000100"}, /* a value where there is none */
    {64, BYTES("\0\1\0\0\x08\0\1\0"), 0, "\\# 8 0001000008000100"},
    {64, BYTES("\0\1\0\0\3\0\1\0"), 0, "\\# 8 0001000003000100"}, /* half a port */
    {64, BYTES("\0\1\0\0\3\0\3\0\0\0"), 0, "\\# 10 00010000030003000000"},
    {64, BYTES("\0\1\0\0\4\0\0"), 0, "\\# 7 00010000040000"}, /* no address */
    {64, BYTES("\0\1\0\0\6\0\4\1\2\3\4"), 0, "\\# 11 0001000006000401020304"},
    {64, BYTES("\0\1\0\0\5\0\0"), 0, "\\# 7 00010000050000"},
    {64, BYTES("\0\1\0\0\0\0\0"), 0, "\\# 7 00010000000000"}, /* mandatory: none, itself, twice, half */
    {64, BYTES("\0\1\0\0\0\0\2\0\0"), 0, "\\# 9 000100000000020000"},
    {64, BYTES("\0\1\0\0\0\0\4\0\1\0\1"), 0, "\\# 11 0001000000000400010001"},
    {64, BYTES("\0\1\0\0\0\0\3\0\1\0"), 0, "\\# 10 00010000000003000100"},
    {64, BYTES("\0\1\0\0\x09\0\0\0\x09\0\0"), 0, "\\# 11 0001000009000000090000"}, /* a key twice, and back */
    {64, BYTES("\0\1\0\0\x0a\0\0\0\x09\0\0"), 0, "\\# 11 000100000A000000090000"},
    {64, BYTES("\0\1\0\0\x0a\0\1"), 0, "\\# 7 000100000A0001"},
    {64, BYTES("\0\1\0\0\x0a\0"), 0, "\\# 6 000100000A00"},
};

static char *text_of(uint16_t type, const void *rdata, size_t len)
{
    static char text[TEXT_SIZE];
    uint8_t *exact = exact_copy(rdata, len);
    size_t used = rdata_text(type, exact, len, text, sizeof(text));
    assert_int_equal(used, strlen(text));
    free(exact);
    return text;
}

static void generic(const void *rdata, size_t len, char *text, size_t size)
{
    int used = snprintf(text, size, len ? "\\# %zu " : "\\# %zu", len);
    for (size_t i = 0; i < len; i++)
        used += snprintf(text + used, size - (size_t)used, "%02X", ((const uint8_t *)rdata)[i]);
}

static void assert_is_line(const char *text)
{
    for (size_t i = 0; text[i]; i++)
        assert_in_range(text[i], 0x20, 0x7e);
}

static void known(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++)
        if (strcmp(text_of(rows[i].type, rows[i].rdata, rows[i].len), rows[i].text) != 0)
            fail_msg("%zu, type %u: %s\nnot: %s", i, rows[i].type, text_of(rows[i].type, rows[i].rdata, rows[i].len),
                     rows[i].text);
}

/* Cut, or with a byte more, it is not valid, but where a field takes all there is. */
static void lengths(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        const struct row *row = &rows[i];
        char want[1024];
        if (row->text[0] == '\\' && row->text[1] == '#')
            continue;
        for (size_t len = 0; len < row->len; len++) {
            bool is_valid = row->from > 0 && len >= row->from;
            const char *text = text_of(row->type, row->rdata, len);
            generic(row->rdata, len, want, sizeof(want));
            assert_is_line(text);
            if (row->from == ANY_CUT && strcmp(text, want) != 0)
                assert_memory_equal(text, row->text, strlen(text));
            else if ((strcmp(text, want) == 0) == is_valid && row->from != ANY_CUT)
                fail_msg("row %zu, type %u, %zu bytes: %s", i, row->type, len, text);
        }
    }
}

/* Behind the fields of these there is nothing more. */
static void trailing(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        const struct row *row = &rows[i];
        uint8_t longer[256];
        char want[1024];
        if (row->text[0] == '\\' || !strchr("\1\2\5\6\7\x08\x09\x0c\x0d\x0e\x0f\x11\x12\x15\x1c\x21\x23\x24\x27\x33",
                                            row->type < 64 ? row->type : 127))
            continue;
        memcpy(longer, row->rdata, row->len);
        longer[row->len] = 0;
        generic(longer, row->len + 1, want, sizeof(want));
        assert_string_equal(text_of(row->type, longer, row->len + 1), want);
    }
}

/* Each day's last second from 1970 to the last whole day of 32 bits, against a calendar that is leafed through. */
static void days(void **state)
{
    uint8_t rdata[] = {0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff};
    unsigned year = 1970, month = 1, day = 1;
    char want[128];
    (void)state;
    for (uint32_t begin = 0; begin < UINT32_MAX / 86400 * 86400; begin += 86400) {
        static const unsigned lengths_of[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool is_leap = year % 4 == 0 && year != 2100;
        store_be32(rdata + 8, begin + 86399);
        store_be32(rdata + 12, begin + 86399);
        snprintf(want, sizeof(want), "A 1 1 0 %u%02u%02u235959 %u%02u%02u235959 0 . /w==", year, month, day, year,
                 month, day);
        assert_string_equal(text_of(46, rdata, sizeof(rdata)), want);
        if (++day > lengths_of[month - 1] + (month == 2 && is_leap)) {
            day = 1;
            month = month % 12 + 1;
            year += month == 1;
        }
    }
    assert_int_equal(year * 10000 + month * 100 + day, 21060207);
}

/* In a buffer of every size, which the address sanitizer watches. */
static void assert_sizes(uint16_t type, const uint8_t *rdata, size_t len, size_t step)
{
    char *whole = strdup(text_of(type, rdata, len));
    size_t whole_len = strlen(whole);
    assert_true(whole_len < 3 || strcmp(whole + whole_len - 3, "...") != 0);
    assert_int_equal(rdata_text(type, rdata, len, NULL, 0), 0);
    for (size_t size = 1; size <= whole_len + 2; size += step) {
        char *text = malloc(size);
        uint8_t c;
        size_t used = rdata_text(type, rdata, len, text, size), dots = used < 3 ? used : 3, at = 0;
        assert_in_range(used, 0, size - 1);
        assert_int_equal(strlen(text), used);
        if (size > whole_len) {
            assert_string_equal(text, whole);
        } else {
            assert_in_range(used, size < 4 ? size - 1 : 3, size - 1);
            assert_memory_equal(text + used - dots, "...", dots);
            assert_memory_equal(text, whole, used - dots);
            while (at < used - dots) {
                size_t taken = name_parse_byte(text + at, &c);
                assert_in_range(taken, 1, used - dots - at);
                at += taken;
            }
        }
        free(text);
    }
    free(whole);
}

static void sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        assert_sizes(rows[i].type, (const uint8_t *)rows[i].rdata, rows[i].len, 1);
        assert_sizes(65281, (const uint8_t *)rows[i].rdata, rows[i].len, 1);
    }
}

static void cuts(void **state)
{
    static const struct {
        uint16_t type;
        const char *rdata;
        size_t len, size;
        const char *text;
    } cut[] = {
        {1, BYTES("\xc0\0\2\1"), 10, "192.0.2.1"},
        {1, BYTES("\xc0\0\2\1"), 9, "..."},
        {1, BYTES("\xc0\0\2\1"), 3, ".."},
        {1, BYTES("\xc0\0\2\1"), 2, "."},
        {1, BYTES("\xc0\0\2\1"), 1, ""},
        {16, BYTES("\6abcdef"), 9, "\"abcdef\""},
        {16, BYTES("\6abcdef"), 8, "\"abc..."},
        {16, BYTES("\5ab\nef"), 10, "\"ab..."},
        {16, BYTES("\5ab\nef"), 11, "\"ab\\010ef\""},
        {2, BYTES("\3a.b\7example\0"), 8, "a\\.b..."},
        {2, BYTES("\3a.b\7example\0"), 7, "a\\...."},
        {6, BYTES("\2ns\0\2mb\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\xff\xff"), 18, "ns mb 1 2 3 4 ..."},
        {0, BYTES(DIGEST), 13, "\\# 4 007F..."},
        {0, BYTES(DIGEST), 12, "\\# 4 00..."},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cut); i++) {
        char text[32];
        size_t used = rdata_text(cut[i].type, (const uint8_t *)cut[i].rdata, cut[i].len, text, cut[i].size);
        assert_string_equal(text, cut[i].text);
        assert_int_equal(used, strlen(text));
    }
}

/* Names of 255 and 256 octets, the first with every byte escaped; character-strings of 255 bytes. */
static void longest(void **state)
{
    uint8_t rdata[65535];
    static char want[TEXT_SIZE], name[NAME_TEXT];
    (void)state;
    for (size_t octets = 250; octets <= 260; octets++) {
        struct writer out = writer_over(rdata, sizeof(rdata));
        put_name_of(&out, octets, 7);
        generic(rdata, octets, want, sizeof(want));
        if (octets <= NAME_WIRE)
            name_text(rdata, octets, want);
        assert_string_equal(text_of(5, rdata, octets), want);
    }
    for (size_t i = 0; i < NAME_WIRE; i++)
        rdata[i] = i % 64 || i == 254 ? 0 : i == 192 ? 61 : 63;
    assert_int_equal(name_text(rdata, NAME_WIRE, name), 4 * 250 + 3);
    assert_string_equal(text_of(12, rdata, NAME_WIRE), name);
    assert_sizes(12, rdata, NAME_WIRE, 1);

    memset(rdata, 0xff, sizeof(rdata));
    assert_int_equal(strlen(text_of(16, rdata, 255 * 256)), 255 * (255 * 4 + 2) + 254);
    assert_sizes(16, rdata, 512, 1);
    assert_sizes(16, rdata, 255 * 256, 997);
    assert_int_equal(strlen(text_of(43, rdata, 65535)), 2 * 65531 + strlen("65535 255 255 "));
    assert_int_equal(strlen(text_of(257, rdata, 65535)), 2 * 65535 + strlen("\\# 65535 "));
}

/* Random bytes, and known rdata with some of them: one line, cut or not. */
static void hostile(void **state)
{
    struct chance chance = {3};
    (void)state;
    for (int round = 0; round < 40000; round++) {
        uint8_t rdata[300];
        const struct row *row = &rows[chance_below(&chance, LEN(rows))];
        uint16_t type = row->type;
        size_t len = row->len;
        if (round % 2) {
            type = (uint16_t)chance_below(&chance, 300);
            len = chance_below(&chance, chance_below(&chance, 4) ? 40 : sizeof(rdata));
            for (size_t i = 0; i < len; i++)
                rdata[i] = (uint8_t)(chance_below(&chance, 3) ? chance_next(&chance) : chance_below(&chance, 4));
        } else {
            memcpy(rdata, row->rdata, len);
            for (size_t n = 1 + chance_below(&chance, 3); n > 0 && len > 0; n--)
                rdata[chance_below(&chance, len)] = (uint8_t)chance_next(&chance);
        }
        assert_is_line(text_of(type, rdata, len));
        assert_sizes(type, rdata, len, 1 + chance_below(&chance, 40));
    }
}

/* Names of the numbers from there on. */
struct run {
    uint16_t first;
    const char *names;
};

static void assert_names(const struct run *runs, size_t count, const char *(*name_of)(uint16_t number))
{
    for (size_t i = 0; i < count; i++) {
        uint16_t number = runs[i].first;
        for (const char *at = runs[i].names; *at; number++) {
            const char *name = name_of(number);
            size_t len = strcspn(at, " ");
            assert_non_null(name);
            assert_int_equal(strlen(name), len);
            assert_memory_equal(name, at, len);
            at += len + (at[len] == ' ');
        }
        assert_null(name_of(number));
    }
}

static const struct run type_runs[] = {
    {1, "A NS MD MF CNAME SOA MB MG MR NULL WKS PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT NSAP"},
    {24, "SIG KEY PX"},
    {28, "AAAA LOC NXT"},
    {33, "SRV"},
    {35, "NAPTR KX CERT"},
    {39, "DNAME"},
    {41, "OPT APL DS SSHFP IPSECKEY RRSIG NSEC DNSKEY DHCID NSEC3 NSEC3PARAM TLSA SMIMEA"},
    {55, "HIP"},
    {59, "CDS CDNSKEY OPENPGPKEY CSYNC ZONEMD SVCB HTTPS"},
    {99, "SPF"},
    {108, "EUI48 EUI64"},
    {249, "TKEY TSIG IXFR AXFR"},
    {255, "ANY URI CAA"},
    {32769, "DLV"}};

static void type_words(void **state)
{
    static const char *const none[] = {"",
                                       "B",
                                       "TYPE",
                                       "TYPE-1",
                                       "TYPE65536",
                                       "65536",
                                       "-1",
                                       " 1",
                                       "TYPEA",
                                       "TYPE 1",
                                       "AAAAA",
                                       "A ",
                                       "1x",
                                       "*",
                                       "+1",
                                       "RCODE1",
                                       "0x10",
                                       "TYPE1TYPE",
                                       "TYPE99999999999999999999"};
    char text[16];
    uint16_t type;
    size_t known_count = 0;
    (void)state;
    assert_names(type_runs, LEN(type_runs), dns_type_name);
    for (unsigned i = 0; i <= UINT16_MAX; i++) {
        const char *name = dns_type_name((uint16_t)i);
        snprintf(text, sizeof(text), "TYPE%u", i);
        assert_int_equal(dns_type_parse(text, &type), 0);
        assert_int_equal(type, i);
        assert_int_equal(dns_type_parse(text + 4, &type), 0);
        assert_int_equal(type, i);
        if (name) {
            known_count++;
            assert_int_equal(dns_type_parse(name, &type), 0);
            assert_int_equal(type, i);
        }
    }
    assert_int_equal(known_count, 65);
    assert_int_equal(dns_type_parse("cNaMe", &type), 0);
    assert_int_equal(type, 5);
    assert_int_equal(dns_type_parse("type28", &type), 0);
    assert_int_equal(type, 28);
    for (size_t i = 0; i < LEN(none); i++)
        assert_int_equal(dns_type_parse(none[i], &type), -1);
    assert_int_equal(type, 28);
}

static void rcode_words(void **state)
{
    static const struct run runs[] = {
        {0, "NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH NOTZONE DSOTYPENI"},
        {16, "BADVERS BADKEY BADTIME BADMODE BADNAME BADALG BADTRUNC BADCOOKIE"}};
    static const char *const none[] = {"",      "NO",     "RCODE", "RCODE4096", "4096", "-1",
                                       "TYPE1", "RCODE ", "65536", "NOERROR ",  "0x1"};
    char text[16];
    uint16_t rcode;
    size_t known_count = 0;
    (void)state;
    for (unsigned i = 0; i <= UINT16_MAX; i++) {
        const char *name = dns_rcode_name((uint16_t)i);
        int want = i <= DNS_RCODE_MAX ? 0 : -1;
        snprintf(text, sizeof(text), "RCODE%u", i);
        assert_int_equal(dns_rcode_parse(text, &rcode), want);
        assert_int_equal(dns_rcode_parse(text + 5, &rcode), want);
        if (want == 0)
            assert_int_equal(rcode, i);
        if (name) {
            known_count++;
            assert_int_equal(dns_rcode_parse(name, &rcode), 0);
            assert_int_equal(rcode, i);
        }
    }
    assert_int_equal(known_count, 20);
    assert_names(runs, LEN(runs), dns_rcode_name);
    assert_int_equal(dns_rcode_parse("nxdomain", &rcode), 0);
    assert_int_equal(rcode, 3);
    assert_int_equal(dns_rcode_parse("rcode7", &rcode), 0);
    assert_int_equal(rcode, 7);
    for (size_t i = 0; i < LEN(none); i++)
        assert_int_equal(dns_rcode_parse(none[i], &rcode), -1);
    assert_int_equal(rcode, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known),      cmocka_unit_test(lengths),
                                       cmocka_unit_test(trailing),   cmocka_unit_test(sizes),
                                       cmocka_unit_test(days),       cmocka_unit_test(cuts),
                                       cmocka_unit_test(longest),    cmocka_unit_test(hostile),
                                       cmocka_unit_test(type_words), cmocka_unit_test(rcode_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
