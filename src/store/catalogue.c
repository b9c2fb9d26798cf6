/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The catalogue: which partitions there are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/database.h"

static void read_partition(sqlite3_stmt *s, struct partition *p)
{
    memset(p, 0, sizeof(*p));
    snprintf(p->file, sizeof(p->file), "%s", (const char *)sqlite3_column_text(s, 0));
    p->level = (unsigned)sqlite3_column_int(s, 1);
    p->first_block = (uint64_t)sqlite3_column_int64(s, 2);
    p->last_block = (uint64_t)sqlite3_column_int64(s, 3);
    p->end = (struct journal_position){(uint64_t)sqlite3_column_int64(s, 4), (uint64_t)sqlite3_column_int64(s, 5)};
    p->since = sqlite3_column_int64(s, 6);
    p->until = sqlite3_column_int64(s, 7);
    p->record_first = sqlite3_column_int64(s, 8);
    p->record_last = sqlite3_column_int64(s, 9);
    p->rows = (uint64_t)sqlite3_column_int64(s, 10);
    p->lookups = (uint64_t)sqlite3_column_int64(s, 11);
    p->bytes = (uint64_t)sqlite3_column_int64(s, 12);
}

int database_partitions(sqlite3 *db, struct partition **out, size_t *count, struct error *err)
{
    sqlite3_stmt *s;
    size_t size = 0;
    int result;
    *out = NULL;
    *count = 0;
    if (sql_prepare(db, "SELECT * FROM partitions WHERE replaced IS NULL ORDER BY first_block", &s, err) != 0)
        return -1;
    while ((result = sql_step(s, err)) == 1) {
        if (*count == size) {
            struct partition *grown = realloc(*out, (size = size ? 2 * size : 64) * sizeof(*grown));
            if (!grown) {
                result = error_set(err, "dnsflow.db: out of memory");
                break;
            }
            *out = grown;
        }
        read_partition(s, &(*out)[(*count)++]);
    }
    sqlite3_finalize(s);
    if (result == 0)
        return 0;
    free(*out);
    *out = NULL;
    *count = 0;
    return -1;
}

int database_last_lookups(sqlite3 *db, uint64_t *block, struct error *err)
{
    int64_t last;
    if (sql_number(db, "SELECT max(last_block) FROM partitions", 0, &last, err) != 0)
        return -1;
    *block = (uint64_t)last;
    return 0;
}

int database_add_partition(sqlite3 *db, const struct partition *partition, struct error *err)
{
    const int64_t numbers[] = {partition->level,
                               (int64_t)partition->first_block,
                               (int64_t)partition->last_block,
                               (int64_t)partition->end.file,
                               (int64_t)partition->end.offset,
                               partition->since,
                               partition->until,
                               partition->record_first,
                               partition->record_last,
                               (int64_t)partition->rows,
                               (int64_t)partition->lookups,
                               (int64_t)partition->bytes};
    sqlite3_stmt *s;
    size_t i;
    if (sql_prepare(db, "INSERT OR REPLACE INTO partitions VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", &s,
                    err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, partition->file, -1, SQLITE_STATIC);
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sqlite3_bind_int64(s, 2 + (int)i, numbers[i]);
    int result = sql_do(s, err);
    sqlite3_finalize(s);
    return result;
}

static int replace(sqlite3 *db, const struct partition *partition, int64_t now_s, struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(
            db, "UPDATE partitions SET replaced = ? WHERE replaced IS NULL AND first_block >= ? AND last_block <= ?",
            &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, now_s);
    sqlite3_bind_int64(s, 2, (int64_t)partition->first_block);
    sqlite3_bind_int64(s, 3, (int64_t)partition->last_block);
    int result = sql_do(s, err);
    sqlite3_finalize(s);
    return result == 0 ? database_add_partition(db, partition, err) : -1;
}

int database_replace(sqlite3 *db, const char *folder, const struct partition *partition, int64_t now_s,
                     struct error *err)
{
    if (sql_run(db, "BEGIN IMMEDIATE", err) != 0)
        return -1;
    if (partition_publish(folder, partition, err) == 0 && replace(db, partition, now_s, err) == 0 &&
        sql_run(db, "COMMIT", err) == 0)
        return 0;
    sql_roll_back(db);
    return -1;
}

int database_remove(sqlite3 *db, const char *file, struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(db, "DELETE FROM partitions WHERE file = ?", &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, file, -1, SQLITE_STATIC);
    int result = sql_do(s, err);
    sqlite3_finalize(s);
    return result;
}
