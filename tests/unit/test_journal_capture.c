/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A journal's file as a capture. */
#include "journals.h"

#include <sys/stat.h>

#include "journal/capture_file.h"

enum { BLOCKS = 5, IN_BLOCK = 300, ALL = BLOCKS * IN_BLOCK };

struct one_file {
    char path[256], full[512];
    int folder;
    uint8_t *bytes;
    size_t len;
};

static void make_file(struct one_file *f)
{
    char name[JOURNAL_NAME];
    f->folder = make_folder(f->path);
    struct journal_writer *w = open_writer(f->folder, 1 << 20, 1 << 30, NULL);
    for (uint32_t i = 0; i < BLOCKS; i++)
        assert_int_equal(write_block_of(w, 0, i * IN_BLOCK, (i + 1) * IN_BLOCK - 1, NULL), 0);
    journal_writer_close(w);
    journal_name(1, journal_now + IN_BLOCK - 1, name);
    snprintf(f->full, sizeof(f->full), "%s/%s", f->path, name);
    f->bytes = read_whole(f->full, &f->len);
}

static void put_bytes(const struct one_file *f, size_t len)
{
    int fd = open(f->full, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, f->bytes, len), (ssize_t)len);
    close(fd);
}

static void remove_file(struct one_file *f)
{
    free(f->bytes);
    remove_folder(f->path, f->folder);
}

/* Borrows all packets, `max` at a time; returns how it ended. They are datagrams of ours with numbers that grow. */
static int borrow_all(const char *path, int max, size_t *count, struct error *err)
{
    struct packet packets[CAPTURE_BATCH];
    struct capture *capture;
    uint32_t last = 0;
    int result;
    *count = 0;
    assert_int_equal(journal_open_capture(path, &capture, err), 0);
    while ((result = capture_borrow(capture, packets, max, err)) > 0) {
        assert_in_range(result, 1, max);
        for (int i = 0; i < result; i++) {
            struct net_payload udp;
            assert_int_equal(packets[i].link_type, JOURNAL_LINK_TYPE);
            assert_int_equal(packets[i].captured_len, packets[i].wire_len);
            assert_int_equal(net_decode(&packets[i], NULL, &udp), DROP_NONE);
            uint32_t number = load_be32(udp.bytes + 4);
            assert_true(*count == 0 || number > last);
            assert_int_equal(packets[i].time_us, journal_now + number);
            last = number;
            (*count)++;
        }
    }
    capture_close(capture);
    return result;
}

static void whole(void **state)
{
    static const int sizes[] = {1, 7, CAPTURE_BATCH};
    struct one_file f;
    struct error err = {""};
    size_t count;
    (void)state;
    make_file(&f);
    assert_true(journal_is_file(f.full));
    for (size_t i = 0; i < LEN(sizes); i++) {
        assert_int_equal(borrow_all(f.full, sizes[i], &count, &err), CAPTURE_END);
        assert_int_equal(count, ALL);
    }
    remove_file(&f);
}

/* The end that is not there is no failure: it may come yet. Damage before that is one, once all else was given. */
static void torn_or_damaged(void **state)
{
    struct one_file f;
    struct error err = {""};
    size_t count;
    (void)state;
    make_file(&f);
    put_bytes(&f, f.len - 1);
    assert_int_equal(borrow_all(f.full, CAPTURE_BATCH, &count, &err), CAPTURE_END);
    assert_int_equal(count, ALL - IN_BLOCK);
    f.bytes[f.len / 2] ^= 0x10;
    put_bytes(&f, f.len);
    assert_int_equal(borrow_all(f.full, CAPTURE_BATCH, &count, &err), CAPTURE_FAILED);
    assert_int_equal(count, ALL - IN_BLOCK);
    assert_non_null(strstr(err.text, "damaged"));
    assert_ptr_equal(strstr(err.text, f.full), err.text);
    remove_file(&f);
}

/* What is told apart by its first bytes, and what cannot be read at all. */
static void which_files(void **state)
{
    struct one_file f;
    struct capture *capture;
    struct error err = {""};
    const uint8_t *head;
    (void)state;
    make_file(&f);
    head = memmem(f.bytes, f.len, "\x5d\x2a\x4d\x18", 4);
    assert_non_null(head);
    for (size_t len = 0; len <= (size_t)(head - f.bytes); len++) {
        put_bytes(&f, len);
        assert_int_equal(journal_is_file(f.full), f.bytes + len == head);
    }
    for (size_t at = 0; at < 4; at++) {
        f.bytes[at] ^= 1;
        put_bytes(&f, f.len);
        assert_false(journal_is_file(f.full));
        f.bytes[at] ^= 1;
    }
    assert_false(journal_is_file(f.path));
    assert_int_equal(unlink(f.full), 0);
    assert_false(journal_is_file(f.full));
    assert_int_equal(journal_open_capture(f.full, &capture, &err), -1);
    assert_ptr_equal(strstr(err.text, f.full), err.text);
    assert_int_equal(mkfifo(f.full, 0600), 0);
    alarm(20); /* nobody writes to it */
    assert_false(journal_is_file(f.full));
    alarm(0);
    remove_file(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(torn_or_damaged),
        cmocka_unit_test(which_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
