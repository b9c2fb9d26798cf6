/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Messages of dnstap, field by field. */
#include "net/dnstap.h"

#include "testing.h"

enum { VARINT = 0, BYTES = 2, FIXED32 = 5 };

#define RIGHT DROP_NONE
#define OTHER DROP_DNSTAP_OTHER
#define BAD   DROP_DNSTAP_MALFORMED

#define SECONDS UINT64_C(1700000000)
#define TIME_US (INT64_C(1700000000) * 1000000)

#define IP4        "\xc6\x33\x64\x07"
#define MAPPED     "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x07"
#define COMPATIBLE "\0\0\0\0\0\0\0\0\0\0\0\0\xc6\x33\x64\x07"
#define NEARLY     "\0\0\0\0\0\0\0\0\0\1\xff\xff\xc6\x33\x64\x07"
#define IP6        "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x53"
#define ZERO4      "\0\0\0\0"
#define ZERO6      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

struct bytes {
    const char *at;
    size_t len;
};

#define B(text)                \
    {                          \
        text, sizeof(text) - 1 \
    }

static void put_varint(struct writer *out, uint64_t n)
{
    for (; n > 127; n >>= 7)
        write_u8(out, (n & 127) | 128);
    write_u8(out, n);
}

static void put_number(struct writer *out, unsigned field, uint64_t n)
{
    put_varint(out, field << 3 | VARINT);
    put_varint(out, n);
}

static void put_bytes(struct writer *out, unsigned field, const void *bytes, size_t len)
{
    put_varint(out, field << 3 | BYTES);
    put_varint(out, len);
    write_bytes(out, bytes, len);
}

static void put_fixed32(struct writer *out, unsigned field, uint32_t n)
{
    put_varint(out, field << 3 | FIXED32);
    write_be32(out, __builtin_bswap32(n));
}

static const char dns[] = "a message";
static uint8_t inner[4096], outer[8192];
static struct writer message;

static void begin(uint64_t type)
{
    message = writer_over(inner, sizeof(inner));
    put_number(&message, 1, type);
}

static void put_addresses(struct bytes client, struct bytes resolver)
{
    put_bytes(&message, 4, client.at, client.len);
    if (resolver.at)
        put_bytes(&message, 5, resolver.at, resolver.len);
}

static void put_dns(void)
{
    put_bytes(&message, 14, dns, sizeof(dns) - 1);
}

/* A message that is right; the caller may put more behind it. */
static void begin_right(void)
{
    begin(6);
    put_addresses((struct bytes)B(IP4), (struct bytes)B(IP4));
    put_dns();
}

/* What is said of the frame of `len` bytes in an allocation of exactly that size; the caller frees it. */
static enum drop_reason decode(const uint8_t *bytes, size_t len, uint8_t **copy, struct net_payload *out)
{
    *copy = exact_copy(bytes, len);
    struct packet packet = packet_of(*copy, len, NET_LINK_DNSTAP, 0);
    return net_decode(&packet, NULL, out);
}

static enum drop_reason finish(uint8_t **copy, size_t *len, struct net_payload *out)
{
    struct writer w = writer_over(outer, sizeof(outer));
    put_bytes(&w, 1, "identity", 8);
    put_bytes(&w, 14, inner, writer_len(&message));
    put_number(&w, 15, 1);
    assert_false(w.failed || message.failed);
    *len = writer_len(&w);
    return decode(outer, *len, copy, out);
}

