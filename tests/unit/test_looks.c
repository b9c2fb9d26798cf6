/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is guessed from content, where nothing says what follows: each length and field at its edges. */
#include "net/encapsulation.h"
#include "net/layers.h"
#include "testing.h"

#define TEXT(bytes) bytes, sizeof(bytes) - 1

static bool looks_like_ip(size_t len, uint8_t first, uint16_t length_field, bool exact)
{
    uint8_t bytes[200] = {first};
    store_be16(bytes + (first >> 4 == 4 ? 2 : 4), length_field);
    uint8_t *copy = exact_copy(bytes, len);
    bool result = net_looks_like_ip(copy, len, exact);
    free(copy);
    return result;
}

static void ip(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint8_t first;
        uint16_t field; /* IPv4: total length; IPv6: payload length */
        bool exact, inexact;
    } rows[] = {
        {20, 0x45, 20, true, true},    {19, 0x45, 19, false, false}, {20, 0x44, 20, false, false},
        {20, 0x4f, 20, true, true},    {20, 0x55, 20, false, false}, {20, 0x45, 19, false, false},
        {20, 0x45, 21, false, false},  {30, 0x45, 29, false, true},  {30, 0x45, 30, true, true},
        {30, 0x45, 20, false, true},   {40, 0x60, 0, true, true},    {39, 0x60, 0, false, false},
        {40, 0x6f, 1, false, false},   {41, 0x60, 1, true, true},    {41, 0x60, 0, false, true},
        {100, 0x60, 60, true, true},   {100, 0x60, 59, false, true}, {100, 0x60, 61, false, false},
        {100, 0x70, 60, false, false},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        if (looks_like_ip(rows[i].len, rows[i].first, rows[i].field, true) != rows[i].exact)
            fail_msg("row %zu, exact", i);
        if (looks_like_ip(rows[i].len, rows[i].first, rows[i].field, false) != rows[i].inexact)
            fail_msg("row %zu, inexact", i);
    }
}

static void ethernet(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint16_t ethertype;
        uint8_t first;
        bool looks;
    } rows[] = {
        {34, 0x0800, 0x45, true}, {33, 0x0800, 0x45, false}, {34, 0x0800, 0x65, false},
        {34, 0x86dd, 0x60, true}, {34, 0x86dd, 0x45, false}, {34, 0x8100, 0x00, true},
        {34, 0x8847, 0x00, true}, {34, 0x1234, 0x45, false}, {33, 0x8100, 0x00, false},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        uint8_t bytes[64] = {0};
        store_be16(bytes + 12, rows[i].ethertype);
        bytes[14] = rows[i].first;
        uint8_t *copy = exact_copy(bytes, rows[i].len);
        if (net_looks_like_ethernet(copy, rows[i].len) != rows[i].looks)
            fail_msg("row %zu", i);
        free(copy);
    }
}

/* ---- behind labels of MPLS ---- */

/* What stands behind the labels, before the packet; a MAC address can begin like IP or like a control word. */
static const struct {
    const char *what, *front;
    size_t len;
    bool has_packet;
    enum drop_reason reason;
} behind[] = {
    {"IP", TEXT(""), true, DROP_NONE},
    {"Ethernet", TEXT("\2\0\0\0\0\3\2\0\0\0\0\4\x08\0"), true, DROP_NONE},
    {"Ethernet like IPv4", TEXT("\x44\0\0\0\0\3\2\0\0\0\0\4\x08\0"), true, DROP_NONE},
    {"Ethernet like IPv6", TEXT("\x60\0\0\0\xff\3\2\0\0\0\0\4\x08\0"), true, DROP_NONE},
    {"Ethernet like a channel", TEXT("\x10\0\0\0\0\3\2\0\0\0\0\4\x08\0"), true, DROP_NONE},
    {"Ethernet like nothing", TEXT("\x80\0\0\0\0\3\2\0\0\0\0\4\x08\0"), true, DROP_NONE},
    {"a control word", TEXT("\0\0\0\0\2\0\0\0\0\3\2\0\0\0\0\4\x08\0"), true, DROP_NONE},
    {"a control word, numbered", TEXT("\0\0\0\5\2\0\0\0\0\3\2\0\0\0\0\4\x08\0"), true, DROP_NONE},
    {"a control word, ARP", TEXT("\0\0\0\0\2\0\0\0\0\3\2\0\0\0\0\4\x08\6"), true, DROP_NOT_IP},
    {"a channel", TEXT("\x10\0\0\x21"), true, DROP_LINK_CONTROL},
    {"nothing", TEXT(""), false, DROP_LINK_SHORT},
    {"half a control word", TEXT("\0\0\0"), false, DROP_LINK_SHORT},
    {"a control word alone", TEXT("\0\0\0\0"), false, DROP_LINK_SHORT},
    {"one byte of IP", TEXT("\x45"), false, DROP_IP_SHORT},
};

static void labels(void **state)
{
    (void)state;
    static uint8_t tunnels[65536];
    static const uint16_t dns_port[] = {53};
    static const struct net_options options = {
        .dns_ports = dns_port, .dns_ports_count = 1, .encapsulations = ENCAP_ALL, .tunnels = tunnels};
    struct flow f = flow_of(4);
    for (size_t i = 0; i < LEN(behind); i++) {
        uint8_t bytes[256], *copy;
        struct net_payload udp;
        struct writer out = writer_over(bytes, sizeof(bytes));
        put_ethernet(&out, 0x8847);
        write_be32(&out, 0x00010140);
        write_bytes(&out, behind[i].front, behind[i].len);
        if (behind[i].has_packet)
            put_ip_udp(&out, &f, (const uint8_t *)"a DNS message", 13);
        copy = exact_copy(bytes, writer_len(&out));
        struct packet p = packet_of(copy, writer_len(&out), 1, 0);
        enum drop_reason why = net_decode(&p, &options, &udp);
        if (why != behind[i].reason)
            fail_msg("%s: %s", behind[i].what, drop_table[why].token);
        if (why == DROP_NONE)
            assert_memory_equal(udp.bytes, "a DNS message", 13);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ip),
        cmocka_unit_test(ethernet),
        cmocka_unit_test(labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
