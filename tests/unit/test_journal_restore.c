/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A receiver that begins where another ended: streams, what is missing meanwhile, what must not come twice. */
#include "journals.h"

#include "journal/restore.h"
#include "keys.h"

static const uint8_t key[SECRET_KEY] = {1, 2, 3};

static void nothing(void *context, const struct received *from, const struct source *source)
{
    (void)context;
    (void)from;
    (void)source;
}

static void no_malformed(void *context, const struct source *source, int result)
{
    (void)context;
    (void)source;
    (void)result;
}

static struct intake open_intake(bool has_key)
{
    struct intake intake;
    struct intake_options options = {
        .is_live = true, .only_once = true, .whose = SOURCE_IS_STREAM, .calls = {NULL, nothing, NULL, no_malformed}};
    if (has_key)
        options.keys = keys_of(key);
    assert_int_equal(intake_open(&intake, &options, NULL), 0);
    return intake;
}

/* Counts the datagram; returns its source. */
static const struct source *come(struct sources *sources, uint32_t stream, uint32_t sequence)
{
    struct made_datagram m;
    uint64_t no_room = 0;
    make_datagram(&m, stream, sequence);
    struct source *s = sources_find(sources, &m.from, SOURCE_ACCEPTED);
    assert_non_null(s);
    (void)source_count(s, &m.from.datagram, m.from.time_us, &no_room);
    return s;
}

static void assert_same(const struct source *a, const struct source *b)
{
    assert_true(a->sequence == b->sequence && a->window == b->window && a->missing == b->missing);
    assert_true(a->total == b->total && a->lost == b->lost && a->duplicates == b->duplicates);
    assert_true(a->data_datagrams == b->data_datagrams && a->records == b->records && a->start_time == b->start_time);
}

/* Whatever stood in the table and whatever behind it, the streams come out the same. */
static void streams_are_restored(void **state)
{
    (void)state;
    for (uint32_t cut = 1; cut < 40; cut += 3) {
        char path[256];
        int folder = make_folder(path);
        struct sources *before = sources_create(SOURCE_IS_STREAM, true);
        struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
        for (uint32_t n = 1; n <= cut; n++)
            if (n % 5)
                come(before, 1, n);
        assert_int_equal(write_block_of(w, 0, 1, 1, before), 0); /* what it holds is counted behind the table */
        come(before, 1, 1);
        assert_int_equal(write_block_of(w, 0, cut + 2, cut + 9, NULL), 0);
        for (uint32_t n = cut + 2; n <= cut + 9; n++)
            come(before, 1, n);
        journal_writer_close(w);
        struct intake intake = open_intake(false);
        assert_int_equal(journal_restore(folder, &intake, journal_now, NULL), 0);
        assert_int_equal(sources_count(intake.sources), 1);
        assert_same(sources_at(intake.sources, 0), sources_at(before, 0));
        intake_close(&intake);
        sources_destroy(before);
        remove_folder(path, folder);
    }
}

static void gap_was_down(void **state)
{
    char path[256];
    int folder = make_folder(path);
    struct intake intake = open_intake(false);
    struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
    (void)state;
    assert_int_equal(write_block_of(w, JOURNAL_FIRST, 1, 10, intake.sources), 0);
    journal_writer_close(w);
    assert_int_equal(journal_restore(folder, &intake, journal_now, NULL), 0);
    const struct source *s = come(intake.sources, 1, 15);
    assert_true(s->down == 4 && s->lost == 0);
    s = come(intake.sources, 1, 13); /* it was on the way */
    assert_true(s->down == 3 && s->lost == 0);
    s = come(intake.sources, 1, 17);
    assert_true(s->down == 3 && s->lost == 1);
    intake_close(&intake);
    remove_folder(path, folder);
}

/* Signed, a number that was written is refused after it, a newer one is not. */
static void not_taken_again(void **state)
{
    struct verifier *v;
    const struct verify_keys keys = keys_of(key);
    struct dnsflow_trailer stream = {
        .sensor_id = 7, .worker = 1, .start_time = JOURNAL_START, .base_time_us = journal_now};
    (void)state;
    v = verifier_create(&keys);
    assert_non_null(v);
    verifier_resume(v, &stream, 100, 5); /* 100 and 98 have come */
    verifier_resume(v, &stream, 50, 1);  /* it is there already */
    struct secret_tagger *tagger = secret_tagger_create(key);
    static const struct {
        uint32_t sequence;
        enum verify_result want;
    } rows[] = {{100, VERIFY_REPLAYED}, {98, VERIFY_REPLAYED}, {99, VERIFY_OK},
                {99, VERIFY_REPLAYED},  {101, VERIFY_OK},      {20, VERIFY_REPLAYED}};
    for (size_t i = 0; i < LEN(rows); i++) {
        uint8_t bytes[256] = {4, 0, 0, 6};
        struct writer out = writer_over(bytes, sizeof(bytes));
        struct dnsflow_datagram d;
        (void)write_space(&out, 4);
        write_be32(&out, rows[i].sequence);
        write_u8(&out, 1);
        write_u8(&out, stream.worker);
        write_be16(&out, 24);
        write_be32(&out, stream.sensor_id);
        write_be32(&out, stream.start_time);
        write_be32(&out, 0);
        write_be64(&out, (uint64_t)journal_now);
        size_t len = writer_len(&out);
        secret_tag(tagger, bytes, len, bytes + len);
        assert_int_equal(dnsflow_decode(bytes, len + SECRET_TAG, &d), DNSFLOW_OK);
        assert_int_equal(verifier_check(v, bytes, len + SECRET_TAG, &d, 0), rows[i].want);
    }
    secret_tagger_destroy(tagger);
    verifier_destroy(v);
}

static void state_there_and_back(void **state)
{
    struct sources *a = sources_create(SOURCE_IS_STREAM, true), *b = sources_create(SOURCE_IS_STREAM, true);
    uint8_t bytes[SOURCE_STATE], again[SOURCE_STATE];
    (void)state;
    for (uint32_t n = 1; n < 200; n += n % 7 + 1)
        come(a, n % 3, n);
    for (uint32_t i = 0; i < sources_count(a); i++) {
        sources_save(a, i, bytes);
        assert_non_null(sources_restore(b, bytes, INT64_MAX));
        assert_null(sources_restore(b, bytes, INT64_MAX)); /* is there already */
        assert_same(sources_at(a, i), sources_at(b, i));
        assert_memory_equal(source_key(sources_at(a, i)), bytes + SOURCE_KEY_AT, SOURCE_KEY);
        assert_true(sources_at(b, i)->sensor_id == sources_at(a, i)->sensor_id && sources_at(b, i)->has_trailer);
        sources_save(b, i, again);
        assert_memory_equal(bytes, again, SOURCE_STATE);
    }
    struct sources *c = sources_create(SOURCE_IS_STREAM, true);
    for (int bit = 0; bit < 16; bit++) { /* version and IP version */
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct source *s = sources_restore(c, bytes, INT64_MAX);
        assert_true(!s || s->ip_vers == 4 || s->ip_vers == 6);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    sources_destroy(a);
    sources_destroy(b);
    sources_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_restored),
        cmocka_unit_test(gap_was_down),
        cmocka_unit_test(not_taken_again),
        cmocka_unit_test(state_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
