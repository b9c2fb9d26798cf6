/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names that have a text in them: partitions side by side, in the order of names, each by its index of three characters
 * in a row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/process.h"
#include "query/lookups.h"
#include "record/pattern.h"
#include "store/grams.h"
#include "store/summary.h"

/* A partition, and the name where it stands. */
struct side {
    sqlite3 *db;
    size_t index; /* in kept->partitions */
    sqlite3_stmt *names, *grams, *sums, *rows;
    bool has_grams, has_sums; /* sums: all of it is of the time that is asked for */
    int64_t base, next, last; /* numbers of names: the next to be looked at */
    int64_t chunk;            /* that the bits are of; -1: none */
    uint8_t bits[GRAM_BITS];
    int64_t block; /* whose sums are read; -1: none */
    struct summary_sum block_sums[SUMMARY_NAMES];
    size_t block_count;
    char rname[RNAME_TEXT]; /* empty and has_ended: there is no more */
    struct summary_sum sum;
    bool has_ended;
};

struct search {
    struct kept *kept;
    const struct ask *ask;
    uint8_t text[NAME_TEXT];
    size_t text_len;
    struct side *list;
    size_t count;
    bool is_over;
};

/* ---- where to look ---- */

/* The blocks of a chunk that have all of the text's characters. */
static int read_bits(const struct search *search, struct side *side, int64_t chunk, struct error *err)
{
    uint8_t bits[GRAM_BITS];
    size_t i, k;
    memset(side->bits, 0xff, sizeof(side->bits));
    side->chunk = chunk;
    for (i = 0; i + GRAM_LEN <= search->text_len; i++) {
        sqlite3_bind_int64(side->grams, 1, chunk);
        sqlite3_bind_int64(side->grams, 2, gram_of(search->text + i));
        int step = sql_step(side->grams, err);
        if (step < 0)
            return -1;
        if (step == 1)
            grams_bits(sqlite3_column_blob(side->grams, 0), (size_t)sqlite3_column_bytes(side->grams, 0), bits);
        else
            memset(bits, 0, sizeof(bits));
        for (k = 0; k < GRAM_BITS; k++)
            side->bits[k] &= bits[k];
        (void)sqlite3_reset(side->grams);
    }
    return 0;
}

/* Moves `next` to the first number of a block that may have the text. Returns 0, or -1. */
static int skip_blocks(const struct search *search, struct side *side, struct error *err)
{
    while (side->next <= side->last) {
        int64_t block = (side->next - 1) / GRAM_NAMES, chunk = block / GRAM_BLOCKS;
        if (chunk != side->chunk && read_bits(search, side, chunk, err) != 0)
            return -1;
        for (; block / GRAM_BLOCKS == chunk; block++)
            if (side->bits[block % GRAM_BLOCKS / 8] >> block % 8 & 1)
                break;
        int64_t first = block * GRAM_NAMES + 1;
        side->next = side->next > first ? side->next : first;
        if (block / GRAM_BLOCKS == chunk)
            return 0;
    }
    return 0;
}

/* ---- sums ---- */

/* How often the name of the number was asked for in the time. Returns 0, or -1. */
static int read_sum(struct search *search, struct side *side, int64_t number, struct error *err)
{
    int64_t block = (number - 1) / SUMMARY_NAMES + 1;
    int step = 0;
    memset(&side->sum, 0, sizeof(side->sum));
    if (!side->has_sums) {
        sqlite3_bind_int64(side->rows, 1, number);
        step = kept_step(search->kept, side->rows, &search->is_over, err);
        if (step == 1)
            side->sum = (struct summary_sum){(uint64_t)sqlite3_column_int64(side->rows, 0),
                                             sqlite3_column_int64(side->rows, 1), sqlite3_column_int64(side->rows, 2)};
        (void)sqlite3_reset(side->rows);
    } else if (block != side->block) {
        sqlite3_bind_int64(side->sums, 1, block);
        step = sql_step(side->sums, err);
        side->block = block;
        side->block_count = step == 1 ? summary_read(sqlite3_column_blob(side->sums, 0),
                                                     (size_t)sqlite3_column_bytes(side->sums, 0), side->block_sums)
                                      : 0;
        (void)sqlite3_reset(side->sums);
    }
    size_t at = (size_t)(number - 1) % SUMMARY_NAMES;
    if (side->has_sums && at < side->block_count)
        side->sum = side->block_sums[at];
    side->sum.first = time_later(side->sum.first, side->base);
    side->sum.last = time_later(side->sum.last, side->base);
    return step < 0 ? -1 : 0;
}

/* ---- names ---- */

