/* SPDX-License-Identifier: BSD-3-Clause */
#include "records.h"

#include "sensor/extract.h"

static struct message m;
static struct caught caught;
static struct counters counters;
static struct extract *scratch;
static struct dnsflow_encoder *encoder;

/* Extracts the first `len` bytes of m, as they came in a response of this flow. */
static enum drop_reason extract_cut(const struct flow *f, size_t len, bool complete, bool is_mdns)
{
    uint8_t *msg = exact_copy(m.bytes, len);
    struct net_payload udp = {.bytes = msg,
                              .len = len,
                              .complete = complete,
                              .ip_vers = f->ip_vers,
                              .src = f->resolver,
                              .dst = f->client,
                              .src_port = f->resolver_port,
                              .dst_port = f->client_port};
    enum drop_reason why =
        extract_message(scratch, &udp, 1700000000123456, is_mdns ? EXTRACT_MDNS : EXTRACT_PLAIN, encoder, &counters);
    free(msg);
    return why;
}

static enum drop_reason extract(const struct flow *f, bool is_mdns)
{
    return extract_cut(f, message_len(&m), true, is_mdns);
}

static uint64_t counted(enum drop_reason reason)
{
    return counter_read(&counters.drops[reason]);
}

static int begin(void **state)
{
    (void)state;
    memset(&counters, 0, sizeof(counters));
    scratch = calloc(1, sizeof(*scratch));
    encoder = encoder_into(&caught, true, 0);
    return scratch ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    dnsflow_encoder_destroy(encoder);
    release_caught(&caught);
    free(scratch);
    return 0;
}

static void fields_of_a_record(void **state)
{
    (void)state;
    for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2) {
        struct flow f = flow_of(ip_vers);
        message_typical(&m);
        assert_int_equal(extract(&f, false), DROP_NONE);
    }
    dnsflow_encoder_flush(encoder);
    struct sets sets = sets_over(&caught, true, DNSFLOW_LIMIT_IP4);
    for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2) {
        struct flow f = flow_of(ip_vers);
        struct dnsflow_record r = next_set(&sets);
        size_t address_len = ip_vers == 4 ? 4 : 16;
        assert_int_equal(r.ip_vers, ip_vers);
        assert_memory_equal(r.client, f.client, address_len);
        assert_memory_equal(r.resolver, f.resolver, address_len);
        assert_int_equal(r.names_count, 2);
        assert_memory_equal(r.names, "\3www\7example\3com\0\4edge\7example\3net\0", 35);
        assert_int_equal(r.ip4s_count, 1);
        assert_int_equal(r.ip6s_count, 1);
        assert_true(r.time_us == 1700000000123456);
        assert_true(r.min_ttl == 60);
        assert_int_equal(r.qtype, TYPE_A);
        assert_int_equal(r.client_port, 40000);
        assert_int_equal(r.set_flags, 0);
    }
    expect_no_more(&sets);
    assert_true(counter_read(&counters.records) == 2 && counted(DROP_SETS) == 2);
    assert_true(counted(DROP_CUT_RECORDS) == 0 && counted(DROP_ADDRESSES_LOST) == 0);
}

static void a_cut_message(void **state)
{
    (void)state;
    struct flow f = flow_of(4);
    message_typical(&m);
    assert_int_equal(extract_cut(&f, message_len(&m) - 1, false, false), DROP_NONE);
    assert_int_equal(extract_cut(&f, 60, false, false), DROP_DNS_CUT);
    assert_int_equal(extract_cut(&f, message_len(&m) - 1, true, false), DROP_DNS_MALFORMED);
    dnsflow_encoder_flush(encoder);
    struct sets sets = sets_over(&caught, true, DNSFLOW_LIMIT_IP4);
    struct dnsflow_record r = next_set(&sets);
    assert_int_equal(r.set_flags, DNSFLOW_SET_INCOMPLETE);
    assert_int_equal(r.ip6s_count, 0);
    expect_no_more(&sets);
    assert_true(counted(DROP_CUT_RECORDS) == 1);
}

