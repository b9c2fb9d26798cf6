/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --store NAME[,KEY=VALUE...] taken apart: keys, names, values, and what is refused. */
#include "feed/feed.h"
#include "testing.h"

static void assert_refused(const char *text, const char *why)
{
    struct feed_spec spec;
    struct error err = {""};
    if (feed_parse(text, &spec, &err) != -1)
        fail_msg("%s: taken", text);
    if (!strstr(err.text, why) || strchr(err.text, '\n'))
        fail_msg("%s: %s", text, err.text);
    feed_spec_free(&spec);
}

static struct feed_spec parsed(const char *text)
{
    struct feed_spec spec;
    struct error err = {""};
    if (feed_parse(text, &spec, &err) != 0)
        fail_msg("%s: %s", text, err.text);
    return spec;
}

static void test_kinds(void **state)
{
    (void)state;
    static const char *const bad[] = {"",       ",",     "fil",   "files",        "File",
                                      "sqlite", "=file", " file", "file ,path=x", ",file"};
    struct feed_spec spec = parsed("file");
    assert_ptr_equal(spec.kind, &feed_file);
    assert_string_equal(spec.name, "file");
    assert_int_equal(spec.count, 0);
    assert_null(feed_option(&spec, "path", 0));
    feed_spec_free(&spec);
    for (size_t i = 0; i < LEN(bad); i++) {
        assert_refused(bad[i], "expected NAME[,KEY=VALUE...], the name one of: ");
        assert_refused(bad[i], "file"); /* which is always there */
    }
}

static void test_options(void **state)
{
    (void)state;
    const char *text = "file,path=/a b/%Y=%m.csv,max-size=1M,name=one";
    struct feed_spec spec = parsed(text);
    assert_int_equal(spec.count, 3);
    assert_string_equal(feed_option(&spec, "path", 0), "/a b/%Y=%m.csv"); /* up to the next comma */
    assert_string_equal(feed_option(&spec, "max-size", 0), "1M");
    assert_null(feed_option(&spec, "max-size", 1));
    assert_null(feed_option(&spec, "max-age", 0));
    assert_string_equal(spec.name, "one");
    assert_string_equal(spec.given, text);
    feed_spec_free(&spec);
    assert_int_equal(spec.count, 0);
    feed_spec_free(&spec);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const all[][2] = {
        {"file,", ": expected KEY=VALUE"},
        {"file,path", "path: expected KEY=VALUE"},
        {"file,path=", "path=: expected KEY=VALUE"},
        {"file,=x", "=x: expected KEY=VALUE"},
        {"file,path=x,,max-age=1d", ": expected KEY=VALUE"},
        {"file,path=x,", ": expected KEY=VALUE"},
        {"file,paths=x", "paths: expected for file one of: path, max-size, max-age, name"},
        {"file,Path=x", "Path: expected for file one of:"},
        {"file,pat=x", "pat: expected for file one of:"},
        {"file,path=x,path=x", "path: is there twice"},
        {"file,name=a,name=a", "name: is there twice"},
        {"file,max-age=1d,path=x,max-age=2d", "max-age: is there twice"},
    };
    for (size_t i = 0; i < LEN(all); i++)
        assert_refused(all[i][0], all[i][1]);
    char text[300];
    snprintf(text, sizeof(text), "file,%0*d=1", 200, 0);
    assert_refused(text, ": expected for file one of:");
}

static void test_names(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "0", "-", "_", "a-b_9", "abcdefghijklmnopqrstuvwxyz01234"};
    static const char *const bad[] = {
        "A", "a.b", "a/b", "..", "a b", "\xc3\xbc", "a\"", "abcdefghijklmnopqrstuvwxyz012345", "a=b"};
    char text[100];
    for (size_t i = 0; i < LEN(good); i++) {
        snprintf(text, sizeof(text), "file,name=%s", good[i]);
        struct feed_spec spec = parsed(text);
        assert_string_equal(spec.name, good[i]);
        feed_spec_free(&spec);
    }
    for (size_t i = 0; i < LEN(bad); i++) {
        snprintf(text, sizeof(text), "file,name=%s", bad[i]);
        assert_refused(text, ": expected up to 31 of a to z, 0 to 9, - and _");
    }
}

