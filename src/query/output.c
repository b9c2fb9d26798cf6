/* SPDX-License-Identifier: BSD-3-Clause */
#include "query/output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"

const char *const answer_format_names[ANSWER_FORMATS] = {[ANSWER_TABLE] = "table",
                                                         [ANSWER_JSON] = "json",
                                                         [ANSWER_NDJSON] = "ndjson",
                                                         [ANSWER_CSV] = "csv",
                                                         [ANSWER_COF] = "cof"};

enum { WIDTHS_FROM = 1000 /* rows that are waited for, to know how wide columns are */ };

struct answer_output {
    FILE *out;
    enum answer_format format;
    bool color;
    const struct answer_column *columns;
    size_t columns_count;
    uint64_t rows;
    bool has_rest;
    answer_row_taker *take; /* NULL: they are printed */
    void *context;
    /* of a table: cells of the first rows, until widths are known */
    char **cells;
    size_t waiting;
    int widths[ANSWER_COLUMNS_MAX];
};

void answer_time(int64_t time_s, bool is_iso, char text[ANSWER_TIME])
{
    time_t seconds = (time_t)time_s;
    struct tm at;
    if (!gmtime_r(&seconds, &at) || strftime(text, ANSWER_TIME, is_iso ? "%Y-%m-%dT%H:%M:%SZ" : "%F %T", &at) == 0)
        snprintf(text, ANSWER_TIME, "?");
}

struct answer_output *answer_open(FILE *out, enum answer_format format, bool color, const struct answer_column *columns,
                                  size_t columns_count)
{
    struct answer_output *o = calloc(1, sizeof(*o));
    size_t i;
    if (!o || columns_count > ANSWER_COLUMNS_MAX ||
        !(o->cells = calloc(WIDTHS_FROM * columns_count, sizeof(*o->cells)))) {
        free(o);
        return NULL;
    }
    o->out = out;
    o->format = format;
    o->color = color;
    o->columns = columns;
    o->columns_count = columns_count;
    for (i = 0; i < columns_count; i++) {
        o->widths[i] = (int)strlen(columns[i].name);
        if (format == ANSWER_CSV)
            fprintf(out, "%s%s", i ? "," : "", columns[i].name);
    }
    if (format == ANSWER_CSV)
        fputs("\r\n", out);
    if (format == ANSWER_JSON)
        fputs("[", out);
    return o;
}

struct answer_output *answer_open_taker(answer_row_taker *take, void *context, const struct answer_column *columns,
                                        size_t columns_count)
{
    struct answer_output *o = answer_open(NULL, ANSWER_NDJSON, false, columns, columns_count);
    if (!o)
        return NULL;
    o->take = take;
    o->context = context;
    return o;
}

/* ---- cells ---- */

