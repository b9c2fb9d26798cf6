/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/partition.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/options.h"
#include "store/sql.h"

/* Reads "DIGITS" up to `end`, and moves behind it. */
static bool skip_number(const char **at, char end)
{
    size_t len = strspn(*at, "0123456789");
    bool is_good = len > 0 && (*at)[len] == end;
    *at += len + (is_good ? 1 : 0);
    return is_good;
}

bool partition_is_name(const char *file)
{
    const char *at = file;
    return skip_number(&at, '-') && skip_number(&at, '-') && skip_number(&at, '.') && strcmp(at, "db") == 0;
}

uint64_t partition_last_block(const char *folder)
{
    const uint64_t most = INT64_MAX / 2; /* behind it there are still blocks */
    uint64_t last = 0, block;
    struct dirent *entry;
    DIR *dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        char text[PARTITION_NAME];
        if (!partition_is_name(entry->d_name) || strlen(entry->d_name) >= sizeof(text))
            continue;
        snprintf(text, sizeof(text), "%.63s", strrchr(entry->d_name, '-') + 1);
        text[strcspn(text, ".")] = '\0';
        if (parse_number(text, 0, most, &block, NULL) == 0 && block > last)
            last = block;
    }
    if (dir)
        closedir(dir);
    return last;
}

/* A key of the file's table about itself. */
static int read_part(sqlite3 *db, const char *key, int64_t *out, struct error *err)
{
    sqlite3_stmt *s;
    *out = -1;
    if (sql_prepare(db, "SELECT value FROM part WHERE key = ?", &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    int result = sql_step(s, err);
    if (result == 1)
        *out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return result;
}

static int read_parts(sqlite3 *db, struct partition *p, struct error *err)
{
    int64_t values[12];
    static const char *const keys[] = {"version", "level", "first_block",  "last_block",  "end_file", "end_offset",
                                       "since",   "until", "record_first", "record_last", "rows",     "lookups"};
    size_t i;
    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        int result = read_part(db, keys[i], &values[i], err);
        if (result != 1)
            return result;
    }
    if (values[0] != PARTITION_VERSION || values[1] < 0 || values[1] >= PARTITION_LEVELS)
        return 0;
    p->level = (unsigned)values[1];
    p->first_block = (uint64_t)values[2];
    p->last_block = (uint64_t)values[3];
    p->end = (struct journal_position){(uint64_t)values[4], (uint64_t)values[5]};
    p->since = values[6];
    p->until = values[7];
    p->record_first = values[8];
    p->record_last = values[9];
    p->rows = (uint64_t)values[10];
    p->lookups = (uint64_t)values[11];
    return 1;
}

int partition_match(sqlite3 *db, const struct partition *partition, struct error *err)
{
    int64_t first, last;
    int result = read_part(db, "first_block", &first, err);
    if (result == 1)
        result = read_part(db, "last_block", &last, err);
    if (result < 0)
        return -1;
    if (result == 1 && (uint64_t)first == partition->first_block && (uint64_t)last == partition->last_block)
        return 0;
    return error_set(err, "%s: is another's file", partition->file);
}

int partition_describe(const char *folder, const char *file, struct partition *out, struct error *err)
{
    char path[512];
    struct stat info;
    sqlite3 *db;
    int64_t has_part;
    memset(out, 0, sizeof(*out));
    if (strlen(file) >= sizeof(out->file) || snprintf(path, sizeof(path), "%s/%s", folder, file) >= (int)sizeof(path))
        return 0;
    memcpy(out->file, file, strlen(file) + 1);
    if (stat(path, &info) != 0)
        return error_errno(err, "%s", path);
    out->bytes = (uint64_t)info.st_size;
    if (sql_open(path, SQL_SEALED, &db, err) != 0)
        return -1;
    int result = sql_number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'part'", 0, &has_part, err);
    if (result == 0)
        result = has_part ? read_parts(db, out, err) : 0;
    sqlite3_close(db);
    return result;
}