static void test_long(void **state)
{
    (void)state;
    char text[5000];
    snprintf(text, sizeof(text), "file,path=%0*d", 4900, 0);
    struct feed_spec spec = parsed(text);
    assert_int_equal(strlen(feed_option(&spec, "path", 0)), 4900);
    assert_int_equal(strlen(spec.given), sizeof(spec.given) - 1); /* its beginning */
    feed_spec_free(&spec);
}

#ifdef HAVE_LIBCURL

static void test_repeats_and_prefixes(void **state)
{
    (void)state;
    char text[2000];
    struct feed_spec spec = parsed("clickhouse,url=http://a,setting.x=1,url=http://b,setting.y=2,url=http://a");
    static const char *const urls[] = {"http://a", "http://b", "http://a", NULL};
    for (size_t i = 0; i < LEN(urls); i++) {
        const char *url = feed_option(&spec, "url", i);
        assert_true(urls[i] ? url && strcmp(url, urls[i]) == 0 : !url);
    }
    assert_string_equal(feed_option(&spec, "setting.x", 0), "1");
    assert_string_equal(feed_option(&spec, "setting.y", 0), "2");
    assert_null(feed_option(&spec, "setting.", 0));
    feed_spec_free(&spec);
    assert_refused("clickhouse,setting.=1", "setting.: expected for clickhouse one of:"); /* nothing behind it */
    for (int count = FEED_OPTIONS_MAX; count <= FEED_OPTIONS_MAX + 1; count++) {
        size_t len = (size_t)snprintf(text, sizeof(text), "clickhouse");
        for (int i = 0; i < count; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, ",url=http://%d", i);
        if (count > FEED_OPTIONS_MAX) {
            assert_refused(text, "expected at most 32 keys");
            break;
        }
        spec = parsed(text);
        assert_string_equal(feed_option(&spec, "url", FEED_OPTIONS_MAX - 1), "http://31");
        feed_spec_free(&spec);
    }
}

#endif

/* ---- values ---- */

static void test_values(void **state)
{
    (void)state;
    uint64_t n;
    struct error err;
    struct feed_spec spec = parsed("file,path=7,max-size=3K,max-age=12h,name=x");
    assert_int_equal(feed_size(&spec, "max-size", 5, &n, &err), 0);
    assert_int_equal(n, 3072);
    assert_int_equal(feed_span(&spec, "max-age", 5, &n, &err), 0);
    assert_int_equal(n, 12 * 3600);
    assert_int_equal(feed_number(&spec, "path", 5, 7, &n, &err), 0);
    assert_int_equal(n, 7);
    assert_int_equal(feed_number(&spec, "path", 5, 6, &n, &err), -1);
    assert_int_equal(strncmp(err.text, "path=7: expected ", 17), 0);
    assert_int_equal(feed_number(&spec, "name", 5, 6, &n, &err), -1);
    assert_int_equal(feed_size(&spec, "name", 5, &n, &err), -1);
    assert_int_equal(strncmp(err.text, "name=x: expected ", 17), 0);
    assert_int_equal(feed_span(&spec, "path", 5, &n, &err), -1);
    assert_int_equal(strncmp(err.text, "path=7: expected ", 17), 0);
    feed_spec_free(&spec);
    spec = parsed("file"); /* not there: the usual */
    assert_int_equal(feed_size(&spec, "max-size", 5, &n, &err), 0);
    assert_int_equal(n, 5);
    assert_int_equal(feed_span(&spec, "max-age", 6, &n, &err), 0);
    assert_int_equal(n, 6);
    assert_int_equal(feed_number(&spec, "path", 7, 8, &n, &err), 0);
    assert_int_equal(n, 7);
    feed_spec_free(&spec);
}

static void test_help(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    feed_help(out);
    assert_int_equal(fclose(out), 0);
    static const char *const lines[] = {"\nStores for --store, with their keys:\n",
                                        "\n  file: ",
                                        "\n    path=PATTERN ",
                                        "\n    max-size=SIZE ",
                                        "\n    max-age=TIME ",
                                        "\n    name=NAME "};
    for (size_t i = 0; i < LEN(lines); i++)
        if (!strstr(text, lines[i]))
            fail_msg("%s is not in: %s", lines[i], text);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_help),
#ifdef HAVE_LIBCURL
        cmocka_unit_test(test_repeats_and_prefixes),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
