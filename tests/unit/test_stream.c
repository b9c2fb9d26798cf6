/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compressed captures, made by the command line tools that are there. */
#include "files.h"

#include <spawn.h>
#include <sys/wait.h>
#include <fcntl.h>

extern char **environ;

enum { PACKETS = 20000 };

/* lz4 -l is its first format, whose frames have no end mark. */
static const char *const tools[] = {"gzip", "bzip2", "xz", "zstd", "lz4", "lz4 -l"};
enum { ZSTD = 3, LZ4, LZ4_LEGACY };
static uint8_t plain[3 << 20];
static size_t plain_len;
static struct reading r;

/* TOOL -c [-l] < from > to. Returns false when there is no such tool. */
static bool compress(const char *tool, const char *from, const char *to)
{
    posix_spawn_file_actions_t actions;
    char name[8];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(tool, " "), tool);
    char *argv[] = {name, (char *)(uintptr_t) "-c", strchr(tool, ' ') ? (char *)(uintptr_t) "-l" : NULL, NULL};
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, from, O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int failed = posix_spawnp(&pid, name, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed || waitpid(pid, &status, 0) != pid)
        return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int make_plain(void **state)
{
    (void)state;
    struct chance c = {16};
    struct maker m = {writer_over(plain, sizeof(plain)), false};
    put32(&m, 0xa1b2c3d4);
    put32(&m, 0x00040002);
    put32(&m, 0);
    put32(&m, 0);
    put32(&m, 65535);
    put32(&m, 1);
    for (uint32_t n = 0; n < PACKETS; n++) {
        uint32_t len = n % 90;
        put32(&m, n);
        put32(&m, 0);
        put32(&m, len);
        put32(&m, len);
        for (uint32_t i = 0; i < len; i++)
            write_u8(&m.out, chance_below(&c, 16));
    }
    plain_len = writer_len(&m.out);
    return m.out.failed;
}

/* The compressed bytes, NULL when the tool is not there. */
static uint8_t *compressed(const char *tool, const uint8_t *bytes, size_t bytes_len, size_t *len)
{
    char from[256], to[256];
    uint8_t *made = NULL;
    temp_file(from, bytes, bytes_len);
    temp_file(to, NULL, 0);
    if (compress(tool, from, to))
        made = read_whole(to, len);
    else
        printf("skipped: no %s\n", tool);
    unlink(from);
    unlink(to);
    return made;
}

static void each_compression(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(tools); i++) {
        size_t len;
        uint8_t *bytes = compressed(tools[i], plain, plain_len, &len);
        if (!bytes)
            continue;
        assert_true(len < plain_len);
        read_bytes_as_file(bytes, len, &r);
        if (r.result != CAPTURE_END)
            fail_msg("%s: %s", tools[i], r.err.text);
        assert_int_equal(r.count, PACKETS);
        assert_int_equal(r.packets[READ_MAX - 1].captured_len, READ_MAX - 1);
        free(bytes);
    }
}

/* The rest is missing: an error, never a file that ends well. */
static void cut_in_the_middle(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(tools); i++) {
        size_t len;
        uint8_t *bytes = compressed(tools[i], plain, plain_len, &len);
        if (!bytes)
            continue;
        const size_t cuts[] = {len / 2, len / 3, len - 1, len - 4, len - 5, 20, 7};
        for (size_t k = 0; k < LEN(cuts); k++) {
            read_bytes_as_file(bytes, cuts[k], &r);
            if (r.result == CAPTURE_END)
                fail_msg("%s cut at %zu of %zu: %zu packets and no error", tools[i], cuts[k], len, r.count);
            if (strstr(r.err.text, "(null)"))
                fail_msg("%s cut at %zu of %zu: %s", tools[i], cuts[k], len, r.err.text);
        }
        free(bytes);
    }
}

/* Skippable frames in front of, between and behind the others, as pzstd and others write them. */
static void skippable_frames(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 4, 4095, 4096, 70000};
    uint8_t *all = malloc(4 << 20);
    for (size_t tool = ZSTD; tool <= LZ4_LEGACY; tool++) {
        size_t len[2], half = plain_len / 2;
        uint8_t *part[2] = {compressed(tools[tool], plain, half, &len[0]),
                            compressed(tools[tool], plain + half, plain_len - half, &len[1])};
        for (uint32_t places = 1; part[0] && part[1] && places < 16; places++) {
            struct maker m = {writer_over(all, 4 << 20), false};
            for (uint32_t i = 0; i < 4; i++) {
                uint32_t size = sizes[(places + i) % LEN(sizes)];
                if (i == 1 || i == 3)
                    write_bytes(&m.out, part[i / 2], len[i / 2]);
                if (!(places >> i & 1))
                    continue;
                put32(&m, 0x184d2a50 + places);
                put32(&m, size);
                for (uint32_t k = 0; k < size; k++)
                    write_u8(&m.out, k & 0xff);
            }
            read_made(&m, &r);
            if (r.result != CAPTURE_END || r.count != PACKETS)
                fail_msg("%s, frames at %x: %zu packets, %s", tools[tool], places, r.count, r.err.text);
        }
        free(part[0]);
        free(part[1]);
    }
    free(all);
}

