/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A chain of files written and read: whole, growing, torn, damaged, with gaps. */
#include "journals.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { MANY = 5000 };

static const struct journal_position beginning = {0, 0};

static uint32_t numbers[MANY];

static void assert_numbers(struct journal_reader *r, uint32_t first, uint32_t last)
{
    size_t count = read_numbers(r, numbers, MANY);
    assert_int_equal(count, last - first + 1);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(numbers[i], first + i);
}

static void assert_no_damage(struct journal_reader *r)
{
    const struct journal_damage *d = journal_damage(r);
    assert_true(d->blocks == 0 && d->bytes == 0 && d->files == 0 && d->gone == 0);
}

/* The one file of the folder; NULL: there are more. */
static uint8_t *read_one(int folder, char name[JOURNAL_NAME], size_t *len)
{
    struct journal_file *files;
    size_t count, foreign;
    char path[64];
    assert_int_equal(journal_list(folder, &files, &count, &foreign, NULL), 0);
    assert_int_equal(count, 1);
    memcpy(name, files[0].name, JOURNAL_NAME);
    free(files);
    int fd = openat(folder, name, O_RDONLY);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    uint8_t *bytes = read_whole(path, len);
    close(fd);
    return bytes;
}

static void put_one(int folder, const char *name, const uint8_t *bytes, size_t len)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

/* Files begin where a table is asked for; blocks have numbers without a gap, in a second run too. */
static void written_and_read(void **state)
{
    char path[256];
    int folder = make_folder(path);
    struct sources *none = sources_create(SOURCE_IS_STREAM, true);
    uint32_t next = 1, tables = 0;
    (void)state;
    for (int run = 0; run < 2; run++) {
        struct journal_writer *w = open_writer(folder, 2000, 1 << 30, NULL);
        assert_int_equal(journal_last(w) ? journal_last(w)->number : 0, run * 20);
        for (int i = 0; i < 20; i++, next += 10) {
            bool has_table = journal_wants_table(w);
            tables += has_table;
            assert_false(journal_wants_table(w)); /* asked for once */
            assert_int_equal(write_block_of(w, 0, next, next + 9, has_table ? none : NULL), 0);
        }
        assert_int_equal(journal_size(w).files, tables);
        journal_writer_close(w);
    }
    assert_in_range(tables, 4, 30);
    struct journal_reader *r = journal_follow(folder, beginning);
    assert_numbers(r, 1, next - 1);
    assert_no_damage(r);
    journal_reader_close(r);
    sources_destroy(none);
    remove_folder(path, folder);
}

/* Nothing yet, then what has come; half a block is nothing yet too, whatever becomes of it. */
static void followed(void **state)
{
    char path[256], name[JOURNAL_NAME];
    int folder = make_folder(path);
    size_t whole_len, first_len;
    struct journal_reader *r = journal_follow(folder, beginning);
    (void)state;
    assert_int_equal(read_numbers(r, numbers, MANY), 0);
    struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
    assert_int_equal(write_block_of(w, 0, 1, 10, NULL), 0);
    assert_numbers(r, 1, 10);
    free(read_one(folder, name, &first_len));
    assert_int_equal(write_block_of(w, 0, 11, 20, NULL), 0);
    uint8_t *whole = read_one(folder, name, &whole_len);
    for (size_t len = first_len; len < whole_len; len += 37) {
        put_one(folder, name, whole, len);
        assert_int_equal(read_numbers(r, numbers, MANY), 0);
    }
    put_one(folder, name, whole, first_len); /* taken back, and another in its place */
    assert_int_equal(write_block_of(w, 0, 21, 25, NULL), 0);
    journal_writer_close(w);
    put_one(folder, name, whole, whole_len);
    assert_numbers(r, 11, 20);
    assert_no_damage(r);
    free(whole);
    journal_reader_close(r);
    remove_folder(path, folder);
}

/* From any place between two blocks. */
static void from_a_position(void **state)
{
    char path[256];
    int folder = make_folder(path);
    struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
    struct journal_block block;
    struct journal_position at[10];
    const uint8_t *plain;
    (void)state;
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(write_block_of(w, 0, i + 1, i + 1, NULL), 0);
    struct journal_reader *r = journal_follow(folder, beginning);
    journal_heads_only(r, true);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(journal_read(r, &block, &plain, NULL), JOURNAL_READ);
        assert_true(block.number == (uint64_t)i + 1 && !plain);
        at[i] = journal_position(r);
    }
    journal_reader_close(r);
    for (uint32_t i = 0; i < 10; i++) {
        r = journal_follow(folder, at[i]);
        size_t count = read_numbers(r, numbers, MANY);
        assert_int_equal(count, 9 - i);
        assert_true(count == 0 || numbers[0] == i + 2);
        journal_reader_close(r);
    }
    journal_writer_close(w);
    remove_folder(path, folder);
}

