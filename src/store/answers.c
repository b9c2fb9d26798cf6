/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/answers.h"

#include <stdlib.h>
#include <string.h>

#include "record/rdata.h"
#include "store/news.h"

enum { TYPE_A = 1, TYPE_AAAA = 28, RDATA_TEXT = 4 * 65536 + 16 };

/* An answer in the order of the table. */
struct answer_order {
    const char *rname;
    uint32_t number;
    bool is_rest; /* of names that were folded: without rdata */
};

static int by_rname(const void *a, const void *b)
{
    const struct answer_order *x = a, *y = b;
    int order = strcmp(x->rname, y->rname);
    return order != 0 ? order : x->number < y->number ? -1 : x->number > y->number;
}

/* An answer that is known, and one that is not: the first is tried first. */
struct answer_puts {
    sqlite3_stmt *update, *insert;
};

static const char update_sql[] = "UPDATE answers SET first = min(first, ?4), last = max(last, ?5), count = count + ?6,"
                                 " scaled = scaled + ?7 WHERE rname = ?1 AND type = ?2 AND rdata = ?3";
static const char insert_sql[] = "INSERT INTO answers VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";

static void bind_answer(sqlite3_stmt *s, const char *rname, uint16_t type, const uint8_t *rdata, size_t len,
                        bool is_address, const struct intern_count *c)
{
    sqlite3_bind_text(s, 1, rname, -1, SQLITE_STATIC);
    sqlite3_bind_int(s, 2, type);
    if (is_address)
        sqlite3_bind_blob(s, 3, rdata, (int)len, SQLITE_STATIC);
    else
        sqlite3_bind_text(s, 3, (const char *)rdata, (int)len, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, c->first);
    sqlite3_bind_int64(s, 5, c->last);
    sqlite3_bind_int64(s, 6, (int64_t)c->count);
    sqlite3_bind_int64(s, 7, (int64_t)c->scaled);
}

/* *is_new: there was none of this name, type and rdata. */
static int put_answer(const struct answer_puts *puts, const struct tally *tally, const struct answer_order *at,
                      char *text, bool *is_new, struct error *err)
{
    const struct intern_count *c = intern_counted(tally->answers, at->number);
    const uint8_t *rdata;
    uint32_t name;
    uint16_t type;
    size_t len;
    tally_answer_at(tally, at->number, &name, &type, &rdata, &len);
    bool is_address = !at->is_rest && ((type == TYPE_A && len == 4) || (type == TYPE_AAAA && len == 16));
    if (at->is_rest) {
        len = 0;
        rdata = (const uint8_t *)text;
    } else if (!is_address) {
        len = rdata_text(type, rdata, len, text, RDATA_TEXT);
        rdata = (const uint8_t *)text;
    }
    bind_answer(puts->update, at->rname, type, rdata, len, is_address, c);
    if (sql_do(puts->update, err) != 0)
        return -1;
    *is_new = sqlite3_changes(sqlite3_db_handle(puts->update)) == 0;
    if (!*is_new)
        return 0;
    bind_answer(puts->insert, at->rname, type, rdata, len, is_address, c);
    return sql_do(puts->insert, err);
}

/* In the order of names, so that neighbours in the table come one after the other. */
static void sort_answers(const struct folded *folded, struct answer_order *order)
{
    const struct tally *tally = folded->tally;
    uint32_t i, count = intern_size(tally->answers), name;
    const uint8_t *rdata;
    uint16_t type;
    size_t len;
    for (i = 0; i < count; i++) {
        tally_answer_at(tally, i, &name, &type, &rdata, &len);
        uint32_t owner = folded_owner(folded, name);
        order[i] = (struct answer_order){folded_text(folded, owner), i, folded_is_rest(folded, owner)};
    }
    qsort(order, count, sizeof(*order), by_rname);
}

/* All answers of one name, from `at` on. Returns how many there are, 0 = it failed, with the cause. */
static uint32_t put_name(const struct answer_puts *puts, struct news *news, const struct tally *tally,
                         const struct answer_order *order, uint32_t count, char *text, struct error *err)
{
    int64_t first_s = INT64_MAX;
    uint32_t i, new_count = 0;
    for (i = 0; i < count && strcmp(order[i].rname, order[0].rname) == 0; i++) {
        int64_t seen_s = intern_counted(tally->answers, order[i].number)->first;
        bool is_new;
        if (put_answer(puts, tally, &order[i], text, &is_new, err) != 0)
            return 0;
        first_s = seen_s < first_s ? seen_s : first_s;
        new_count += is_new;
    }
    return new_count > 0 && !order[0].is_rest && news_name(news, order[0].rname, new_count, first_s, err) != 0 ? 0 : i;
}

static int put_ordered(sqlite3 *db, const struct tally *tally, const struct answer_order *order, char *text,
                       struct error *err)
{
    uint32_t i = 0, count = intern_size(tally->answers), taken = 1;
    struct answer_puts puts = {NULL, NULL};
    struct news news;
    int result = news_open(&news, db, err);
    if (result == 0 &&
        (sql_prepare(db, update_sql, &puts.update, err) != 0 || sql_prepare(db, insert_sql, &puts.insert, err) != 0))
        result = -1;
    for (; result == 0 && i < count && taken > 0; i += taken)
        taken = put_name(&puts, &news, tally, order + i, count - i, text, err);
    if (result == 0)
        result = taken > 0 ? news_end(&news, err) : -1;
    news_close(&news);
    sqlite3_finalize(puts.update);
    sqlite3_finalize(puts.insert);
    return result;
}

int answers_put(sqlite3 *db, const struct folded *folded, struct error *err)
{
    struct answer_order *order = calloc(intern_size(folded->tally->answers) + (size_t)1, sizeof(*order));
    char *text = malloc(RDATA_TEXT);
    int result = order && text ? 0 : error_set(err, "dnsflow.db: out of memory");
    if (result == 0) {
        sort_answers(folded, order);
        result = put_ordered(db, folded->tally, order, text, err);
    }
    free(text);
    free(order);
    return result;
}
