/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a reader makes of files that are cut, damaged, half written or none of ours; positions; heads alone. */
#include "journals.h"

#include <sys/stat.h>

enum { BLOCKS = 3, MANY = 1000 };

static const struct journal_position beginning = {0, 0};

static uint32_t numbers[MANY];

static void put_file(int folder, const char *name, const uint8_t *bytes, size_t len)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* emptied first, it would be synced */
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(ftruncate(fd, (off_t)len), 0);
    close(fd);
}

/* A file of so many blocks, one datagram in each. Block i lies between ends[i] and ends[i + 1]. */
struct small_file {
    char path[256], name[JOURNAL_NAME], full[512];
    int folder;
    uint8_t *bytes;
    size_t len, ends[BLOCKS + 1];
};

static void make_small_file(struct small_file *f, uint32_t first)
{
    struct stat info;
    f->folder = make_folder(f->path);
    struct journal_writer *w = open_writer(f->folder, 1 << 20, 1 << 30, NULL);
    journal_name(1, journal_now + first, f->name);
    snprintf(f->full, sizeof(f->full), "%s/%s", f->path, f->name);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        assert_int_equal(write_block_of(w, 0, first + i, first + i, NULL), 0);
        assert_int_equal(fstatat(f->folder, f->name, &info, 0), 0);
        f->ends[i + 1] = (size_t)info.st_size;
    }
    journal_writer_close(w);
    f->bytes = read_whole(f->full, &f->len);
    assert_int_equal(f->len, f->ends[BLOCKS]);
    const uint8_t *head = memmem(f->bytes, f->len, "\x5d\x2a\x4d\x18", 4);
    assert_non_null(head);
    f->ends[0] = (size_t)(head - f->bytes);
}

static void remove_small_file(struct small_file *f)
{
    free(f->bytes);
    remove_folder(f->path, f->folder);
}

static struct journal_reader *read_alone(const struct small_file *f, const uint8_t *bytes, size_t len)
{
    put_file(f->folder, f->name, bytes, len);
    struct journal_reader *r = journal_read_file(openat(f->folder, f->name, O_RDONLY | O_CLOEXEC));
    assert_non_null(r);
    return r;
}

/* Cut at every byte: the blocks before that are whole, and what is left is the tail. */
static void cut_anywhere(void **state)
{
    struct small_file f;
    (void)state;
    make_small_file(&f, 1);
    for (size_t len = 0; len <= f.len; len++) {
        size_t whole = 0;
        while (whole < BLOCKS && f.ends[whole + 1] <= len)
            whole++;
        struct journal_reader *r = read_alone(&f, f.bytes, len);
        const struct journal_damage *d = journal_damage(r);
        assert_int_equal(read_numbers(r, numbers, MANY), whole);
        assert_int_equal(d->tail, len < f.ends[0] ? len : len - f.ends[whole]);
        assert_int_equal(read_numbers(r, numbers, MANY), 0);
        assert_true(d->blocks == 0 && d->bytes == 0 && d->gone == 0);
        assert_int_equal(d->files, len == 0);
        journal_reader_close(r);
    }
    remove_small_file(&f);
}

/* A byte turned over costs the block that it is in. In a head it is bytes that are lost, behind it a block. */
static void turned_anywhere(void **state)
{
    struct small_file f;
    (void)state;
    make_small_file(&f, 1);
    for (size_t at = 0; at < f.len; at++) {
        size_t hit = 0;
        while (at >= f.ends[hit])
            hit++; /* 0: the file's header */
        size_t start = f.ends[hit > 0 ? hit - 1 : 0];
        size_t head = hit > 0 ? (size_t)f.bytes[start + 4] + (size_t)f.bytes[start + 5] * 256 + 8 : 0;
        f.bytes[at] ^= 0xff;
        struct journal_reader *r = read_alone(&f, f.bytes, f.len);
        f.bytes[at] ^= 0xff;
        const struct journal_damage *d = journal_damage(r);
        size_t count = read_numbers(r, numbers, MANY);
        assert_int_equal(count, hit > 0 ? BLOCKS - 1 : BLOCKS);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(numbers[i], hit > 0 && i + 1 >= hit ? i + 2 : i + 1);
        assert_int_equal(d->blocks, hit > 0 && at >= start + head);
        assert_int_equal(d->bytes + d->tail, hit == 0            ? (d->bytes > 0 ? f.ends[0] : 0)
                                             : at < start + head ? f.ends[hit] - start
                                                                 : f.ends[hit] - start - head);
        assert_int_equal(d->tail > 0, hit == BLOCKS);
        journal_reader_close(r);
    }
    remove_small_file(&f);
}