/* Cut at every byte: what is whole is read, the rest is cut off, and the chain goes on. */
static void torn_anywhere(void **state)
{
    char path[256], name[JOURNAL_NAME];
    int folder = make_folder(path);
    size_t len, ends[4] = {0}, k, header = 0;
    struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(write_block_of(w, 0, i + 1, i + 1, NULL), 0);
        free(read_one(folder, name, &ends[i + 1]));
    }
    journal_writer_close(w);
    uint8_t *whole = read_one(folder, name, &len);
    for (size_t cut = 0; cut < len; cut += cut % 3 + 1) {
        uint64_t cut_off;
        struct stat info;
        put_one(folder, name, whole, cut);
        for (k = 0; k < 3 && ends[k + 1] <= cut; k++)
            ;
        w = open_writer(folder, 1 << 20, 1 << 30, &cut_off);
        assert_int_equal(fstatat(folder, name, &info, 0), 0);
        assert_int_equal(journal_last(w) ? journal_last(w)->number : 0, k);
        if (k > 0) {
            assert_int_equal(cut_off, cut - ends[k]);
            assert_int_equal(info.st_size, ends[k]);
        } else { /* a file without blocks, whole again */
            header = header > 0 ? header : (size_t)info.st_size;
            assert_int_equal(info.st_size, header);
            assert_int_equal(cut_off, cut > header ? cut - header : 0);
        }
        assert_int_equal(write_block_of(w, 0, 100, 101, NULL), 0);
        journal_writer_close(w);
        struct journal_reader *r = journal_follow(folder, beginning);
        assert_int_equal(read_numbers(r, numbers, MANY), k + 2);
        assert_int_equal(numbers[k], 100);
        journal_reader_close(r);
        journal_name(2, journal_now + 101, name + 0);
        assert_int_equal(unlinkat(folder, name, 0), 0);
        journal_name(1, journal_now + 1, name);
    }
    free(whole);
    remove_folder(path, folder);
}

/* A flipped bit costs the block that it is in, and no other. */
static void flipped_anywhere(void **state)
{
    char path[256], name[JOURNAL_NAME];
    int folder = make_folder(path);
    size_t len, ends[4] = {0};
    struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(write_block_of(w, 0, i + 1, i + 1, NULL), 0);
        free(read_one(folder, name, &ends[i + 1]));
    }
    journal_writer_close(w);
    uint8_t *whole = read_one(folder, name, &len);
    size_t header = ends[1] - (ends[2] - ends[1]), unused = 0;
    for (size_t at = header; at < len; at++) {
        size_t hit = at < ends[1] ? 1 : at < ends[2] ? 2 : 3;
        whole[at] ^= (uint8_t)(1 << at % 8);
        put_one(folder, name, whole, len);
        whole[at] ^= (uint8_t)(1 << at % 8);
        struct journal_reader *r = journal_read_file(openat(folder, name, O_RDONLY));
        size_t count = read_numbers(r, numbers, MANY);
        const struct journal_damage *d = journal_damage(r);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(numbers[i], count == 3 || i + 1 < hit ? i + 1 : i + 2);
        unused += count == 3; /* bits of a zstd frame that mean nothing (RFC 8878) */
        assert_true(count == 3 || (count == 2 && d->blocks + d->bytes + d->tail > 0));
        journal_reader_close(r);
    }
    assert_in_range(unused, 0, 6);
    free(whole);
    remove_folder(path, folder);
}

