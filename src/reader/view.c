/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/view.h"

#ifdef HAVE_NCURSES
#include <ctype.h>
#include <curses.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "reader/rights.h"
#include "reader/screen.h"
#include "reader/tops.h"

enum {
    ROWS_MAX = 256,
    LINE_MAX = 512,
    FILTER = 64,
    HEAD_LINES = 4, /* state, tables, this table, its columns */
    KEY_WAIT_MS = 100,
    KEY_ESCAPE = 27,
    INTERVAL_US = SECOND_US,
};

struct view {
    struct reader_input *input;
    struct session *session;
    const struct screen *screen;
    enum top_table table;
    enum top_order order;
    size_t skip;         /* rows scrolled past */
    char filter[FILTER]; /* lower case */
    bool is_paused, is_typing, is_helping, has_quit;
    bool is_ended;  /* the input is ... */
    bool is_broken; /* ... for the reason in `why` */
    struct error why;
    bool is_stale;                        /* what is drawn is not what was asked for */
    int64_t due_us;                       /* monotonic clock */
    int64_t marked_us, sources_marked_us; /* the stream's time */
    uint64_t marked_records;
    double rate; /* records in a second */
    size_t count;
    struct top_sum sum;
    struct top_row rows[ROWS_MAX];
};

static struct tops *tops_of(const struct view *v)
{
    return v->session->taken;
}

static size_t table_lines(void)
{
    int lines = LINES - HEAD_LINES - 1;
    return lines < 1 ? 1 : lines < ROWS_MAX ? (size_t)lines : ROWS_MAX;
}

/* Seconds since the mark, or `first` when there was none; the mark is set anew, unless these are too few. */
static bool take_mark(int64_t *marked_us, int64_t now_us, double first, double *seconds)
{
    *seconds = *marked_us == 0 ? first : (double)(now_us - *marked_us) / SECOND_US;
    if (*seconds < 0 || *seconds >= 0.001) /* the time of captures may jump back */
        *marked_us = now_us;
    return *seconds >= 0.001;
}

/* Rates are of the stream's own time, as a file may be read faster. Records have that between --since and --until. */
static void mark(struct view *v)
{
    struct session *s = v->session;
    bool is_file = v->input->config->files_count > 0;
    int64_t live_us = is_file ? 0 : clock_monotonic_us();
    double seconds;
    if (take_mark(&v->sources_marked_us, is_file ? s->all.last_us : live_us, session_whole_seconds(s), &seconds))
        sources_mark(s->intake.sources, seconds);
    if (!take_mark(&v->marked_us, is_file ? session_last_us(s) : live_us, session_seconds(s), &seconds))
        return;
    tops_mark(tops_of(v), seconds);
    v->rate = (double)(tops_records(tops_of(v)) - v->marked_records) / seconds;
    v->marked_records = tops_records(tops_of(v));
}

static void take_rows(struct view *v)
{
    int tries;
    for (tries = 0; tries < 2; tries++) {
        v->count = tops_rows(tops_of(v), v->table, v->order, v->filter, v->skip, v->rows, table_lines(), &v->sum);
        if (v->count > 0)
            return;
        v->skip = 0; /* scrolled past the end of what there is now */
    }
}

/* ---- drawing ---- */

/* What matters most stands first, as narrow screens cut the end. */
static void draw_state(struct view *v)
{
    const struct session *s = v->session;
    char line[LINE_MAX];
    uint64_t lost = 0;
    uint32_t i, sources = sources_proven(s->intake.sources);
    for (i = 0; i < sources_count(s->intake.sources); i++)
        lost += sources_at(s->intake.sources, i)->lost;
    int used = snprintf(line, sizeof(line),
                        "%s%s: %" PRIu64 " records, %.0f/s, %" PRIu32 " source%s, %" PRIu64 " datagrams lost",
                        v->is_paused ? "PAUSED, " : "",
                        v->is_broken  ? "input broke"
                        : v->is_ended ? "end of input"
                                      : "dnsflow_read",
                        tops_records(tops_of(v)), v->rate, sources, sources == 1 ? "" : "s", lost);
    if (v->input->config->is_listening)
        used += snprintf(line + used, sizeof(line) - (size_t)used, ", %" PRIu64 " without room here",
                         reader_input_dropped(v->input));
    if (s->intake.malformed > 0)
        snprintf(line + used, sizeof(line) - (size_t)used, ", %" PRIu64 " malformed", s->intake.malformed);
    attron(A_BOLD);
    mvaddnstr(0, 0, line, COLS);
    attroff(A_BOLD);
}