/* Garbage in front, between and behind, with what looks like the beginning of a head. */
static void garbage_between(void **state)
{
    static const uint8_t garbage[] = {0x5d, 0x5d, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x2a, 0x4d};
    struct small_file f;
    (void)state;
    make_small_file(&f, 1);
    for (size_t place = 0; place <= BLOCKS; place++)
        for (size_t len = 1; len <= sizeof(garbage); len++) {
            uint8_t *bytes = malloc(f.len + len);
            assert_non_null(bytes);
            memcpy(bytes, f.bytes, f.ends[place]);
            memcpy(bytes + f.ends[place], garbage, len);
            memcpy(bytes + f.ends[place] + len, f.bytes + f.ends[place], f.len - f.ends[place]);
            struct journal_reader *r = read_alone(&f, bytes, f.len + len);
            assert_int_equal(read_numbers(r, numbers, MANY), BLOCKS);
            assert_int_equal(journal_damage(r)->bytes, place < BLOCKS ? len : 0);
            assert_int_equal(journal_damage(r)->tail, place < BLOCKS ? 0 : len);
            journal_reader_close(r);
            free(bytes);
        }
    remove_small_file(&f);
}

/* More garbage than is looked at in one go: a head across the end of that is found all the same. */
static void much_garbage(void **state)
{
    enum { AT_ONCE = 512 * 1024 };
    struct small_file f;
    (void)state;
    make_small_file(&f, 1);
    for (size_t end = AT_ONCE - 20; end <= AT_ONCE + 4; end++) { /* where the first block begins */
        size_t len = end + f.len - f.ends[0];
        uint8_t *bytes = malloc(len);
        assert_non_null(bytes);
        memset(bytes, 0x5d, end);
        memcpy(bytes, f.bytes, f.ends[0]);
        memcpy(bytes + end, f.bytes + f.ends[0], f.len - f.ends[0]);
        struct journal_reader *r = read_alone(&f, bytes, len);
        assert_int_equal(read_numbers(r, numbers, MANY), BLOCKS);
        assert_int_equal(journal_damage(r)->bytes, end - f.ends[0]);
        assert_int_equal(journal_damage(r)->blocks, 0);
        journal_reader_close(r);
        free(bytes);
    }
    remove_small_file(&f);
}

/* A block that is half there is none yet. It becomes whole, or is taken back and another stands in its place. */
static void half_written(void **state)
{
    struct small_file a, b;
    (void)state;
    make_small_file(&a, 1);
    make_small_file(&b, 500);
    for (size_t len = a.ends[1]; len < a.ends[2]; len++)
        for (int way = 0; way < 3; way++) {
            put_file(a.folder, a.name, a.bytes, a.ends[1]);
            struct journal_reader *r = journal_follow(a.folder, beginning);
            journal_heads_only(r, false);
            assert_int_equal(read_numbers(r, numbers, MANY), 1);
            put_file(a.folder, a.name, a.bytes, len);
            assert_int_equal(read_numbers(r, numbers, MANY), 0);
            assert_int_equal(journal_position(r).offset, a.ends[1]);
            if (way == 0) {
                put_file(a.folder, a.name, a.bytes, a.ends[2]);
            } else {
                if (way == 2) { /* seen without it in between */
                    put_file(a.folder, a.name, a.bytes, a.ends[1]);
                    assert_int_equal(read_numbers(r, numbers, MANY), 0);
                }
                int fd = openat(a.folder, a.name, O_WRONLY | O_CLOEXEC);
                assert_int_equal(ftruncate(fd, (off_t)a.ends[1]), 0);
                size_t size = b.ends[2] - b.ends[1];
                assert_int_equal(pwrite(fd, b.bytes + b.ends[1], size, (off_t)a.ends[1]), (ssize_t)size);
                close(fd);
            }
            assert_int_equal(read_numbers(r, numbers, MANY), 1);
            assert_int_equal(numbers[0], way == 0 ? 2 : 501);
            assert_true(journal_damage(r)->blocks == 0 && journal_damage(r)->bytes == 0);
            journal_reader_close(r);
        }
    remove_small_file(&a);
    remove_small_file(&b);
}

