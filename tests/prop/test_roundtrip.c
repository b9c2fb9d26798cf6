/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Records through the encoder and the decoder and again; bytes that the decoder accepts, however damaged. */
#include "../unit/records.h"

static struct caught first, second;
static struct made made;

/* Adds every record of a datagram to an encoder, as it came out of the decoder. */
static void add_again(struct dnsflow_encoder *e, struct dnsflow_datagram *d)
{
    struct dnsflow_record r;
    while (dnsflow_next_record(d, &r)) {
        size_t len = 0;
        for (size_t n = 0; n < r.names_count; n++) { /* without the padding */
            while (r.names[len] != 0)
                len += r.names[len] + 1u;
            len++;
        }
        r.names_len = len;
        assert_int_equal(dnsflow_encoder_add(e, &r), 1);
    }
    dnsflow_encoder_flush(e);
}

static void the_same_bytes_again(void **state)
{
    (void)state;
    struct chance c = {7};
    for (int round = 0; round < 400; round++) {
        bool extended = round % 2;
        struct dnsflow_encoder *e = encoder_into(&first, extended, 0);
        for (uint32_t n = 0; n < 20; n++) {
            made_rest(&made, chance_below(&c, 2) ? 4 : 6, chance_below(&c, 20), 1 + chance_below(&c, 12), n);
            made_names(&made, 3 + chance_below(&c, 900), n);
            assert_true(dnsflow_encoder_add(e, &made.record) > 0);
        }
        dnsflow_encoder_flush(e);
        struct dnsflow_encoder *again = encoder_into(&second, extended, 0);
        for (size_t i = 0; i < first.count; i++) {
            struct dnsflow_datagram d;
            assert_int_equal(dnsflow_decode(first.bytes[i], first.len[i], &d), DNSFLOW_OK);
            add_again(again, &d);
            assert_int_equal(second.count, i + 1);
            assert_int_equal(second.len[i], first.len[i]);
            assert_memory_equal(second.bytes[i], first.bytes[i], first.len[i]);
        }
        release_caught(&first);
        release_caught(&second);
        dnsflow_encoder_destroy(e);
        dnsflow_encoder_destroy(again);
    }
}

/* Everything an accepted datagram leads to lies inside it. */
static void check_inside(const uint8_t *bytes, size_t len, struct dnsflow_datagram *d)
{
    const uint8_t *end = bytes + len;
    struct dnsflow_record r;
    size_t sets = 0;
    while (dnsflow_next_record(d, &r)) {
        sets++;
        assert_true(r.ip_vers == 4 || r.ip_vers == 6);
        assert_true(r.client >= bytes && r.client + (r.ip_vers == 4 ? 4 : 16) <= end);
        assert_int_equal(r.resolver != NULL, d->version == 4);
        assert_true(r.names >= bytes && r.names + r.names_len <= end);
        assert_true(r.ip4s >= bytes && r.ip4s + 4 * r.ip4s_count <= end);
        assert_true(r.ip6s_count == 0 || (r.ip6s >= bytes && r.ip6s + 16 * r.ip6s_count <= end));
        const uint8_t *at = r.names;
        char text[1024];
        for (size_t n = 0; n < r.names_count && !r.names_text; n++)
            assert_true(dnsflow_name_text(&at, r.names + r.names_len, NULL, text, sizeof(text)) > 0);
    }
    assert_int_equal(sets, d->flags & DNSFLOW_FLAG_STATS ? 0 : d->sets_count);
    if (d->counters)
        assert_true(d->counters >= bytes && d->counters + 8 * d->counters_count <= end);
}

static void damaged_datagrams(void **state)
{
    (void)state;
    struct chance c = {8};
    size_t accepted = 0;
    struct dnsflow_encoder *e = encoder_into(&first, true, 0);
    struct dnsflow_stats stats = {1, 2, 3, 4, 5};
    uint64_t counters[8] = {1};
    for (uint32_t n = 0; n < 4; n++) {
        made_rest(&made, n % 2 ? 4 : 6, n, 2, n);
        made_names(&made, 10 + 3 * n, n);
        assert_int_equal(dnsflow_encoder_add(e, &made.record), 1);
    }
    assert_int_equal(dnsflow_encoder_stats(e, &stats, 1, counters, LEN(counters)), DNSFLOW_OK);
    for (int round = 0; round < 300000; round++) {
        size_t i = chance_below(&c, 4) == 0, len = first.len[i];
        struct dnsflow_datagram d;
        if (chance_below(&c, 3) == 0)
            len = chance_below(&c, len + 1);
        uint8_t *bytes = exact_copy(first.bytes[i], len);
        for (size_t n = chance_below(&c, 5); n > 0 && len > 0; n--)
            bytes[chance_below(&c, chance_below(&c, 2) ? len
                                   : len < 64          ? len
                                                       : 64)] =
                (uint8_t)(chance_below(&c, 2) ? chance_below(&c, 8) : chance_next(&c));
        if (dnsflow_decode(bytes, len, &d) == DNSFLOW_OK) {
            check_inside(bytes, len, &d);
            accepted++;
        }
        free(bytes);
    }
    assert_in_range(accepted, 10000, 290000);
    release_caught(&first);
    dnsflow_encoder_destroy(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_bytes_again), cmocka_unit_test(damaged_datagrams)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
