/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/options.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    LONG_ONLY = 256,
    VALUE_SHOWN = 100,
    NO_OPTION = 1,     /* getopt's for an argument that is none */
    FILE_MAX = 1 << 20 /* bytes of a file of options */
};

/* The table in getopt_long's shape. Row i without a letter gets the value LONG_ONLY + i. */
struct getopt_shape {
    char letters[2 + 3 * OPTION_ROWS_MAX + 1];
    struct option longs[OPTION_ROWS_MAX + 1];
};

static bool is_optional(const struct option_row *row)
{
    return row->arg && row->arg[0] == '[';
}

/* The row behind the last option, for arguments that are none. */
static const struct option_row *last_row(const struct option_row *rows)
{
    while (rows->name)
        rows++;
    return rows;
}

static void shape_table(const struct option_row *rows, struct getopt_shape *shape)
{
    size_t used = 0, longs = 0, i;
    memset(shape, 0, sizeof(*shape));
    shape->letters[used++] = last_row(rows)->take ? '-' : '+'; /* an argument that is no option: give it, or stop */
    shape->letters[used++] = ':';                              /* tell a missing argument from an unknown option */
    for (i = 0; rows[i].name; i++) {
        struct option *option = &shape->longs[longs];
        if (!*rows[i].name)
            continue;
        longs++;
        option->name = rows[i].name;
        option->has_arg = !rows[i].arg ? no_argument : is_optional(&rows[i]) ? optional_argument : required_argument;
        option->val = rows[i].letter ? rows[i].letter : LONG_ONLY + (int)i;
        if (!rows[i].letter)
            continue;
        shape->letters[used++] = rows[i].letter;
        if (rows[i].arg)
            shape->letters[used++] = ':';
        if (is_optional(&rows[i]))
            shape->letters[used++] = ':';
    }
}

static const struct option_row *find_row(const struct option_row *rows, int value)
{
    if (value >= LONG_ONLY)
        return &rows[value - LONG_ONLY];
    for (; rows->name; rows++)
        if (rows->letter == value)
            return rows;
    return NULL;
}

/* "-m/--share" or "--rate" */
static void option_label(const struct option_row *row, char *text, size_t size)
{
    if (row->letter)
        snprintf(text, size, "-%c/--%s", row->letter, row->name);
    else
        snprintf(text, size, "--%s", row->name);
}

static int refuse(const struct option_row *rows, int found, char **argv, struct error *err)
{
    const struct option_row *row = optopt ? find_row(rows, optopt) : NULL;
    char label[64];
    if (row)
        option_label(row, label, sizeof(label));
    if (row && found == ':')
        return error_set(err, "option %s: expected an argument: %s", label, row->arg);
    if (row)
        return error_set(err, "option %s: expected no argument", label);
    if (optopt > 0 && optopt < LONG_ONLY)
        return error_set(err, "option -%c: not known here; --help lists the options", optopt);
    return error_set(err, "option %s: not known here; --help lists the options", argv[optind - 1]);
}

/* Gives the row its value. `label` is how the command line shows it. */
static int take_value(const struct option_row *row, const char *label, const char *value, void *config,
                      struct error *err)
{
    struct error why;
    if (!row->take)
        *(bool *)((char *)config + row->flag) = true;
    if (!row->take || row->take(config, value, &why) == 0)
        return 0;
    const char *text = value ? value : "", *more = strlen(text) > VALUE_SHOWN ? "..." : "";
    return error_set(err, "%s%s%.*s%s: %s", label, value ? " " : "", VALUE_SHOWN, text, more, why.text);
}

/* Notes that the option has been given. */
static int note_given(const struct option_row *rows, const struct option_row *row, const char *label, bool *given,
                      struct error *err)
{
    bool is_again = given[row - rows];
    given[row - rows] = true;
    if (is_again && row->arg && row->flag != OPTION_REPEATS)
        return error_set(err, "%s: expected once", label);
    return 0;
}

/* What stands behind the options, or behind "--". */
static int take_rest(const struct option_row *row, int argc, char **argv, void *config, struct error *err)
{
    if (optind < argc && !row->take)
        return error_set(err, "argument %s: not expected; every input is given by an option, see --help", argv[optind]);
    for (; optind < argc; optind++)
        if (take_value(row, "argument", argv[optind], config, err) != 0)
            return -1;
    return 0;
}

