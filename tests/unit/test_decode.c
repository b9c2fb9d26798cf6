/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Datagrams of every version, written out byte by byte. */
#include "testing.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1
#define CLIENT4     "\x0a\0\0\x07"
#define CLIENT6     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"
#define NAME        "\3www\1a\0" /* 7 bytes and the NUL of the string: 8 */
#define IP4         "\xc0\0\2\1"
#define IP6         "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09"
#define ZERO12      "\0\0\0\0\0\0\0\0\0\0\0\0"

static const struct {
    const char *why;
    uint8_t ip_vers;
    bool text, resolver;
    size_t names_len, ip4s, ip6s;
    const uint8_t *bytes;
    size_t len;
} good[] = {
    {"version 0", 4, true, false, 6, 1, 0,
     BYTES("\0\1\0\0\0\0\0\x2a" CLIENT4 "\1\1\0\6"
           "www.a\0" IP4)},
    {"version 1", 4, false, false, 8, 1, 0, BYTES("\1\1\0\0\0\0\0\x2a" CLIENT4 "\1\1\0\x08" NAME "\0" IP4)},
    {"version 2", 4, false, false, 8, 1, 0, BYTES("\2\1\0\0\0\0\0\x2a" CLIENT4 "\1\1\0\x08" NAME "\0" IP4)},
    {"version 3", 4, false, false, 8, 1, 1,
     BYTES("\3\1\0\0\0\0\0\x2a"
           "\4\1\1\1\0\x08\0\0" CLIENT4 NAME "\0" IP4 IP6)},
    {"version 3, IPv6", 6, false, false, 8, 1, 1,
     BYTES("\3\1\0\0\0\0\0\x2a"
           "\6\1\1\1\0\x08\0\0" CLIENT6 NAME "\0" IP4 IP6)},
    {"version 4", 4, false, true, 8, 1, 1,
     BYTES("\4\1\0\0\0\0\0\x2a"
           "\4\1\1\1\0\x08\0\0" CLIENT4 ZERO12 "\x0a\0\0\x35" ZERO12 NAME "\0" IP4 IP6)},
    {"version 4, IPv6", 6, false, true, 8, 0, 1,
     BYTES("\4\1\0\0\0\0\0\x2a"
           "\6\1\0\1\0\x08\0\0" CLIENT6 CLIENT6 NAME "\0" IP6)},
};

/* Decodes an exact-size copy; the caller frees *copy. */
static int decode(const uint8_t *bytes, size_t len, struct dnsflow_datagram *d, uint8_t **copy)
{
    *copy = exact_copy(bytes, len);
    memset(d, 0xee, sizeof(*d));
    return dnsflow_decode(*copy, len, d);
}

static void each_version(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(good); i++) {
        struct dnsflow_datagram d;
        struct dnsflow_record r, none;
        uint8_t *copy;
        int result = decode(good[i].bytes, good[i].len, &d, &copy);
        if (result != DNSFLOW_OK)
            fail_msg("%s: %s", good[i].why, dnsflow_result_text(result));
        assert_int_equal(d.version, good[i].bytes[0]);
        assert_int_equal(d.sets_count, 1);
        assert_true(d.sequence == 42);
        assert_false(d.has_trailer);
        assert_int_equal(dnsflow_next_record(&d, &r), 1);
        assert_int_equal(r.ip_vers, good[i].ip_vers);
        assert_int_equal(r.names_text, good[i].text);
        assert_memory_equal(r.client, good[i].ip_vers == 4 ? CLIENT4 : CLIENT6, good[i].ip_vers == 4 ? 4 : 16);
        assert_int_equal(r.resolver != NULL, good[i].resolver);
        assert_int_equal(r.names_count, 1);
        assert_int_equal(r.names_len, good[i].names_len);
        assert_memory_equal(r.names, good[i].text ? "www.a\0" : NAME "\0", r.names_len);
        assert_int_equal(r.ip4s_count, good[i].ip4s);
        assert_int_equal(r.ip6s_count, good[i].ip6s);
        if (r.ip4s_count)
            assert_memory_equal(r.ip4s, IP4, 4);
        if (r.ip6s_count)
            assert_memory_equal(r.ip6s, IP6, 16);
        assert_true(r.time_us == 0 && r.min_ttl == 0 && r.qtype == 0 && r.client_port == 0 && r.set_flags == 0);
        assert_true(r.rcode == 0 && r.transport == 0 && !r.answers && r.answers_len == 0);
        assert_int_equal(dnsflow_next_record(&d, &none), 0);
        free(copy);
    }
}

static bool is_zero(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++)
        if (p[i])
            return false;
    return true;
}

