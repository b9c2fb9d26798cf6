/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Valid packets and datagrams cut at every length, in allocations of exactly that size. */
#include "../unit/records.h"

#include "dns/message.h"

static struct message m;
static struct dns_response response;
static uint8_t names[DNS_NAMES_MAX * 255 + 64];

static void message_of(int kind)
{
    char target[32];
    message_begin(&m, MESSAGE_RESPONSE);
    message_question(&m, kind == 3 ? "" : "www.example.com", kind == 2 ? TYPE_ANY : TYPE_AAAA);
    for (int i = 0; i < kind * 3; i++) {
        snprintf(target, sizeof(target), "alias%d.example.net", i);
        message_cname(&m, NULL, 100, target);
        message_answer(&m, NULL, TYPE_TXT, 1, "\4text", 5);
        message_a(&m, target, 60, (uint32_t)i);
    }
    message_a(&m, NULL, 60, 1);
    message_aaaa(&m, NULL, 60, 2);
    write_bytes(&m.out, "\0\0\x29\x10\0\0\0\0\0\0\0", 11); /* EDNS, not an answer */
    store_be16(m.bytes + 10, 1);
}

/* link type | bytes in front of the IP packet */
static const struct {
    uint16_t link_type;
    uint8_t ip_vers, len;
    const char *header;
} links[] = {
    {1, 4, 14, "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0"},
    {1, 6, 14, "\2\0\0\0\0\1\2\0\0\0\0\2\x86\xdd"},
    {1, 4, 18, "\2\0\0\0\0\1\2\0\0\0\0\2\x81\0\0\1\x08\0"},
    {113, 6, 16, "\0\0\0\1\0\6\2\0\0\0\0\1\0\0\x86\xdd"},
    {276, 4, 20, "\x08\0\0\0\0\0\0\1\0\1\0\6\2\0\0\0\0\1\0\0"},
    {0, 4, 4, "\2\0\0\0"},
    {101, 6, 0, ""},
};

static void check_cut(const uint8_t *bytes, size_t len, size_t whole, size_t headers, uint16_t link_type)
{
    uint8_t *copy = exact_copy(bytes, len);
    struct packet p = packet_of(copy, len, link_type, 0);
    struct net_payload udp;
    p.wire_len = (uint32_t)whole;
    enum drop_reason why = net_decode(&p, NULL, &udp);
    assert_int_equal(why == DROP_NONE, len >= headers);
    if (why == DROP_NONE) {
        assert_int_equal(udp.len, len - headers);
        assert_int_equal(udp.complete, len == whole);
        uint8_t *msg = exact_copy(udp.bytes, udp.len);
        struct writer out = writer_over(names, sizeof(names));
        why = dns_parse_response(msg, udp.len, udp.complete, 0, &out, &response);
        assert_true(why == DROP_NONE || why == DROP_DNS_CUT);
        assert_true(why == DROP_NONE || len < whole);
        assert_true(why != DROP_NONE || response.ip4_count + response.ip6_count > 0);
        free(msg);
    } else {
        assert_int_equal(drop_table[why].ledger, LEDGER_FRAME);
    }
    free(copy);
}

static void packets(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < LEN(links); i++) {
            uint8_t bytes[2048];
            struct flow f = flow_of(links[i].ip_vers);
            struct writer out = writer_over(bytes, sizeof(bytes));
            message_of(kind);
            write_bytes(&out, links[i].header, links[i].len);
            put_ip_udp(&out, &f, m.bytes, message_len(&m));
            assert_false(out.failed);
            size_t whole = writer_len(&out);
            for (size_t len = 0; len <= whole; len++)
                check_cut(bytes, len, whole, whole - message_len(&m), links[i].link_type);
        }
    }
}

static void datagrams(void **state)
{
    (void)state;
    static struct made made;
    static struct caught caught;
    for (int extended = 0; extended <= 1; extended++) {
        struct dnsflow_encoder *e = encoder_into(&caught, extended, 0);
        struct dnsflow_stats stats = {1, 2, 3, 4, 5};
        uint64_t counters[40] = {7};
        for (uint32_t n = 0; n < 6; n++) {
            made_rest(&made, n % 2 ? 4 : 6, n, 3, n);
            made_names(&made, 20 + n, n);
            assert_int_equal(dnsflow_encoder_add(e, &made.record), 1);
        }
        assert_int_equal(dnsflow_encoder_stats(e, &stats, 1, counters, LEN(counters)), DNSFLOW_OK);
        assert_int_equal(caught.count, 2);
        for (size_t i = 0; i < caught.count; i++) {
            for (size_t len = 0; len <= caught.len[i]; len++) {
                struct dnsflow_datagram d;
                struct dnsflow_record r;
                uint8_t *copy = exact_copy(caught.bytes[i], len);
                int result = dnsflow_decode(copy, len, &d);
                assert_int_equal(result == DNSFLOW_OK, len == caught.len[i]);
                if (result != DNSFLOW_OK)
                    assert_int_equal(dnsflow_next_record(&d, &r), 0);
                free(copy);
            }
        }
        release_caught(&caught);
        dnsflow_encoder_destroy(e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(packets), cmocka_unit_test(datagrams)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
