/* SPDX-License-Identifier: BSD-3-Clause */
#include "query/kept.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/schema.h"

enum { REFRESH_MS = 15000, AGAIN_MS = 50, STEPS = 2000 /* of SQLite, some 20 us */ };

/* Only who writes it may bring it to this program's version. */
static int check_version(sqlite3 *db, struct error *err)
{
    int version;
    if (schema_look(db, &version, err) != 0)
        return -1;
    return version == DATABASE_VERSION
               ? 0
               : error_set(err, "dnsflow.db: is of version %d, not %d; \"run\" or \"import\" brings it there", version,
                           DATABASE_VERSION);
}

int kept_open(const char *directory, struct kept *out, struct error *err)
{
    char path[512];
    memset(out, 0, sizeof(*out));
    out->ends_us = INT64_MAX;
    if (snprintf(out->directory, sizeof(out->directory), "%s", directory) >= (int)sizeof(out->directory))
        return error_set(err, "%s: the path is too long", directory);
    snprintf(path, sizeof(path), "%s/dnsflow.db", directory);
    if (access(path, F_OK) != 0)
        return error_errno(err, "%s", path);
    if (sql_open(path, SQL_READ, &out->db, err) == 0 && check_version(out->db, err) == 0 &&
        database_partitions(out->db, &out->partitions, &out->partitions_count, err) == 0)
        return 0;
    kept_close(out);
    return -1;
}

int kept_look_again(struct kept *kept, struct error *err)
{
    struct partition *list;
    size_t count;
    if (database_partitions(kept->db, &list, &count, err) != 0)
        return -1;
    free(kept->partitions);
    kept->partitions = list;
    kept->partitions_count = count;
    return 0;
}

void kept_close(struct kept *kept)
{
    sqlite3_close(kept->db);
    free(kept->partitions);
    kept->db = NULL;
    kept->partitions = NULL;
}

/* Others may stand in line. */
static int connect_in_turn(int fd, const struct sockaddr_un *at)
{
    int waited, result = -1;
    for (waited = 0; waited < REFRESH_MS; waited += AGAIN_MS) {
        result = connect(fd, (const struct sockaddr *)at, sizeof(*at));
        if (result == 0 || errno != EAGAIN)
            break;
        (void)poll(NULL, 0, AGAIN_MS);
    }
    return result;
}

bool kept_refresh(const char *directory)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char answer[4] = "";
    if (snprintf(at.sun_path, sizeof(at.sun_path), "%s/control", directory) >= (int)sizeof(at.sun_path))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    bool is_done = fd >= 0 && connect_in_turn(fd, &at) == 0 && poll(&wait, 1, REFRESH_MS) == 1 &&
                   recv(fd, answer, sizeof(answer) - 1, 0) > 0 && answer[0] == 'o';
    if (fd >= 0)
        close(fd);
    return is_done;
}

/* ---- what an answer may take ---- */

static int is_over(void *context)
{
    return clock_monotonic_us() >= ((const struct kept *)context)->ends_us;
}

/* SQLite asks whether to go on, each so many steps of its machine. */
static void watch(struct kept *kept, sqlite3 *db)
{
    sqlite3_progress_handler(db, kept->ends_us == INT64_MAX ? 0 : STEPS, is_over, kept);
}

void kept_begin(struct kept *kept, const struct kept_budget *budget)
{
    kept->budget = *budget;
    kept->ends_us = budget->time_us > 0 ? clock_monotonic_us() + budget->time_us : INT64_MAX;
    kept->rows = 0;
    watch(kept, kept->db);
}

bool kept_may_go_on(const struct kept *kept)
{
    return (kept->budget.rows == 0 || kept->rows < kept->budget.rows) &&
           (kept->ends_us == INT64_MAX || clock_monotonic_us() < kept->ends_us);
}

int kept_step(struct kept *kept, sqlite3_stmt *s, bool *is_over, struct error *err)
{
    if (kept->budget.rows > 0 && kept->rows >= kept->budget.rows) {
        *is_over = true;
        return 0;
    }
    kept->rows++;
    int result = sqlite3_step(s);
    if (result == SQLITE_ROW)
        return 1;
    *is_over |= result == SQLITE_INTERRUPT;
    return result == SQLITE_DONE || result == SQLITE_INTERRUPT ? 0 : sql_fail(sqlite3_db_handle(s), err);
}

