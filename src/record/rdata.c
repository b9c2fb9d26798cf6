/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A layout has a letter for each field of the rdata, in order:
 *   1 2 4  number of so many bytes        a 6  IPv4, IPv6 address
 *   n      name                           s    character-string
 *   t      time, 4 bytes                  g    tag of letters and digits behind its length (CAA)
 *   T      type, 2 bytes                  h    hex behind its length, "-" when it is empty
 * and these, which take all that is left:
 *   S      character-strings, one or more b    base64, one byte or more
 *   q      text in quotes                 Q    the same, one byte or more
 *   x      hex, one byte or more
 *   B      bitmaps of types (RFC 4034)    P    parameters of a service (RFC 9460) */
#include "record/rdata.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/bytes.h"
#include "base/dns_words.h"
#include "record/name.h"

static const char DOTS[] = "...";

/* The text so far. It fails where something does not fit, and is then cut back to the mark, behind which the dots do.
 */
struct text {
    struct writer out;
    uint8_t *mark;
};

/* What must not be cut apart. */
static void put(struct text *text, const void *bytes, size_t len)
{
    write_bytes(&text->out, bytes, len);
    if (!text->out.failed && writer_room(&text->out) >= sizeof(DOTS) - 1)
        text->mark = text->out.at;
}

static void put_word(struct text *text, const char *word)
{
    put(text, word, strlen(word));
}

static void put_number(struct text *text, const char *before, uint32_t number)
{
    char word[24];
    snprintf(word, sizeof(word), "%s%u", before, number);
    put_word(text, word);
}

static void put_hex(struct text *text, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
        put(text, pair, sizeof(pair));
    }
}

static void put_base64(struct text *text, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t taken; len > 0; bytes += taken, len -= taken) {
        taken = len < 3 ? len : 3;
        uint32_t bits = (uint32_t)bytes[0] << 16 | (len > 1 ? (uint32_t)bytes[1] << 8 : 0) | (len > 2 ? bytes[2] : 0);
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], len > 1 ? digits[bits >> 6 & 63] : '=',
                        len > 2 ? digits[bits & 63] : '='};
        put(text, four, sizeof(four));
    }
}

/* One byte between quotes. */
static void put_quoted_byte(struct text *text, uint8_t c)
{
    char escaped[4] = {'\\', (char)('0' + c / 100), (char)('0' + c / 10 % 10), (char)('0' + c % 10)};
    if (c < 0x20 || c > 0x7e) {
        put(text, escaped, sizeof(escaped));
        return;
    }
    escaped[1] = (char)c;
    if (c == '"' || c == '\\')
        put(text, escaped, 2);
    else
        put(text, &c, 1);
}

static void put_quoted(struct text *text, const uint8_t *bytes, size_t len)
{
    put(text, "\"", 1);
    for (size_t i = 0; i < len; i++)
        put_quoted_byte(text, bytes[i]);
    put(text, "\"", 1);
}

static void put_type(struct text *text, uint16_t type)
{
    const char *name = dns_type_name(type);
    if (name)
        put_word(text, name);
    else
        put_number(text, "TYPE", type);
}

/* YYYYMMDDHHMMSS, seconds since 1970. Years begin with March here, so that leap days are at their ends; 719468 days lie
 * between March of the year 0 and 1970, 146097 days are 400 years. */
static void put_time(struct text *text, uint32_t seconds)
{
    char word[48];
    uint32_t day = seconds / 86400 + 719468, clock = seconds % 86400;
    uint32_t of_era = day % 146097;
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153;
    snprintf(word, sizeof(word), "%04u%02u%02u%02u%02u%02u", year + day / 146097 * 400 + (month > 9),
             month > 9 ? month - 9 : month + 3, of_year - (153 * month + 2) / 5 + 1, clock / 3600, clock / 60 % 60,
             clock % 60);
    put_word(text, word);
}