static void notes(void **state)
{
    (void)state;
    struct flow f = flow_of(4);
    message_begin(&m, MESSAGE_RESPONSE);
    message_question(&m, "a", TYPE_A);
    for (int i = 0; i < 256; i++)
        message_cname(&m, NULL, 1, "b");
    message_answer(&m, NULL, TYPE_A, 1, "\1\2\3\4\5", 5);
    message_answer(&m, NULL, TYPE_AAAA, 1, "\1\2\3\4\5", 5);
    message_a(&m, NULL, 1, 1);
    assert_int_equal(extract(&f, false), DROP_NONE);
    assert_true(counted(DROP_NAMES_TRUNCATED) == 1 && counted(DROP_ADDRESS_LENGTH) == 2);
    message_begin(&m, MESSAGE_RESPONSE);
    message_question(&m, "a", TYPE_A);
    message_answer(&m, NULL, TYPE_A, 1, "\1\2\3\4\5", 5);
    assert_int_equal(extract(&f, false), DROP_DNS_NO_ADDRESS);
    assert_true(counted(DROP_ADDRESS_LENGTH) == 3);
    assert_true(counter_read(&counters.records) == 1);
}

/* A question name of 255 octets and `targets` targets as long. */
static void long_names(unsigned targets, size_t last)
{
    message_begin(&m, MESSAGE_RESPONSE);
    put_name_of(&m.out, 255, 1);
    write_be32(&m.out, 0x00010001);
    message_count(&m, 4);
    for (unsigned i = 0; i < targets; i++) {
        uint8_t name[256];
        struct writer out = writer_over(name, sizeof(name));
        put_name_of(&out, i + 1 < targets ? 255 : last, 2 + i);
        message_answer(&m, NULL, TYPE_CNAME, 1, name, writer_len(&out));
    }
}

static void oversize(void **state)
{
    (void)state;
    struct flow f = flow_of(4);
    long_names(5, 255); /* 1530 bytes */
    message_a(&m, NULL, 1, 1);
    assert_int_equal(extract(&f, false), DROP_OVERSIZE);
    assert_true(counter_read(&counters.records) == 0 && counted(DROP_SETS) == 0);
    /* 1472 - 8 - 24 - 16 - 40 = 1384 for names and addresses; names of 1275 + 100, padded 1376 */
    long_names(5, 100);
    message_a(&m, NULL, 1, 1);
    message_a(&m, NULL, 1, 2);
    message_aaaa(&m, NULL, 1, 3);
    assert_int_equal(extract(&f, false), DROP_NONE);
    assert_true(counter_read(&counters.records) == 1 && counted(DROP_ADDRESSES_LOST) == 1);
    long_names(5, 100);
    message_aaaa(&m, NULL, 1, 3);
    assert_int_equal(extract(&f, false), DROP_OVERSIZE);
}

static void a_message_of_many_sets(void **state)
{
    (void)state;
    struct flow f = flow_of(6);
    message_begin(&m, MESSAGE_RESPONSE);
    message_question(&m, "a.example", TYPE_A);
    for (uint32_t i = 0; i < 1000; i++) {
        message_a(&m, NULL, 1, i);
        message_aaaa(&m, NULL, 1, i);
    }
    assert_int_equal(extract(&f, false), DROP_NONE);
    dnsflow_encoder_flush(encoder);
    struct sets sets = sets_over(&caught, true, DNSFLOW_LIMIT_IP4);
    uint32_t ip4s = 0, ip6s = 0, count = 0;
    while (ip4s + ip6s < 2000) {
        struct dnsflow_record r = next_set(&sets);
        for (size_t i = 0; i < r.ip4s_count; i++)
            assert_true(load_be32(r.ip4s + 4 * i) == ip4s++);
        for (size_t i = 0; i < r.ip6s_count; i++)
            assert_true(load_be32(r.ip6s + 16 * i + 12) == ip6s++);
        assert_int_equal(r.set_flags, count++ ? DNSFLOW_SET_CONTINUES : 0);
    }
    expect_no_more(&sets);
    assert_true(counter_read(&counters.records) == 1 && counted(DROP_SETS) == count);
}

