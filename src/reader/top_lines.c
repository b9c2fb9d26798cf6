/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tables of tops.h as lines of plain characters. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "reader/tops.h"

/* On a page no name is cut. */
enum { BAR = 16, NAME_ROOM = 16, PRINTED_ROWS = 10, PRINTED_WIDTH = 100 + NAME_TEXT };

const char *top_table_name(enum top_table table)
{
    static const char *const names[TOP_TABLES] = {"names",   "domains",    "clients",  "resolvers", "answers",
                                                  "sources", "subdomains", "nxdomain", "servfail",  "rcodes"};
    return names[table];
}

const char *top_order_name(enum top_order order)
{
    static const char *const names[TOP_ORDERS] = {"count", "rate", "name"};
    return names[order];
}

/* On narrow screens columns give way, so that the name, which stands last, keeps some room. */
enum room { ALL, SOME, COUNT_ONLY };

static enum room find_room(enum top_table table, size_t width)
{
    static const size_t name_at[2][2] = {{48, 30}, {59, 21}}; /* in ALL and SOME, of names and of sources */
    const size_t *at = name_at[table == TOP_SOURCES];
    return width >= at[0] + NAME_ROOM ? ALL : width >= at[1] + NAME_ROOM ? SOME : COUNT_ONLY;
}

void top_head_line(enum top_table table, char *line, size_t width)
{
    static const char *const labels[TOP_TABLES] = {"NAME",   "DOMAIN", "CLIENT", "RESOLVER", "ANSWER",
                                                   "SOURCE", "DOMAIN", "CLIENT", "CLIENT",   "RCODE AND TYPE"};
    static const char *const heads[2][3] = {
        {"      COUNT  SHARE    RATE/s                    ", "      COUNT  SHARE    RATE/s  ", "      COUNT  "},
        {"   RECORDS    RATE/s DATAGRAMS     LOST   LOST%   DROPPED  ", "   RECORDS     LOST  ", "   RECORDS  "}};
    snprintf(line, width + 1, "%s%s", heads[table == TOP_SOURCES][find_room(table, width)], labels[table]);
}

/* The text's end is cut, marked by a tilde. */
static void end_with(char *line, size_t width, const char *text)
{
    size_t used = strlen(line), len = strlen(text);
    snprintf(line + used, width + 1 - used, "%s", text);
    if (used < width && len > width - used)
        line[width - 1] = '~';
}

static void put_source(const struct top_row *row, enum room room, char *line, size_t size)
{
    if (room == ALL)
        snprintf(line, size, "%10" PRIu64 " %9.1f %9" PRIu64 " %8" PRIu64 " %7.2f %9" PRIu64 "  ", row->count,
                 row->rate, row->datagrams, row->lost, row->lost_percent, row->dropped);
    else if (room == SOME)
        snprintf(line, size, "%10" PRIu64 " %8" PRIu64 "  ", row->count, row->lost);
    else
        snprintf(line, size, "%10" PRIu64 "  ", row->count);
}

static void put_counts(const struct top_row *row, const struct top_sum *sum, enum room room, char *line, size_t size)
{
    char bar[BAR + 1] = "", count[24];
    double share = sum->total > 0 ? 100.0 * (double)row->count / (double)sum->total : 0;
    memset(bar, '#', sum->most > 0 ? (size_t)(row->count * BAR / sum->most) : 0);
    snprintf(count, sizeof(count), "%s%" PRIu64, row->over > 0 ? "<" : "", row->count);
    if (room == ALL)
        snprintf(line, size, "%11s %5.1f%% %9.1f  %-*s  ", count, share, row->rate, BAR, bar);
    else if (room == SOME)
        snprintf(line, size, "%11s %5.1f%% %9.1f  ", count, share, row->rate);
    else
        snprintf(line, size, "%11s  ", count);
}

void top_row_line(enum top_table table, const struct top_row *row, const struct top_sum *sum, char *line, size_t width)
{
    enum room room = find_room(table, width);
    if (table == TOP_SOURCES)
        put_source(row, room, line, width + 1);
    else
        put_counts(row, sum, room, line, width + 1);
    end_with(line, width, row->text);
}

static void print_table(struct tops *tops, enum top_table table, struct output *out)
{
    struct top_row rows[PRINTED_ROWS];
    char line[PRINTED_WIDTH + 1];
    struct top_sum sum;
    size_t i, count = tops_rows(tops, table, TOP_BY_COUNT, "", 0, rows, PRINTED_ROWS, &sum);
    if (table > TOP_SUBDOMAINS && sum.total == 0)
        return; /* no sensor has --records */
    output_format(out, "\n%s: %s%" PRIu64 " different", top_table_name(table), sum.error ? "about " : "", sum.distinct);
    if (sum.error > 0)
        output_format(out, " (0.8 %% standard error); counts marked < are at most %" PRIu64 " too high", sum.error);
    top_head_line(table, line, PRINTED_WIDTH);
    output_format(out, "\n%s\n", line);
    for (i = 0; i < count; i++) {
        top_row_line(table, &rows[i], &sum, line, PRINTED_WIDTH);
        output_format(out, "%s\n", line);
    }
}

void tops_print(struct tops *tops, double seconds, struct output *out)
{
    enum top_table table;
    if (seconds > 0)
        tops_mark(tops, seconds);
    output_format(out, "%" PRIu64 " records in %.1f s\n", tops_records(tops), seconds);
    for (table = 0; table < TOP_TABLES; table++)
        print_table(tops, table, out);
}
