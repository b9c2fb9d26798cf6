/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotate/confidence.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"

enum { ENOUGH = 50 /* flows of one age */, LINE = 256, COUNT_MAX = 1 << 30 };

const int64_t confidence_ages[AGES] = {SECOND_US / 10,
                                       SECOND_US,
                                       5 * SECOND_US,
                                       10 * SECOND_US,
                                       60 * SECOND_US,
                                       300 * SECOND_US,
                                       INT64_C(3600) * SECOND_US,
                                       INT64_MAX};

/* As they are written. */
static const char *const age_texts[AGES] = {"0.1", "1", "5", "10", "60", "300", "3600", "more"};

const struct confidence confidence_usual = {
    .cell = {[METHOD_CLIENT_UNIQUE] = {{1870, 1870}, {86, 86}, {250, 250}, {274, 274}, {434, 434}},
             [METHOD_CLIENT_LATEST] = {{3612, 3612}, {182, 92}, {696, 408}, {820, 518}, {776, 572}},
             [METHOD_OTHERS_DOMAIN] = {{79, 79}}}};

static size_t age_number(int64_t age_us)
{
    size_t i = 0;
    while (i + 1 < AGES && age_us >= confidence_ages[i])
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

/* The age, or the next younger or else the next older, of which there are enough flows; NULL: of none are there. */
static const struct confidence_cell *find_enough(const struct confidence_cell row[AGES], size_t age)
{
    size_t i;
    for (i = age + 1; i > 0; i--)
        if (row[i - 1].flows >= ENOUGH)
            return &row[i - 1];
    for (i = age + 1; i < AGES; i++)
        if (row[i].flows >= ENOUGH)
            return &row[i];
    return NULL;
}

double confidence_of(const struct confidence *table, enum method method, int64_t age_us)
{
    struct confidence_cell sum = {0, 0};
    size_t i;
    if (method >= METHODS_NAMED)
        return -1;
    const struct confidence_cell *row = table->cell[method], *enough = find_enough(row, age_number(age_us));
    for (i = 0; !enough && i < AGES; i++) {
        sum.flows += row[i].flows;
        sum.right += row[i].right;
    }
    if (enough)
        sum = *enough;
    return sum.flows > 0 ? ((double)sum.right + 1) / ((double)sum.flows + 2) : -1; /* never certain */
}

void confidence_write(const struct confidence *table, FILE *out)
{
    size_t method, age;
    fputs("# method  age below (seconds)  flows whose name is known  right\n", out);
    for (method = 0; method < METHODS_NAMED; method++)
        for (age = 0; age < AGES; age++) {
            const struct confidence_cell *c = &table->cell[method][age];
            fprintf(out, "%s %s %" PRIu64 " %" PRIu64 "\n", method_names[method], age_texts[age], c->flows, c->right);
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
    unsigned method, age;
    size_t i;
    for (i = 0; i < 5; i++)
        words[i] = next_word(&line);
    if (parse_choice(words[0], method_names, METHODS_NAMED, &method, &why) != 0 ||
        parse_choice(words[1], age_texts, AGES, &age, &why) != 0 || *words[4])
        return false;
    struct confidence_cell *c = &out->cell[method][age];
    return parse_number(words[2], 0, COUNT_MAX, &c->flows, NULL) == 0 &&
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