/* A file that is missing, empty, foreign or a folder is passed over, and counted. */
static void gaps_in_the_chain(void **state)
{
    char path[256], name[JOURNAL_NAME];
    int folder = make_folder(path);
    struct sources *none = sources_create(SOURCE_IS_STREAM, true);
    struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
    (void)state;
    for (uint32_t i = 1; i <= 5; i++)
        assert_int_equal(write_block_of(w, 0, i, i, none), 0);
    journal_writer_close(w);
    journal_name(2, journal_now + 2, name);
    assert_int_equal(unlinkat(folder, name, 0), 0);
    journal_name(4, journal_now + 4, name);
    put_one(folder, name, (const uint8_t *)"", 0);
    struct journal_reader *r = journal_follow(folder, beginning);
    assert_int_equal(read_numbers(r, numbers, MANY), 3);
    assert_true(numbers[0] == 1 && numbers[1] == 3 && numbers[2] == 5);
    assert_true(journal_damage(r)->gone == 1 && journal_damage(r)->files == 1);
    journal_reader_close(r);
    put_one(folder, name, (const uint8_t *)"these are no blocks at all", 26);
    r = journal_follow(folder, beginning);
    assert_int_equal(read_numbers(r, numbers, MANY), 3);
    assert_int_equal(journal_damage(r)->bytes, 26);
    journal_reader_close(r);
    sources_destroy(none);
    remove_folder(path, folder);
}

/* The oldest go when there is no more room or they are too old; the one that is written stays. */
static void expired(void **state)
{
    char path[256];
    int folder = make_folder(path);
    struct sources *none = sources_create(SOURCE_IS_STREAM, true);
    struct journal_writer *w = open_writer(folder, 1000, 3000, NULL);
    (void)state;
    for (uint32_t i = 1; i <= 50; i++) {
        assert_int_equal(write_block_of(w, 0, i, i, none), 0);
        assert_in_range(journal_size(w).bytes, 1, 3000);
    }
    struct journal_size size = journal_size(w);
    assert_int_equal(size.files + size.expired, 50);
    assert_in_range(size.files, 2, 20);
    journal_writer_close(w);
    struct journal_reader *r = journal_follow(folder, beginning);
    assert_numbers(r, 50 - (uint32_t)size.files + 1, 50);
    assert_int_equal(journal_damage(r)->gone, 0); /* nothing was to be read before the oldest */
    journal_reader_close(r);
    sources_destroy(none);
    remove_folder(path, folder);
}

/* A write that fails costs its block alone. */
static void no_room(void **state)
{
    char path[256], name[JOURNAL_NAME];
    int folder = make_folder(path);
    struct rlimit limit, before;
    size_t len;
    struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
    (void)state;
    assert_int_equal(write_block_of(w, 0, 1, 3, NULL), 0);
    free(read_one(folder, name, &len));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (size_t room = 0; room < 300; room += 7) {
        limit = (struct rlimit){len + room, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(write_block_of(w, 0, 50, 59, NULL), -1);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(write_block_of(w, 0, 4, 6, NULL), 0);
    journal_writer_close(w);
    struct journal_reader *r = journal_follow(folder, beginning);
    assert_numbers(r, 1, 6);
    assert_no_damage(r);
    journal_reader_close(r);
    remove_folder(path, folder);
}

/* However a stream is cut into blocks and files, it is the same stream. */
static void any_cut(void **state)
{
    struct chance c = {42};
    (void)state;
    for (int round = 0; round < 10; round++) {
        char path[256];
        int folder = make_folder(path);
        struct sources *none = sources_create(SOURCE_IS_STREAM, true);
        struct journal_writer *w = open_writer(folder, 1 << 20, 1 << 30, NULL);
        uint32_t next = 1;
        while (next < 1000) {
            uint32_t count = 1 + (uint32_t)chance_below(&c, 200);
            bool is_file = chance_below(&c, 4) == 0;
            assert_int_equal(write_block_of(w, 0, next, next + count - 1, is_file ? none : NULL), 0);
            next += count;
            if (chance_below(&c, 6) == 0) {
                journal_writer_close(w);
                w = open_writer(folder, 1 << 20, 1 << 30, NULL);
            }
        }
        journal_writer_close(w);
        struct journal_reader *r = journal_follow(folder, beginning);
        assert_numbers(r, 1, next - 1);
        assert_no_damage(r);
        journal_reader_close(r);
        sources_destroy(none);
        remove_folder(path, folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_and_read), cmocka_unit_test(followed),         cmocka_unit_test(from_a_position),
        cmocka_unit_test(torn_anywhere),    cmocka_unit_test(flipped_anywhere), cmocka_unit_test(gaps_in_the_chain),
        cmocka_unit_test(expired),          cmocka_unit_test(no_room),          cmocka_unit_test(any_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