/* The client's family is the record's; a resolver that is none, or of the other, has zeros. */
static void addresses(void **state)
{
    (void)state;
    static const struct {
        struct bytes client, resolver;
        enum drop_reason why;
        struct bytes as_client, as_resolver;
    } rows[] = {
        {B(IP4), B(IP4), RIGHT, B(IP4), B(IP4)},
        {B(MAPPED), B(MAPPED), RIGHT, B(IP4), B(IP4)},
        {B(MAPPED), B(IP4), RIGHT, B(IP4), B(IP4)},
        {B(IP4), B(MAPPED), RIGHT, B(IP4), B(IP4)},
        {B(IP6), B(IP6), RIGHT, B(IP6), B(IP6)},
        {B(IP4), {NULL, 0}, RIGHT, B(IP4), B(ZERO4)},
        {B(MAPPED), {NULL, 0}, RIGHT, B(IP4), B(ZERO4)},
        {B(IP6), {NULL, 0}, RIGHT, B(IP6), B(ZERO6)},
        {B(IP4), B(""), RIGHT, B(IP4), B(ZERO4)},
        {B(IP4), B("odd"), RIGHT, B(IP4), B(ZERO4)},
        {B(IP6), B(IP6 "x"), RIGHT, B(IP6), B(ZERO6)},
        {B(IP4), B(IP6), RIGHT, B(IP4), B(ZERO4)},
        {B(MAPPED), B(ZERO6), RIGHT, B(IP4), B(ZERO4)},
        {B(IP6), B(IP4), RIGHT, B(IP6), B(ZERO6)},
        {B(IP6), B(MAPPED), RIGHT, B(IP6), B(ZERO6)},
        {B(COMPATIBLE), B(COMPATIBLE), RIGHT, B(COMPATIBLE), B(COMPATIBLE)},
        {B(NEARLY), B(MAPPED), RIGHT, B(NEARLY), B(ZERO6)},
        {B(ZERO6), B(IP6), RIGHT, B(ZERO6), B(IP6)},
        {B(""), B(IP4), BAD, {NULL, 0}, {NULL, 0}},
        {B("odd"), B(IP4), BAD, {NULL, 0}, {NULL, 0}},
        {B(IP6 "x"), B(IP6), BAD, {NULL, 0}, {NULL, 0}},
    };
    for (size_t i = 0; i < 2 * LEN(rows); i++) {
        struct net_payload p;
        uint8_t *copy;
        size_t len;
        begin(6);
        put_number(&message, 2, 1 + i % 2); /* what it says of its family does not matter */
        put_addresses(rows[i / 2].client, rows[i / 2].resolver);
        put_dns();
        assert_int_equal(finish(&copy, &len, &p), rows[i / 2].why);
        if (rows[i / 2].why == RIGHT) {
            assert_int_equal(p.ip_vers, rows[i / 2].as_client.len == 4 ? 4 : 6);
            assert_memory_equal(p.dst, rows[i / 2].as_client.at, rows[i / 2].as_client.len);
            assert_memory_equal(p.src, rows[i / 2].as_resolver.at, rows[i / 2].as_client.len);
            assert_int_equal(p.len, sizeof(dns) - 1);
            assert_memory_equal(p.bytes, dns, p.len);
        }
        free(copy);
    }
}

/* The response's time; for the order of a file that of the query will do. */
static void times(void **state)
{
    (void)state;
    static const struct {
        uint64_t query, response;
        uint32_t nanoseconds;
        int64_t sent_us, time_us;
    } rows[] = {
        {0, 0, 0, 0, 0},
        {0, SECONDS, 250000999, TIME_US + 250000, TIME_US + 250000},
        {SECONDS, 0, 250000000, 0, TIME_US + 250000},
        {SECONDS - 1, SECONDS, 0, TIME_US, TIME_US},
        {0, 1, 0, 1000000, 1000000},
        {0, UINT32_MAX, 999999999, INT64_C(4294967295999999), INT64_C(4294967295999999)},
        {0, UINT64_C(1) << 32, 0, 0, 0},
        {SECONDS, UINT64_MAX, 0, 0, TIME_US},
        {UINT64_MAX, UINT64_MAX, UINT32_MAX, 0, 0},
        {0, SECONDS, UINT32_MAX, TIME_US + 294967, TIME_US + 294967},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        struct net_payload p;
        uint8_t *copy;
        size_t len;
        begin_right();
        if (rows[i].query)
            put_number(&message, 8, rows[i].query);
        put_fixed32(&message, 9, rows[i].nanoseconds);
        if (rows[i].response)
            put_number(&message, 12, rows[i].response);
        put_fixed32(&message, 13, rows[i].nanoseconds);
        assert_int_equal(finish(&copy, &len, &p), RIGHT);
        assert_true(p.sent_us == rows[i].sent_us);
        assert_true(net_dnstap_time(copy, len) == rows[i].time_us);
        free(copy);
    }
}