static int table_label(enum top_table table, char *line, size_t size)
{
    return snprintf(line, size, " %u %s ", (table + 1u) % 10, top_table_name(table));
}

/* The first label that is shown, so that the table at hand is among them on a narrow screen too. */
static enum top_table first_label(enum top_table table)
{
    char line[LINE_MAX];
    enum top_table first = table;
    int used = table_label(table, line, sizeof(line));
    while (first > 0 && (used += table_label(first - 1, line, sizeof(line))) <= COLS)
        first--;
    return first;
}

static void draw_tables(const struct view *v)
{
    char line[LINE_MAX];
    enum top_table i;
    int at = 0;
    for (i = first_label(v->table); i < TOP_TABLES && at < COLS; i++) {
        int len = table_label(i, line, sizeof(line));
        attrset(i == v->table ? A_REVERSE : A_NORMAL);
        mvaddnstr(1, at, line, COLS - at);
        at += len;
    }
    attrset(A_NORMAL);
    int used = snprintf(line, sizeof(line), "%s%" PRIu64 " different, sorted by %s", v->sum.error ? "about " : "",
                        v->sum.distinct, top_order_name(v->order));
    if (v->sum.error > 0)
        used += snprintf(line + used, sizeof(line) - (size_t)used, ", < at most %" PRIu64 " too high", v->sum.error);
    if (*v->filter)
        snprintf(line + used, sizeof(line) - (size_t)used, ", %zu with \"%s\"", v->sum.rows, v->filter);
    mvaddnstr(2, 0, line, COLS);
}

static void draw_rows(const struct view *v)
{
    char line[LINE_MAX];
    size_t width = COLS < LINE_MAX ? (size_t)COLS : LINE_MAX - 1, i;
    top_head_line(v->table, line, width);
    attron(A_UNDERLINE);
    mvaddnstr(3, 0, line, COLS);
    attroff(A_UNDERLINE);
    for (i = 0; i < v->count && i < table_lines(); i++) {
        top_row_line(v->table, &v->rows[i], &v->sum, line, width);
        mvaddnstr(HEAD_LINES + (int)i, 0, line, COLS);
    }
}

static void draw_help(void)
{
    static const char *const lines[] = {
        "0 to 9, Tab, arrows left and right   the table: names, domains, clients, ...",
        "s                                    sort by count, rate or name",
        "/ text Enter                         only rows with the text in them; / Enter: all",
        "arrows up and down, page keys, Home  scroll",
        "p, space                             pause the rows; a key shows them anew",
        "c                                    begin to count anew",
        "q                                    quit, and print the summary",
    };
    size_t i;
    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        mvaddnstr(HEAD_LINES + (int)i, 0, lines[i], COLS);
}

static void draw(struct view *v)
{
    char line[LINE_MAX] = " 0-9 table  s sort  / filter  p pause  c clear  h help  q quit";
    erase();
    draw_state(v);
    draw_tables(v);
    if (v->is_helping)
        draw_help();
    else
        draw_rows(v);
    if (v->is_typing)
        snprintf(line, sizeof(line), "/%s", v->filter);
    attron(v->is_typing ? A_NORMAL : A_REVERSE);
    mvaddnstr(LINES - 1, 0, line, COLS);
    attroff(A_REVERSE);
    refresh();
    v->is_stale = false;
}

static void redraw_if_due(struct view *v)
{
    uint64_t interval = v->input->config->interval;
    int64_t now_us = clock_monotonic_us();
    bool is_due = !v->is_ended && now_us >= v->due_us;
    if (!is_due && !v->is_stale)
        return;
    if (is_due) {
        v->due_us = now_us + (interval > 0 ? (int64_t)interval * SECOND_US : INTERVAL_US);
        mark(v);
    }
    if (!v->is_paused || v->is_stale)
        take_rows(v);
    draw(v);
}

/* ---- keys ---- */

static void type(struct view *v, int key)
{
    size_t used = strlen(v->filter);
    if (key == '\n' || key == '\r' || key == KEY_ENTER || key == KEY_ESCAPE)
        v->is_typing = false;
    if (key == KEY_ESCAPE)
        v->filter[0] = '\0';
    else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && used > 0)
        v->filter[used - 1] = '\0';
    else if (key > 0x20 && key < 0x7f && used + 1 < FILTER) {
        v->filter[used] = (char)tolower(key);
        v->filter[used + 1] = '\0';
    }
    v->skip = 0;
}

