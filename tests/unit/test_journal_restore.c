/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A receiver that begins where another ended: streams, what is missing meanwhile, what must not come twice. */
#include "journals.h"

#include "journal/restore.h"
#include "keys.h"

static const uint8_t key[SECRET_KEY] = {1, 2, 3};

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
    if (!secret_is_supported())
        skip();
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

/* ---- any stream, cut anywhere ---- */

enum { STREAMS = 3, NUMBERS = 200, SENT_MAX = STREAMS * NUMBERS };

enum way { UNSIGNED, SIGNED_BUT_NO_KEY, SIGNED, WAYS };

/* A datagram that is sent, and where it stands among all. */
struct sent {
    uint32_t stream, sequence;
    size_t place;
};

/* What a receiver accepts, as it fills a block of the journal. */
struct run {
    enum way way;
    struct chance chance;
    struct secret_tagger *tagger;
    struct intake intake;
    struct journal_build build;
    bool has_block;
    size_t taken;
};

static void take(void *context, const struct received *from, const struct source *source)
{
    struct run *r = context;
    assert_non_null(source);
    r->taken++;
    if (r->has_block)
        build_datagram(&r->build, from);
}

static int by_place(const void *a, const void *b)
{
    const struct sent *x = a, *y = b;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Of each stream the first number, then others: some are lost, some come up to 20 places too late. */
static size_t make_sent(struct chance *c, struct sent *sent)
{
    size_t count = 0;
    for (uint32_t stream = 1; stream <= STREAMS; stream++)
        sent[count++] = (struct sent){stream, 1, 0};
    for (uint32_t n = 2; n <= NUMBERS; n++)
        for (uint32_t stream = 1; stream <= STREAMS; stream++)
            if (chance_below(c, 10) > 0)
                sent[count++] = (struct sent){stream, n, n * STREAMS + chance_below(c, 20 * STREAMS)};
    qsort(sent + STREAMS, count - STREAMS, sizeof(*sent), by_place);
    return count;
}

/* Sends it to the intake. */
static void send_to(struct run *r, struct intake *intake, uint32_t stream, uint32_t sequence)
{
    struct made_datagram m;
    make_datagram(&m, stream, sequence);
    if (r->way != UNSIGNED) {
        store_be16(m.bytes + 2, (uint16_t)(load_be16(m.bytes + 2) | DNSFLOW_FLAG_SIGNED));
        secret_tag(r->tagger, m.bytes, m.len, m.bytes + m.len);
        m.len += SECRET_TAG;
    }
    struct listener_datagram d = {.ip_vers = stream % 2 ? 4 : 6,
                                  .address = {10, 1, 1, (uint8_t)stream},
                                  .port = (uint16_t)(4000 + stream),
                                  .time_us = m.from.time_us,
                                  .bytes = m.bytes,
                                  .len = m.len};
    intake_datagram(intake, &d);
}

static struct intake intake_of(struct run *r)
{
    struct intake intake;
    struct intake_options options = {
        .is_live = true, .only_once = true, .whose = SOURCE_IS_STREAM, .calls = {r, take, NULL, no_malformed}};
    if (r->way == SIGNED)
        options.keys = keys_of(key);
    assert_int_equal(intake_open(&intake, &options, NULL), 0);
    return intake;
}

/* Sends all of them, and writes what comes of it in blocks of any size and files of any number. */
static void write_run(struct run *r, struct journal_writer *w, const struct sent *sent, size_t count)
{
    struct error err = {""};
    for (size_t i = 0; i < count; i++) {
        if (!r->has_block) {
            build_begin(&r->build, (i == 0 ? JOURNAL_FIRST : 0) | (r->way == SIGNED ? JOURNAL_SIGNED : 0));
            if (i == 0 || chance_below(&r->chance, 4) == 0)
                build_table(&r->build, r->intake.sources);
        }
        r->has_block = true;
        send_to(r, &r->intake, sent[i].stream, sent[i].sequence);
        if (i + 1 < count && chance_below(&r->chance, 12) > 0)
            continue;
        assert_int_equal(journal_write(w, &r->build.head, r->build.plain, journal_now, &err), 0);
        build_end(&r->build);
        r->has_block = false;
    }
    assert_int_equal(r->taken, count);
}

static void assert_all_same(const struct sources *a, const struct sources *b)
{
    assert_int_equal(sources_count(a), STREAMS);
    assert_int_equal(sources_count(b), STREAMS);
    for (uint32_t i = 0; i < STREAMS; i++) {
        const struct source *x = sources_at(a, i), *y = sources_at(b, i);
        assert_same(x, y);
        assert_memory_equal(source_key(x), source_key(y), SOURCE_KEY);
        assert_memory_equal(x->address, y->address, 16);
        assert_true(x->ip_vers == y->ip_vers && x->port == y->port && x->sensor_id == y->sensor_id);
        assert_true(x->out_of_order == y->out_of_order && x->down == y->down && x->no_room == y->no_room);
        assert_true(x->first_time_us == y->first_time_us && x->last_time_us == y->last_time_us);
        assert_true(x->is_verified == y->is_verified && y->is_resumed && y->is_proven);
    }
}

/* What was written is not taken again; what was not comes after it, and only that gap was while nobody received. */
static void assert_goes_on(struct run *r, struct intake *intake, const struct sent *sent, size_t count)
{
    r->taken = 0;
    for (size_t i = 0; i < count; i++)
        if (r->way == SIGNED || sent[i].sequence + 64 > sources_at(intake->sources, sent[i].stream - 1)->sequence)
            send_to(r, intake, sent[i].stream, sent[i].sequence);
    assert_int_equal(r->taken, 0);
    assert_int_equal(intake->refused[VERIFY_REPLAYED], r->way == SIGNED ? count : 0);
    assert_true(r->way == SIGNED || intake->doubled > STREAMS * 32);
    for (uint32_t i = 0; i < STREAMS; i++) {
        const struct source *s = sources_at(intake->sources, i);
        uint64_t lost = s->lost;
        uint32_t next = s->sequence + 10;
        send_to(r, intake, s->sensor_id, next);
        assert_true(s->down == 9 && s->lost == lost && s->sequence == next);
        send_to(r, intake, s->sensor_id, next + 3);
        assert_true(s->down == 9 && s->lost == lost + 2);
    }
    assert_int_equal(r->taken, 2 * STREAMS);
}

static void any_stream(void **state)
{
    static struct run r;
    static struct sent sent[SENT_MAX];
    (void)state;
    for (int round = 0; round < 4 * WAYS; round++) {
        char path[256];
        int folder = make_folder(path);
        r = (struct run){.way = (enum way)(round % WAYS), .chance = {(uint64_t)round}};
        if (r.way != UNSIGNED && !secret_is_supported()) {
            remove_folder(path, folder);
            continue;
        }
        r.tagger = r.way == UNSIGNED ? NULL : secret_tagger_create(key);
        r.intake = intake_of(&r);
        size_t all = make_sent(&r.chance, sent), count = 100 + chance_below(&r.chance, all - 100);
        struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
        write_run(&r, w, sent, count);
        journal_writer_close(w);
        struct intake after = intake_of(&r);
        assert_int_equal(journal_restore(folder, &after, journal_now, NULL), 0);
        assert_all_same(r.intake.sources, after.sources);
        assert_goes_on(&r, &after, sent, count);
        intake_close(&after);
        intake_close(&r.intake);
        secret_tagger_destroy(r.tagger);
        remove_folder(path, folder);
    }
}

/* Writes five files of one block each, with a table in those that the bits name; then restores. */
static struct intake restore_files(unsigned tables, uint32_t without)
{
    char path[256], name[JOURNAL_NAME];
    int folder = make_folder(path);
    struct sources *before = sources_create(SOURCE_IS_STREAM, true);
    for (uint32_t n = 1; n <= 5; n++) {
        struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
        assert_int_equal(write_block_of(w, 0, n, n, tables >> n & 1 ? before : NULL), 0);
        journal_writer_close(w);
        come(before, 1, n);
    }
    sources_destroy(before);
    if (without) {
        journal_name(without, journal_now + without, name);
        assert_int_equal(unlinkat(folder, name, 0), 0);
    }
    struct intake intake = open_intake(false);
    assert_int_equal(journal_restore(folder, &intake, journal_now, NULL), 0);
    remove_folder(path, folder);
    return intake;
}

/* From the last table there is; without one, from the first datagram there is. */
static void last_table(void **state)
{
    static const struct {
        unsigned tables;
        uint32_t without;
        uint64_t datagrams, lost;
    } rows[] = {{0, 0, 5, 0},      {1 << 5, 0, 5, 0},     {1 << 5, 1, 5, 0}, {0, 1, 4, 0},
                {0, 3, 4, 1},      {1 << 4, 2, 5, 0},     {1 << 2, 1, 5, 0}, {1 << 2, 4, 4, 1},
                {1 << 1, 0, 5, 0}, {1 << 1 | 1, 5, 4, 0}, {0x3e, 2, 5, 0}};
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct intake intake = restore_files(rows[i].tables, rows[i].without);
        assert_int_equal(sources_count(intake.sources), 1);
        const struct source *s = sources_at(intake.sources, 0);
        if (s->data_datagrams != rows[i].datagrams || s->lost != rows[i].lost)
            fail_msg("row %zu: %d, lost %d", i, (int)s->data_datagrams, (int)s->lost);
        assert_true(s->is_resumed && s->sequence == (rows[i].without == 5 ? 4 : 5));
        intake_close(&intake);
    }
}

