/* SPDX-License-Identifier: BSD-3-Clause */
#include "testing.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/options.h"

struct settings {
    uint64_t number;
    unsigned quiet, words, odd;
    const char *word;
};

static int take_number(void *config, const char *value, struct error *err)
{
    return parse_number(value, 3, 70000, &((struct settings *)config)->number, err);
}

static int take_word(void *config, const char *value, struct error *err)
{
    struct settings *s = config;
    if (strlen(value) > 5)
        return error_set(err, "expected a short word");
    s->word = value;
    s->words++;
    return 0;
}

static int take_quiet(void *config, const char *value, struct error *err)
{
    struct settings *s = config;
    assert_null(value);
    return ++s->quiet > 2 ? error_set(err, "expected no more than twice") : 0;
}

static int take_odd(void *config, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct settings *)config)->odd++;
    return 0;
}

static const struct option_row rows[] = {
    {'n', "number", "N", take_number, "a number", 0},
    {'q', "quiet", NULL, take_quiet, "say less and less and less still than what was said at any time before", 0},
    {0, "word", "WORD", take_word, "a word", OPTION_REPEATS},
    {0, "a-name-that-is-longer-than-the-column", "ARGUMENT", take_odd, "long", 0},
    {0, NULL, NULL, NULL, NULL, 0},
};

/* The same in groups, with what takes arguments that are no options, and examples. */
static const struct option_row rows_with_rest[] = {
    {0, "", NULL, NULL, "Numbers", 0},
    {'n', "number", "N", take_number, "a number", 0},
    {0, "", NULL, NULL, "Others", 0},
    {'q', "quiet", NULL, take_quiet, "say less", 0},
    {0, "word", "WORD", take_word, "a word", 0},
    {0, NULL, "[WORD...]", take_word, "program -n 3   three\nprogram one two", 0},
};

static int take_maybe(void *config, const char *value, struct error *err)
{
    struct settings *s = config;
    (void)err;
    s->odd++;
    s->words += value && strcmp(value, "here") == 0;
    return 0;
}

static const struct option_row rows_with_optional[] = {
    {'l', "listen", "[WHERE]", take_maybe, "listen", OPTION_REPEATS},
    {'q', "quiet", NULL, take_quiet, "say less", 0},
    {0, NULL, NULL, NULL, NULL, 0},
};

static struct settings settings;
static struct error err;

#define PARSE(...)           parse(rows, (const char *[]){"program", __VA_ARGS__, NULL})
#define PARSE_WITH_REST(...) parse(rows_with_rest, (const char *[]){"program", __VA_ARGS__, NULL})

static int parse(const struct option_row *table, const char **argv)
{
    char *copies[16];
    int argc = 0;
    for (; argv[argc]; argc++)
        copies[argc] = strdup(argv[argc]);
    copies[argc] = NULL;
    memset(&settings, 0, sizeof(settings));
    memset(&err, 0, sizeof(err));
    int result = options_parse(table, argc, copies, &settings, &err);
    settings.word = settings.word ? "set" : NULL; /* it led into the copies */
    while (argc > 0)
        free(copies[--argc]);
    return result;
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t min, max;
        bool valid;
        uint64_t value;
    } table[] = {
        {"0", 0, 0, true, 0},
        {"1", 0, 0, false, 0},
        {"3", 3, 5, true, 3},
        {"5", 3, 5, true, 5},
        {"2", 3, 5, false, 0},
        {"6", 3, 5, false, 0},
        {"007", 0, 9, true, 7},
        {"18446744073709551615", 0, UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", 0, UINT64_MAX, false, 0},
        {"99999999999999999999999", 0, UINT64_MAX, false, 0},
        {"", 0, 9, false, 0},
        {" 1", 0, 9, false, 0},
        {"1 ", 0, 9, false, 0},
        {"+1", 0, 9, false, 0},
        {"-1", 0, UINT64_MAX, false, 0},
        {"0x1", 0, 9, false, 0},
        {"1e1", 0, 99, false, 0},
        {"1.", 0, 9, false, 0},
        {"\xd9\xa1", 0, 9, false, 0},
    };
    for (size_t i = 0; i < LEN(table); i++) {
        uint64_t value = 77;
        char *text = (char *)exact_copy((const uint8_t *)table[i].text, strlen(table[i].text) + 1);
        int result = parse_number(text, table[i].min, table[i].max, &value, &err);
        if ((result == 0) != table[i].valid)
            fail_msg("\"%s\"", table[i].text);
        assert_true(value == (table[i].valid ? table[i].value : 77));
        free(text);
    }
    assert_int_equal(parse_number("x", 3, 5, &(uint64_t){0}, &err), -1);
    assert_string_equal(err.text, "expected a number from 3 to 5");
    assert_int_equal(parse_number("x", 3, 5, &(uint64_t){0}, NULL), -1);
}

