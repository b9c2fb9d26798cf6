/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/builder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the range of a row's first and last are times from `base` on, and the difference. NULL in `scaled` is the
 * count. */
static const char schema[] =
    "PRAGMA page_size=8192;PRAGMA journal_mode=OFF;PRAGMA synchronous=OFF;PRAGMA locking_mode=EXCLUSIVE;"
    "CREATE TABLE part(key TEXT PRIMARY KEY, value INT) WITHOUT ROWID;"
    "CREATE TABLE names(id INTEGER PRIMARY KEY, rname TEXT NOT NULL);"
    "CREATE TABLE addresses(id INTEGER PRIMARY KEY, address BLOB NOT NULL);"
    "CREATE TABLE kinds(id INTEGER PRIMARY KEY, resolver INT NOT NULL, type INT NOT NULL, rcode INT NOT NULL);"
    "CREATE TABLE rows(client INT, name INT, kind INT, count INT NOT NULL, scaled INT, first INT NOT NULL,"
    " span INT NOT NULL, PRIMARY KEY(client, name, kind)) WITHOUT ROWID;" GRAM_SCHEMA ";" SUMMARY_SCHEMA ";"
    "BEGIN";

/* Behind the rows: the other order, and all as text for who opens the file by hand. */
static const char ending[] =
    "CREATE INDEX by_name ON rows(name);"
    "CREATE VIEW address_text AS SELECT id, CASE length(address) WHEN 4 THEN"
    " (instr('123456789ABCDEF', substr(hex(address), 1, 1)) * 16 + instr('123456789ABCDEF', substr(hex(address), 2, "
    "1)))"
    " || '.' ||"
    " (instr('123456789ABCDEF', substr(hex(address), 3, 1)) * 16 + instr('123456789ABCDEF', substr(hex(address), 4, "
    "1)))"
    " || '.' ||"
    " (instr('123456789ABCDEF', substr(hex(address), 5, 1)) * 16 + instr('123456789ABCDEF', substr(hex(address), 6, "
    "1)))"
    " || '.' ||"
    " (instr('123456789ABCDEF', substr(hex(address), 7, 1)) * 16 + instr('123456789ABCDEF', substr(hex(address), 8, "
    "1)))"
    " WHEN 16 THEN lower(substr(hex(address), 1, 4) || ':' || substr(hex(address), 5, 4) || ':' ||"
    " substr(hex(address), 9, 4) || ':' || substr(hex(address), 13, 4) || ':' || substr(hex(address), 17, 4) || ':' ||"
    " substr(hex(address), 21, 4) || ':' || substr(hex(address), 25, 4) || ':' || substr(hex(address), 29, 4))"
    " END AS address FROM addresses;"
    "CREATE VIEW lookups AS SELECT c.address AS client, n.rname AS reversed_name, r.address AS resolver, k.type, "
    "k.rcode,"
    " rows.count, coalesce(rows.scaled, rows.count) AS scaled,"
    " datetime(rows.first + p.value, 'unixepoch') AS first,"
    " datetime(rows.first + rows.span + p.value, 'unixepoch') AS last"
    " FROM rows JOIN address_text c ON c.id = rows.client JOIN names n ON n.id = rows.name"
    " JOIN kinds k ON k.id = rows.kind LEFT JOIN address_text r ON r.id = k.resolver"
    " JOIN part p ON p.key = 'base'";

void builder_close(struct builder *builder)
{
    sqlite3_finalize(builder->name);
    sqlite3_finalize(builder->address);
    sqlite3_finalize(builder->kind);
    sqlite3_finalize(builder->row);
    sqlite3_close(builder->db);
    grams_destroy(builder->grams);
    summary_destroy(builder->summary);
    if (builder->path[0])
        (void)unlink(builder->path);
    memset(builder, 0, sizeof(*builder));
}

