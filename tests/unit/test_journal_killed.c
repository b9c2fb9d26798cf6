/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A writer that is ended between any two of its system calls, while files become full and old ones go: what it said is
 * written is there once, and the next receiver goes on from it. */
#include <sys/mman.h>

#include "journals.h"
#include "killed.h"

#include "journal/restore.h"

enum { BLOCKS = 24, DATAGRAMS = 5, FILE_BYTES = 1500, ALL_BYTES = 5000, BLOCK_MOST = 1000 };

/* Of each block, which the process that writes and the one that looks share. */
enum state { NOT_TRIED, TRIED, WRITTEN };

struct place {
    char path[256];
    int folder;
    uint32_t next; /* block to be tried */
    uint8_t states[2 * BLOCKS];
};

static struct intake restored(const struct place *p)
{
    struct intake intake;
    struct error err = {""};
    const struct intake_options options = {
        .is_live = true, .only_once = true, .whose = SOURCE_IS_STREAM, .calls = {NULL, nothing, NULL, no_malformed}};
    assert_int_equal(intake_open(&intake, &options, NULL), 0);
    if (journal_restore(p->folder, &intake, journal_now, &err) != 0)
        fail_msg("%s", err.text);
    return intake;
}

static void arrive(struct sources *sources, uint32_t sequence)
{
    struct made_datagram m;
    uint64_t no_room = 0;
    make_datagram(&m, 1, sequence);
    struct source *s = sources_find(sources, &m.from, SOURCE_ACCEPTED);
    assert_non_null(s);
    (void)source_count(s, &m.from.datagram, m.from.time_us, &no_room);
}

static struct journal_writer *open_small(const struct place *p)
{
    const struct journal_limits limits = {.file_bytes = FILE_BYTES, .bytes = ALL_BYTES, .sync_us = 0};
    struct journal_writer *w;
    struct error err = {""};
    uint64_t cut;
    if (journal_writer_open(p->folder, &limits, &w, &cut, &err) != 0)
        fail_msg("%s", err.text);
    return w;
}

/* Writes BLOCKS blocks as a receiver does: each file begins with the streams. */
static int write_some(void *context)
{
    struct place *p = context;
    struct journal_writer *w = open_small(p);
    struct intake intake = restored(p);
    for (uint32_t end = p->next + BLOCKS; p->next < end;) {
        const uint32_t k = p->next++, first = k * DATAGRAMS + 1;
        const struct sources *table = journal_wants_table(w) ? intake.sources : NULL;
        p->states[k] = TRIED;
        if (write_block_of(w, 0, first, first + DATAGRAMS - 1, table) != 0)
            return -1;
        p->states[k] = WRITTEN;
        for (uint32_t i = 0; i < DATAGRAMS; i++)
            arrive(intake.sources, first + i);
        if (journal_sync(w, journal_now + first, false, NULL) != 0)
            return -1;
    }
    intake_close(&intake);
    journal_writer_close(w);
    return 0;
}

/* Reads a block: which one it is. */
static uint32_t which(const struct journal_block *block, const uint8_t *plain)
{
    const uint8_t *at = plain;
    struct received from;
    uint32_t first = 0, count = 0;
    for (; journal_record_read(&at, plain + block->plain_len, &from) == 1; count++) {
        first = count == 0 ? load_be32(from.bytes + 4) : first;
        assert_int_equal(load_be32(from.bytes + 4), first + count);
    }
    assert_int_equal(count, DATAGRAMS);
    assert_int_equal(first % DATAGRAMS, 1);
    return first / DATAGRAMS;
}

/* The blocks in order, their numbers without a gap, a table at the head of each file. What was tried and is there
 * counts as written from now on. Returns the number of the first block. */
static uint64_t read_all(struct place *p)
{
    struct journal_reader *r = journal_follow(p->folder, (struct journal_position){0, 0});
    struct journal_block block;
    const uint8_t *plain;
    struct error err = {""};
    uint64_t number = 0, begins = 0, file = 0;
    uint32_t next = 0;
    int result;
    assert_non_null(r);
    while ((result = journal_read(r, &block, &plain, &err)) == JOURNAL_READ) {
        const uint32_t k = which(&block, plain);
        assert_true(k < p->next && p->states[k] != NOT_TRIED);
        assert_true(number == 0 || (block.number == number + 1 && k >= next));
        for (; number > 0 && next < k; next++)
            assert_int_equal(p->states[next], TRIED);
        assert_true((journal_position(r).file == file) == !(block.flags & JOURNAL_TABLE));
        p->states[k] = WRITTEN;
        begins = begins > 0 ? begins : block.number;
        number = block.number;
        next = k + 1;
        file = journal_position(r).file;
    }
    assert_int_equal(result, JOURNAL_NOTHING);
    for (; next < p->next; next++)
        assert_int_equal(p->states[next], TRIED);
    const struct journal_damage *damage = journal_damage(r);
    assert_true(damage->blocks == 0 && damage->bytes == 0 && damage->files == 0 && damage->gone == 0);
    journal_reader_close(r);
    return begins;
}

/* What the next receiver finds. */
static void assert_whole(struct place *p)
{
    struct journal_writer *w = open_small(p);
    const struct journal_size size = journal_size(w);
    const struct journal_block *last = journal_last(w);
    const uint64_t number = last ? last->number : 0, begins = read_all(p);
    uint32_t count = 0, end = 0;
    for (uint32_t k = 0; k < p->next; k++)
        if (p->states[k] == WRITTEN) {
            count++;
            end = (k + 1) * DATAGRAMS;
        }
    assert_int_equal(number, count);
    assert_true(begins <= 1 || size.bytes + 2 * FILE_BYTES + BLOCK_MOST >= ALL_BYTES); /* none too many went */
    assert_true(size.bytes <= ALL_BYTES + BLOCK_MOST);
    journal_writer_close(w);
    struct intake intake = restored(p);
    assert_int_equal(sources_count(intake.sources), count > 0);
    if (count > 0) {
        const struct source *s = sources_at(intake.sources, 0);
        assert_int_equal(s->sequence, end);
        assert_int_equal(s->data_datagrams, count * DATAGRAMS);
    }
    intake_close(&intake);
}

/* With DNSFLOW_KILL_EVERYWHERE at every call, else at more and more distant ones. */
static void while_files_become_full(void **state)
{
    struct place *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool has_ended = false;
    const bool is_long = getenv("DNSFLOW_KILL_EVERYWHERE");
    long at = 1;
    (void)state;
    assert_true(p != MAP_FAILED);
    for (; !has_ended; at += is_long ? 1 : 1 + at / 20) {
        *p = (struct place){.next = 0};
        p->folder = make_folder(p->path);
        has_ended = killed_at(write_some, p, at);
        assert_whole(p);
        if (!has_ended) {
            assert_true(killed_at(write_some, p, -1));
            assert_whole(p);
        }
        assert_true(!has_ended || read_all(p) > 4); /* files have gone */
        remove_folder(p->path, p->folder);
    }
    assert_in_range(at, 100, 100000);
    munmap(p, sizeof(*p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(while_files_become_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