/* Fields behind those of a message that is right without them, inside of it and around it. */
#define TEN(last) "\xff\xff\xff\xff\xff\xff\xff\xff\xff" last
static const struct {
    const char *what;
    struct bytes more;
    enum drop_reason inside, around;
} others[] = {
    {"none", B(""), RIGHT, RIGHT},
    {"31, a varint", B("\xf8\x01\x05"), RIGHT, RIGHT},
    {"of ten bytes", B("\xf8\x01" TEN("\x01")), RIGHT, RIGHT},
    {"of eleven", B("\xf8\x01" TEN("\x81") "\x01"), BAD, BAD},
    {"without an end", B("\xf8\x01" TEN("\xff")), BAD, BAD},
    {"8 bytes", B("\xf9\x01@@@@@@@@"), RIGHT, RIGHT},
    {"7 of them", B("\xf9\x01@@@@@@@"), BAD, BAD},
    {"4 bytes", B("\xfd\x01@@@@"), RIGHT, RIGHT},
    {"3 of them", B("\xfd\x01@@@"), BAD, BAD},
    {"a length", B("\xfa\x01\x03@@@"), RIGHT, RIGHT},
    {"too long", B("\xfa\x01\x04@@@"), BAD, BAD},
    {"longer than memory", B("\xfa\x01" TEN("\x01")), BAD, BAD},
    {"of 4 GiB", B("\xfa\x01\xff\xff\xff\xff\x0f"), BAD, BAD},
    {"a group, which dnstap has none of", B("\xfb\x01\xfc\x01"), BAD, BAD},
    {"its end alone", B("\xfc\x01"), BAD, BAD},
    {"kind 6", B("\xfe\x01"), BAD, BAD},
    {"kind 7", B("\xff\x01"), BAD, BAD},
    {"field 0", B("\x00\x00"), BAD, BAD},
    {"the last field there can be", B("\xf8\xff\xff\xff\x0f\x00"), RIGHT, RIGHT},
    {"the next", B("\x80\x80\x80\x80\x10\x00"), BAD, BAD},
    {"a key of ten bytes", B(TEN("\x01") "\x00"), BAD, BAD},
    {"an address that is a number", B("\x20\x07"), RIGHT, RIGHT},
    {"an address of fixed size", B("\x25@@@@"), RIGHT, RIGHT},
    {"a message that is a number", B("\x70\x07"), RIGHT, RIGHT},
    {"a type that is bytes", B("\x0a\x01\x07\x7a\x01\x02"), RIGHT, RIGHT},
    {"another type of message", B("\x08\x05"), OTHER, RIGHT},
    {"another type of dnstap", B("\x78\x02"), RIGHT, OTHER},
    {"another client", B("\x22\x03odd"), BAD, RIGHT},
    {"an empty message", B("\x72\x00"), BAD, OTHER},
    {"port 65536", B("\x30\x80\x80\x04"), RIGHT, RIGHT},
};
#undef TEN

static void other_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(others); i++) {
        const struct bytes *more = &others[i].more;
        struct net_payload p;
        uint8_t *copy;
        size_t len;
        begin_right();
        write_bytes(&message, more->at, more->len);
        if (finish(&copy, &len, &p) != others[i].inside)
            fail_msg("inside: %s", others[i].what);
        assert_true(net_dnstap_time(copy, len) == 0);
        free(copy);
        begin_right();
        (void)finish(&copy, &len, &p);
        free(copy);
        memcpy(outer + len, more->at, more->len);
        if (decode(outer, len + more->len, &copy, &p) != others[i].around)
            fail_msg("around: %s", others[i].what);
        free(copy);
    }
}

static void other_messages(void **state)
{
    (void)state;
    static const uint64_t types[] = {0,         1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 6 + (UINT64_C(1) << 32),
                                     UINT64_MAX};
    for (size_t i = 0; i < LEN(types); i++) {
        struct net_payload p;
        uint8_t *copy;
        size_t len;
        begin(types[i]);
        put_addresses((struct bytes)B(IP4), (struct bytes)B(IP4));
        put_dns();
        assert_int_equal(finish(&copy, &len, &p), OTHER);
        free(copy);
    }
}

/* Ports, how the client was connected, and every cut: the rest says nothing that is not there. */
static void every_cut(void **state)
{
    (void)state;
    struct net_payload p;
    uint8_t *copy;
    size_t len;
    begin_right();
    put_number(&message, 3, 2);
    put_number(&message, 6, 40000);
    put_number(&message, 7, 53);
    put_number(&message, 12, SECONDS);
    assert_int_equal(finish(&copy, &len, &p), RIGHT);
    assert_int_equal(p.transport, NET_DNSTAP_TCP);
    assert_int_equal(p.dst_port, 40000);
    assert_int_equal(p.src_port, 53);
    free(copy);
    for (size_t cut = 0; cut < len; cut++) {
        enum drop_reason why = decode(outer, cut, &copy, &p);
        /* Without the last field, the type, it is still a message. */
        if (cut == len - 2)
            assert_int_equal(why, RIGHT);
        else
            assert_true(why == BAD || why == OTHER);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),      cmocka_unit_test(times),     cmocka_unit_test(other_fields),
        cmocka_unit_test(other_messages), cmocka_unit_test(every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