static void scroll_by(struct view *v, long rows)
{
    long to = (long)v->skip + rows, last = (long)v->sum.rows - 1;
    v->skip = to < 0 || last < 0 ? 0 : (size_t)(to > last ? last : to);
}

static void show_table(struct view *v, unsigned table)
{
    v->table = (enum top_table)(table % TOP_TABLES);
    v->skip = 0;
}

static void start_anew(struct view *v)
{
    mark(v);
    tops_clear(tops_of(v));
    v->marked_records = 0;
    v->rate = 0;
}

static void move_by_key(struct view *v, int key)
{
    long page = (long)table_lines();
    if (key >= '0' && key <= '9')
        show_table(v, (unsigned)(key - '1' + 10) % 10);
    else if (key == '\t' || key == KEY_RIGHT)
        show_table(v, v->table + 1);
    else if (key == KEY_LEFT || key == KEY_BTAB)
        show_table(v, v->table + TOP_TABLES - 1);
    else if (key == KEY_UP || key == KEY_DOWN)
        scroll_by(v, key == KEY_UP ? -1 : 1);
    else if (key == KEY_PPAGE || key == KEY_NPAGE)
        scroll_by(v, key == KEY_PPAGE ? -page : page);
    else if (key == KEY_HOME)
        v->skip = 0;
}

static void take_key(struct view *v, int key)
{
    v->is_stale = true;
    if (v->is_typing && key != KEY_RESIZE) {
        type(v, key);
        return;
    }
    v->is_helping = (key == 'h' || key == '?') && !v->is_helping;
    switch (key) {
    case 'q':
        v->has_quit = true;
        break;
    case 's':
        v->order = (enum top_order)((v->order + 1u) % TOP_ORDERS);
        break;
    case 'p':
    case ' ':
        v->is_paused = !v->is_paused;
        break;
    case '/':
    case KEY_ESCAPE:
        v->is_typing = key == '/';
        v->filter[0] = '\0';
        break;
    case 'c':
        start_anew(v);
        break;
    default:
        move_by_key(v, key);
    }
}

/* Keys that are there; once the input has ended, waits for one. A terminal that has gone away ends the view. */
static void take_keys(struct view *v)
{
    int key;
    timeout(v->is_ended ? KEY_WAIT_MS : 0);
    while ((key = getch()) != ERR) {
        take_key(v, key);
        timeout(0);
    }
    v->has_quit = v->has_quit || screen_is_gone(v->screen);
}

/* What the input says of itself. Until the user has seen that it is broken, that is no reason to leave. */
static void take_input(struct view *v)
{
    int count = reader_input_step(v->input, v->session, &v->why);
    if (count != CAPTURE_FAILED && count != CAPTURE_END && !v->session->is_done)
        return;
    v->is_broken = count == CAPTURE_FAILED;
    v->is_ended = v->is_stale = true;
    mark(v);
}

static int show_until_end(struct view *v, const atomic_bool *stop, struct error *err)
{
    v->marked_us = v->sources_marked_us = v->input->config->files_count > 0 ? 0 : clock_monotonic_us();
    v->is_stale = true;
    while (!atomic_load(stop) && !v->has_quit) {
        if (!v->is_ended)
            take_input(v);
        take_keys(v);
        redraw_if_due(v);
    }
    *err = v->why;
    return v->is_broken ? CAPTURE_FAILED : 0;
}

int view_run(struct reader_input *input, struct session *session, const atomic_bool *stop, struct error *err)
{
    struct view *v = calloc(1, sizeof(*v));
    struct screen screen;
    if (!v)
        return error_set(err, "out of memory"), VIEW_NOT_STARTED;
    v->input = input;
    v->session = session;
    v->screen = &screen;
    int result = VIEW_NOT_STARTED;
    if (screen_open(&screen, err) == 0) {
        if (rights_give_up(input->config, err) == 0)
            result = show_until_end(v, stop, err);
        screen_close(&screen);
    }
    free(v);
    return result;
}

const char *view_version(void)
{
    return "ncurses " NCURSES_VERSION;
}

#else

int view_run(struct reader_input *input, struct session *session, const atomic_bool *stop, struct error *err)
{
    (void)input;
    (void)session;
    (void)stop;
    (void)error_set(err, "option --top: this program was built without ncurses; --summary prints the same tables");
    return VIEW_NOT_STARTED;
}

const char *view_version(void)
{
    return "without ncurses: no --top";
}

#endif
