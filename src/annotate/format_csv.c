/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lines of columns behind a line with their names, as of `nfdump -o csv`, which puts sums behind them. */
#include <string.h>

#include "annotate/format.h"

/* The next column of the line; what quotes hold is a part of it. */
struct columns {
    const char *at, *end;
    bool is_over, is_broken; /* broken: a quote does not end */
};

static bool next_column(struct columns *c, const char **text, size_t *len)
{
    const char *start = c->at;
    if (c->is_over)
        return false;
    while (c->at < c->end && *c->at != ',') {
        if (*c->at == '"') {
            const char *close = memchr(c->at + 1, '"', (size_t)(c->end - c->at - 1));
            if (!close) {
                c->is_broken = c->is_over = true;
                return false;
            }
            c->at = close;
        }
        c->at++;
    }
    *text = start;
    *len = (size_t)(c->at - start);
    c->is_over = c->at == c->end;
    c->at += !c->is_over;
    return true;
}

/* Without the quotes around it. */
static void strip(const char **text, size_t *len)
{
    if (*len < 2 || **text != '"')
        return;
    *text += 1;
    *len -= 2;
}

static bool is_word(const char *word, const char *text, size_t len)
{
    return strlen(word) == len && memcmp(word, text, len) == 0;
}

/* Whether what would be added is there already. */
static bool is_added(const struct flow_reader *r, const char *text, size_t len)
{
    size_t i, before = strlen(r->prefix);
    if (len < before || memcmp(text, r->prefix, before) != 0)
        return false;
    for (i = 0; i < ADDED_COLUMNS; i++)
        if (is_word(flow_added[i], text + before, len - before))
            return true;
    return false;
}

static enum piece take_header(struct flow_reader *r, struct columns *c)
{
    bool has[FIELDS] = {false};
    const char *text;
    size_t len, i, j;
    while (next_column(c, &text, &len)) {
        strip(&text, &len);
        r->columns++;
        if (is_added(r, text, len))
            return flow_refuse(r, true, "there is a column \"%.*s\" already; --prefix names those that are added else",
                               (int)len, text);
        for (i = 0; i < FIELDS; i++)
            for (j = 0; j < FIELD_CHOICES; j++)
                if (r->column[i][j] == 0 && len > 0 && is_word(r->fields.name[i][j], text, len)) {
                    r->column[i][j] = r->columns;
                    has[i] = true;
                }
    }
    enum piece fits = flow_check_fields(r, has, true);
    return fits == PIECE_FLOW ? PIECE_BESIDE : fits;
}

/* The fields that stand in this column. */
static bool take_column(struct flow_reader *r, size_t column, const char *text, size_t len, struct seen_flow *out)
{
    size_t i, j;
    for (i = 0; i < FIELDS; i++)
        for (j = 0; j < FIELD_CHOICES; j++)
            if (r->column[i][j] == column && (j == 0 || len > 0) &&
                !flow_take_field(r, (enum flow_field)i, text, len, out))
                return false;
    return true;
}

static enum piece take_line(struct flow_reader *r, struct columns *c, struct seen_flow *out)
{
    const char *text;
    size_t len, column = 0;
    while (next_column(c, &text, &len)) {
        strip(&text, &len);
        if (++column <= r->columns && !take_column(r, column, text, len, out))
            return PIECE_UNREADABLE;
    }
    if (c->is_broken)
        return flow_refuse(r, false, "a quote does not end");
    if (column != r->columns)
        return flow_refuse(r, false, "expected %zu columns, there are %zu", r->columns, column);
    out->is_either_way = r->format->is_either_way;
    return PIECE_FLOW;
}

static enum piece take(struct flow_reader *r, const char *piece, size_t len, struct seen_flow *out)
{
    struct columns c = {.at = piece, .end = piece + len};
    if (r->has_ended || len == 0)
        return PIECE_BESIDE;
    if (!r->has_begun) {
        r->has_begun = true;
        return take_header(r, &c);
    }
    if (is_word("Summary", piece, len) || is_word("No matching flows", piece, len)) {
        r->has_ended = true;
        return PIECE_BESIDE;
    }
    return take_line(r, &c, out);
}

/* RFC 4180. What a spreadsheet would take for a formula is made plain text. */
static void put_text(const char *text, FILE *out)
{
    bool is_formula = *text && strchr("=+-@\t\r", *text);
    bool is_quoted = is_formula || strpbrk(text, ",\"\r\n");
    fputs(is_quoted ? is_formula ? "\"'" : "\"" : "", out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputs(is_quoted ? "\"" : "", out);
}

static void put(const struct flow_reader *r, const char *piece, size_t len, const struct flow_added_text *added,
                FILE *out)
{
    size_t i;
    fwrite(piece, 1, len, out);
    for (i = 0; i < ADDED_COLUMNS; i++) {
        fputc(',', out);
        if (added)
            put_text(added->text[i], out);
        else
            fprintf(out, "%s%s", r->prefix, flow_added[i]);
    }
}

const struct flow_format flow_format_csv = {
    .name = "csv",
    .fields = {[FIELD_CLIENT] = {"sa", "srcAddr"},
               [FIELD_SERVER] = {"da", "dstAddr"},
               [FIELD_TIME] = {"ts", "firstSeen"},
               [FIELD_PORT] = {"dp", "dstPort"},
               [FIELD_SOURCE_PORT] = {"sp", "srcPort"}},
    .is_local_time = true,
    .is_either_way = true,
    .take = take,
    .put = put,
};