static void write_address(struct text *text, int family, const uint8_t *address)
{
    char word[INET6_ADDRSTRLEN];
    if (address && family == AF_INET)
        put(text, word, address_text4(address, word));
    else if (address && inet_ntop(family, address, word, sizeof(word)))
        put_word(text, word);
}

static void write_name(struct reader *in, struct text *text)
{
    char name[NAME_TEXT];
    const uint8_t *at = in->at;
    uint8_t c;
    int len = dnsflow_name_text(&at, in->end, NULL, name, sizeof(name));
    if (len < 0 || at - in->at > NAME_WIRE) {
        in->failed = true;
        return;
    }
    read_skip(in, (size_t)(at - in->at));
    for (size_t i = 0, taken; i < (size_t)len; i += taken) {
        taken = name_parse_byte(name + i, &c);
        put(text, name + i, taken);
    }
}

/* A character-string or the like: bytes behind their number. NULL when they are not there. */
static const uint8_t *read_counted(struct reader *in, size_t *len)
{
    *len = read_u8(in);
    return read_bytes(in, *len);
}

static void write_strings(struct reader *in, struct text *text, bool only_one)
{
    size_t len;
    do {
        const uint8_t *bytes = read_counted(in, &len);
        if (!bytes)
            return;
        put_quoted(text, bytes, len);
        if (only_one || reader_left(in) == 0)
            return;
        put(text, " ", 1);
    } while (true);
}

static void write_tag(struct reader *in, struct text *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t len, i;
    const uint8_t *tag = read_counted(in, &len);
    for (i = 0; tag && i < len; i++)
        in->failed = in->failed || !memchr(allowed, tag[i], sizeof(allowed) - 1);
    if (len == 0)
        in->failed = true;
    if (!in->failed)
        put(text, tag, len);
}

static void write_salt(struct reader *in, struct text *text)
{
    size_t len;
    const uint8_t *salt = read_counted(in, &len);
    if (salt && len == 0)
        put(text, "-", 1);
    else if (salt)
        put_hex(text, salt, len);
}

/* window 1 | length 1 | a bit for each of its types, the last byte not 0; windows ascend. */
static void write_bitmaps(struct reader *in, struct text *text)
{
    int last = -1;
    while (!in->failed && reader_left(in) > 0) {
        size_t len;
        uint8_t window = read_u8(in);
        const uint8_t *bits = read_counted(in, &len);
        if (!bits || len == 0 || len > 32 || bits[len - 1] == 0 || window <= last) {
            in->failed = true;
            return;
        }
        last = window;
        for (uint16_t i = 0; i < len * 8; i++)
            if (bits[i / 8] & 0x80 >> i % 8) {
                put(text, " ", 1);
                put_type(text, (uint16_t)(window << 8 | i));
            }
    }
}

/* All that is left. Where nothing would be seen of no byte, there must be one. */
static void write_rest(struct reader *in, struct text *text,
                       void (*how)(struct text *text, const uint8_t *bytes, size_t len), size_t at_least)
{
    size_t len = reader_left(in);
    if (len < at_least)
        in->failed = true;
    else
        how(text, read_bytes(in, len), len);
}

/* Any letter but P. */
static void write_field(char letter, struct reader *in, struct text *text)
{
    switch (letter) {
    case '1':
        put_number(text, "", read_u8(in));
        break;
    case '2':
        put_number(text, "", read_be16(in));
        break;
    case '4':
        put_number(text, "", read_be32(in));
        break;
    case 't':
        put_time(text, read_be32(in));
        break;
    case 'T':
        put_type(text, read_be16(in));
        break;
    case 'a':
        write_address(text, AF_INET, read_bytes(in, 4));
        break;
    case '6':
        write_address(text, AF_INET6, read_bytes(in, 16));
        break;
    case 'n':
        write_name(in, text);
        break;
    case 's':
        write_strings(in, text, true);
        break;
    case 'S':
        write_strings(in, text, false);
        break;
    case 'g':
        write_tag(in, text);
        break;
    case 'h':
        write_salt(in, text);
        break;
    case 'B':
        write_bitmaps(in, text);
        break;
    case 'b':
        write_rest(in, text, put_base64, 1);
        break;
    case 'x':
        write_rest(in, text, put_hex, 1);
        break;
    case 'Q':
        write_rest(in, text, put_quoted, 1);
        break;
    default: /* q */
        write_rest(in, text, put_quoted, 0);
        break;
    }
}