static void every_form(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-n", "5", "-q"), 0);
    assert_true(settings.number == 5 && settings.quiet == 1);
    assert_int_equal(PARSE("-qqn7"), 0);
    assert_true(settings.number == 7 && settings.quiet == 2);
    assert_int_equal(PARSE("--number=8", "--word", "a", "--word=b", "--quiet"), 0);
    assert_true(settings.number == 8 && settings.words == 2 && settings.quiet == 1);
    assert_int_equal(PARSE("--word", "-q"), 0); /* an argument may look like an option */
    assert_true(settings.words == 1 && settings.quiet == 0);
    assert_int_equal(PARSE("--word="), 0);
    assert_int_equal(PARSE("-q", "--"), 0);
    assert_int_equal(parse(rows, (const char *[]){"program", NULL}), 0);
}

/* Arguments that are no options, wherever they stand. */
static void left_over(void **state)
{
    (void)state;
    assert_int_equal(PARSE_WITH_REST("a", "b", "c"), 0);
    assert_int_equal(settings.words, 3);
    assert_int_equal(PARSE_WITH_REST("-q", "a", "-n", "5", "b", "-q"), 0);
    assert_true(settings.words == 2 && settings.quiet == 2 && settings.number == 5);
    assert_int_equal(PARSE_WITH_REST("a", "--", "-q", "-n", "--"), 0);
    assert_true(settings.words == 4 && settings.quiet == 0);
    assert_int_equal(PARSE_WITH_REST("-", "-q"), 0);
    assert_true(settings.words == 1 && settings.quiet == 1);
    assert_int_equal(PARSE_WITH_REST("-q", "--"), 0);
    assert_int_equal(settings.words, 0);
    assert_int_equal(PARSE_WITH_REST("-q", "longer", "-q"), -1);
    assert_string_equal(err.text, "argument longer: expected a short word");
    assert_int_equal(PARSE_WITH_REST("--", "longer"), -1);
    assert_string_equal(err.text, "argument longer: expected a short word");
    assert_int_equal(PARSE_WITH_REST("a", "-z"), -1);
    assert_non_null(strstr(err.text, "-z"));
    assert_int_equal(PARSE_WITH_REST("a", "-n"), -1);
    assert_non_null(strstr(err.text, "expected an argument"));
    assert_int_equal(PARSE_WITH_REST("a", "--number", "2"), -1);
    assert_string_equal(err.text, "option -n/--number 2: expected a number from 3 to 70000");
}

/* One line that names the option, the value and what is expected. */
static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        const char *parts[3];
    } table[] = {
        {"-n", "2", {"--number", "2", "expected a number from 3 to 70000"}},
        {"-n", "70001", {"--number", "70001", "expected a number from 3 to 70000"}},
        {"--number=five", NULL, {"--number", "five", "expected a number"}},
        {"--word", "longer", {"--word", "longer", "expected a short word"}},
        {"-n", NULL, {"--number", "expected an argument", "N"}},
        {"--word", NULL, {"--word", "expected an argument", "WORD"}},
        {"-z", NULL, {"-z", "", ""}},
        {"-qz", NULL, {"-z", "", ""}},
        {"--nothing", NULL, {"--nothing", "", ""}},
        {"--nothing=1", NULL, {"--nothing", "", ""}},
        {"-qqq", NULL, {"--quiet", "expected no more than twice", ""}},
        {"file", NULL, {"file", "", ""}},
        {"-q", "file", {"file", "", ""}},
        {"--", "-q", {"-q", "", ""}},
        {"--quiet=1", NULL, {"--quiet", "argument", ""}},
        {"-\xff", NULL, {"\xff", "", ""}},
        {"-", NULL, {"-", "", ""}},
    };
    for (size_t i = 0; i < LEN(table); i++) {
        int result = table[i].b ? PARSE(table[i].a, table[i].b) : PARSE(table[i].a);
        assert_int_equal(result, -1);
        for (size_t k = 0; k < 3; k++)
            if (!strstr(err.text, table[i].parts[k]))
                fail_msg("%s %s: \"%s\" lacks \"%s\"", table[i].a, table[i].b ? table[i].b : "", err.text,
                         table[i].parts[k]);
        assert_null(strchr(err.text, '\n'));
    }
}

