/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names of files that come of a time: patterns, what is one of them, names that are taken, and what is removed. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>

#include "feed/file_names.h"
#include "testing.h"

enum { NOON = 1790078400, /* 2026-09-22 12:00 */ DAY = 86400 };

static int parse(const char *options, struct file_names *out, struct error *err)
{
    char text[600];
    struct feed_spec spec;
    snprintf(text, sizeof(text), "file,%s", options);
    int result = feed_parse(text, &spec, err);
    assert_int_equal(result, 0);
    result = file_names_parse(&spec, out, err);
    feed_spec_free(&spec);
    return result;
}

static struct file_names parsed(const char *options)
{
    struct file_names names;
    struct error err;
    if (parse(options, &names, &err) != 0)
        fail_msg("%s: %s", options, err.text);
    return names;
}

/* ---- patterns ---- */

static void test_endings(void **state)
{
    (void)state;
    static const struct {
        const char *ending;
        enum file_content content;
        bool is_packed;
    } all[] = {{".pcap", FILE_PCAP, false},      {".pcap.zst", FILE_PCAP, true}, {".ndjson", FILE_JSON, false},
               {".ndjson.zst", FILE_JSON, true}, {".csv", FILE_CSV, false},      {".csv.zst", FILE_CSV, true}};
    char text[100];
    for (size_t i = 0; i < LEN(all); i++) {
        snprintf(text, sizeof(text), "path=/srv/%%Y/%%m%s,max-size=2M,max-age=3d", all[i].ending);
        struct file_names names = parsed(text);
        assert_int_equal(names.content, all[i].content);
        assert_int_equal(names.is_packed, all[i].is_packed);
        assert_string_equal(names.ending, all[i].ending);
        assert_string_equal(names.pattern, "/srv/%Y/%m");
        assert_string_equal(names.folder, "/srv");
        assert_true(names.max_size == 2 << 20 && names.max_age_s == 3 * DAY);
    }
}

static void test_folders(void **state)
{
    (void)state;
    static const char *const all[][2] = {{"/srv/%Y.csv", "/srv"},
                                         {"/srv/a/b-%Y.csv", "/srv/a"},
                                         {"/%Y/a.csv", "/"},
                                         {"%Y.csv", "."},
                                         {"a-%Y.csv", "."},
                                         {"./%Y.csv", "."},
                                         {"a/b/%d/c/%Y.csv", "a/b"},
                                         {"/srv/%%/%Y.csv", "/srv"},
                                         {"/srv/%Y/%Y%m%d.csv", "/srv"},
                                         {"a/%Y.csv", "a"}};
    char text[100];
    for (size_t i = 0; i < LEN(all); i++) {
        snprintf(text, sizeof(text), "path=%s", all[i][0]);
        assert_string_equal(parsed(text).folder, all[i][1]);
    }
}

static void test_refused(void **state)
{
    (void)state;
    char text[600];
    static const char *const all[][2] = {
        {"max-size=1M", "expected path=PATTERN"},
        {"path=/srv/%Y.txt", "to end with .pcap, .ndjson or .csv"},
        {"path=/srv/%Y.csv.gz", "to end with"},
        {"path=/srv/%Y", "to end with"},
        {"path=.csv", "to end with"},
        {"path=/srv/all.csv", "expected a time in it"},
        {"path=/srv/%%Y.csv", "expected a time in it"},
        {"path=/srv/%n%Y.csv", "no control characters"},
        {"path=/srv/a\nb-%Y.csv", "no control characters"},
        {"path=/srv/\x7f%Y.csv", "no control characters"},
        {"path=/srv/%G-%V.csv,max-size=1G", "with max-size and max-age a time"},
        {"path=/srv/%G-%V.csv,max-age=1d", "with max-size and max-age a time"},
        {"path=/srv/%Y.csv,max-size=none", "max-size=none: expected a number of bytes"},
        {"path=/srv/%Y.csv,max-size=0", "max-size=0: expected a number of bytes"},
        {"path=/srv/%Y.csv,max-age=5", "max-age=5: expected a time"},
    };
    struct file_names names;
    struct error err;
    for (size_t i = 0; i < LEN(all); i++) {
        assert_int_equal(parse(all[i][0], &names, &err), -1);
        if (!strstr(err.text, all[i][1]))
            fail_msg("%s: %s", all[i][0], err.text);
    }
    for (int len = 300; len < 450; len++) { /* up to some length, and none beyond */
        snprintf(text, sizeof(text), "path=/%0*d/%%Y.csv", len, 0);
        assert_int_equal(parse(text, &names, &err), len + 8 < FILE_PATH - 40 ? 0 : -1);
    }
    (void)parsed("path=/srv/%G-%V.csv"); /* nothing is to be read back */
}

