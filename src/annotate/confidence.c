/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotate/confidence.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"

enum { ENOUGH = 50 /* flows of one age */, LINE = 256, COUNT_MAX = 1 << 30 };

const int64_t confidence_ages[AGES] = {1, 5, 10, 60, 300, 3600, INT64_MAX};

const struct confidence confidence_usual = {
    .cell = {[METHOD_CLIENT_UNIQUE] = {{0, 0}}, [METHOD_CLIENT_LATEST] = {{0, 0}}, [METHOD_OTHERS_DOMAIN] = {{0, 0}}}};

static size_t age_number(int64_t age_us)
{
    size_t i = 0;
    while (i + 1 < AGES && age_us / SECOND_US >= confidence_ages[i])
        i++;
    return i;
}

void confidence_count(struct confidence *table, enum method method, int64_t age_us, bool is_right)
{
    if (method >= METHODS_NAMED)
        return;
    struct confidence_cell *c = &table->cell[method][age_number(age_us)];
    c->flows++;
    c->right += is_right;
}

double confidence_of(const struct confidence *table, enum method method, int64_t age_us)
{
    struct confidence_cell sum = {0, 0};
    size_t i;
    if (method >= METHODS_NAMED)
        return -1;
    const struct confidence_cell *row = table->cell[method], *c = &row[age_number(age_us)];
    for (i = 0; c->flows < ENOUGH && i < AGES; i++) {
        sum.flows += row[i].flows;
        sum.right += row[i].right;
    }
    if (c->flows >= ENOUGH)
        sum = *c;
    return sum.flows > 0 ? ((double)sum.right + 1) / ((double)sum.flows + 2) : -1; /* never certain */
}

void confidence_write(const struct confidence *table, FILE *out)
{
    size_t method, age;
    fputs("# method  age below (seconds)  flows whose name is known  right\n", out);
    for (method = 0; method < METHODS_NAMED; method++)
        for (age = 0; age < AGES; age++) {
            const struct confidence_cell *c = &table->cell[method][age];
            char below[24] = "more";
            if (age + 1 < AGES)
                snprintf(below, sizeof(below), "%" PRId64, confidence_ages[age]);
            fprintf(out, "%s %s %" PRIu64 " %" PRIu64 "\n", method_names[method], below, c->flows, c->right);
        }
}

/* The next word of the line, which is cut; "": there is none. */
static const char *next_word(char **at)
{
    *at += strspn(*at, " \t\r\n");
    char *word = *at;
    *at += strcspn(*at, " \t\r\n");
    if (**at)
        *(*at)++ = '\0';
    return word;
}

static bool read_line(char *line, struct confidence *out)
{
    const char *words[5];
    struct error why;
    uint64_t below = 0;
    unsigned method;
    size_t age = 0, i;
    for (i = 0; i < 5; i++)
        words[i] = next_word(&line);
    bool is_more = strcmp(words[1], "more") == 0;
    if (parse_choice(words[0], method_names, METHODS_NAMED, &method, &why) != 0 || *words[4] ||
        (!is_more && parse_number(words[1], 1, COUNT_MAX, &below, NULL) != 0))
        return false;
    while (age < AGES - 1 && (is_more || (uint64_t)confidence_ages[age] != below))
        age++;
    struct confidence_cell *c = &out->cell[method][age];
    return (is_more || age < AGES - 1) && parse_number(words[2], 0, COUNT_MAX, &c->flows, NULL) == 0 &&
           parse_number(words[3], 0, c->flows, &c->right, NULL) == 0;
}

int confidence_read(const char *path, struct confidence *out, struct error *err)
{
    struct confidence read = {.cell = {{{0, 0}}}};
    char line[LINE];
    unsigned number = 0;
    FILE *in = fopen(path, "re");
    if (!in)
        return error_errno(err, "%s", path);
    while (fgets(line, sizeof(line), in)) {
        number++;
        if (line[strspn(line, " \t\r\n")] == '\0' || *line == '#')
            continue;
        if (!read_line(line, &read)) {
            fclose(in);
            return error_set(
                err,
                "%s, line %u: expected METHOD AGE FLOWS RIGHT, as --calibrate writes it, RIGHT no more than "
                "FLOWS",
                path, number);
        }
    }
    bool has_failed = ferror(in);
    fclose(in);
    if (has_failed)
        return error_set(err, "%s: cannot be read", path);
    *out = read;
    return 0;
}
