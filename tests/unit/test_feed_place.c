/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How far a store has come, as a file: what is written is read again, and what is damaged is never taken for it. */
#include <sys/stat.h>

#include "feed/place.h"
#include "testing.h"

static struct {
    char folder[256], path[300];
} at;

static int make_folder(void **state)
{
    (void)state;
    const char *dir = getenv("TMPDIR");
    snprintf(at.folder, sizeof(at.folder), "%s/dnsflow-test-XXXXXX", dir ? dir : "/tmp");
    assert_non_null(mkdtemp(at.folder));
    snprintf(at.path, sizeof(at.path), "%s/place", at.folder);
    return 0;
}

static int remove_folder(void **state)
{
    char path[310];
    (void)state;
    (void)unlink(at.path);
    snprintf(path, sizeof(path), "%s.new", at.path);
    (void)unlink(path);
    return rmdir(at.folder);
}

static void put_text(const char *text, size_t len)
{
    FILE *out = fopen(at.path, "wbe");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

/* A place whose numbers all differ, saved. */
static struct feed_place saved(void)
{
    struct feed_place place;
    struct error err;
    (void)unlink(at.path);
    assert_int_equal(place_open(&place, at.path, &err), 0);
    place.done = (struct feed_point){{3, 4000}, 50, 600, 0};
    place.wanted = (struct feed_point){{UINT64_MAX, 1ull << 63}, 70, 800, 0};
    snprintf(place.note, sizeof(place.note), "123 /srv/a b/%%.part");
    assert_int_equal(place_save(&place, &err), 0);
    return place;
}

static void assert_same(const struct feed_place *a, const struct feed_place *b)
{
    assert_string_equal(a->path, b->path);
    assert_true(a->instance == b->instance);
    assert_true(a->done.at.file == b->done.at.file && a->done.at.offset == b->done.at.offset);
    assert_true(a->done.block == b->done.block && a->wanted.block == b->wanted.block);
    assert_true(a->wanted.at.file == b->wanted.at.file && a->wanted.at.offset == b->wanted.at.offset);
    assert_true(a->done.datagrams == b->done.datagrams && a->wanted.datagrams == b->wanted.datagrams);
    assert_string_equal(a->note, b->note);
}

static void test_new(void **state)
{
    (void)state;
    struct feed_place first, again, other;
    struct error err;
    struct stat s;
    assert_int_equal(place_open(&first, at.path, &err), 0);
    assert_int_equal(stat(at.path, &s), 0);
    assert_int_equal(s.st_mode & 0137, 0);
    assert_true(first.done.block == 0 && first.done.at.file == 0 && first.note[0] == '\0' && !place_is_open(&first));
    assert_int_equal(place_open(&again, at.path, &err), 0);
    assert_same(&first, &again);
    assert_int_equal(unlink(at.path), 0);
    assert_int_equal(place_open(&other, at.path, &err), 0);
    assert_true(other.instance != first.instance);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct feed_place place = saved(), again;
    struct error err;
    assert_int_equal(place_open(&again, at.path, &err), 0);
    assert_same(&place, &again);
    assert_true(place_is_open(&again));
    place.done = place.wanted;
    place.note[0] = '\0';
    assert_int_equal(place_save(&place, &err), 0);
    assert_int_equal(place_open(&again, at.path, &err), 0);
    assert_same(&place, &again);
    assert_false(place_is_open(&again));
}

/* As much as there is room for. */
static void test_full_note(void **state)
{
    (void)state;
    struct feed_place place = saved(), again;
    struct error err;
    place.instance = place.done.at.file = place.done.at.offset = UINT64_MAX;
    place.done.block = place.done.datagrams = UINT64_MAX;
    place.wanted = place.done;
    memset(place.note, 'n', sizeof(place.note) - 1);
    assert_int_equal(place_save(&place, &err), 0);
    assert_int_equal(place_open(&again, at.path, &err), 0);
    assert_same(&place, &again);
    assert_int_equal(strlen(again.note), PLACE_NOTE - 1);
}

static void assert_damaged(const char *text, size_t len)
{
    struct feed_place place;
    struct error err;
    put_text(text, len);
    assert_int_equal(place_open(&place, at.path, &err), -1);
    assert_non_null(strstr(err.text, "is damaged; removed, the store begins with the oldest of the journal"));
    assert_non_null(strstr(err.text, at.path));
}

static void test_cut(void **state)
{
    (void)state;
    size_t len;
    (void)saved();
    char *text = (char *)read_whole(at.path, &len);
    for (size_t cut = 0; cut < len; cut++)
        assert_damaged(text, cut);
    put_text(text, len);
    struct feed_place place;
    struct error err;
    assert_int_equal(place_open(&place, at.path, &err), 0);
    free(text);
}

static void test_damaged(void **state)
{
    (void)state;
    char text[3000];
    size_t len;
    (void)saved();
    char *good = (char *)read_whole(at.path, &len);
    size_t note = (size_t)(strstr(good, "note ") - good);
    for (size_t i = 0; i < note + 5; i++) { /* every byte but those of the note, none of which is a digit then */
        memcpy(text, good, len);
        text[i] = text[i] == 'x' ? 'y' : 'x';
        assert_damaged(text, len);
        text[i] = '\0';
        assert_damaged(text, len);
    }
    snprintf(text, sizeof(text), "%.*sx", (int)len, good); /* something behind it */
    assert_damaged(text, len + 1);
    snprintf(text, sizeof(text), "%.*s\n", (int)len, good);
    assert_damaged(text, len + 1);
    memset(text, 'z', sizeof(text)); /* far too long */
    memcpy(text, good, len - 1);
    assert_damaged(text, sizeof(text));
    static const char *const values[] = {"-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "", "1.5"};
    for (size_t i = 0; i < LEN(values); i++) {
        const char *from = strstr(good, "done block 50"), *rest = strchr(from, '\n');
        snprintf(text, sizeof(text), "%.*sdone block %s%.*s", (int)(from - good), good, values[i],
                 (int)(len - (size_t)(rest - good)), rest);
        assert_damaged(text, strlen(text));
    }
    free(good);
}

/* Nobody writes to it: it is not waited for. */
static void test_pipe(void **state)
{
    (void)state;
    struct feed_place place;
    struct error err;
    assert_int_equal(mkfifo(at.path, 0600), 0);
    assert_int_equal(place_open(&place, at.path, &err), -1);
    assert_non_null(strstr(err.text, "is damaged"));
}

static void test_no_folder(void **state)
{
    (void)state;
    struct feed_place place = saved();
    char path[400];
    struct error err;
    snprintf(path, sizeof(path), "%s/none/place", at.folder);
    assert_int_equal(place_open(&place, path, &err), -1);
    assert_true(strstr(err.text, path) && strstr(err.text, "No such file or directory"));
    assert_int_equal(place_open(&place, at.folder, &err), -1); /* it is a folder */
    assert_true(strstr(err.text, at.folder) && strstr(err.text, "Is a directory"));
    char too_long[700];
    snprintf(too_long, sizeof(too_long), "/%0*d", 600, 0);
    assert_int_equal(place_open(&place, too_long, &err), -1);
    assert_non_null(strstr(err.text, "the path is too long"));
}

/* What cannot be written leaves the one before. */
static void test_save_fails(void **state)
{
    (void)state;
    struct feed_place place = saved(), changed = place, again;
    struct error err;
    char path[310];
    snprintf(path, sizeof(path), "%s.new", at.path);
    assert_int_equal(mkdir(path, 0700), 0); /* in the way */
    changed.done.block = 71;
    assert_int_equal(place_save(&changed, &err), -1);
    assert_non_null(strstr(err.text, at.path));
    assert_int_equal(place_open(&again, at.path, &err), 0);
    assert_same(&place, &again);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/etc/hostname", path), 0); /* is not followed */
    assert_int_equal(place_save(&changed, &err), -1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(place_save(&changed, &err), 0);
    assert_int_equal(place_open(&again, at.path, &err), 0);
    assert_same(&changed, &again);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_new),     TEST(test_round_trip), TEST(test_full_note), TEST(test_cut),
        TEST(test_damaged), TEST(test_pipe),       TEST(test_no_folder), TEST(test_save_fails),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