static void multicast(void **state)
{
    (void)state;
    struct flow f = flow_of(6);
    message_begin(&m, 0x8400);
    message_a(&m, "One.local", 10, 1);
    message_aaaa(&m, "two.local", 20, 2);
    message_aaaa(&m, "ONE.local", 5, 3);
    message_answer(&m, "one.local", TYPE_A, 1, "", 0);
    assert_int_equal(extract(&f, false), DROP_DNS_NOT_RD);
    assert_int_equal(extract(&f, true), DROP_NONE);
    dnsflow_encoder_flush(encoder);
    struct sets sets = sets_over(&caught, true, DNSFLOW_LIMIT_IP4);
    struct dnsflow_record r = next_set(&sets);
    assert_memory_equal(r.names, "\3One\5local\0", 11);
    assert_int_equal(r.ip4s_count, 1);
    assert_int_equal(r.ip6s_count, 1);
    assert_true(r.min_ttl == 5);
    assert_int_equal(r.set_flags, DNSFLOW_SET_MDNS);
    assert_int_equal(r.qtype, 0);
    r = next_set(&sets);
    assert_memory_equal(r.names, "\3two\5local\0", 11);
    assert_int_equal(r.set_flags, DNSFLOW_SET_MDNS);
    expect_no_more(&sets);
    assert_true(counter_read(&counters.records) == 2 && counted(DROP_ADDRESS_LENGTH) == 1);
    message_a(&m, "three.local", 10, 1);
    assert_int_equal(extract_cut(&f, message_len(&m) - 1, false, true), DROP_NONE);
    assert_true(counted(DROP_CUT_RECORDS) == 2);
}

/* The rest of an answer behind its owner. */
static void aaaa_rest(uint32_t address)
{
    uint8_t rdata[16] = {0x20, 0x01, 0x0d, 0xb8};
    store_be32(rdata + 12, address);
    write_be16(&m.out, TYPE_AAAA);
    write_be16(&m.out, 1);
    write_be32(&m.out, 10);
    write_be16(&m.out, sizeof(rdata));
    write_bytes(&m.out, rdata, sizeof(rdata));
    message_count(&m, 6);
}

/* Owners with names of 255 octets and 60 addresses each, which take two sets, but 250 of the first. */
static void many_long_owners(unsigned owners)
{
    size_t owner[32], suffix = 12 + 3;
    message_begin(&m, 0x8400);
    for (unsigned i = 0; i < owners; i++) {
        owner[i] = message_len(&m);
        write_u8(&m.out, 2);
        write_u8(&m.out, 'n');
        write_u8(&m.out, 'A' + i);
        if (i == 0)
            put_name_of(&m.out, 252, 1);
        else
            write_be16(&m.out, 0xc000 | suffix);
        aaaa_rest(i);
    }
    for (uint32_t i = 0; i < owners; i++)
        for (uint32_t k = 1; k < (i == 0 ? 250 : 60); k++) {
            write_be16(&m.out, 0xc000 | owner[i]);
            aaaa_rest(k << 8 | i);
        }
}

/* A message of multicast DNS makes 64 sets at most, those of all its names together; the next has all of them again. */
static void sets_of_one_message(void **state)
{
    (void)state;
    struct flow f = flow_of(4);
    dnsflow_encoder_destroy(encoder);
    encoder = encoder_into(&caught, true, DNSFLOW_LIMIT_MIN);
    many_long_owners(32);
    for (unsigned round = 1; round <= 2; round++) {
        assert_int_equal(extract(&f, true), DROP_NONE);
        assert_int_equal(counted(DROP_SETS), 64 * round);
        /* 5 for the first, 2 for each of 29 more, and 1 for the next: 64. Left out: 5 or so and 60. */
        assert_in_range(counted(DROP_SETS_CUT), (60 + 1) * round, (60 + 15) * round);
    }
    message_begin(&m, MESSAGE_RESPONSE); /* and so has a response */
    message_question(&m, "a.example", TYPE_AAAA);
    for (uint32_t i = 0; i < 1000; i++)
        message_aaaa(&m, NULL, 1, i);
    uint64_t before = counted(DROP_SETS), lost = counted(DROP_SETS_CUT);
    assert_int_equal(extract(&f, false), DROP_NONE);
    assert_in_range(counted(DROP_SETS), before + 14, before + 15);
    assert_int_equal(counted(DROP_SETS_CUT), lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_of_a_record, begin, end),
        cmocka_unit_test_setup_teardown(a_cut_message, begin, end),
        cmocka_unit_test_setup_teardown(notes, begin, end),
        cmocka_unit_test_setup_teardown(oversize, begin, end),
        cmocka_unit_test_setup_teardown(a_message_of_many_sets, begin, end),
        cmocka_unit_test_setup_teardown(multicast, begin, end),
        cmocka_unit_test_setup_teardown(sets_of_one_message, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
