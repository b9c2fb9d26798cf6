/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Records through the encoder and the decoder and again; bytes that the decoder accepts, however damaged. */
#include "../unit/records.h"

static struct caught first, second;
static struct made made, many[24];

/* A record of any kind: with --records those without an address, with other answers. */
static void any_record(struct chance *c, struct made *m, uint32_t tag, bool extended)
{
    size_t kind = chance_below(c, 8), ip4s = chance_below(c, 20), ip6s = 1 + chance_below(c, 12);
    if (extended && kind < 3)
        ip4s = ip6s = 0;
    else if (kind == 7)
        ip4s = chance_below(c, ADDRESSES);
    made_rest(m, chance_below(c, 2) ? 4 : 6, ip4s, ip6s, tag);
    made_names(m, 3 + chance_below(c, kind % 2 ? 900 : 60), tag);
    m->record.rcode = (uint16_t)chance_below(c, DNSFLOW_RCODE_MAX + 1);
    m->record.transport = (uint8_t)chance_below(c, DNSFLOW_OVER_MAX + 1);
    for (size_t n = kind < 5 ? chance_below(c, 5) : 0; n > 0; n--) {
        size_t len = chance_below(c, 10) ? chance_below(c, 40) : chance_below(c, chance_below(c, 5) ? 1500 : 30000);
        made_answer(m, (uint8_t)(chance_below(c, 2) ? 0 : chance_next(c)), (uint16_t)chance_next(c), len);
    }
}

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
            any_record(&c, &made, n, extended);
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

static void mark(void *context, const uint8_t *bytes, size_t len, uint8_t tag[DNSFLOW_TAG_SIZE])
{
    (void)context;
    memset(tag, bytes[len - 1], DNSFLOW_TAG_SIZE);
}

/* What goes in comes out: names in each set, every address, answers as far as there is room. */
static void every_record_comes_back(void **state)
{
    (void)state;
    struct chance c = {9};
    for (int round = 0; round < 400; round++) {
        struct dnsflow_encoder_options options = {.size = sizeof(options),
                                                  .limit = DNSFLOW_LIMIT_MIN + chance_below(&c, 241),
                                                  .extended = round % 4 != 0,
                                                  .emit = catch_datagram,
                                                  .context = &first,
                                                  .sign = round % 4 == 1 ? mark : NULL};
        int parts[LEN(many)];
        struct dnsflow_encoder *e = dnsflow_encoder_create(&options);
        struct sets sets = sets_over(&first, options.extended, options.limit);
        for (uint32_t n = 0; n < LEN(many); n++) {
            any_record(&c, &many[n], n, options.extended);
            parts[n] = dnsflow_encoder_add(e, &many[n].record);
            assert_in_range(parts[n], 1, DNSFLOW_RECORD_SETS_MAX);
        }
        dnsflow_encoder_flush(e);
        for (uint32_t n = 0; n < LEN(many); n++)
            if (parts[n] < DNSFLOW_RECORD_SETS_MAX)
                expect_record(&sets, &many[n].record, (size_t)parts[n]);
            else
                for (int part = 0; part < parts[n]; part++) /* of which addresses may have been left out */
                    (void)next_set(&sets);
        expect_no_more(&sets);
        release_caught(&first);
        dnsflow_encoder_destroy(e);
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
        const uint8_t *answers = r.answers, *answers_end = answers ? answers + r.answers_len : NULL;
        struct dnsflow_answer answer;
        assert_true(!answers || (answers >= bytes && answers_end <= end));
        while (dnsflow_next_answer(&answers, answers_end, &answer))
            assert_true(answer.rdata >= bytes && answer.rdata + answer.rdata_len <= answers_end);
        assert_ptr_equal(answers, answers_end);
        assert_true(r.rcode <= DNSFLOW_RCODE_MAX && r.transport <= DNSFLOW_OVER_MAX);
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
        if (n > 1)
            made_answer(&made, 0, 16, 9);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_bytes_again),
                                       cmocka_unit_test(every_record_comes_back), cmocka_unit_test(damaged_datagrams)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
