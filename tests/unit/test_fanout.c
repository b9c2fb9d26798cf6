/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How packets are divided among the sockets of a fanout group. */
#include "shapes.h"

/* ---- fanout ---- */

static struct bpf_build fanout;

/* For a buffer that begins at the network header. The protocol, which the kernel knows beside the packet, becomes a
 * constant; see fanout_result(). */
static void build_fanout(bool by_checksum)
{
    dns_fanout_build(by_checksum, &fanout);
    assert_false(fanout.failed);
    for (unsigned i = 0; i < fanout.count; i++) {
        struct sock_filter *code = &fanout.code[i];
        if (BPF_CLASS(code->code) != BPF_LD || BPF_MODE(code->code) != BPF_ABS)
            continue;
        if (code->k == (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL))
            code->code = BPF_LD | BPF_IMM;
        else
            code->k -= (uint32_t)SKF_NET_OFF;
    }
    assert_true(bpf_validate((const struct bpf_insn *)(const void *)fanout.code, fanout.count));
}

static uint32_t fanout_result(struct flow *f, const struct shape *s, uint16_t sum)
{
    enum { ETHERNET = 14 };
    uint8_t bytes[FRAME_MAX];
    size_t qr, len = build_shape(bytes, LINK_ETHERNET, s, f, &qr);
    store_be16(bytes + qr - 4, sum);
    for (unsigned i = 0; i < fanout.count; i++)
        if (fanout.code[i].code == (BPF_LD | BPF_IMM))
            fanout.code[i].k = load_be16(bytes + ETHERNET - 2);
    len -= ETHERNET;
    return bpf_filter((const struct bpf_insn *)(const void *)fanout.code, bytes + ETHERNET, (unsigned)len,
                      (unsigned)len);
}

static void client_of(struct flow *f, uint32_t number, uint32_t step)
{
    store_be32(f->ip_vers == 4 ? f->client : f->client + 12, 0x0a000000 + number * step);
}

static void expect_even(const unsigned counts[8], unsigned sockets, unsigned total, const char *what)
{
    for (unsigned i = 0; i < sockets; i++)
        if (counts[i] * sockets < total * 9 / 10 || counts[i] * sockets > total * 11 / 10)
            fail_msg("%s: %u of %u at one of %u sockets", what, counts[i], total, sockets);
}

static void clients_are_spread(void **state)
{
    (void)state;
    static const uint32_t steps[] = {1, 2, 3, 4, 8, 16, 64, 256, 1024};
    build_fanout(false);
    for (unsigned k = 0; k < LEN(steps) * 2; k++) {
        struct shape s = {.ip_vers = k % 2 ? 4 : 6, .extensions = "h"};
        struct flow f = flow_of(s.ip_vers);
        for (unsigned sockets = 2; sockets <= 8; sockets *= 2) {
            unsigned counts[8] = {0};
            char what[64];
            for (uint32_t i = 0; i < 10000; i++) {
                client_of(&f, i, steps[k / 2]);
                counts[fanout_result(&f, &s, 0) % sockets]++;
            }
            snprintf(what, sizeof(what), "IPv%u clients %u apart", s.ip_vers, steps[k / 2]);
            expect_even(counts, sockets, 10000, what);
        }
    }
}

/* Whatever else is in the packet, also behind one or two tags beside the one that the kernel takes off. */
static void a_client_stays(void **state)
{
    (void)state;
    struct chance c = {3};
    build_fanout(false);
    for (unsigned i = 0; i < 4000; i++) {
        struct shape s;
        char extensions[8];
        random_shape(&c, &s, extensions);
        s.tags[2] = 0;
        struct flow f = flow_of(s.ip_vers);
        client_of(&f, (uint32_t)chance_next(&c), 1);
        struct shape plain = {.ip_vers = s.ip_vers};
        uint32_t want = fanout_result(&f, &plain, 0);
        f.resolver[3] = (uint8_t)chance_next(&c);
        f.client_port = (uint16_t)chance_next(&c);
        assert_int_equal(fanout_result(&f, &s, (uint16_t)chance_next(&c)), want);
    }
}

static void checksums_are_spread(void **state)
{
    (void)state;
    struct chance c = {4};
    build_fanout(true);
    for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2) {
        struct shape s = {.ip_vers = ip_vers};
        struct flow f = flow_of(ip_vers);
        for (unsigned sockets = 2; sockets <= 8; sockets *= 2) {
            unsigned counts[8] = {0};
            for (unsigned i = 0; i < 10000; i++)
                counts[fanout_result(&f, &s, (uint16_t)(1 + chance_below(&c, 65535))) % sockets]++;
            expect_even(counts, sockets, 10000, "one client by checksum");
        }
    }
}

/* Without a checksum, and for fragments, the address decides. */
static void by_address_without_checksum(void **state)
{
    (void)state;
    struct shape plain = {.ip_vers = 4}, fragment = {.ip_vers = 4, .fragment = 0x2000};
    for (uint32_t i = 0; i < 1000; i++) {
        struct flow f = flow_of(4);
        client_of(&f, i, 77);
        build_fanout(false);
        uint32_t want = fanout_result(&f, &plain, 0);
        build_fanout(true);
        assert_int_equal(fanout_result(&f, &plain, 0), want);
        assert_int_equal(fanout_result(&f, &fragment, (uint16_t)(i + 1)), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_are_spread),
        cmocka_unit_test(a_client_stays),
        cmocka_unit_test(checksums_are_spread),
        cmocka_unit_test(by_address_without_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
