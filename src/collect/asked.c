/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/asked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 2048, LINE_MOST = 1 << 20 };

void asked_free(struct asked *asked)
{
    size_t i;
    for (i = 0; i < asked->lines_count; i++)
        free(asked->lines[i]);
    free(asked->lines);
    free(asked->list);
}

/* Room comes in powers of two. */
int asked_add(struct asked *asked, const char *what, struct error *err)
{
    if ((asked->count & (asked->count - 1)) == 0) {
        const char **list = realloc(asked->list, (asked->count > 0 ? 2 * asked->count : 1) * sizeof(*list));
        if (!list)
            return error_set(err, "out of memory");
        asked->list = list;
    }
    asked->list[asked->count++] = what;
    return 0;
}

static int add_line(struct asked *asked, const char *what, struct error *err)
{
    size_t count = asked->lines_count;
    if ((count & (count - 1)) == 0) {
        char **lines = realloc(asked->lines, (count > 0 ? 2 * count : 1) * sizeof(*lines));
        if (!lines)
            return error_set(err, "out of memory");
        asked->lines = lines;
    }
    char *copy = strdup(what);
    if (!copy)
        return error_set(err, "out of memory");
    asked->lines[asked->lines_count++] = copy;
    return asked_add(asked, copy, err);
}

/* The line without blanks around it, and without the mark that some editors begin a file with. */
static char *trim(char *line)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (strncmp(line, mark, sizeof(mark) - 1) == 0)
        line += sizeof(mark) - 1;
    line += strspn(line, " \t");
    size_t len = strcspn(line, "\r\n");
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
        len--;
    line[len] = '\0';
    return line;
}

/* Reads a line: 1, 0 = there is none. *more is how much of it there was no room for, and is passed over up to
 * LINE_MOST; a zero byte ends it early, and counts as more. */
static int read_line(FILE *in, char line[LINE], size_t *more)
{
    int c;
    memset(line, '\n', LINE); /* so that the end is found behind zero bytes too */
    *more = 0;
    if (!fgets(line, LINE, in))
        return 0;
    const char *end = memchr(line, '\n', LINE);
    bool has_end = end && end < line + LINE - 1 && end[1] == '\0';
    if (has_end || feof(in)) {
        *more = has_end && strlen(line) < (size_t)(end - line);
        return 1;
    }
    while (*more < LINE_MOST && (c = getc(in)) != EOF && c != '\n')
        ++*more;
    return 1;
}

static int read_lines(struct asked *asked, const struct question *question, FILE *in, const char *path,
                      struct error *err)
{
    char line[LINE];
    size_t number = 0, more;
    while (read_line(in, line, &more)) {
        struct error why;
        const char *what = trim(line);
        number++;
        if (more >= LINE_MOST)
            return error_set(err, "%s: line %zu: expected a text, not a line without an end", path, number);
        if (more == 0 && (what[0] == '\0' || what[0] == '#'))
            continue;
        if (more > 0)
            error_set(&why, "expected at most %d bytes, and no zero byte", LINE - 2);
        if (more > 0 || question_check_line(question, what, &why) != 0) {
            fprintf(stderr, "dnsflow_collect: %s: line %zu: %.100s: %s\n", path, number, what, why.text);
            asked->has_bad_lines = true;
        } else if (add_line(asked, what, err) != 0) {
            return -1;
        }
    }
    return ferror(in) ? error_errno(err, "%s", path) : 0;
}

int asked_read(struct asked *asked, const struct question *question, const char *path, struct error *err)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!in)
        return error_errno(err, "%s", path);
    int result = read_lines(asked, question, in, in == stdin ? "standard input" : path, err);
    if (in != stdin)
        fclose(in);
    return result;
}