/* Parameters of SVCB and HTTPS by key, the letter of the value and whether there may be several of it; '-' = none, 'k'
 * = keys, 'l' = protocols. */
static const struct {
    const char *name;
    char letter;
    bool is_list;
} parameters[] = {
    {"mandatory", 'k', false}, {"alpn", 'l', false},    {"no-default-alpn", '-', false},
    {"port", '2', false},      {"ipv4hint", 'a', true}, {"ech", 'b', false},
    {"ipv6hint", '6', true},   {"dohpath", 'q', false}, {"ohttp", '-', false},
};

enum { PARAMETERS = sizeof(parameters) / sizeof(parameters[0]) };

static void put_key(struct text *text, uint16_t key)
{
    if (key < PARAMETERS)
        put_word(text, parameters[key].name);
    else
        put_number(text, "key", key);
}

/* Keys in ascending order, of which `mandatory` itself is none. */
static void write_keys(struct reader *in, struct text *text)
{
    uint16_t last = 0;
    do {
        uint16_t key = read_be16(in);
        if (key <= last)
            in->failed = true;
        if (last)
            put(text, ",", 1);
        put_key(text, key);
        last = key;
    } while (!in->failed && reader_left(in) > 0);
}

/* In a list a comma and a backslash have a backslash before them, which is then escaped as in any character-string. */
static void write_protocols(struct reader *in, struct text *text)
{
    size_t len;
    const char *before = "\"";
    do {
        const uint8_t *bytes = read_counted(in, &len);
        if (!bytes || len == 0) {
            in->failed = true;
            return;
        }
        put_word(text, before);
        for (size_t i = 0; i < len; i++) {
            if (bytes[i] == ',' || bytes[i] == '\\')
                put(text, "\\\\", 2);
            put_quoted_byte(text, bytes[i]);
        }
        before = ",";
    } while (reader_left(in) > 0);
    put(text, "\"", 1);
}

static void write_value(uint16_t key, struct reader *in, struct text *text)
{
    char letter = key < PARAMETERS ? parameters[key].letter : 'q';
    if (letter == '-' || (key >= PARAMETERS && reader_left(in) == 0))
        return;
    put(text, "=", 1);
    if (letter == 'k') {
        write_keys(in, text);
        return;
    }
    if (letter == 'l') {
        write_protocols(in, text);
        return;
    }
    write_field(letter, in, text);
    while (key < PARAMETERS && parameters[key].is_list && !in->failed && reader_left(in) > 0) {
        put(text, ",", 1);
        write_field(letter, in, text);
    }
}

/* key 2 | length 2 | value; keys ascend. */
static void write_parameters(struct reader *in, struct text *text)
{
    int last = -1;
    while (!in->failed && reader_left(in) > 0) {
        uint16_t key = read_be16(in);
        size_t len = read_be16(in);
        const uint8_t *bytes = read_bytes(in, len);
        if (!bytes || key <= last) {
            in->failed = true;
            return;
        }
        last = key;
        put(text, " ", 1);
        put_key(text, key);
        struct reader value = reader_over(bytes, len);
        write_value(key, &value, text);
        in->failed = value.failed || reader_left(&value) > 0;
    }
}