static void test_is_of(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_of;
    } all[] = {{"/srv/20260922-12.csv", true},       {"/srv/20260922-12-1.csv", true},
               {"/srv/20260922-12-9999.csv", true},  {"/srv/20260922-12-10000.csv", false},
               {"/srv/20260922-12-0.csv", false},    {"/srv/20260922-12-01.csv", false},
               {"/srv/20260922-12-.csv", false},     {"/srv/20260922-12-1x.csv", false},
               {"/srv/20260922-12--1.csv", false},   {"/srv/20260922-13.csv", false},
               {"/srv/20260922-12.csv.part", false}, {"/srv/20260922-12.csv.zst", false},
               {"/srv/20260922-12.pcap", false},     {"/srv/20260922-12", false},
               {"20260922-12.csv", false},           {"", false}};
    const struct file_names names = parsed("path=/srv/%Y%m%d-%H.csv");
    for (size_t i = 0; i < LEN(all); i++) {
        assert_int_equal(file_names_is_of(&names, NOON, all[i].name), all[i].is_of);
        assert_int_equal(file_names_is_of(&names, NOON + 3599, all[i].name), all[i].is_of);
    }
    assert_false(file_names_is_of(&names, NOON - 1, all[0].name));
    assert_false(file_names_is_of(&names, NOON + 3600, all[0].name));
    assert_false(file_names_is_of(&names, INT64_MAX, all[0].name)); /* no such year */
}

/* ---- folders of their own ---- */

static void in_folder(char folder[256])
{
    const char *dir = getenv("TMPDIR");
    snprintf(folder, 256, "%s/dnsflow-test-XXXXXX", dir ? dir : "/tmp");
    assert_non_null(mkdtemp(folder));
}