int options_parse(const struct option_row *rows, int argc, char **argv, void *config, struct error *err)
{
    struct getopt_shape shape;
    char label[64], text[80];
    bool given[OPTION_ROWS_MAX] = {false};
    int found;

    shape_table(rows, &shape);
    opterr = 0;
    optind = 0; /* GNU getopt: forget what an earlier call has left */
    while ((found = getopt_long(argc, argv, shape.letters, shape.longs, NULL)) != -1) {
        if (found == '?' || found == ':')
            return refuse(rows, found, argv, err);
        if (found == NO_OPTION) {
            if (take_value(last_row(rows), "argument", optarg, config, err) != 0)
                return -1;
            continue;
        }
        const struct option_row *row = find_row(rows, found);
        option_label(row, label, sizeof(label));
        snprintf(text, sizeof(text), "option %s", label);
        if (note_given(rows, row, text, given, err) != 0)
            return -1;
        /* Where no argument stands by itself, what follows belongs to the option. */
        if (is_optional(row) && !optarg && optind < argc && argv[optind][0] != '-')
            optarg = argv[optind++];
        if (take_value(row, text, optarg, config, err) != 0)
            return -1;
    }
    return take_rest(last_row(rows), argc, argv, config, err);
}

/* ---- a file of options ---- */

/* The whole file as text. */
static int read_text(const char *path, char **text, struct error *err)
{
    size_t size = FILE_MAX, len;
    struct stat info;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    *text = NULL;
    if (!file || fstat(fd, &info) != 0) {
        error_errno(err, "%s", path);
        if (file)
            fclose(file);
        return -1;
    }
    if (S_ISREG(info.st_mode))
        *text = malloc(size + 1);
    len = *text ? fread(*text, 1, size + 1, file) : 0;
    bool has_failed = ferror(file);
    fclose(file);
    if (!S_ISREG(info.st_mode) || len > size || (*text && memchr(*text, '\0', len)))
        return error_set(err, "%s: expected a text file of at most %zu bytes", path, size);
    if (!*text || has_failed)
        return error_set(err, "%s: cannot be read", path);
    (*text)[len] = '\0';
    return 0;
}

/* Cuts the line into name and value, which is NULL when nothing stands there. */
static char *split_line(char *line, char **value)
{
    static const char blanks[] = " \t\r";
    size_t len = strlen(line);
    while (len > 0 && strchr(blanks, line[len - 1]))
        line[--len] = '\0';
    line += strspn(line, blanks);
    char *end = line + strcspn(line, " \t=");
    *value = NULL;
    if (*end) {
        *value = end + strspn(end, blanks);
        *value += **value == '=';
        *value += strspn(*value, blanks);
        *end = '\0';
    }
    return line;
}

/* One line of the file. Returns -1 with what is wrong about it. */
static int take_line(const struct option_row *rows, char *line, bool *given, void *config, struct error *err)
{
    char *value;
    const char *name = split_line(line, &value);
    const struct option_row *row = rows;
    if (*name == '\0' || *name == '#')
        return 0;
    while (row->name && strcmp(row->name, name) != 0)
        row++;
    if (!row->name)
        return error_set(err, "%.40s: not known here; --help lists the options, by whose long names these go", name);
    if (row->arg && !is_optional(row) && !value)
        return error_set(err, "%s: expected a value: %s", name, row->arg);
    if (!row->arg && value)
        return error_set(err, "%s: expected nothing behind it", name);
    if (note_given(rows, row, name, given, err) != 0)
        return -1;
    return take_value(row, name, value, config, err);
}

int options_read(const struct option_row *rows, const char *path, void *config, char **text, struct error *err)
{
    bool given[OPTION_ROWS_MAX] = {false};
    struct error why;
    unsigned number = 0;
    char *line, *next;
    if (read_text(path, text, err) != 0)
        return -1;
    for (line = *text; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        number++;
        if (take_line(rows, line, given, config, &why) != 0)
            return error_set(err, "%s, line %u: %s", path, number, why.text);
    }
    return 0;
}

/* ---- help ---- */

/* Prints words, in lines that a terminal of 80 columns holds, each indented. */
static void print_indented(const char *text, int indent, FILE *out)
{
    enum { WIDTH = 79 };
    int at = indent;
    while (*text) {
        int len = (int)strcspn(text, " \n");
        if (at > indent && at + 1 + len > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
        }
        at += fprintf(out, "%s%.*s", at > indent ? " " : "", len, text);
        text += len + (text[len] != '\0');
    }
    fputc('\n', out);
}