/* Each length gives an error, and then nothing of the datagram shows. */
static void cut_at_every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(good); i++) {
        for (size_t len = 0; len < good[i].len; len++) {
            struct dnsflow_datagram d;
            struct dnsflow_record r;
            uint8_t *copy;
            int result = decode(good[i].bytes, len, &d, &copy);
            assert_true(result < 0);
            if (len < 8)
                assert_int_equal(result, DNSFLOW_SHORT_HEADER);
            assert_true(is_zero(&d, sizeof(d)));
            assert_int_equal(dnsflow_next_record(&d, &r), 0);
            free(copy);
        }
    }
}

static void each_refusal_has_its_reason(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        int result;
    } rows[] = {
        /* version 4, IPv4 of the table: header 8, set header 40, names 8, IPv4 4, IPv6 16 */
        {0, 5, DNSFLOW_BAD_VERSION},        {0, 255, DNSFLOW_BAD_VERSION},      {1, 2, DNSFLOW_SHORT_SET},
        {1, 255, DNSFLOW_SHORT_SET},        {8, 0, DNSFLOW_BAD_FAMILY},         {8, 5, DNSFLOW_BAD_FAMILY},
        {8, 46, DNSFLOW_BAD_FAMILY},        {9, 3, DNSFLOW_BAD_NAME},           {9, 255, DNSFLOW_BAD_NAME},
        {10, 2, DNSFLOW_SHORT_ADDRESSES},   {10, 255, DNSFLOW_SHORT_ADDRESSES}, {11, 2, DNSFLOW_SHORT_ADDRESSES},
        {11, 255, DNSFLOW_SHORT_ADDRESSES}, {12, 1, DNSFLOW_SHORT_NAMES},       {13, 29, DNSFLOW_SHORT_NAMES},
        {13, 28, DNSFLOW_SHORT_ADDRESSES},  {13, 9, DNSFLOW_SHORT_ADDRESSES},   {13, 6, DNSFLOW_BAD_NAME},
        {13, 0, DNSFLOW_BAD_NAME},          {48, 64, DNSFLOW_BAD_NAME},         {48, 7, DNSFLOW_BAD_NAME},
        {48, 0xc0, DNSFLOW_BAD_NAME},       {52, 3, DNSFLOW_BAD_NAME},          {3, 1, DNSFLOW_OK},
        {3, 2, DNSFLOW_SHORT_TRAILER},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        struct dnsflow_datagram d;
        uint8_t bytes[128], *copy;
        memcpy(bytes, good[5].bytes, good[5].len);
        bytes[rows[i].at] = rows[i].value;
        int result = decode(bytes, good[5].len, &d, &copy);
        if (result != rows[i].result)
            fail_msg("byte %zu = %u: %s, expected %s", rows[i].at, rows[i].value, dnsflow_result_text(result),
                     dnsflow_result_text(rows[i].result));
        assert_true(result == DNSFLOW_OK || is_zero(&d, sizeof(d)));
        free(copy);
    }
}

static void text_names_of_version_0(void **state)
{
    (void)state;
    struct dnsflow_datagram d;
    uint8_t *copy;
    assert_int_equal(decode(BYTES("\0\1\0\0\0\0\0\1" CLIENT4 "\2\0\0\4"
                                  "a\0b\0"),
                            &d, &copy),
                     DNSFLOW_OK);
    free(copy);
    assert_int_equal(decode(BYTES("\0\1\0\0\0\0\0\1" CLIENT4 "\2\0\0\4"
                                  "a\0bc"),
                            &d, &copy),
                     DNSFLOW_BAD_NAME);
    free(copy);
    assert_int_equal(decode(BYTES("\0\1\0\0\0\0\0\1" CLIENT4 "\1\0\0\0"), &d, &copy), DNSFLOW_BAD_NAME);
    free(copy);
    assert_int_equal(decode(BYTES("\0\1\0\0\0\0\0\1" CLIENT4 "\3\0\0\4"
                                  "a\0b\0"),
                            &d, &copy),
                     DNSFLOW_BAD_NAME);
    free(copy);
    assert_int_equal(decode(BYTES("\0\1\0\0\0\0\0\1" CLIENT4 "\1\0\0\5"
                                  "a\0b\0"),
                            &d, &copy),
                     DNSFLOW_SHORT_NAMES);
    free(copy);
}