static void remove_all(const char *folder)
{
    char command[300];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

static struct file_names names_in(const char *folder, const char *rest)
{
    char text[400];
    snprintf(text, sizeof(text), "path=%s/%s", folder, rest);
    return parsed(text);
}

static void put(const char *folder, const char *name, size_t size)
{
    char path[512], *slash;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    for (slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

static bool is_there(const char *folder, const char *name)
{
    char path[512];
    struct stat s;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return lstat(path, &s) == 0;
}

static void test_begin_and_publish(void **state)
{
    (void)state;
    static const char *const expected[] = {"a/22/12.csv", "a/22/12-1.csv", "a/22/12-3.csv"};
    char folder[256], final[FILE_PATH], part[FILE_PATH + 8];
    struct error err;
    in_folder(folder);
    put(folder, "a/22/12-2.csv", 5); /* somebody else's */
    const struct file_names names = names_in(folder, "a/%d/%H.csv");
    for (size_t i = 0; i < LEN(expected); i++) {
        int fd = file_names_begin(&names, NOON, final, part, &err);
        assert_true(fd >= 0);
        close(fd);
        assert_string_equal(final + strlen(folder) + 1, expected[i]);
        assert_true(strncmp(part, final, strlen(final)) == 0 && strcmp(part + strlen(final), ".part") == 0);
        assert_true(is_there(folder, part + strlen(folder) + 1) && !is_there(folder, expected[i]));
        if (i != 1) { /* one stays open: its name is not given to another */
            assert_int_equal(file_names_publish(&names, part, final, &err), 0);
            assert_true(is_there(folder, expected[i]) && !is_there(folder, part + strlen(folder) + 1));
        }
    }
    assert_int_equal(file_names_publish(&names, part, final, &err), -1); /* it is not there any more */
    assert_non_null(strstr(err.text, "No such file"));
    remove_all(folder);
}

/* A name that another has by the time the file is whole. */
static void test_name_taken_meanwhile(void **state)
{
    (void)state;
    char folder[256], final[FILE_PATH], part[FILE_PATH + 8];
    struct error err;
    in_folder(folder);
    const struct file_names names = names_in(folder, "%Y-%H.csv");
    int fd = file_names_begin(&names, NOON, final, part, &err);
    assert_true(fd >= 0);
    close(fd);
    put(folder, "2026-12.csv", 7);
    put(folder, "2026-12-1.csv", 7);
    assert_int_equal(file_names_publish(&names, part, final, &err), 0);
    assert_string_equal(final + strlen(folder) + 1, "2026-12-2.csv");
    assert_true(is_there(folder, "2026-12-2.csv") && !is_there(folder, "2026-12.csv.part"));
    put(folder, "other-5.csv.part", 7); /* of another pattern */
    put(folder, "other-5.csv", 7);
    snprintf(part, sizeof(part), "%s/other-5.csv.part", folder);
    snprintf(final, sizeof(final), "%s/other-5.csv", folder);
    assert_int_equal(file_names_publish(&names, part, final, &err), 0);
    assert_string_equal(final + strlen(folder) + 1, "other-5-1.csv");
    remove_all(folder);
}

/* ---- bounds ---- */

static const char *const foreign[] = {"20260901-0000.csv.part",     "20260901-0000.csv.zst",  "20260901-0000-0.csv",
                                      "20260901-0000-20260902.csv", "2026901-0000.csv",       "20260931-0000.csv",
                                      "20260901-2400.csv",          "copy-20260901-0000.csv", "20260901-0000.csv~",
                                      "20260901-0000 (1).csv",      "sub/20260901-0000.csv",  "20260901.csv",
                                      "20260901-0000.CSV"};

static void put_foreign(const char *folder)
{
    char path[512];
    for (size_t i = 0; i < LEN(foreign); i++)
        put(folder, foreign[i], 10 << 20);
    snprintf(path, sizeof(path), "%s/20260902-0000.csv", folder);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    put(folder, "20260903-0000.csv/kept", 1 << 20); /* a folder */
}

static void assert_foreign_there(const char *folder)
{
    for (size_t i = 0; i < LEN(foreign); i++)
        if (!is_there(folder, foreign[i]))
            fail_msg("%s was removed", foreign[i]);
    assert_true(is_there(folder, "20260902-0000.csv") && is_there(folder, "20260903-0000.csv/kept"));
}

static void test_max_size(void **state)
{
    (void)state;
    static const char *const oldest_first[] = {"20260919-1200.csv", "20260920-1200.csv", "20260920-1200-2.csv",
                                               "20260920-1200-10.csv", "20260921-1200.csv"};
    char folder[256];
    struct error err;
    in_folder(folder);
    put_foreign(folder);
    for (size_t i = LEN(oldest_first); i-- > 0;)
        put(folder, oldest_first[i], 1000);
    for (size_t kept = LEN(oldest_first); kept > 0; kept--) {
        char rest[60];
        snprintf(rest, sizeof(rest), "%%Y%%m%%d-%%H%%M.csv,max-size=%zu", kept * 1000);
        const struct file_names names = names_in(folder, rest);
        assert_int_equal(file_names_bound(&names, NOON, &err), 0);
        for (size_t i = 0; i < LEN(oldest_first); i++)
            assert_int_equal(is_there(folder, oldest_first[i]), i >= LEN(oldest_first) - kept);
    }
    const struct file_names names = names_in(folder, "%Y%m%d-%H%M.csv,max-size=1");
    assert_int_equal(file_names_bound(&names, NOON, &err), 0);
    assert_true(is_there(folder, oldest_first[LEN(oldest_first) - 1])); /* the newest stays whatever its size */
    assert_foreign_there(folder);
    remove_all(folder);
}

static void test_max_age(void **state)
{
    (void)state;
    char folder[256];
    struct error err;
    in_folder(folder);
    put_foreign(folder);
    put(folder, "20260920-1159.csv", 1);
    put(folder, "20260920-1200.csv", 1);
    const struct file_names no_bounds = names_in(folder, "%Y%m%d-%H%M.csv");
    assert_int_equal(file_names_bound(&no_bounds, NOON, &err), 0);
    assert_true(is_there(folder, "20260920-1159.csv"));
    const struct file_names names = names_in(folder, "%Y%m%d-%H%M.csv,max-age=2d");
    assert_int_equal(file_names_bound(&names, NOON, &err), 0);
    assert_true(!is_there(folder, "20260920-1159.csv") && is_there(folder, "20260920-1200.csv"));
    assert_int_equal(file_names_bound(&names, NOON + 1, &err), 0);
    assert_false(is_there(folder, "20260920-1200.csv")); /* also the last one */
    assert_foreign_there(folder);
    remove_all(folder);
}

/* Folders that become empty go, up to the one that does not change; others stay. */
static void test_folders_go(void **state)
{
    (void)state;
    char folder[256], root[300];
    struct error err;
    in_folder(folder);
    snprintf(root, sizeof(root), "%s/root", folder);
    assert_int_equal(mkdir(root, 0700), 0);
    put(root, "2026/09/20.csv", 1);
    put(root, "2026/08/20.csv", 1);
    put(root, "2026/08/other", 1);
    const struct file_names names = names_in(root, "%Y/%m/%d.csv,max-age=1d");
    assert_int_equal(file_names_bound(&names, NOON + 30 * DAY, &err), 0);
    assert_true(!is_there(root, "2026/09") && is_there(root, "2026/08/other") && !is_there(root, "2026/08/20.csv"));
    put(root, "2027/01/01.csv", 1);
    assert_int_equal(file_names_bound(&names, NOON + 300 * DAY, &err), 0);
    assert_true(!is_there(root, "2027") && is_there(folder, "root"));
    remove_all(folder);
}

/* Names without a year: by the time that the file was written last. */
static void test_no_year(void **state)
{
    (void)state;
    char folder[256], path[300];
    struct error err;
    in_folder(folder);
    put(folder, "2359.csv", 10);
    put(folder, "0000.csv", 10);
    put(folder, "1159.csv", 10);
    const struct timespec old[2] = {{.tv_sec = NOON - 3 * DAY}, {.tv_sec = NOON - 3 * DAY}};
    const struct timespec older[2] = {{.tv_sec = NOON - 4 * DAY}, {.tv_sec = NOON - 4 * DAY}};
    const struct timespec fresh[2] = {{.tv_sec = NOON - 60}, {.tv_sec = NOON - 60}};
    snprintf(path, sizeof(path), "%s/2359.csv", folder);
    assert_int_equal(utimensat(AT_FDCWD, path, older, 0), 0);
    snprintf(path, sizeof(path), "%s/1159.csv", folder);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    snprintf(path, sizeof(path), "%s/0000.csv", folder);
    assert_int_equal(utimensat(AT_FDCWD, path, fresh, 0), 0);
    struct file_names names = names_in(folder, "%H%M.csv,max-size=20");
    assert_int_equal(file_names_bound(&names, NOON, &err), 0);
    assert_true(!is_there(folder, "2359.csv") && is_there(folder, "1159.csv") && is_there(folder, "0000.csv"));
    names = names_in(folder, "%H%M.csv,max-age=2d");
    assert_int_equal(file_names_bound(&names, NOON, &err), 0);
    assert_true(!is_there(folder, "1159.csv") && is_there(folder, "0000.csv"));
    remove_all(folder);
}

/* Where the pattern is relative. */
static void test_here(void **state)
{
    (void)state;
    static const char *const all[] = {"path=%Y%m%d.csv,max-age=1d", "path=./%Y%m%d.csv,max-age=1d",
                                      "path=%Y/%m%d.csv,max-age=1d", "path=2026/%m%d-%Y.csv,max-age=1d"};
    static const char *const made[] = {"20260901.csv", "20260901.csv", "2026/0901.csv", "2026/0901-2026.csv"};
    char folder[256], before[PATH_MAX];
    struct error err;
    assert_non_null(getcwd(before, sizeof(before)));
    in_folder(folder);
    assert_int_equal(chdir(folder), 0);
    for (size_t i = 0; i < LEN(all); i++) {
        const struct file_names names = parsed(all[i]);
        put(".", made[i], 1);
        assert_int_equal(file_names_bound(&names, NOON, &err), 0);
        if (is_there(".", made[i]))
            fail_msg("%s: %s is there", all[i], made[i]);
    }
    assert_int_equal(chdir(before), 0);
    remove_all(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endings),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_is_of),
        cmocka_unit_test(test_begin_and_publish),
        cmocka_unit_test(test_name_taken_meanwhile),
        cmocka_unit_test(test_max_size),
        cmocka_unit_test(test_max_age),
        cmocka_unit_test(test_folders_go),
        cmocka_unit_test(test_no_year),
        cmocka_unit_test(test_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