int builder_open(struct builder *builder, const char *folder, struct partition *info, int64_t base, struct error *err)
{
    struct builder *b = builder;
    memset(b, 0, sizeof(*b));
    b->info = info;
    b->base = base;
    snprintf(info->file, sizeof(info->file), "%u-%010" PRIu64 "-%010" PRIu64 ".db", info->level, info->first_block,
             info->last_block);
    if (snprintf(b->path, sizeof(b->path), "%s/new-%u.db", folder, info->level) >= (int)sizeof(b->path) - 32)
        return error_set(err, "%s: the path is too long", folder);
    (void)unlink(b->path); /* of a process that was killed */
    b->grams = grams_create();
    b->summary = summary_create(info->level > PARTITION_SEALED);
    if (!b->grams || !b->summary) {
        builder_close(b);
        return error_set(err, "lookups: out of memory");
    }
    if (sql_open(b->path, SQL_WRITE, &b->db, err) != 0 || sql_run(b->db, schema, err) != 0 ||
        sql_prepare(b->db, "INSERT INTO names(rname) VALUES(?)", &b->name, err) != 0 ||
        sql_prepare(b->db, "INSERT INTO addresses(address) VALUES(?)", &b->address, err) != 0 ||
        sql_prepare(b->db, "INSERT INTO kinds(resolver, type, rcode) VALUES(?, ?, ?)", &b->kind, err) != 0 ||
        sql_prepare(b->db, "INSERT INTO rows VALUES(?, ?, ?, ?, ?, ?, ?)", &b->row, err) != 0) {
        builder_close(b);
        return -1;
    }
    info->rows = info->lookups = info->bytes = 0;
    info->record_first = INT64_MAX;
    info->record_last = INT64_MIN;
    return 0;
}

/* A domain has two labels or more, or is one: it has no more names than these groups. */
static void count_group(struct builder *b, const char *rname)
{
    size_t len = strcspn(rname, ".");
    len += rname[len] ? 1 + strcspn(rname + len + 1, ".") : 0;
    if (strncmp(b->group, rname, len) != 0 || b->group[len] != '\0') {
        memcpy(b->group, rname, len);
        b->group[len] = '\0';
        b->group_names = 0;
    }
    if (++b->group_names > b->most_of_group)
        b->most_of_group = b->group_names;
}

static void count_client(struct builder *b, const struct builder_row *row)
{
    if (row->client != b->last_client)
        b->client_names = 0;
    b->client_names += row->client != b->last_client || row->name != b->last_name;
    b->last_client = row->client;
    b->last_name = row->name;
    if (b->client_names > b->most_of_client)
        b->most_of_client = b->client_names;
}

int builder_name(struct builder *builder, const char *rname, size_t len, struct error *err)
{
    char whole[RNAME_TEXT], text[NAME_TEXT];
    snprintf(whole, sizeof(whole), "%.*s", (int)len, rname);
    size_t text_len = rname_to_text(whole, text);
    count_group(builder, whole);
    if (summary_name(builder->summary, whole) != 0)
        return error_set(err, "lookups: out of memory");
    sqlite3_bind_text(builder->name, 1, rname, (int)len, SQLITE_STATIC);
    return sql_do(builder->name, err) == 0
               ? grams_add(builder->grams, builder->db, (const uint8_t *)text, text_len, err)
               : -1;
}

int builder_address(struct builder *builder, const uint8_t *address, size_t len, struct error *err)
{
    if (summary_address(builder->summary) != 0)
        return error_set(err, "lookups: out of memory");
    sqlite3_bind_blob(builder->address, 1, len > 0 ? (const char *)address : "", (int)len, SQLITE_STATIC);
    return sql_do(builder->address, err);
}

int builder_kind(struct builder *builder, uint32_t resolver, uint16_t type, uint16_t rcode, struct error *err)
{
    if (summary_kind(builder->summary, resolver, type, rcode) != 0)
        return error_set(err, "lookups: out of memory");
    sqlite3_bind_int64(builder->kind, 1, resolver);
    sqlite3_bind_int(builder->kind, 2, type);
    sqlite3_bind_int(builder->kind, 3, rcode);
    return sql_do(builder->kind, err);
}