int kept_partition(struct kept *kept, size_t index, sqlite3 **out, struct error *err)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/lookups/%s", kept->directory, kept->partitions[index].file);
    if (access(path, F_OK) != 0) { /* let go, or merged, since the list was read */
        kept->missing++;
        return 0;
    }
    if (sql_open(path, SQL_SEALED, out, err) != 0)
        return -1;
    watch(kept, *out);
    return 1;
}

/* Returns 0, or -1: SQLite finds it damaged. */
static int check_database(sqlite3 *db, const char *name, struct error *err)
{
    sqlite3_stmt *s;
    if (sql_prepare(db, "PRAGMA integrity_check(1)", &s, err) != 0)
        return -1;
    int result = sql_step(s, err);
    const char *text = result == 1 ? (const char *)sqlite3_column_text(s, 0) : "";
    if (result == 1)
        result = strcmp(text, "ok") == 0 ? 0 : error_set(err, "%s: damaged: %.200s", name, text);
    sqlite3_finalize(s);
    return result;
}

static int check_partition(struct kept *kept, size_t index, struct error *err)
{
    const struct partition *p = &kept->partitions[index];
    int64_t rows = 0, lookups = 0;
    sqlite3 *db;
    int result = kept_partition(kept, index, &db, err);
    if (result != 1)
        return result < 0 ? -1 : error_set(err, "lookups/%s: is not there", p->file);
    result = check_database(db, p->file, err);
    if (result == 0 && (sql_number(db, "SELECT count(*) FROM rows", 0, &rows, err) != 0 ||
                        sql_number(db, "SELECT sum(count) FROM rows", 0, &lookups, err) != 0))
        result = -1;
    sqlite3_close(db);
    if (result == 0 && ((uint64_t)rows != p->rows || (uint64_t)lookups != p->lookups))
        result = error_set(err, "lookups/%s: has not what the catalogue says", p->file);
    return result;
}

int kept_check(struct kept *kept, uint64_t *lookups, struct error *err)
{
    struct error why;
    int result = check_database(kept->db, "dnsflow.db", err);
    size_t i;
    *lookups = 0;
    for (i = 0; i < kept->partitions_count; i++) {
        if (check_partition(kept, i, result == 0 ? err : &why) == 0)
            *lookups += kept->partitions[i].lookups;
        else
            result = -1;
    }
    return result;
}

/* Numbers are in the order of what they stand for. */
static int find(sqlite3 *db, const char *last, const char *one, const void *bytes, size_t len, struct kept_place *out,
                struct error *err)
{
    sqlite3_stmt *s;
    int64_t low = 1, high;
    int result = 0;
    out->is_it = false;
    if (sql_number(db, last, 0, &high, err) != 0 || sql_prepare(db, one, &s, err) != 0)
        return -1;
    while (low <= high && !out->is_it) {
        int64_t middle = low + (high - low) / 2;
        sqlite3_bind_int64(s, 1, middle);
        if ((result = sql_step(s, err)) != 1)
            break;
        size_t have = (size_t)sqlite3_column_bytes(s, 0), least = have < len ? have : len;
        int order = least > 0 ? memcmp(sqlite3_column_blob(s, 0), bytes, least) : 0;
        order = order != 0 ? order : have < len ? -1 : have > len;
        out->is_it = order == 0;
        low = order < 0 ? middle + 1 : order == 0 ? middle : low;
        high = order > 0 ? middle - 1 : high;
        (void)sqlite3_reset(s);
    }
    out->number = low;
    sqlite3_finalize(s);
    return result < 0 ? -1 : 0;
}

int kept_find_name(sqlite3 *partition, const char *rname, struct kept_place *out, struct error *err)
{
    return find(partition, "SELECT max(id) FROM names", "SELECT rname FROM names WHERE id = ?", rname, strlen(rname),
                out, err);
}

int kept_find_address(sqlite3 *partition, const uint8_t *address, size_t len, struct kept_place *out, struct error *err)
{
    return find(partition, "SELECT max(id) FROM addresses", "SELECT address FROM addresses WHERE id = ?", address, len,
                out, err);
}
