/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A flood of fragments and TCP streams that never end: a worker's tables stay within their bound, and what is new is
 * still served. */
#include "tests/unit/running.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNT = 200000, IS_MEASURED = 0 };
#elif defined(__has_feature)
#if __has_feature(memory_sanitizer) || __has_feature(address_sanitizer)
enum { COUNT = 200000, IS_MEASURED = 0 };
#else
enum { COUNT = 10000000, IS_MEASURED = 1 };
#endif
#else
enum { COUNT = 10000000, IS_MEASURED = 1 };
#endif

enum { BOUND_KIB = 8 * 1024 };

static size_t resident_kib(void)
{
    char line[256];
    FILE *in = fopen("/proc/self/statm", "re");
    assert_non_null(in);
    assert_non_null(fgets(line, sizeof(line), in));
    fclose(in);
    const char *second = strchr(line, ' '); /* whole size, resident size, ... in pages */
    assert_non_null(second);
    return strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* A first or later fragment, IPv4 or IPv6, of a datagram of its own. */
static size_t put_half(struct chance *c, uint8_t *bytes, size_t size)
{
    static const uint8_t text[600] = {0};
    struct writer out = writer_over(bytes, size);
    struct flow f = flow_of(chance_below(c, 2) ? 4 : 6);
    bool is_first = chance_below(c, 2);
    uint16_t where = (uint16_t)(is_first ? 0 : 1 + chance_below(c, 8000));
    uint64_t number = chance_next(c);
    store_be32(f.client + (f.ip_vers == 4 ? 0 : 12), (uint32_t)number);
    put_ethernet(&out, f.ip_vers == 4 ? 0x0800 : 0x86dd);
    if (f.ip_vers == 4) {
        put_ipv4(&out, f.resolver, f.client, 17, 8 + 592);
        store_be16(bytes + 14 + 4, (uint16_t)(number >> 32));
        store_be16(bytes + 14 + 6, (uint16_t)(0x2000 | where));
    } else {
        put_ipv6(&out, f.resolver, f.client, 44, 8 + 8 + 592);
        write_u8(&out, 17);
        write_u8(&out, 0);
        write_be16(&out, (uint16_t)(where << 3 | 1));
        write_be32(&out, (uint32_t)(number >> 32));
    }
    write_be16(&out, 53);
    write_be16(&out, 4000);
    write_be16(&out, 4000);
    write_be16(&out, 0);
    write_bytes(&out, text, 592);
    assert_false(out.failed);
    return writer_len(&out);
}

/* The beginning of a message, of a connection of its own. */
static size_t put_stream(struct chance *c, uint8_t *bytes, size_t size)
{
    struct writer out = writer_over(bytes, size);
    struct flow f = flow_of(4);
    uint64_t number = chance_next(c);
    store_be32(f.client, (uint32_t)number);
    put_ethernet(&out, 0x0800);
    put_ipv4(&out, f.resolver, f.client, 6, 20 + 500);
    write_be16(&out, 53);
    write_be16(&out, (uint16_t)(number >> 32));
    write_be32(&out, (uint32_t)(number >> 40));
    write_be32(&out, 0);
    write_be32(&out, 0x50100000);
    write_be32(&out, 0);
    write_be16(&out, 4000);
    write_be32(&out, 0x12348180);
    write_be32(&out, 0x00010001);
    write_zeros(&out, 490);
    assert_false(out.failed);
    return writer_len(&out);
}

static void half_finished_input(void **state)
{
    (void)state;
    static struct run r;
    static struct message m;
    static uint8_t frame[2048];
    struct chance c = {1};
    struct flow f = flow_of(4);
    run_prepare(&r);
    run_start(&r, 0);
    size_t before = resident_kib();
    for (size_t i = 0; i < COUNT; i++) {
        size_t len = i % 2 ? put_half(&c, frame, sizeof(frame)) : put_stream(&c, frame, sizeof(frame));
        run_frame(&r, frame, len, 1000000 + (int64_t)i);
    }
    size_t after = resident_kib();
    message_typical(&m);
    run_frame(&r, frame, build_frame(frame, sizeof(frame), &f, m.bytes, message_len(&m)), 1000000 + COUNT);
    run_finish(&r);
    assert_int_equal(r.with_record, 1);
    assert_int_equal(r.drops[DROP_ABSORBED] + r.drops[DROP_TCP_REFUSED] + r.drops[DROP_FRAGMENT_REFUSED], COUNT);
    assert_true(r.drops[DROP_REASSEMBLY_EVICTED] > COUNT / 4 && r.drops[DROP_TCP_EVICTED] > COUNT / 4);
    run_expect_balance(&r);
    if (IS_MEASURED && after - before > BOUND_KIB)
        fail_msg("%zu KiB, at most %d", after - before, BOUND_KIB);
    release_caught(&r.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(half_finished_input)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
