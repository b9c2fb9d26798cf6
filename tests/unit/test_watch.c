/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lists of what is looked out for: what a line means, what is refused, and that a list finds what a slow look finds. */
#include "testing.h"

#include "base/prefix.h"
#include "record/name.h"
#include "watch/list.h"

static struct error err;

static struct watch_list *list_of(const char *text, size_t len)
{
    struct watch_list *list = NULL;
    char path[256];
    temp_file(path, text, len);
    if (watch_list_read(path, &list, &err) != 0)
        list = NULL;
    unlink(path);
    return list;
}

/* The line that it is, "": none. */
static const char *name_in(const struct watch_list *list, const char *name)
{
    struct watch_entry entry;
    uint8_t wire[NAME_WIRE];
    size_t len = name_parse(name, wire);
    assert_true(len > 0);
    uint8_t *copy = exact_copy(wire, len);
    const char *text = watch_list_has_name(list, copy, len, &entry) ? entry.text : "";
    free(copy);
    return text;
}

static const char *address_in(const struct watch_list *list, const char *address)
{
    struct watch_entry entry;
    uint8_t bytes[16];
    size_t len = parse_address(address, bytes);
    assert_true(len > 0);
    uint8_t *copy = exact_copy(bytes, len);
    const char *text = watch_list_has_address(list, len == 4 ? 4 : 6, copy, &entry) ? entry.text : "";
    free(copy);
    return text;
}

static const char lines_of_all_kinds[] = "# a comment\n"
                                         "\n"
                                         "one.example\n"
                                         "  Two.Example.\t# of a feed  \r\n"
                                         "*.below.example and its note\n"
                                         "*.deep.below.example\n"
                                         "a\\.b.example\n"
                                         "192.0.2.7\n"
                                         "192.0.2.128/25\n"
                                         "192.0.2.200/30\n"
                                         "2001:db8::/32\n"
                                         "2001:db8::7\n"
                                         "::ffff:198.51.100.1\n"
                                         "203.0.113.77/24 with bits behind\n"
                                         "last.example";

static void names_of_lines(void **state)
{
    (void)state;
    static const struct {
        const char *name, *line;
    } names[] = {
        {"one.example", "one.example"},
        {"ONE.example.", "one.example"},
        {"a.one.example", ""},
        {"two.example", "Two.Example."},
        {"below.example", ""},
        {"a.below.example", "*.below.example"},
        {"b.a.below.example", "*.below.example"},
        {"deep.below.example", "*.below.example"},
        {"x.deep.below.example", "*.deep.below.example"},
        {"xbelow.example", ""},
        {"a\\.b.example", "a\\.b.example"},
        {"a.b.example", ""},
        {"last.example", "last.example"},
        {"example", ""},
        {".", ""},
    };
    struct watch_list *list = list_of(lines_of_all_kinds, sizeof(lines_of_all_kinds) - 1);
    assert_non_null(list);
    assert_int_equal(watch_list_count(list), 13);
    for (size_t i = 0; i < LEN(names); i++)
        assert_string_equal(name_in(list, names[i].name), names[i].line);
    watch_list_free(list);
}

static void addresses_of_lines(void **state)
{
    (void)state;
    static const struct {
        const char *address, *line;
    } addresses[] = {
        {"192.0.2.7", "192.0.2.7"},
        {"192.0.2.8", ""},
        {"192.0.2.127", ""},
        {"192.0.2.128", "192.0.2.128/25"},
        {"192.0.2.199", "192.0.2.128/25"},
        {"192.0.2.200", "192.0.2.200/30"},
        {"192.0.2.203", "192.0.2.200/30"},
        {"192.0.2.204", "192.0.2.128/25"},
        {"2001:db8::7", "2001:db8::7"},
        {"2001:db8:ffff::", "2001:db8::/32"},
        {"2001:db9::", ""},
        {"198.51.100.1", "::ffff:198.51.100.1"},
        {"203.0.113.0", "203.0.113.77/24"},
    };
    struct watch_list *list = list_of(lines_of_all_kinds, sizeof(lines_of_all_kinds) - 1);
    assert_non_null(list);
    for (size_t i = 0; i < LEN(addresses); i++)
        assert_string_equal(address_in(list, addresses[i].address), addresses[i].line);
    watch_list_free(list);
}