/* The values that an option takes come out of the table that it looks them up in, by way of its refusal. */
static void print_help(const struct option_row *row, int indent, FILE *out)
{
    static const char before[] = "expected ";
    char text[sizeof(struct error) + 256];
    struct error why;
    size_t len = strlen(row->help);
    if (len == 0 || row->help[len - 1] != ';' || row->take(NULL, "", &why) == 0) {
        print_indented(row->help, indent, out);
        return;
    }
    snprintf(text, sizeof(text), "%s %s", row->help, why.text + strlen(before));
    print_indented(text, indent, out);
}

static void print_row(const struct option_row *row, FILE *out)
{
    enum { COLUMN = 32 };
    char left[64], letter[5] = "    ";
    if (row->letter) {
        letter[0] = '-';
        letter[1] = row->letter;
        letter[2] = ',';
    }
    int used =
        snprintf(left, sizeof(left), "  %s--%s%s%s", letter, row->name, row->arg ? " " : "", row->arg ? row->arg : "");
    fprintf(out, "%-*s", COLUMN, left);
    if (used >= COLUMN)
        fprintf(out, "\n%*s", COLUMN, "");
    print_help(row, COLUMN, out);
}

/* Lines as they are. */
static void print_examples(const char *text, FILE *out)
{
    fprintf(out, "\nExamples:\n");
    while (*text) {
        int len = (int)strcspn(text, "\n");
        fprintf(out, "  %.*s\n", len, text);
        text += len + (text[len] != '\0');
    }
}

void options_help(const struct option_row *rows, const char *program, const char *purpose, FILE *out)
{
    const char *rest = last_row(rows)->arg, *examples = last_row(rows)->help;
    fprintf(out, "usage: %s [options]%s%s\n%s\n", program, rest ? " " : "", rest ? rest : "", purpose);
    if (*rows->name)
        fputc('\n', out);
    for (; rows->name; rows++) {
        if (*rows->name)
            print_row(rows, out);
        else
            fprintf(out, "\n%s:\n", rows->help);
    }
    if (examples)
        print_examples(examples, out);
}

int parse_path(const char *text, const char **out, struct error *err)
{
    if (!*text)
        return error_set(err, "expected a file name");
    *out = text;
    return 0;
}

int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out, struct error *err)
{
    char *end;
    uint64_t v;
    errno = 0;
    v = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
    if (!isdigit((unsigned char)text[0]) || *end || errno || v < min || v > max)
        return error_set(err, "expected a number from %" PRIu64 " to %" PRIu64, min, max);
    *out = v;
    return 0;
}

int parse_choice(const char *text, const char *const *names, size_t count, unsigned *out, struct error *err)
{
    size_t i, used;
    for (i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (unsigned)i;
            return 0;
        }
    error_set(err, "expected one of:");
    for (i = 0; i < count; i++) {
        used = strlen(err->text);
        snprintf(err->text + used, sizeof(err->text) - used, "%s %s", i ? "," : "", names[i]);
    }
    return -1;
}

/* A number and a letter behind it; *unit gets the letter's place among `units`, -1: there is none. */
static int parse_united(const char *text, const char *units, uint64_t max, uint64_t *number, int *unit)
{
    char digits[24];
    size_t len = strspn(text, "0123456789");
    const char *at = text[len] ? strchr(units, text[len]) : NULL;
    if (len == 0 || len >= sizeof(digits) || (text[len] && (!at || text[len + 1])))
        return -1;
    memcpy(digits, text, len);
    digits[len] = '\0';
    *unit = at ? (int)(at - units) : -1;
    return parse_number(digits, 1, max, number, NULL);
}

int parse_size(const char *text, uint64_t min, uint64_t *bytes, struct error *err)
{
    uint64_t number;
    int unit;
    if (parse_united(text, "KMGT", UINT64_MAX, &number, &unit) != 0 || number > UINT64_MAX >> 10 * (unit + 1) ||
        number << 10 * (unit + 1) < min)
        return error_set(err, "expected a number of bytes, with K, M, G or T behind it");
    *bytes = number << 10 * (unit + 1);
    return 0;
}

int parse_span(const char *text, uint64_t *seconds, struct error *err)
{
    static const uint64_t units[] = {1, 60, 3600, 86400};
    uint64_t number;
    int unit;
    if (parse_united(text, "smhd", 36500, &number, &unit) != 0 || unit < 0)
        return error_set(err, "expected a time, such as 12h or 7d");
    *seconds = number * units[unit];
    return 0;
}
