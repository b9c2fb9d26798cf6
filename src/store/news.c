/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/news.h"

#include <stdio.h>
#include <string.h>

int news_open(struct news *news, sqlite3 *db, struct error *err)
{
    *news = (struct news){.list = domains_create(), .domains = intern_create()};
    if (!news->list || !news->domains)
        return error_set(err, "dnsflow.db: out of memory");
    if (sql_prepare(db, "SELECT count(*) FROM (SELECT 1 FROM answers WHERE rname = ? LIMIT ?)", &news->answers, err) !=
            0 ||
        sql_prepare(db,
                    "SELECT count(*) FROM (SELECT DISTINCT rname FROM answers WHERE rname = ?1 UNION ALL"
                    " SELECT DISTINCT rname FROM answers WHERE rname >= ?2 AND rname < ?3 LIMIT ?4)",
                    &news->names, err) != 0)
        return -1;
    return sql_prepare(db, "INSERT OR IGNORE INTO news VALUES(?, ?, ?)", &news->put, err);
}

void news_close(struct news *news)
{
    sqlite3_finalize(news->answers);
    sqlite3_finalize(news->names);
    sqlite3_finalize(news->put);
    domains_destroy(news->list);
    intern_destroy(news->domains);
}

/* Whether there are more than `count`. 1, 0, or -1. */
static int has_more(sqlite3_stmt *s, int place, uint64_t count, struct error *err)
{
    sqlite3_bind_int64(s, place, (int64_t)count + 1);
    int step = sql_step(s, err);
    int64_t there = step == 1 ? sqlite3_column_int64(s, 0) : 0;
    (void)sqlite3_reset(s);
    return step < 0 ? -1 : there > (int64_t)count;
}

static int put(struct news *news, int what, int64_t first_s, const char *rname, struct error *err)
{
    sqlite3_bind_int(news->put, 1, what);
    sqlite3_bind_int64(news->put, 2, first_s);
    sqlite3_bind_text(news->put, 3, rname, -1, SQLITE_STATIC);
    return sql_do(news->put, err);
}

/* Counts the name for its domain. */
static int add_domain(struct news *news, const char *rname, int64_t first_s, struct error *err)
{
    char key[1 + RNAME_TEXT];
    bool has_domain;
    size_t len = domain_walk_len(&news->walk, news->list, rname, &has_domain);
    key[0] = has_domain;
    memcpy(key + 1, rname, len);
    key[1 + len] = '\0';
    uint32_t number = intern_add(news->domains, (const uint8_t *)key, 1 + len + 1);
    if (number == INTERN_NONE)
        return error_set(err, "dnsflow.db: out of memory");
    intern_count(news->domains, number, first_s, 1);
    return 0;
}

int news_name(struct news *news, const char *rname, uint64_t count, int64_t first_s, struct error *err)
{
    sqlite3_bind_text(news->answers, 1, rname, -1, SQLITE_STATIC);
    int is_known = has_more(news->answers, 2, count, err);
    if (is_known != 0)
        return is_known < 0 ? -1 : 0;
    return put(news, NEWS_NAMES, first_s, rname, err) == 0 ? add_domain(news, rname, first_s, err) : -1;
}

/* A domain is new if all of its names are; those below a public suffix are not its. */
int news_end(struct news *news, struct error *err)
{
    uint32_t i, count = intern_size(news->domains);
    char least[RNAME_TEXT + 1], end[RNAME_TEXT + 1];
    int result = 0;
    for (i = 0; result == 0 && i < count; i++) {
        const struct intern_count *counted = intern_counted(news->domains, i);
        size_t len;
        const char *key = (const char *)intern_key(news->domains, i, &len), *domain = key + 1;
        snprintf(least, sizeof(least), "%s.", domain);
        snprintf(end, sizeof(end), "%s%c", domain, key[0] ? '/' : '.');
        sqlite3_bind_text(news->names, 1, domain, -1, SQLITE_STATIC);
        sqlite3_bind_text(news->names, 2, least, -1, SQLITE_STATIC);
        sqlite3_bind_text(news->names, 3, end, -1, SQLITE_STATIC);
        int is_known = has_more(news->names, 4, counted->count, err);
        result = is_known < 0 ? -1 : is_known == 0 ? put(news, NEWS_DOMAINS, counted->first, domain, err) : 0;
    }
    return result;
}