/* ---- chains ---- */

/* Five files with a table and two blocks each. */
static void make_chain(int folder, const struct sources *sources)
{
    struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
    for (uint32_t i = 1; i <= 10; i++)
        assert_int_equal(write_block_of(w, i == 1 ? JOURNAL_FIRST : 0, i, i, i % 2 ? sources : NULL), 0);
    journal_writer_close(w);
}

/* Which have a right name and are no journal: each costs a place in the chain and nothing else. */
static void no_journals(void **state)
{
    static const uint8_t text[] = "these are no blocks at all";
    char path[256], name[JOURNAL_NAME];
    struct sources *none = sources_create(SOURCE_IS_STREAM, true);
    (void)state;
    for (int way = 0; way < 5; way++) {
        int folder = make_folder(path);
        make_chain(folder, none);
        journal_name(3, journal_now + 5, name);
        assert_int_equal(unlinkat(folder, name, 0), 0);
        if (way == 1)
            assert_int_equal(mkdirat(folder, name, 0700), 0);
        if (way == 2)
            assert_int_equal(symlinkat("/dev/zero", folder, name), 0);
        if (way == 3)
            put_file(folder, name, text, 0);
        if (way == 4)
            put_file(folder, name, text, sizeof(text));
        put_file(folder, "0000000003.pcap.zst", text, sizeof(text));
        struct journal_reader *r = journal_follow(folder, beginning);
        assert_int_equal(read_numbers(r, numbers, MANY), 8);
        for (uint32_t i = 0; i < 8; i++)
            assert_int_equal(numbers[i], i < 4 ? i + 1 : i + 3);
        const struct journal_damage *d = journal_damage(r);
        assert_true(d->gone == (way < 3) && d->files == (way == 3) && d->blocks == 0);
        assert_int_equal(d->bytes, way == 4 ? sizeof(text) : 0);
        journal_reader_close(r);
        if (way == 1)
            assert_int_equal(unlinkat(folder, name, AT_REMOVEDIR), 0);
        remove_folder(path, folder);
    }
    sources_destroy(none);
}

/* The same heads, at the same places, whether what is behind them is unpacked or not. */
static void heads_alone(void **state)
{
    char path[256];
    int folder = make_folder(path);
    struct sources *sources = sources_create(SOURCE_IS_STREAM, true);
    struct made_datagram m;
    struct journal_block full, head;
    const uint8_t *plain, *none;
    int result;
    (void)state;
    make_datagram(&m, 1, 1);
    assert_non_null(sources_find(sources, &m.from, SOURCE_ACCEPTED));
    make_chain(folder, sources);
    struct journal_reader *a = journal_follow(folder, beginning), *b = journal_follow(folder, beginning);
    journal_heads_only(b, true);
    for (uint64_t number = 1;; number++) {
        result = journal_read(a, &full, &plain, NULL);
        assert_int_equal(journal_read(b, &head, &none, NULL), result);
        if (result != JOURNAL_READ)
            break;
        assert_non_null(plain);
        assert_null(none);
        assert_true(full.number == number && full.totals[TOTAL_DATAGRAMS] == number && full.datagrams == 1);
        assert_int_equal(full.flags, (number == 1 ? JOURNAL_FIRST : 0) | (number % 2 ? JOURNAL_TABLE : 0));
        assert_int_equal(full.streams_count, number % 2);
        assert_memory_equal(full.streams, head.streams, full.streams_count * SOURCE_STATE);
        full.streams = head.streams = NULL;
        assert_memory_equal(&full, &head, sizeof(full));
        struct journal_position at[] = {journal_position(a), journal_position(b)};
        assert_true(at[0].file == (number + 1) / 2 && at[0].file == at[1].file && at[0].offset == at[1].offset);
    }
    assert_int_equal(result, JOURNAL_NOTHING);
    journal_reader_close(a);
    journal_reader_close(b);
    sources_destroy(sources);
    remove_folder(path, folder);
}

/* From where the block before it ends, a block comes again; from a file that is gone, the next one. */
/* Of more streams than a reader looks at bytes at once: the head is whole all the same, and what follows it is found.
 */
