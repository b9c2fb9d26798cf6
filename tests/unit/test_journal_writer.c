/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a chain of files is kept: when a file is full, which ones go, what is left where writing failed. */
#include "journals.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { MANY = 5000 };

static const struct journal_position beginning = {0, 0};

static const int64_t hour_us = INT64_C(3600) * SECOND_US;

static uint32_t numbers[MANY];

/* A folder and a writer that was opened with these limits. */
struct kept {
    char path[256];
    int folder;
    struct journal_writer *writer;
    struct sources *none;
};

static void reopen(struct kept *k, struct journal_limits limits)
{
    struct error err = {""};
    uint64_t cut;
    journal_writer_close(k->writer);
    if (journal_writer_open(k->folder, &limits, &k->writer, &cut, &err) != 0)
        fail_msg("%s", err.text);
}

static struct kept keep(struct journal_limits limits)
{
    struct kept k = {.none = sources_create(SOURCE_IS_STREAM, true)};
    k.folder = make_folder(k.path);
    reopen(&k, limits);
    return k;
}

static void end_kept(struct kept *k)
{
    journal_writer_close(k->writer);
    sources_destroy(k->none);
    remove_folder(k->path, k->folder);
}

/* A block with the datagram `number`, written at this time. Returns what journal_write() does. */
static int write_at(struct kept *k, uint32_t number, bool has_table, int64_t now_us, uint64_t *block)
{
    static struct journal_build build;
    struct made_datagram m;
    struct error err = {""};
    build_begin(&build, 0);
    if (has_table)
        build_table(&build, k->none);
    make_datagram(&m, 1, number);
    build_datagram(&build, &m.from);
    for (int i = 0; i < TOTALS_COUNT; i++)
        build.head.totals[i] = (uint64_t)number * (uint64_t)(i + 1);
    int result = journal_write(k->writer, &build.head, build.plain, now_us, &err);
    assert_int_equal(err.text[0] != '\0', result != 0);
    if (block)
        *block = build.head.number;
    build_end(&build);
    return result;
}

static void assert_files(struct kept *k, uint64_t first, uint64_t last)
{
    struct journal_file *files;
    struct journal_size size = journal_size(k->writer);
    size_t count, foreign;
    uint64_t bytes = 0;
    assert_int_equal(journal_list(k->folder, &files, &count, &foreign, NULL), 0);
    assert_int_equal(count, last - first + 1);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(files[i].number, first + i);
        bytes += files[i].bytes;
    }
    assert_int_equal(size.files, count);
    assert_int_equal(size.bytes, bytes);
    free(files);
}

static void assert_numbers(struct kept *k, uint32_t first, uint32_t last)
{
    struct journal_reader *r = journal_follow(k->folder, beginning);
    assert_int_equal(read_numbers(r, numbers, MANY), last - first + 1);
    for (uint32_t i = 0; i <= last - first; i++)
        assert_int_equal(numbers[i], first + i);
    const struct journal_damage *d = journal_damage(r);
    assert_true(d->blocks == 0 && d->bytes == 0 && d->files == 0 && d->gone == 0);
    journal_reader_close(r);
}

/* ---- when a file is full ---- */