static void statistics(void **state)
{
    (void)state;
    uint8_t bytes[28] = {0, 1, 0, 1, 0, 0, 0, 9};
    for (uint8_t i = 8; i < 28; i++)
        bytes[i] = i % 4 == 3 ? i : 0;
    for (uint8_t version = 0; version <= 4; version++) {
        size_t need = version < 2 ? 24 : 28;
        bytes[0] = version;
        for (size_t len = 0; len <= sizeof(bytes); len++) {
            struct dnsflow_datagram d;
            struct dnsflow_record r;
            uint8_t *copy;
            int result = decode(bytes, len, &d, &copy);
            assert_int_equal(result, len < 8 ? DNSFLOW_SHORT_HEADER : len < need ? DNSFLOW_SHORT_STATS : DNSFLOW_OK);
            assert_int_equal(dnsflow_next_record(&d, &r), 0);
            if (result == DNSFLOW_OK) {
                assert_true(d.stats.pkts_captured == 11 && d.stats.pkts_received == 15);
                assert_true(d.stats.pkts_dropped == 19 && d.stats.pkts_ifdropped == 23);
                assert_true(d.stats.sample_rate == (version < 2 ? 0 : 27));
            }
            free(copy);
        }
    }
}

#define SET4                  "\4\1\1\0\0\4\0\0" CLIENT4 ZERO12 CLIENT4 ZERO12 "\1a\0\0" IP4
#define BASE                  "\0\0\0\0\0\0\0\x64"
#define TRAILER(version, len) version "\7" len "\0\0\0\5\0\0\0\6\0\0\0\x08" BASE

static void trailer(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\4\2\0\2\0\0\0\1" SET4 SET4 TRAILER(
        "\1", "\0\x38") "\xff\xff\xff\xff\0\0\0\x3c\0\x1c\x9c\x40\0\x10\x40\3"
                        "\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    size_t whole = sizeof(bytes) - 1;
    for (size_t len = 0; len <= whole; len++) {
        struct dnsflow_datagram d;
        struct dnsflow_record r;
        uint8_t *copy;
        int result = decode(bytes, len, &d, &copy);
        if (len < whole) {
            assert_true(result < 0);
            if (len >= 8 + 2 * 48)
                assert_int_equal(result, DNSFLOW_SHORT_TRAILER);
            free(copy);
            continue;
        }
        assert_int_equal(result, DNSFLOW_OK);
        assert_true(d.has_trailer);
        assert_int_equal(d.trailer.worker, 7);
        assert_true(d.trailer.sensor_id == 5 && d.trailer.start_time == 6 && d.trailer.sample_rate == 8);
        assert_true(d.trailer.base_time_us == 100);
        assert_int_equal(dnsflow_next_record(&d, &r), 1);
        assert_true(r.time_us == 99 && r.min_ttl == 60);
        assert_int_equal(r.qtype, 28);
        assert_int_equal(r.client_port, 40000);
        assert_int_equal(r.set_flags, 16);
        assert_int_equal(r.rcode, 3);
        assert_int_equal(r.transport, DNSFLOW_OVER_HTTPS);
        assert_int_equal(dnsflow_next_record(&d, &r), 1);
        assert_true(r.time_us == 100 + INT64_C(0x7fffffff));
        assert_int_equal(r.set_flags, 0xffff);
        assert_int_equal(r.rcode, DNSFLOW_RCODE_MAX);
        assert_int_equal(r.transport, DNSFLOW_OVER_MAX);
        assert_int_equal(dnsflow_next_record(&d, &r), 0);
        free(copy);
    }
}