/* RFC 4180. What a spreadsheet would take for a formula is made plain text. */
static void put_csv_text(FILE *out, const char *text)
{
    bool is_formula = *text && strchr("=+-@\t\r", *text);
    bool is_quoted = is_formula || strpbrk(text, ",\"\r\n");
    if (is_quoted)
        fputc('"', out);
    if (is_formula)
        fputc('\'', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    if (is_quoted)
        fputc('"', out);
}

static const char *cell_text(const struct answer_column *column, const struct answer_cell *cell, bool is_iso,
                             char room[32])
{
    if (column->kind == CELL_TEXT || column->kind == CELL_VALUE)
        return cell->text;
    if (column->kind == CELL_TIME)
        answer_time(cell->number, is_iso, room);
    else if (cell->number == ANSWER_NONE)
        return NULL;
    else
        snprintf(room, 32, "%" PRId64, cell->number);
    return room;
}

static bool is_number(const struct answer_column *column, const struct answer_cell *cell)
{
    return column->kind == CELL_NUMBER || (column->kind == CELL_VALUE && cell->number != 0);
}

/* ---- rows ---- */

static void put_object(struct answer_output *o, const struct answer_cell *cells)
{
    char room[32];
    size_t i;
    for (i = 0; i < o->columns_count; i++) {
        const struct answer_column *column = &o->columns[i];
        bool is_cof = o->format == ANSWER_COF;
        fprintf(o->out, "%s\"%s\":", i ? "," : "{", is_cof ? column->cof : column->name);
        const char *text = cell_text(column, &cells[i], true, room);
        if (is_cof && column->kind == CELL_TIME)
            fprintf(o->out, "%" PRId64, cells[i].number);
        else if (!text)
            fputs("null", o->out);
        else if (is_number(column, &cells[i]))
            fputs(text, o->out);
        else
            json_put(o->out, text);
    }
    fputc('}', o->out);
}

static void put_line(struct answer_output *o, const char *const *cells, bool is_head)
{
    size_t i;
    fputs(is_head && o->color ? "\033[1m" : "", o->out);
    for (i = 0; i < o->columns_count; i++) {
        bool is_last = i + 1 == o->columns_count;
        int width = o->columns[i].kind == CELL_NUMBER ? o->widths[i] : is_last ? 0 : -o->widths[i];
        fprintf(o->out, "%*s%s", width, cells[i], is_last ? "" : "  ");
    }
    fputs(is_head && o->color ? "\033[0m\n" : "\n", o->out);
}

/* The first rows, with their widths known. */
static void put_waiting(struct answer_output *o)
{
    const char *heads[ANSWER_COLUMNS_MAX];
    size_t i, row;
    for (i = 0; i < o->columns_count; i++)
        heads[i] = o->columns[i].name;
    put_line(o, heads, true);
    for (row = 0; row < o->waiting; row++) {
        put_line(o, (const char *const *)&o->cells[row * o->columns_count], false);
        for (i = 0; i < o->columns_count; i++)
            free(o->cells[row * o->columns_count + i]);
    }
    o->waiting = 0;
}

static void put_table(struct answer_output *o, const struct answer_cell *cells)
{
    const char *texts[ANSWER_COLUMNS_MAX];
    char rooms[ANSWER_COLUMNS_MAX][32];
    size_t i;
    for (i = 0; i < o->columns_count; i++) {
        texts[i] = cell_text(&o->columns[i], &cells[i], false, rooms[i]);
        texts[i] = texts[i] ? texts[i] : "-";
        if (o->rows <= WIDTHS_FROM && (int)strlen(texts[i]) > o->widths[i])
            o->widths[i] = (int)strlen(texts[i]) < 60 ? (int)strlen(texts[i]) : 60;
    }
    if (o->rows > WIDTHS_FROM) {
        put_line(o, texts, false);
        return;
    }
    for (i = 0; i < o->columns_count; i++) {
        o->cells[o->waiting * o->columns_count + i] = strdup(texts[i]);
        if (!o->cells[o->waiting * o->columns_count + i])
            return;
    }
    if (++o->waiting == WIDTHS_FROM)
        put_waiting(o);
}

bool answer_has_rest(const struct answer_output *output)
{
    return output->has_rest;
}

static bool is_rest(const struct answer_column *column, const struct answer_cell *cell)
{
    bool is_name =
        column->kind == CELL_TEXT && (strcmp(column->name, "name") == 0 || strcmp(column->name, "value") == 0);
    return is_name && cell->text && cell->text[0] == '*' && (cell->text[1] == '\0' || cell->text[1] == '.');
}

void answer_row(struct answer_output *output, const struct answer_cell *cells)
{
    struct answer_output *o = output;
    char room[32];
    size_t i;
    o->rows++;
    for (i = 0; i < o->columns_count && !o->has_rest; i++)
        o->has_rest = is_rest(&o->columns[i], &cells[i]);
    if (o->take) {
        o->take(o->context, cells);
        return;
    }
    switch (o->format) {
    case ANSWER_JSON:
    case ANSWER_NDJSON:
    case ANSWER_COF:
        if (o->format == ANSWER_JSON)
            fputs(o->rows > 1 ? ",\n " : "\n ", o->out);
        put_object(o, cells);
        if (o->format != ANSWER_JSON)
            fputc('\n', o->out);
        break;
    case ANSWER_CSV:
        for (i = 0; i < o->columns_count; i++) {
            const char *text = cell_text(&o->columns[i], &cells[i], true, room);
            if (i > 0)
                fputc(',', o->out);
            if (text && o->columns[i].kind != CELL_TIME && !is_number(&o->columns[i], &cells[i]))
                put_csv_text(o->out, text);
            else
                fputs(text ? text : "", o->out);
        }
        fputs("\r\n", o->out);
        break;
    default:
        put_table(o, cells);
    }
}

uint64_t answer_close(struct answer_output *output)
{
    uint64_t rows = output->rows;
    if (output->format == ANSWER_TABLE && rows > 0 && (rows < WIDTHS_FROM || output->waiting > 0))
        put_waiting(output);
    if (output->format == ANSWER_JSON)
        fputs(rows > 0 ? "\n]\n" : "]\n", output->out);
    free(output->cells);
    free(output);
    return rows;
}