static void head_with_many_streams(void **state)
{
    enum { STREAMS = 3000 };
    char path[256];
    int folder = make_folder(path);
    struct sources *sources = sources_create(SOURCE_IS_STREAM, true);
    struct journal_writer *w = open_writer(folder, 1 << 24, 1 << 30, NULL);
    struct journal_block block;
    const uint8_t *plain;
    (void)state;
    for (uint32_t i = 0; i < STREAMS; i++)
        (void)come(sources, i, 1);
    assert_int_equal(write_block_of(w, 0, 1, 1, NULL), 0);
    assert_int_equal(write_block_of(w, 0, 2, 2, sources), 0);
    assert_int_equal(write_block_of(w, 0, 3, 3, NULL), 0);
    journal_writer_close(w);
    struct journal_reader *r = journal_follow(folder, beginning);
    for (uint64_t number = 1; number <= 3; number++) {
        assert_int_equal(journal_read(r, &block, &plain, NULL), JOURNAL_READ);
        assert_int_equal(block.number, number);
        assert_int_equal(block.streams_count, number == 2 ? STREAMS : 0);
    }
    assert_int_equal(journal_damage(r)->bytes, 0);
    journal_reader_close(r);
    sources_destroy(sources);
    remove_folder(path, folder);
}

static void places(void **state)
{
    char path[256], name[JOURNAL_NAME];
    int folder = make_folder(path);
    struct sources *none = sources_create(SOURCE_IS_STREAM, true);
    struct journal_block block;
    const uint8_t *plain;
    struct journal_position at[10];
    (void)state;
    make_chain(folder, none);
    struct journal_reader *r = journal_follow(folder, beginning);
    for (int i = 0; i < 10; i++) {
        at[i] = journal_position(r);
        assert_int_equal(journal_read(r, &block, &plain, NULL), JOURNAL_READ);
    }
    journal_reader_close(r);
    journal_name(2, journal_now + 3, name);
    assert_int_equal(unlinkat(folder, name, 0), 0);
    for (uint32_t i = 0; i < 10; i++) {
        bool is_gone = i == 2 || i == 3;
        r = journal_follow(folder, at[i]);
        size_t count = read_numbers(r, numbers, MANY);
        assert_int_equal(count, i < 2 ? 8 - i : is_gone ? 6 : 10 - i);
        assert_int_equal(numbers[0], is_gone ? 5 : i + 1);
        assert_int_equal(journal_damage(r)->gone, i < 5); /* the fifth begins behind the end of the file that is gone */
        journal_reader_close(r);
    }
    r = journal_follow(folder, (struct journal_position){3, 1 << 20}); /* behind what the file has by now */
    assert_int_equal(read_numbers(r, numbers, MANY), 4);
    assert_int_equal(numbers[0], 7);
    journal_reader_close(r);
    r = journal_follow(folder, (struct journal_position){6, 0});
    assert_int_equal(read_numbers(r, numbers, MANY), 0);
    assert_int_equal(journal_damage(r)->gone, 0);
    journal_reader_close(r);
    sources_destroy(none);
    remove_folder(path, folder);
}

/* The end of a file that others follow is searched too: nothing comes behind it any more. */
static void torn_in_the_middle(void **state)
{
    char path[256], name[JOURNAL_NAME], full[512];
    int folder = make_folder(path);
    struct sources *none = sources_create(SOURCE_IS_STREAM, true);
    size_t len;
    (void)state;
    make_chain(folder, none);
    journal_name(3, journal_now + 5, name);
    snprintf(full, sizeof(full), "%s/%s", path, name);
    uint8_t *bytes = read_whole(full, &len);
    for (size_t cut = 0; cut < len; cut++) {
        put_file(folder, name, bytes, cut);
        struct journal_reader *r = journal_follow(folder, beginning);
        size_t count = read_numbers(r, numbers, MANY);
        assert_in_range(count, 8, 9);
        assert_true(numbers[3] == 4 && numbers[count - 4] == 7 && (count == 8 || numbers[4] == 5));
        assert_int_equal(journal_damage(r)->files, cut == 0);
        assert_int_equal(journal_damage(r)->tail, 0);
        journal_reader_close(r);
    }
    free(bytes);
    sources_destroy(none);
    remove_folder(path, folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere),    cmocka_unit_test(turned_anywhere),
        cmocka_unit_test(garbage_between), cmocka_unit_test(much_garbage),
        cmocka_unit_test(half_written),    cmocka_unit_test(no_journals),
        cmocka_unit_test(heads_alone),     cmocka_unit_test(head_with_many_streams),
        cmocka_unit_test(places),          cmocka_unit_test(torn_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