static void notes_of_lines(void **state)
{
    (void)state;
    struct watch_list *list = list_of(lines_of_all_kinds, sizeof(lines_of_all_kinds) - 1);
    struct watch_entry entry;
    uint8_t wire[NAME_WIRE];
    assert_true(watch_list_has_name(list, wire, name_parse("two.example", wire), &entry));
    assert_string_equal(entry.note, "of a feed");
    assert_true(watch_list_has_name(list, wire, name_parse("x.below.example", wire), &entry));
    assert_string_equal(entry.note, "and its note");
    assert_true(watch_list_has_name(list, wire, name_parse("one.example", wire), &entry));
    assert_string_equal(entry.note, "");
    watch_list_free(list);
}

/* Of 1200 bytes: cut in front of the character that the 1000th byte belongs to. */
static void notes_that_are_long(void **state)
{
    (void)state;
    char text[1300] = "one.example ";
    struct watch_entry entry;
    uint8_t wire[NAME_WIRE];
    size_t i, len = strlen(text);
    text[len++] = 'x';
    for (i = 0; i < 600; i++) {
        text[len++] = (char)0xc3;
        text[len++] = (char)0xa4;
    }
    struct watch_list *list = list_of(text, len);
    assert_non_null(list);
    assert_true(watch_list_has_name(list, wire, name_parse("one.example", wire), &entry));
    assert_int_equal(strlen(entry.note), 999);
    assert_memory_equal(entry.note + 997, "\xc3\xa4", 2);
    watch_list_free(list);
}

static void mark_in_front(void **state)
{
    (void)state;
    struct watch_list *list = list_of("\xef\xbb\xbfone.example\r\n192.0.2.7\r\n", 27);
    assert_non_null(list);
    assert_string_equal(name_in(list, "one.example"), "one.example");
    assert_string_equal(address_in(list, "192.0.2.7"), "192.0.2.7");
    watch_list_free(list);
}

static void everything(void **state)
{
    (void)state;
    struct watch_list *list = list_of("0.0.0.0/0\n::/0\n", 15);
    assert_string_equal(address_in(list, "0.0.0.0"), "0.0.0.0/0");
    assert_string_equal(address_in(list, "255.255.255.255"), "0.0.0.0/0");
    assert_string_equal(address_in(list, "ffff::"), "::/0");
    assert_string_equal(name_in(list, "a.example"), "");
    watch_list_free(list);
    list = list_of("", 0);
    assert_int_equal(watch_list_count(list), 0);
    assert_string_equal(name_in(list, "a.example"), "");
    assert_string_equal(address_in(list, "::1"), "");
    watch_list_free(list);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "*",
        "*.",
        "a*b.example",
        "*.*.example",
        "a..example",
        ".example",
        "192.0.2.0/33",
        "192.0.2.0/",
        "192.0.2.0/x",
        "::/129",
        "a/24",
        "*.a/b",
        "a\\",
        "a\\999.example",
        "http://a",
        "192.0.2.0/-1",
        "::ffff:192.0.2.0/120",
    };
    for (size_t i = 0; i < LEN(lines); i++) {
        char text[100];
        int len = snprintf(text, sizeof(text), "good.example\n\n%s\n", lines[i]);
        if (list_of(text, (size_t)len))
            fail_msg("%s is taken", lines[i]);
        assert_non_null(strstr(err.text, ": line 3: expected "));
    }
    char label[80], wide[700];
    memset(label, 'a', sizeof(label));
    label[64] = '\0';
    assert_null(list_of(label, 64));
    assert_non_null(strstr(err.text, "line 1: expected at most 63 bytes"));
    memset(wide, 'a', sizeof(wide));
    for (size_t i = 60; i < sizeof(wide); i += 60)
        wide[i] = '.';
    assert_null(list_of(wide, sizeof(wide)));
    assert_null(list_of("a\0b", 3));
    assert_non_null(strstr(err.text, "zero bytes"));
    assert_null(list_of("one.example\n\0\0\0", 15));
    assert_non_null(strstr(err.text, "zero bytes"));
    struct watch_list *list;
    assert_int_equal(watch_list_read("/nosuch/list", &list, &err), -1);
    assert_non_null(strstr(err.text, "/nosuch/list: No such file"));
    assert_int_equal(watch_list_read("/dev/null", &list, &err), -1);
    assert_non_null(strstr(err.text, "expected a file"));
}

/* ---- against a slow look ---- */

enum { NAME_ROOM = 70, LINES = 400, ASKED = 4000, WORDS = 6 };

static const char *const words[WORDS] = {"a", "b", "cc", "example", "net", "x-1"};

