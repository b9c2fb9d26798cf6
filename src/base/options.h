/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Command lines from a table: one row gives the short letter, the long name, the argument, the help text and the
 * function that takes the value. The help text is printed from the same rows. */
#ifndef DNSFLOW_BASE_OPTIONS_H
#define DNSFLOW_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

/* Stores `value` (NULL if there is none) in `config`. Returns 0, or -1 with "expected ...". One whose help is to list
 * the values that it takes refuses "" before it looks at `config`, which is NULL then. */
typedef int option_take(void *config, const char *value, struct error *err);

struct option_row {
    char letter;       /* 0 = long name only */
    const char *name;  /* long name, without dashes; empty: no option, `help` is the heading of those that follow */
    const char *arg;   /* name of the argument in the help, NULL = none; in brackets: it may be left out */
    option_take *take; /* NULL: the bool at `flag` is set */
    const char *help;  /* is broken into lines; behind a ';' at its end comes what the function says that it expects */
    size_t flag;       /* without a function the bool's offset in the configuration, else OPTION_REPEATS or 0 */
};

/* The option may be given more than once; others that have an argument are refused then. */
enum { OPTION_REPEATS = 1 };

/* Rows of a table, headings and the last one included. */
enum { OPTION_ROWS_MAX = 96 };

/* Takes every option of argv into `config`; the rows end with one whose name is NULL. Its function takes the arguments
 * that are no options, wherever they stand; without one they are refused. All behind "--" are such arguments. Returns
 * 0, or -1 with one line that names the option, the value and what is expected. */
MUST_CHECK int options_parse(const struct option_row *rows, int argc, char **argv, void *config, struct error *err);

/* Takes the options of a file, one on each line: long name, blanks or '=', value, as it is up to the line's end. Lines
 * that are empty or begin with '#' are passed over. *text gets what the values point into, to be freed after `config`,
 * also on failure. Returns 0, or -1 with one line that names the file, the line, and what is expected. */
MUST_CHECK int options_read(const struct option_row *rows, const char *path, void *config, char **text,
                            struct error *err);

/* Prints "usage: PROGRAM [options]", with the last row's argument, the rows below their headings, and the last row's
 * help, whose lines are examples. */
void options_help(const struct option_row *rows, const char *program, const char *purpose, FILE *out);

/* Takes a file name, which must not be empty. Returns 0, or -1 with "expected ...". */
MUST_CHECK int parse_path(const char *text, const char **out, struct error *err);

/* Which of the names `text` is, from 0 on. Returns 0, or -1 with "expected ..." and all of them. */
MUST_CHECK int parse_choice(const char *text, const char *const *names, size_t count, unsigned *out, struct error *err);

/* The whole of `text` as a decimal number in min..max. Returns 0, or -1 with "expected ...". */
MUST_CHECK int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out, struct error *err);

/* A number of bytes, "500M" or "2T" with K, M, G or T for 2^10 and so on, from min on. Returns 0, or -1 with "expected
 * ...". */
MUST_CHECK int parse_size(const char *text, uint64_t min, uint64_t *bytes, struct error *err);

/* A time, "90s", "30m", "12h" or "7d", of one second to 100 years. Returns 0, or -1 with "expected ...". */
MUST_CHECK int parse_span(const char *text, uint64_t *seconds, struct error *err);

#endif