static bool has_text(const struct search *search, const char *rname)
{
    char name[NAME_TEXT];
    size_t len = rname_to_text(rname, name);
    return memmem(name, len, search->text, search->text_len) != NULL;
}

/* The next name of a block that has the text and was asked for. 1: it is there, 0: not in this block, -1. */
static int look_in_block(struct search *search, struct side *side, struct error *err)
{
    int64_t end = ((side->next - 1) / GRAM_NAMES + 1) * GRAM_NAMES;
    int step, found = 0;
    sqlite3_bind_int64(side->names, 1, side->next);
    sqlite3_bind_int64(side->names, 2, end);
    while (found == 0 && (step = kept_step(search->kept, side->names, &search->is_over, err)) == 1) {
        int64_t number = sqlite3_column_int64(side->names, 0);
        const char *rname = (const char *)sqlite3_column_text(side->names, 1);
        side->next = number + 1;
        if (!rname || !has_text(search, rname))
            continue;
        snprintf(side->rname, sizeof(side->rname), "%s", rname);
        if (read_sum(search, side, number, err) != 0)
            found = -1;
        else if (side->sum.count > 0)
            found = 1;
    }
    if (found == 0 && step == 0)
        side->next = end + 1;
    (void)sqlite3_reset(side->names);
    return found == 0 && step < 0 ? -1 : found;
}

static int go_on(struct search *search, struct side *side, struct error *err)
{
    while (!search->is_over) {
        if (side->has_grams && skip_blocks(search, side, err) != 0)
            return -1;
        if (side->next > side->last)
            break;
        int found = look_in_block(search, side, err);
        if (found != 0)
            return found < 0 ? -1 : 0;
    }
    side->has_ended = true;
    return 0;
}

/* To the next name; what is damaged ends there, and is counted. */
static int advance(struct search *search, struct side *side, struct error *err)
{
    int done = go_on(search, side, err);
    if (done != 0 && kept_is_damaged(search->kept, side->index, side->db, err)) {
        side->has_ended = true;
        err->text[0] = '\0';
        done = 0;
    }
    return done;
}

/* ---- partitions ---- */

static int prepare(struct search *search, struct side *side, struct error *err)
{
    int64_t tables, grams = 0;
    if (sql_run(side->db, "PRAGMA cache_size=-256", err) != 0 || partition_base(side->db, &side->base, err) != 0 ||
        sql_number(side->db, "SELECT max(id) FROM names", 0, &side->last, err) != 0 ||
        sql_number(side->db, "SELECT count(*) FROM sqlite_schema WHERE name IN ('grams', 'sums')", 0, &tables, err) !=
            0 ||
        (tables == 2 && sql_number(side->db, "SELECT 1 FROM grams LIMIT 1", 0, &grams, err) != 0))
        return -1;
    side->has_grams = grams > 0;
    side->has_sums &= tables == 2;
    if (sql_prepare(side->db, "SELECT id, rname FROM names WHERE id BETWEEN ? AND ? ORDER BY id", &side->names, err) !=
            0 ||
        (side->has_grams &&
         sql_prepare(side->db, "SELECT blocks FROM grams WHERE chunk = ? AND gram = ?", &side->grams, err) != 0) ||
        (side->has_sums && sql_prepare(side->db, "SELECT names FROM sums WHERE block = ?", &side->sums, err) != 0) ||
        sql_prepare(side->db,
                    "SELECT sum(count), min(first), max(first + span) FROM rows WHERE name = ?1"
                    " AND first + span >= ?2 AND first < ?3",
                    &side->rows, err) != 0)
        return -1;
    sqlite3_bind_int64(side->rows, 2, time_before(search->ask->since_s, side->base));
    sqlite3_bind_int64(side->rows, 3, time_before(search->ask->until_s, side->base));
    return 0;
}

static int open_side(struct search *search, struct side *side, const struct partition *p, struct error *err)
{
    const struct cursor *from = search->ask->from && search->ask->from->is_behind ? search->ask->from : NULL;
    struct kept_place place = {1, false};
    side->next = side->chunk = side->block = -1;
    side->has_sums = p->record_first >= search->ask->since_s && p->record_last < search->ask->until_s;
    if (prepare(search, side, err) != 0 || (from && kept_find_name(side->db, from->name, &place, err) != 0))
        return -1;
    side->next = place.number + place.is_it;
    return advance(search, side, err);
}