static const struct {
    const char *why;
    const uint8_t *bytes;
    size_t len;
    int result;
    bool has_trailer;
} odd_trailers[] = {
    {"length of the whole too small for the set",
     BYTES("\4\1\0\2\0\0\0\1" SET4 TRAILER("\1", "\0\x27") "0123456789abcdef"), DNSFLOW_SHORT_TRAILER, false},
    {"length below its own field", BYTES("\4\1\0\2\0\0\0\1" SET4 TRAILER("\1", "\0\3") "0123456789abcdef"),
     DNSFLOW_SHORT_TRAILER, false},
    {"length 0", BYTES("\4\1\0\2\0\0\0\1" SET4 TRAILER("\1", "\0\0") "0123456789abcdef"), DNSFLOW_SHORT_TRAILER, false},
    {"longer than needed", BYTES("\4\1\0\2\0\0\0\1" SET4 TRAILER("\1", "\0\x2c") "0123456789abcdefmore"), DNSFLOW_OK,
     true},
    {"bytes behind it", BYTES("\4\1\0\2\0\0\0\1" SET4 TRAILER("\1", "\0\x28") "0123456789abcdefmore"), DNSFLOW_OK,
     true},
    {"unknown version is passed over", BYTES("\4\1\0\2\0\0\0\1" SET4 "\2\0\0\6??"), DNSFLOW_OK, false},
    {"unknown version, only its length", BYTES("\4\1\0\2\0\0\0\1" SET4 "\xff\0\0\4"), DNSFLOW_OK, false},
    {"unknown version, too long", BYTES("\4\1\0\2\0\0\0\1" SET4 "\2\0\0\7??"), DNSFLOW_SHORT_TRAILER, false},
    {"no data sets", BYTES("\4\0\0\2\0\0\0\1" TRAILER("\1", "\0\x18")), DNSFLOW_OK, true},
    {"version 3 knows no trailer", BYTES("\3\0\0\2\0\0\0\1"), DNSFLOW_OK, false},
    {"plain with bytes behind", BYTES("\4\1\0\0\0\0\0\1" SET4 "anything"), DNSFLOW_OK, false},
    {"statistics without counters",
     BYTES("\4\1\0\3\0\0\0\1"
           "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5" TRAILER("\1", "\0\x1c") "\0\0\0\0"),
     DNSFLOW_OK, true},
    {"statistics have no answers, whatever the flags say",
     BYTES("\4\1\0\x0b\0\0\0\1"
           "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5" TRAILER("\1", "\0\x1e") "\0\0\0\0"
                                                                              "??"),
     DNSFLOW_OK, true},
    {"statistics with one counter",
     BYTES("\4\1\0\3\0\0\0\1"
           "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5" TRAILER("\1", "\0\x24") "\0\1\0\0"
                                                                              "\0\0\0\0\0\0\0\7"),
     DNSFLOW_OK, true},
    {"statistics with counters behind the trailer's end",
     BYTES("\4\1\0\3\0\0\0\1"
           "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5" TRAILER("\1", "\0\x24") "\0\2\0\0"
                                                                              "\0\0\0\0\0\0\0\7"
                                                                              "\0\0\0\0\0\0\0\7"),
     DNSFLOW_SHORT_TRAILER, false},
    {"statistics with 65535 counters",
     BYTES("\4\1\0\3\0\0\0\1"
           "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5" TRAILER("\1", "\0\x24") "\xff\xff\0\0"
                                                                              "\0\0\0\0\0\0\0\7"),
     DNSFLOW_SHORT_TRAILER, false},
};

static void trailers_that_contradict_themselves(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(odd_trailers); i++) {
        struct dnsflow_datagram d;
        uint8_t *copy;
        int result = decode(odd_trailers[i].bytes, odd_trailers[i].len, &d, &copy);
        if (result != odd_trailers[i].result)
            fail_msg("%s: %s", odd_trailers[i].why, dnsflow_result_text(result));
        assert_int_equal(d.has_trailer, odd_trailers[i].has_trailer);
        struct dnsflow_record r;
        while (dnsflow_next_record(&d, &r))
            assert_true(odd_trailers[i].has_trailer || (r.time_us == 0 && r.set_flags == 0));
        free(copy);
    }
}

static void names_of_the_longest_sizes(void **state)
{
    (void)state;
    static uint8_t bytes[70000];
    for (size_t octets = 253; octets <= 257; octets++) {
        struct writer out = writer_over(bytes, sizeof(bytes));
        write_bytes(&out, "\4\1\0\0\0\0\0\1\4\xff\1\0", 12);
        write_be16(&out, octets * 255);
        write_zeros(&out, 34);
        for (unsigned n = 0; n < 255; n++)
            put_name_of(&out, octets, n);
        write_zeros(&out, 4);
        struct dnsflow_datagram d;
        uint8_t *copy;
        assert_false(out.failed);
        assert_int_equal(decode(bytes, writer_len(&out), &d, &copy), octets <= 255 ? DNSFLOW_OK : DNSFLOW_BAD_NAME);
        free(copy);
    }
}

static void each_result_has_its_text(void **state)
{
    (void)state;
    for (int i = 0; i >= DNSFLOW_BAD_ANSWERS; i--)
        for (int k = 0; k > i; k--)
            assert_string_not_equal(dnsflow_result_text(i), dnsflow_result_text(k));
    assert_non_null(dnsflow_result_text(-1000));
    assert_non_null(dnsflow_result_text(1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_version),
        cmocka_unit_test(cut_at_every_length),
        cmocka_unit_test(each_refusal_has_its_reason),
        cmocka_unit_test(text_names_of_version_0),
        cmocka_unit_test(statistics),
        cmocka_unit_test(trailer),
        cmocka_unit_test(trailers_that_contradict_themselves),
        cmocka_unit_test(names_of_the_longest_sizes),
        cmocka_unit_test(each_result_has_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