static void full_by_bytes(void **state)
{
    struct kept k = keep((struct journal_limits){.file_bytes = 3000, .bytes = 1 << 30, .sync_us = -1});
    struct stat info;
    char name[JOURNAL_NAME];
    mode_t mask = umask(0);
    (void)state;
    assert_true(journal_wants_table(k.writer)); /* the first block */
    assert_int_equal(write_at(&k, 1, true, journal_now, NULL), 0);
    umask(mask);
    journal_name(1, journal_now, name);
    assert_int_equal(fstatat(k.folder, name, &info, 0), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    for (uint32_t n = 2; n < 100; n++) {
        assert_int_equal(write_at(&k, n, false, journal_now, NULL), 0);
        assert_int_equal(fstatat(k.folder, name, &info, 0), 0);
        if (info.st_size >= 3000)
            break;
        assert_false(journal_wants_table(k.writer));
    }
    assert_true(info.st_size >= 3000);
    assert_true(journal_wants_table(k.writer));
    assert_files(&k, 1, 1); /* without the table nothing begins */
    end_kept(&k);
}

static void full_by_age(void **state)
{
    struct kept k = keep((struct journal_limits){.file_bytes = 1 << 30, .bytes = UINT64_C(1) << 40, .sync_us = -1});
    (void)state;
    assert_true(journal_wants_table(k.writer));
    assert_int_equal(write_at(&k, 1, true, journal_now, NULL), 0);
    assert_int_equal(write_at(&k, 2, false, journal_now + hour_us - 1, NULL), 0);
    assert_false(journal_wants_table(k.writer));
    assert_int_equal(write_at(&k, 3, false, journal_now + hour_us, NULL), 0);
    assert_true(journal_wants_table(k.writer));
    assert_int_equal(write_at(&k, 4, true, journal_now + hour_us, NULL), 0);
    assert_int_equal(write_at(&k, 5, false, journal_now + 2 * hour_us - 1, NULL), 0);
    assert_false(journal_wants_table(k.writer));
    assert_files(&k, 1, 2);
    assert_numbers(&k, 1, 5);
    end_kept(&k);
}

/* A table that was asked for and did not come is asked for again, but not at every block. */
static void asked_again(void **state)
{
    struct kept k = keep((struct journal_limits){.file_bytes = 1, .bytes = 1 << 30, .sync_us = -1});
    uint32_t asked = 0, first = 0;
    (void)state;
    assert_true(journal_wants_table(k.writer));
    for (uint32_t n = 1; n <= 2500; n++) {
        assert_int_equal(write_at(&k, n, false, journal_now, NULL), 0);
        if (!journal_wants_table(k.writer))
            continue;
        first = first ? first : n;
        assert_int_equal(n, 1 + 1000 * asked++);
    }
    assert_true(first == 1 && asked == 3);
    assert_files(&k, 1, 1);
    assert_numbers(&k, 1, 2500);
    end_kept(&k);
}

/* ---- what goes ---- */

/* A file begins every 100 s. One is too old when the next was begun longer ago than that. */
static void expired_by_age(void **state)
{
    const int64_t step = 100 * SECOND_US;
    struct kept k =
        keep((struct journal_limits){.file_bytes = 1, .bytes = 1 << 30, .age_us = 250 * SECOND_US, .sync_us = -1});
    (void)state;
    for (uint32_t n = 1; n <= 10; n++) {
        assert_int_equal(write_at(&k, n, true, journal_now + (int64_t)n * step, NULL), 0);
        assert_files(&k, n < 4 ? 1 : n - 3, n);
        assert_int_equal(journal_size(k.writer).expired, n < 4 ? 0 : n - 4);
    }
    assert_int_equal(write_at(&k, 11, true, journal_now + 1000 * step, NULL), 0); /* the last one stays, whenever */
    assert_files(&k, 10, 11);
    assert_int_equal(journal_size(k.writer).expired, 9);
    end_kept(&k);

    k = keep((struct journal_limits){.file_bytes = 1, .bytes = 1 << 30, .age_us = step, .sync_us = -1});
    for (uint32_t n = 0; n <= 2; n++)
        assert_int_equal(write_at(&k, n + 1, true, journal_now + n * step, NULL), 0);
    assert_files(&k, 1, 3); /* just as old as they may be */
    assert_int_equal(write_at(&k, 4, true, journal_now + 3 * step + SECOND_US, NULL), 0);
    assert_files(&k, 3, 4);
    end_kept(&k);
}

static void expired_by_bytes(void **state)
{
    (void)state;
    for (uint64_t room = 1; room <= 4000; room += 333) { /* down to less than one file */
        struct kept k = keep((struct journal_limits){.file_bytes = 600, .bytes = room, .sync_us = -1});
        uint64_t last_size = 0, size = 0;
        for (uint32_t n = 1; n <= 20; n++) {
            assert_int_equal(write_at(&k, n, true, journal_now, NULL), 0);
            last_size = size;
            size = journal_size(k.writer).bytes;
        }
        uint64_t files = journal_size(k.writer).files;
        assert_true(files >= 2 && journal_size(k.writer).expired == 20 - files);
        assert_true(files == 2 || last_size <= room);
        assert_files(&k, 20 - files + 1, 20);
        assert_numbers(&k, 20 - (uint32_t)files + 1, 20);
        end_kept(&k);
    }
}

/* What is not of the journal stays, however much room it takes. */
static void others_stay(void **state)
{
    static const char *const names[] = {"notes.txt", "0000000001-20231114T221320Z.pcap.zst.part", "1.pcap.zst"};
    struct kept k = keep((struct journal_limits){.file_bytes = 1, .bytes = 1, .age_us = 1, .sync_us = -1});
    struct stat info;
    (void)state;
    for (size_t i = 0; i < LEN(names); i++) {
        int fd = openat(k.folder, names[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_int_equal(ftruncate(fd, 1 << 20), 0);
        close(fd);
    }
    for (uint32_t n = 1; n <= 5; n++)
        assert_int_equal(write_at(&k, n, true, journal_now + n * hour_us, NULL), 0);
    assert_files(&k, 4, 5);
    for (size_t i = 0; i < LEN(names); i++)
        assert_int_equal(fstatat(k.folder, names[i], &info, 0), 0);
    end_kept(&k);
}

/* ---- going on ---- */

/* Numbers that were given out are not given out again, whatever has become of the files. */
static void least_numbers(void **state)
{
    static const struct {
        uint64_t least_file, least_block, want_file, want_block;
    } rows[] = {{0, 0, 1, 1}, {7, 100, 8, 101}, {3, 50, 9, 102}, {9, 102, 10, 103}, {11, 104, 12, 105}};
    const struct journal_limits none = {.file_bytes = 1 << 20, .bytes = 1 << 30, .sync_us = -1};
    struct kept k = keep(none);
    uint64_t number;
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct journal_limits limits = none;
        char name[JOURNAL_NAME];
        struct stat info;
        limits.least_file = rows[i].least_file;
        limits.least_block = rows[i].least_block;
        reopen(&k, limits);
        assert_int_equal(write_at(&k, 1, false, journal_now, &number), 0);
        assert_int_equal(number, rows[i].want_block);
        journal_name(rows[i].want_file, journal_now, name);
        assert_int_equal(fstatat(k.folder, name, &info, 0), 0);
    }
    end_kept(&k);
}

/* The last block is told with all its numbers, from the last file that has one. */
static void last_block(void **state)
{
    const struct journal_limits limits = {.file_bytes = 1 << 20, .bytes = 1 << 30, .sync_us = -1};
    struct kept k = keep(limits);
    char name[JOURNAL_NAME];
    uint64_t number;
    (void)state;
    assert_null(journal_last(k.writer));
    for (uint32_t n = 1; n <= 4; n++)
        assert_int_equal(write_at(&k, n, n % 2, journal_now, NULL), 0);
    journal_name(3, journal_now, name);
    close(openat(k.folder, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    reopen(&k, limits);
    const struct journal_block *last = journal_last(k.writer);
    assert_non_null(last);
    assert_true(last->number == 4 && last->datagrams == 1 && last->streams_count == 0 && !last->streams);
    assert_int_equal(last->first_us, journal_now + 4);
    for (int i = 0; i < TOTALS_COUNT; i++)
        assert_int_equal(last->totals[i], 4 * (i + 1));
    assert_files(&k, 1, 3);
    assert_int_equal(write_at(&k, 5, false, journal_now, &number), 0);
    assert_int_equal(number, 5);
    assert_files(&k, 1, 4);
    assert_numbers(&k, 1, 5);
    end_kept(&k);
}

/* A file without a block that is too large to have been begun here is left as it is. */
static void foreign_last(void **state)
{
    const struct journal_limits limits = {.file_bytes = 1 << 20, .bytes = 1 << 30, .sync_us = -1};
    (void)state;
    for (int64_t more = 0; more <= 1; more++) {
        struct kept k = keep(limits);
        struct stat info;
        char name[JOURNAL_NAME];
        assert_int_equal(write_at(&k, 1, true, journal_now, NULL), 0);
        journal_name(2, journal_now, name);
        int fd = openat(k.folder, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_int_equal(ftruncate(fd, 4 * JOURNAL_PLAIN_MAX + more), 0);
        reopen(&k, limits);
        assert_int_equal(fstat(fd, &info), 0);
        assert_true(more ? info.st_size == 4 * JOURNAL_PLAIN_MAX + 1 : info.st_size < 100);
        assert_int_equal(journal_last(k.writer)->number, 1);
        assert_files(&k, 1, 2);
        close(fd);
        end_kept(&k);
    }
}

/* ---- failures ---- */

static void limit_size(rlim_t size)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file that cannot be begun leaves nothing; a table is wanted again, and the numbers go on. */
static void no_room_to_begin(void **state)
{
    struct kept k = keep((struct journal_limits){.file_bytes = 1 << 20, .bytes = 1 << 30, .sync_us = -1});
    uint64_t number;
    struct rlimit before;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t size = 0; size < 20; size++) {
        assert_true(journal_wants_table(k.writer));
        limit_size(size);
        int result = write_at(&k, 1, true, journal_now, NULL);
        limit_size(before.rlim_cur);
        assert_int_equal(result, -1);
        assert_int_equal(journal_size(k.writer).files, 0);
        assert_int_equal(journal_size(k.writer).bytes, 0);
    }
    assert_int_equal(write_at(&k, 1, true, journal_now, &number), 0);
    assert_int_equal(number, 1);
    assert_files(&k, 1, 1);
    assert_numbers(&k, 1, 1);
    end_kept(&k);
}

/* Part of a block never stays, wherever the room ends; the file is the same as before. */
static void no_room_for_a_block(void **state)
{
    struct kept k = keep((struct journal_limits){.file_bytes = 1 << 20, .bytes = 1 << 30, .sync_us = -1});
    uint64_t number, size;
    struct rlimit before;
    uint32_t n = 1;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(write_at(&k, n, true, journal_now, NULL), 0);
    size = journal_size(k.writer).bytes;
    for (rlim_t room = 0; room < 200; room++) {
        limit_size(size + room);
        int result = write_at(&k, 1000, false, journal_now, NULL);
        limit_size(before.rlim_cur);
        assert_int_equal(result, -1);
        assert_files(&k, 1, 1);
        assert_int_equal(journal_size(k.writer).bytes, size);
        if (room % 50 > 0)
            continue;
        assert_int_equal(write_at(&k, ++n, false, journal_now, &number), 0);
        assert_int_equal(number, n);
        size = journal_size(k.writer).bytes;
    }
    assert_numbers(&k, 1, n);
    end_kept(&k);
}

/* The folder goes away under the writer: a failure with a cause, and no more than that. */
static void folder_gone(void **state)
{
    struct kept k = keep((struct journal_limits){.file_bytes = 1 << 20, .bytes = 1 << 30});
    struct error err = {""};
    (void)state;
    assert_int_equal(rmdir(k.path), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(write_at(&k, 1, true, journal_now, NULL), -1);
        assert_int_equal(journal_sync(k.writer, journal_now, true, &err), 0); /* there is nothing to sync */
        assert_true(journal_wants_table(k.writer));
    }
    journal_writer_close(k.writer);
    journal_writer_close(NULL);
    sources_destroy(k.none);
    close(k.folder);
}

/* A head that is larger than what is read at a time, cut off anywhere: the next start is not held up. */
static void large_table_is_torn(void **state)
{
    enum { STREAMS = 2100 };
    static const off_t cuts[] = {1, 100, 2000, 400000, 530000};
    static struct journal_build build;
    (void)state;
    for (size_t i = 0; i < LEN(cuts); i++) {
        struct kept k = keep((struct journal_limits){.file_bytes = 1 << 20, .bytes = 1 << 30, .sync_us = -1});
        struct error err = {""};
        struct journal_file file;
        struct made_datagram m;
        uint64_t cut;
        char path[512];
        build_begin(&build, JOURNAL_TABLE);
        make_datagram(&m, 1, 1);
        build_datagram(&build, &m.from);
        build.streams = calloc(STREAMS, SOURCE_STATE);
        assert_non_null(build.streams);
        build.head.streams = build.streams;
        build.head.streams_count = STREAMS;
        assert_int_equal(write_block_of(k.writer, 0, 1, 3, NULL), 0);
        assert_int_equal(journal_write(k.writer, &build.head, build.plain, journal_now, &err), 0);
        build_end(&build);
        assert_int_equal(journal_find(k.folder, 2, &file, NULL), 1);
        snprintf(path, sizeof(path), "%s/%s", k.path, file.name);
        assert_int_equal(truncate(path, (off_t)file.bytes - cuts[i]), 0);
        journal_writer_close(k.writer);
        alarm(20); /* instead of a test that never ends */
        k.writer = open_writer(k.folder, 1 << 20, 1 << 30, &cut);
        alarm(0);
        assert_int_equal(journal_last(k.writer)->number, 1);
        end_kept(&k);
    }
}

/* A table whose block found no room is asked for again, and its file is taken for the next one. */
static void no_room_for_a_table(void **state)
{
    struct kept k = keep((struct journal_limits){.file_bytes = 1 << 20, .bytes = 1 << 30, .sync_us = -1});
    struct rlimit before, limit;
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){100, before.rlim_max};
    assert_true(journal_wants_table(k.writer));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(write_block_of(k.writer, 0, 1, 10, k.none), -1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(journal_wants_table(k.writer));
    assert_int_equal(journal_size(k.writer).files, 1);
    assert_int_equal(write_block_of(k.writer, 0, 1, 10, k.none), 0);
    assert_int_equal(journal_size(k.writer).files, 1);
    assert_false(journal_wants_table(k.writer));
    end_kept(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_by_bytes),       cmocka_unit_test(full_by_age),         cmocka_unit_test(asked_again),
        cmocka_unit_test(expired_by_age),      cmocka_unit_test(expired_by_bytes),    cmocka_unit_test(others_stay),
        cmocka_unit_test(least_numbers),       cmocka_unit_test(last_block),          cmocka_unit_test(foreign_last),
        cmocka_unit_test(no_room_to_begin),    cmocka_unit_test(no_room_for_a_block), cmocka_unit_test(folder_gone),
        cmocka_unit_test(large_table_is_torn), cmocka_unit_test(no_room_for_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