/* By type. */
static const struct layout {
    uint16_t type;
    const char *letters;
} layouts[] = {
    {1, "a"},          /* A */
    {2, "n"},          /* NS */
    {5, "n"},          /* CNAME */
    {6, "nn44444"},    /* SOA */
    {7, "n"},          /* MB */
    {8, "n"},          /* MG */
    {9, "n"},          /* MR */
    {12, "n"},         /* PTR */
    {13, "ss"},        /* HINFO */
    {14, "nn"},        /* MINFO */
    {15, "2n"},        /* MX */
    {16, "S"},         /* TXT */
    {17, "nn"},        /* RP */
    {18, "2n"},        /* AFSDB */
    {21, "2n"},        /* RT */
    {28, "6"},         /* AAAA */
    {33, "222n"},      /* SRV */
    {35, "22sssn"},    /* NAPTR */
    {36, "2n"},        /* KX */
    {39, "n"},         /* DNAME */
    {43, "211x"},      /* DS */
    {44, "11x"},       /* SSHFP */
    {46, "T114tt2nb"}, /* RRSIG */
    {47, "nB"},        /* NSEC */
    {48, "211b"},      /* DNSKEY */
    {51, "112h"},      /* NSEC3PARAM */
    {52, "111x"},      /* TLSA */
    {53, "111x"},      /* SMIMEA */
    {59, "211x"},      /* CDS */
    {60, "211b"},      /* CDNSKEY */
    {61, "b"},         /* OPENPGPKEY */
    {62, "42B"},       /* CSYNC */
    {63, "411x"},      /* ZONEMD */
    {64, "2nP"},       /* SVCB */
    {65, "2nP"},       /* HTTPS */
    {99, "S"},         /* SPF */
    {256, "22Q"},      /* URI */
    {257, "1gq"},      /* CAA */
    {32769, "211x"},   /* DLV */
};

static int compare_type(const void *type, const void *layout)
{
    return *(const uint16_t *)type - ((const struct layout *)layout)->type;
}

static const struct layout *find_layout(uint16_t type)
{
    return bsearch(&type, layouts, sizeof(layouts) / sizeof(layouts[0]), sizeof(layouts[0]), compare_type);
}

void rdata_lower_names(uint16_t type, uint8_t *rdata, size_t len)
{
    const struct layout *layout = find_layout(type);
    const char *at = layout ? layout->letters : "";
    size_t used = 0, size;
    for (; *at && used < len; at++, used += size) {
        uint8_t first = rdata[used];
        size = strchr("124", *at)   ? (size_t)(*at - '0')
               : *at == 'n'         ? name_size_within(rdata + used, len - used)
               : *at == 'T'         ? 2
               : *at == 't'         ? 4
               : strchr("sgh", *at) ? first + 1u
                                    : len;
        if (*at == 'n')
            name_lower(rdata + used, size);
        if (size == 0)
            return;
    }
}

/* False: it is not valid, and the text is none. */
static bool write_known(uint16_t type, struct reader in, struct text *text)
{
    const struct layout *layout = find_layout(type);
    const char *at = layout ? layout->letters : "";
    for (; *at && !in.failed; at++) {
        /* These have none, or one before each of what they have. */
        if (at > layout->letters && *at != 'B' && *at != 'P')
            put(text, " ", 1);
        if (*at == 'P')
            write_parameters(&in, text);
        else
            write_field(*at, &in, text);
    }
    return layout && !in.failed && reader_left(&in) == 0;
}

size_t rdata_text(uint16_t type, const uint8_t *rdata, size_t len, char *text, size_t size)
{
    if (size == 0)
        return 0;
    struct text begun = {.out = writer_over((uint8_t *)text, size - 1), .mark = (uint8_t *)text}, done = begun;
    if (!write_known(type, reader_over(rdata, len), &done)) {
        done = begun;
        put_word(&done, "\\#");
        put_number(&done, " ", (uint32_t)len);
        if (len > 0)
            put(&done, " ", 1);
        put_hex(&done, rdata, len);
    }
    if (done.out.failed) {
        done.out.at = done.mark;
        done.out.failed = false;
        size_t room = writer_room(&done.out);
        write_bytes(&done.out, DOTS, room < sizeof(DOTS) - 1 ? room : sizeof(DOTS) - 1);
    }
    text[writer_len(&done.out)] = '\0';
    return writer_len(&done.out);
}