static void random_name(struct chance *c, char *text)
{
    size_t labels = 1 + chance_below(c, 5);
    for (size_t i = 0, used = 0; i < labels; i++)
        used += (size_t)snprintf(text + used, NAME_ROOM - used, "%s%s", i ? "." : "", words[chance_below(c, WORDS)]);
}

/* Few bits differ, so that prefixes hold many. */
static void random_address(struct chance *c, char *text, bool is_ip6)
{
    if (is_ip6)
        snprintf(text, 60, "2001:db8:%x::%x", (unsigned)chance_below(c, 4) << 14, (unsigned)chance_below(c, 8));
    else
        snprintf(text, 60, "10.%u.0.%u", (unsigned)chance_below(c, 4) << 6, (unsigned)chance_below(c, 16));
}

static bool is_below(const char *name, const char *suffix)
{
    size_t len = strlen(name), tail = strlen(suffix);
    return len > tail + 1 && name[len - tail - 1] == '.' && strcmp(name + len - tail, suffix) == 0;
}

static void as_a_slow_look(void **state)
{
    (void)state;
    struct chance c = {77};
    static char lines[LINES][80], text[LINES * 80];
    char asked[NAME_ROOM];
    size_t used = 0;
    for (size_t i = 0; i < LINES; i++) {
        unsigned kind = (unsigned)chance_below(&c, 4);
        if (kind < 2) {
            char name[NAME_ROOM];
            random_name(&c, name);
            snprintf(lines[i], sizeof(lines[i]), "%s%s", kind ? "*.x." : "a.", name);
        } else {
            char address[60];
            random_address(&c, address, kind == 3);
            snprintf(lines[i], sizeof(lines[i]), "%s/%u", address,
                     (unsigned)(kind == 3 ? 30 + chance_below(&c, 99) : 8 + chance_below(&c, 25)));
        }
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s\n", lines[i]);
    }
    struct watch_list *list = list_of(text, used);
    assert_non_null(list);
    for (size_t k = 0; k < ASKED; k++) {
        bool is_name = k % 2, is_there = false;
        struct prefixes prefix = {.count = 0};
        uint8_t bytes[16];
        if (is_name)
            random_name(&c, asked);
        else
            random_address(&c, asked, k % 4 == 0);
        for (size_t i = 0; i < LINES; i++) {
            prefix.count = 0;
            if (is_name)
                is_there |=
                    strncmp(lines[i], "*.", 2) == 0 ? is_below(asked, lines[i] + 2) : strcmp(asked, lines[i]) == 0;
            else if (strchr(lines[i], '/') && prefixes_add(&prefix, lines[i], &err) == 0)
                is_there |= prefixes_have(&prefix, parse_address(asked, bytes) == 4 ? 4 : 6, bytes, 1);
        }
        const char *found = is_name ? name_in(list, asked) : address_in(list, asked);
        if (is_there != (*found != '\0'))
            fail_msg("%s: %d, \"%s\"", asked, is_there, found);
    }
    watch_list_free(list);
}

static void a_million(void **state)
{
    (void)state;
    enum { MANY = 1000000, LINE = 40 };
    char *text = malloc((size_t)MANY * LINE), name[LINE];
    size_t used = 0;
    assert_non_null(text);
    for (unsigned i = 0; i < MANY; i++)
        used += i % 4 == 3 ? (size_t)snprintf(text + used, LINE, "10.%u.%u.%u\n", i >> 16, i >> 8 & 255, i & 255)
                           : (size_t)snprintf(text + used, LINE, "%s%u.example.net\n", i % 4 == 2 ? "*.w" : "n", i);
    struct watch_list *list = list_of(text, used);
    free(text);
    assert_int_equal(watch_list_count(list), MANY);
    for (unsigned i = 0; i < MANY; i += 997) {
        if (i % 4 == 3) {
            snprintf(name, sizeof(name), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
            assert_string_equal(address_in(list, name), name);
            continue;
        }
        snprintf(name, sizeof(name), "%s%u.example.net", i % 4 == 2 ? "a.w" : "n", i);
        assert_true(*name_in(list, name) != '\0');
    }
    assert_string_equal(name_in(list, "n3.example.net"), "");
    watch_list_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_lines),      cmocka_unit_test(addresses_of_lines), cmocka_unit_test(notes_of_lines),
        cmocka_unit_test(notes_that_are_long), cmocka_unit_test(mark_in_front),      cmocka_unit_test(everything),
        cmocka_unit_test(what_is_refused),     cmocka_unit_test(as_a_slow_look),     cmocka_unit_test(a_million),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