int builder_row(struct builder *builder, const struct builder_row *row, struct error *err)
{
    struct partition *info = builder->info;
    sqlite3_stmt *s = builder->row;
    const struct summary_sum sum = {row->count, row->first - builder->base, row->last - builder->base};
    count_client(builder, row);
    summary_row(builder->summary, row->client, row->name, row->kind, &sum);
    sqlite3_bind_int64(s, 1, row->client);
    sqlite3_bind_int64(s, 2, row->name);
    sqlite3_bind_int64(s, 3, row->kind);
    sqlite3_bind_int64(s, 4, (int64_t)row->count);
    if (row->scaled == row->count)
        sqlite3_bind_null(s, 5);
    else
        sqlite3_bind_int64(s, 5, (int64_t)row->scaled);
    sqlite3_bind_int64(s, 6, row->first - builder->base);
    sqlite3_bind_int64(s, 7, row->last - row->first);
    info->rows++;
    info->lookups += row->count;
    info->record_first = row->first < info->record_first ? row->first : info->record_first;
    info->record_last = row->last > info->record_last ? row->last : info->record_last;
    return sql_do(s, err);
}

static int put_part(struct builder *b, const char *key, int64_t value, struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(b->db, "INSERT INTO part VALUES(?, ?)", &s, err) != 0)
        return -1;
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, value);
    int result = sql_do(s, err);
    sqlite3_finalize(s);
    return result;
}

static int put_parts(struct builder *b, struct error *err)
{
    const struct partition *p = b->info;
    const struct {
        const char *key;
        int64_t value;
    } parts[] = {{"version", PARTITION_VERSION},
                 {"level", p->level},
                 {"first_block", (int64_t)p->first_block},
                 {"last_block", (int64_t)p->last_block},
                 {"end_file", (int64_t)p->end.file},
                 {"end_offset", (int64_t)p->end.offset},
                 {"since", p->since},
                 {"until", p->until},
                 {"record_first", p->record_first},
                 {"record_last", p->record_last},
                 {"rows", (int64_t)p->rows},
                 {"lookups", (int64_t)p->lookups},
                 {"base", b->base},
                 {"names of a group", b->most_of_group},
                 {"names of a client", b->most_of_client}};
    size_t i;
    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (put_part(b, parts[i].key, parts[i].value, err) != 0)
            return -1;
    return 0;
}

/* So that what the catalogue names is on the disk before it does. */
static int sync_path(const char *path, int flags, uint64_t *bytes, struct error *err)
{
    struct stat info;
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0 || fstat(fd, &info) != 0) {
        error_errno(err, "%s", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *bytes = (uint64_t)info.st_size;
    close(fd);
    return 0;
}

int builder_finish(struct builder *builder, struct error *err)
{
    struct builder *b = builder;
    if (put_parts(b, err) != 0 || grams_end(b->grams, b->db, err) != 0 ||
        summary_write(b->summary, b->db, b->info->rows, err) != 0 || sql_run(b->db, "COMMIT", err) != 0 ||
        sql_run(b->db, ending, err) != 0)
        return -1;
    sqlite3_finalize(b->name);
    sqlite3_finalize(b->address);
    sqlite3_finalize(b->kind);
    sqlite3_finalize(b->row);
    b->name = b->address = b->kind = b->row = NULL;
    if (sqlite3_close(b->db) != SQLITE_OK)
        return sql_fail(b->db, err);
    b->db = NULL;
    if (sync_path(b->path, O_RDONLY, &b->info->bytes, err) != 0)
        return -1;
    b->path[0] = '\0'; /* it stays */
    return 0;
}

int partition_publish(const char *folder, const struct partition *partition, struct error *err)
{
    char path[512], final_path[512];
    uint64_t folder_bytes;
    snprintf(path, sizeof(path), "%s/new-%u.db", folder, partition->level);
    snprintf(final_path, sizeof(final_path), "%s/%s", folder, partition->file);
    if (rename(path, final_path) != 0)
        return error_errno(err, "%s", final_path);
    return sync_path(folder, O_RDONLY | O_DIRECTORY, &folder_bytes, err);
}