static int open_sides(struct search *search, struct error *err)
{
    size_t i;
    int done = 0;
    for (i = search->kept->partitions_count; done == 0 && i > 0 && !search->is_over; i--) {
        const struct partition *p = &search->kept->partitions[i - 1];
        struct side *side = &search->list[search->count];
        if (!ask_wants(search->ask, p->record_first, p->record_last))
            continue;
        if (kept_partition(search->kept, i - 1, &side->db) == 0)
            continue;
        side->index = i - 1;
        search->count++;
        done = open_side(search, side, p, err);
        if (done != 0 && kept_is_damaged(search->kept, side->index, side->db, err)) {
            side->has_ended = true;
            err->text[0] = '\0';
            done = 0;
        }
    }
    return done;
}

static void close_sides(struct search *search)
{
    size_t i;
    for (i = 0; i < search->count; i++) {
        struct side *side = &search->list[i];
        sqlite3_finalize(side->names);
        sqlite3_finalize(side->grams);
        sqlite3_finalize(side->sums);
        sqlite3_finalize(side->rows);
        sqlite3_close(side->db);
    }
    free(search->list);
}

/* ---- the answer ---- */

/* The least name, with the sum of all partitions that have it. 1, 0: there is no more, or -1. */
static int next_name(struct search *search, char rname[RNAME_TEXT], struct summary_sum *sum, struct error *err)
{
    const struct side *least = NULL;
    size_t i;
    for (i = 0; i < search->count; i++)
        if (!search->list[i].has_ended && (!least || strcmp(search->list[i].rname, least->rname) < 0))
            least = &search->list[i];
    if (!least)
        return 0;
    snprintf(rname, RNAME_TEXT, "%s", least->rname);
    *sum = (struct summary_sum){0, INT64_MAX, INT64_MIN};
    for (i = 0; i < search->count; i++) {
        struct side *side = &search->list[i];
        if (side->has_ended || strcmp(side->rname, rname) != 0)
            continue;
        sum->count += side->sum.count;
        sum->first = side->sum.first < sum->first ? side->sum.first : sum->first;
        sum->last = side->sum.last > sum->last ? side->sum.last : sum->last;
        if (advance(search, side, err) != 0)
            return -1;
    }
    return 1;
}

static const struct answer_column columns[] = {
    {"name", CELL_TEXT, NULL}, {"count", CELL_NUMBER, NULL}, {"first", CELL_TIME, NULL}, {"last", CELL_TIME, NULL}};

static int put_names(struct search *search, struct answer_output *output, struct ask_result *result, struct error *err)
{
    char rname[RNAME_TEXT], name[NAME_TEXT];
    const struct ask *ask = search->ask;
    struct summary_sum sum;
    uint64_t rows = 0;
    int step = 0;
    while (!search->is_over && (step = next_name(search, rname, &sum, err)) == 1) {
        if (ask->limit > 0 && rows == ask->limit) {
            result->is_cut = result->has_next = true;
            return 0;
        }
        (void)rname_to_text(rname, name);
        const struct answer_cell cells[] = {{name, 0}, {NULL, (int64_t)sum.count}, {NULL, sum.first}, {NULL, sum.last}};
        answer_row(output, cells);
        result->next = (struct cursor){.is_behind = true, .since_s = ask->since_s, .until_s = ask->until_s};
        memcpy(result->next.name, rname, sizeof(rname));
        result->rows++;
        rows++;
    }
    return step < 0 ? -1 : 0;
}

static int ask_one(struct kept *kept, const struct ask *ask, const char *what, struct answer_output *output,
                   struct ask_result *result, struct error *err)
{
    struct search search = {.kept = kept, .ask = ask, .list = calloc(kept->partitions_count + 1, sizeof(*search.list))};
    if (!search.list)
        return error_set(err, "out of memory");
    search.text_len = pattern_text(what, search.text);
    if (ask->from)
        result->next = *ask->from;
    process_raise_files();
    int done = open_sides(&search, err);
    if (done == 0)
        done = put_names(&search, output, result, err);
    if (done != 0 && !kept_may_go_on(kept)) {
        search.is_over = true;
        done = 0;
    }
    result->is_partial |= search.is_over;
    result->has_next |= search.is_over;
    close_sides(&search);
    return done;
}

static int ask_contains(struct kept *kept, const struct ask *ask, struct answer_output *output,
                        struct ask_result *result, struct error *err)
{
    size_t i;
    int done = 0;
    for (i = 0; done == 0 && i < ask->what_count && !result->is_partial; i++)
        done = ask_one(kept, ask, ask->what[i], output, result, err);
    result->has_next &= ask->what_count == 1;
    return done;
}

const struct question question_contains = {"contains",
                                           "TEXT: names with this text in them, and how often they were asked for",
                                           ABOUT_PART,
                                           PAGES_ALWAYS,
                                           QUESTION_COLUMNS(columns),
                                           ask_contains};