static void a_value_without_end_is_cut(void **state)
{
    (void)state;
    char value[3000];
    memset(value, 'x', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    assert_int_equal(PARSE("--word", value), -1);
    assert_in_range(strlen(err.text), 100, sizeof(err.text) - 1);
    assert_int_equal(PARSE(value), -1);
}

/* An argument that may be left out is what follows, unless that is an option; but not what follows an "=". */
static void optional_arguments(void **state)
{
    (void)state;
    static const struct {
        const char *argv[5];
        int result;
        unsigned given, with, quiet;
    } table[] = {
        {{"program", "--listen"}, 0, 1, 0, 0},
        {{"program", "--listen", "here"}, 0, 1, 1, 0},
        {{"program", "--listen=here"}, 0, 1, 1, 0},
        {{"program", "-l", "here"}, 0, 1, 1, 0},
        {{"program", "-lhere"}, 0, 1, 1, 0},
        {{"program", "--listen", "-q"}, 0, 1, 0, 1},
        {{"program", "-l", "--quiet"}, 0, 1, 0, 1},
        {{"program", "-l", "-l", "here"}, 0, 2, 1, 0},
        {{"program", "--listen=here", "here"}, -1, 1, 1, 0},
        {{"program", "here"}, -1, 0, 0, 0},
    };
    for (size_t i = 0; i < LEN(table); i++) {
        if (parse(rows_with_optional, (const char **)table[i].argv) != table[i].result)
            fail_msg("row %zu: %s", i, err.text);
        if (settings.odd != table[i].given || settings.words != table[i].with || settings.quiet != table[i].quiet)
            fail_msg("row %zu", i);
    }
}

static void what_is_no_option(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-z"), -1);
    assert_string_equal(err.text, "option -z: not known here; --help lists the options");
    assert_int_equal(PARSE("-qz"), -1);
    assert_string_equal(err.text, "option -z: not known here; --help lists the options");
    assert_int_equal(PARSE("--zzz"), -1);
    assert_string_equal(err.text, "option --zzz: not known here; --help lists the options");
    assert_int_equal(PARSE("-q", "--zzz=1"), -1);
    assert_string_equal(err.text, "option --zzz=1: not known here; --help lists the options");
    assert_int_equal(PARSE("--quiet=1"), -1);
    assert_string_equal(err.text, "option -q/--quiet: expected no argument");
    assert_int_equal(PARSE("--number"), -1);
    assert_string_equal(err.text, "option -n/--number: expected an argument: N");
}

static void help(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    options_help(rows, "program", "Does things.", out);
    fclose(out);
    assert_non_null(strstr(text, "usage: program [options]\nDoes things.\n"));
    assert_null(strstr(text, "WORD..."));
    assert_non_null(strstr(text, "  -n, --number N"));
    assert_non_null(strstr(text, "  -q, --quiet "));
    assert_non_null(strstr(text, "      --word WORD"));
    const char *first = strstr(text, "say less "), *second = strstr(text, "said at any time");
    assert_true(first && second && second[-1] == ' ');
    const char *line = first;
    while (line[-1] != '\n')
        line--;
    const char *below = second;
    while (below[-1] != '\n')
        below--;
    assert_int_equal(second - below, first - line); /* the second line stands below the first */
    for (line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") < 80);
    assert_non_null(strstr(text, "--a-name-that-is-longer-than-the-column ARGUMENT\n"));
    free(text);
}

static void groups_are_no_options(void **state)
{
    (void)state;
    assert_int_equal(PARSE_WITH_REST("-n", "7", "--quiet", "--word", "a", "-q"), 0);
    assert_true(settings.number == 7 && settings.quiet == 2 && settings.words == 1);
    assert_int_equal(PARSE_WITH_REST("--word", "a", "--word", "b"), -1);
    assert_non_null(strstr(err.text, "option --word: expected once"));
    assert_int_equal(PARSE_WITH_REST("--=3"), -1);
    assert_int_equal(PARSE_WITH_REST("--Numbers"), -1);
}

static void help_in_groups(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    options_help(rows_with_rest, "program", "Does things.", out);
    fclose(out);
    assert_string_equal(text, "usage: program [options] [WORD...]\nDoes things.\n\nNumbers:\n"
                              "  -n, --number N                a number\n\nOthers:\n"
                              "  -q, --quiet                   say less\n"
                              "      --word WORD               a word\n\n"
                              "Examples:\n  program -n 3   three\n  program one two\n");
    free(text);
}

/* Out of the function that looks a value up. */
static int take_color(void *config, const char *value, struct error *why)
{
    static const char *const names[] = {"red", "green"};
    unsigned which;
    if (parse_choice(value, names, 2, &which, why) != 0)
        return -1;
    ((struct settings *)config)->number = which;
    return 0;
}

static void values_stand_in_the_help(void **state)
{
    (void)state;
    static const struct option_row row[] = {
        {'c', "color", "NAME", take_color, "of the line;", 0},
        {0, NULL, NULL, NULL, NULL, 0},
    };
    assert_int_equal(parse(row, (const char *[]){"program", "-c", "green", NULL}), 0);
    assert_int_equal(settings.number, 1);
    assert_int_equal(parse(row, (const char *[]){"program", "-c", "blue", NULL}), -1);
    assert_string_equal(err.text, "option -c/--color blue: expected one of: red, green");
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    options_help(row, "program", "Does things.", out);
    fclose(out);
    assert_non_null(strstr(text, "  -c, --color NAME              of the line; one of: red, green\n"));
    free(text);
}

static void errors_with_a_cause(void **state)
{
    (void)state;
    char name[600];
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    FILE *none = fopen("/nonexistent/file", "re");
    assert_null(none);
    assert_int_equal(error_errno(&err, "cannot open %s", "it"), -1);
    assert_string_equal(err.text, "cannot open it: No such file or directory");
    assert_int_equal(error_errno(&err, "%s", name), -1);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_int_equal(error_errno(NULL, "%s", name), -1);
    assert_int_equal(error_set(NULL, "%s", name), -1);
}

/* ---- a file ---- */

/* Reads the text as a file. */
static int read_file(const char *bytes, size_t len, struct settings *s, char **text)
{
    char path[64];
    int fd = memfd_create("options", MFD_CLOEXEC);
    assert_true(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    memset(s, 0, sizeof(*s));
    int result = options_read(rows, path, s, text, &err);
    close(fd);
    return result;
}

static void file_of_options(void **state)
{
    static const char *const good[] = {"number 7\nword ab\nword=c d\n",
                                       "\n# x\n  # y\nnumber\t=\t7 \r\nword ab\r\nword c d",
                                       "word ab\n\n\nword =  c d\t \nnumber=7\n"};
    struct settings s;
    char *text;
    size_t i;
    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(read_file(good[i], strlen(good[i]), &s, &text), 0);
        assert_int_equal(s.number, 7);
        assert_int_equal(s.words, 2);
        assert_string_equal(s.word, "c d");
        free(text);
    }
    assert_int_equal(read_file("", 0, &s, &text), 0);
    free(text);
    assert_int_equal(read_file("word #b\nquiet", 13, &s, &text), 0);
    assert_string_equal(s.word, "#b");
    assert_int_equal(s.quiet, 1);
    free(text);
}

static void bad_files(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {{"number 2\n", ", line 1: number 2: expected a number from 3 to 70000"},
               {"\n\nnumbers 7\n", ", line 3: numbers: not known here"},
               {"--number 7\n", ", line 1: --number: not known here"},
               {"n 7\n", ", line 1: n: not known here"},
               {"number\n", ", line 1: number: expected a value: N"},
               {"number=\n", ", line 1: number : expected a number"},
               {"quiet yes\n", ", line 1: quiet: expected nothing behind it"},
               {"number 7\nnumber 8\n", ", line 2: number: expected once"},
               {"word ab\nword 123456\n", ", line 2: word 123456: expected a short word"}};
    struct settings s;
    char *text;
    size_t i;
    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(read_file(bad[i].text, strlen(bad[i].text), &s, &text), -1);
        assert_non_null(strstr(err.text, bad[i].says));
        free(text);
    }
    assert_int_equal(read_file("word a\0b", 8, &s, &text), -1);
    assert_non_null(strstr(err.text, "expected a text file of at most 1048576 bytes"));
    free(text);
    assert_int_equal(options_read(rows, "/nonexistent", &s, &text, &err), -1);
    assert_string_equal(err.text, "/nonexistent: No such file or directory");
    assert_int_equal(options_read(rows, "/dev/zero", &s, &text, &err), -1);
    assert_int_equal(options_read(rows, "/", &s, &text, &err), -1);
}

static void a_file_too_large(void **state)
{
    enum { SIZE = 1 << 20 };
    char *bytes = malloc(SIZE + 1), *text;
    struct settings s;
    (void)state;
    assert_non_null(bytes);
    memset(bytes, '\n', SIZE + 1);
    assert_int_equal(read_file(bytes, SIZE, &s, &text), 0);
    free(text);
    assert_int_equal(read_file(bytes, SIZE + 1, &s, &text), -1);
    free(text);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_of_options),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(a_file_too_large),
        cmocka_unit_test(numbers),
        cmocka_unit_test(every_form),
        cmocka_unit_test(left_over),
        cmocka_unit_test(refusals),
        cmocka_unit_test(a_value_without_end_is_cut),
        cmocka_unit_test(optional_arguments),
        cmocka_unit_test(what_is_no_option),
        cmocka_unit_test(help),
        cmocka_unit_test(groups_are_no_options),
        cmocka_unit_test(help_in_groups),
        cmocka_unit_test(values_stand_in_the_help),
        cmocka_unit_test(errors_with_a_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