/* Such frames alone, and cut at every byte. */
static void skippable_frames_and_nothing(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct maker m = {writer_over(bytes, sizeof(bytes)), false};
    for (uint32_t i = 0; i < 3; i++) {
        put32(&m, 0x184d2a5f);
        put32(&m, 5);
        write_zeros(&m.out, 5);
    }
    for (size_t len = 0; len <= writer_len(&m.out); len++) {
        read_bytes_as_file(bytes, len, &r);
        assert_int_equal(r.result, NOT_OPENED);
        assert_null(strstr(r.err.text, "(null)"));
    }
    store_be32(bytes + 4, 0xffffffff);
    read_made(&m, &r);
    assert_int_equal(r.result, NOT_OPENED);
}

static void damaged_in_the_middle(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(tools); i++) {
        size_t len;
        uint8_t *bytes = compressed(tools[i], plain, plain_len, &len);
        if (!bytes)
            continue;
        struct chance c = {17};
        for (int round = 0; round < 8; round++) {
            size_t at = 12 + chance_below(&c, len - 12);
            bytes[at] ^= 0x55;
            read_bytes_as_file(bytes, len, &r); /* no crash; a checksum need not be there */
            assert_null(strstr(r.err.text, "(null)"));
            bytes[at] ^= 0x55;
        }
        free(bytes);
    }
}

/* Nothing inside, or something else. */
static void no_capture_inside(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(tools); i++) {
        for (int kind = 0; kind < 2; kind++) {
            size_t len;
            uint8_t *bytes =
                compressed(tools[i], (const uint8_t *)"this is no capture, it is text", kind ? 30 : 0, &len);
            if (!bytes)
                continue;
            read_bytes_as_file(bytes, len, &r);
            assert_int_equal(r.result, NOT_OPENED);
            if (strstr(r.err.text, "(null)"))
                fail_msg("%s of %s: %s", tools[i], kind ? "text" : "nothing", r.err.text);
            free(bytes);
        }
    }
}

/* Two compressed files one behind the other are one, as the tools say. */
static void members_one_behind_the_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(tools); i++) {
        size_t first_len, second_len, half = 24 + 16;
        uint8_t *first = compressed(tools[i], plain, half, &first_len);
        uint8_t *second = compressed(tools[i], plain + half, plain_len - half, &second_len);
        if (first && second) {
            uint8_t *both = malloc(first_len + second_len);
            memcpy(both, first, first_len);
            memcpy(both + first_len, second, second_len);
            read_bytes_as_file(both, first_len + second_len, &r);
            if (r.result != CAPTURE_END || r.count != PACKETS)
                fail_msg("%s: %zu packets, %s", tools[i], r.count, r.err.text);
            free(both);
        }
        free(first);
        free(second);
    }
}

/* A magic number and then nothing or rubbish. */
static void magics_alone(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        const char *bytes;
    } rows[] = {{2, "\x1f\x8b"},
                {3, "BZh"},
                {6, "\xfd"
                    "7zXZ\0"},
                {4, "\x28\xb5\x2f\xfd"},
                {4, "\x04\x22\x4d\x18"},
                {4, "\x02\x21\x4c\x18"}};
    for (size_t i = 0; i < LEN(rows); i++) {
        for (size_t extra = 0; extra <= 64; extra += 8) {
            uint8_t bytes[128];
            memset(bytes, 0xa5, sizeof(bytes));
            memcpy(bytes, rows[i].bytes, rows[i].len);
            read_bytes_as_file(bytes, rows[i].len + extra, &r);
            assert_true(r.result == NOT_OPENED || r.result == CAPTURE_FAILED);
            if (strstr(r.err.text, "(null)"))
                fail_msg("%s and %zu bytes: %s", tools[i], extra, r.err.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_compression),
        cmocka_unit_test(cut_in_the_middle),
        cmocka_unit_test(skippable_frames),
        cmocka_unit_test(skippable_frames_and_nothing),
        cmocka_unit_test(damaged_in_the_middle),
        cmocka_unit_test(no_capture_inside),
        cmocka_unit_test(members_one_behind_the_other),
        cmocka_unit_test(magics_alone),
    };
    return cmocka_run_group_tests(tests, make_plain, NULL);
}