static void nothing_to_restore(void **state)
{
    char path[256];
    int folder = make_folder(path);
    struct intake intake = open_intake(false);
    struct error err = {""};
    (void)state;
    assert_int_equal(journal_restore(folder, &intake, journal_now, &err), 0);
    assert_int_equal(sources_count(intake.sources), 0);
    remove_folder(path, folder);
    temp_file(path, "", 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(journal_restore(fd, &intake, journal_now, &err), -1);
    assert_non_null(strstr(err.text, "journal"));
    close(fd);
    assert_int_equal(unlink(path), 0);
    intake_close(&intake);
}

/* Writes first..last as another receiver does, after a restore. Returns the stream as it stands then. */
static struct source receive_again(int folder, uint16_t flags, uint32_t first, uint32_t last)
{
    struct intake intake = open_intake(false);
    const struct source *s = NULL;
    assert_int_equal(journal_restore(folder, &intake, journal_now, NULL), 0);
    struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
    assert_int_equal(write_block_of(w, flags, first, last, intake.sources), 0);
    journal_writer_close(w);
    for (; first <= last; first++)
        s = come(intake.sources, 1, first);
    struct source result = *s;
    result.counters = NULL;
    intake_close(&intake);
    return result;
}

/* What was missed while nobody received stays that, however often a receiver begins. */
static void down_stays_down(void **state)
{
    char path[256];
    int folder = make_folder(path);
    (void)state;
    (void)receive_again(folder, JOURNAL_FIRST, 1, 10);
    struct source s = receive_again(folder, JOURNAL_FIRST, 21, 30);
    assert_true(s.down == 10 && s.lost == 0);
    s = receive_again(folder, JOURNAL_FIRST, 41, 50);
    assert_true(s.down == 20 && s.lost == 0);
    remove_folder(path, folder);
}

/* Where the block of a table is damaged the one before it and what was written since is as good. */
static void damaged_table(void **state)
{
    char path[256], name[JOURNAL_NAME], whole[512];
    int folder = make_folder(path);
    uint8_t byte;
    (void)state;
    (void)receive_again(folder, JOURNAL_FIRST, 1, 10);
    (void)receive_again(folder, 0, 11, 20);
    (void)receive_again(folder, 0, 21, 21);
    journal_name(3, journal_now + 21, name);
    snprintf(whole, sizeof(whole), "%s/%s", path, name);
    int fd = open(whole, O_RDWR);
    off_t at = lseek(fd, -20, SEEK_END);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0xff;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    struct intake intake = open_intake(false);
    assert_int_equal(journal_restore(folder, &intake, journal_now, NULL), 0);
    assert_int_equal(sources_count(intake.sources), 1);
    assert_int_equal(sources_at(intake.sources, 0)->sequence, 20);
    intake_close(&intake);
    remove_folder(path, folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_restored), cmocka_unit_test(gap_was_down),  cmocka_unit_test(not_taken_again),
        cmocka_unit_test(any_stream),           cmocka_unit_test(last_table),    cmocka_unit_test(nothing_to_restore),
        cmocka_unit_test(down_stays_down),      cmocka_unit_test(damaged_table),

    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
