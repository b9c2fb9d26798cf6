/* SPDX-License-Identifier: BSD-3-Clause */
#include "query/kept.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/quarantine.h"
#include "store/schema.h"

enum { REFRESH_MS = 15000, AGAIN_MS = 50, TURN_TIMES = 30, STEPS = 2000 /* of SQLite, some 20 us */ };

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

/* What is done about it. */
static void tell_damage(struct kept *kept, struct error *err)
{
    struct error what = *err;
    kept->is_lost = kept->db && sql_is_damaged(kept->db);
    if (kept->is_lost)
        error_set(err, "%.300s; the next start of \"run\" sets it aside, and makes it anew of lookups and journal",
                  what.text);
}

/* While the store ends and begins anew, the database cannot be read for a moment by who may make no files. */
static bool is_turning(sqlite3 *db)
{
    int code = db ? sqlite3_errcode(db) & 0xff : SQLITE_OK;
    return code == SQLITE_CANTOPEN || code == SQLITE_READONLY;
}

static int open_database(const char *path, bool is_moment, struct kept *out, struct error *err)
{
    if (sql_open(path, SQL_READ, &out->db, err) != 0 || (is_moment && sql_run(out->db, "BEGIN", err) != 0) ||
        check_version(out->db, err) != 0)
        return -1;
    return database_partitions(out->db, &out->partitions, &out->partitions_count, err);
}

static int open_kept(const char *directory, bool is_moment, struct kept *out, struct error *err)
{
    char path[512];
    int result, i;
    memset(out, 0, sizeof(*out));
    out->ends_us = INT64_MAX;
    if (snprintf(out->directory, sizeof(out->directory), "%s", directory) >= (int)sizeof(out->directory))
        return error_set(err, "%s: the path is too long", directory);
    snprintf(path, sizeof(path), "%s/dnsflow.db", directory);
    if (access(path, F_OK) != 0) {
        out->is_lost = errno == ENOENT;
        return errno == EACCES ? error_set(err, "%s: %s; its owner and its group may read it", path, strerror(errno))
                               : error_errno(err, "%s", path);
    }
    for (i = 0; (result = open_database(path, is_moment, out, err)) != 0 && is_turning(out->db) && i < TURN_TIMES;
         i++) {
        kept_close(out);
        (void)poll(NULL, 0, AGAIN_MS);
    }
    if (result == 0) {
        out->is_damaged = calloc(out->partitions_count + 1, sizeof(*out->is_damaged));
        if (out->is_damaged)
            return 0;
        error_set(err, "out of memory");
    }
    tell_damage(out, err);
    kept_close(out);
    return -1;
}

int kept_open(const char *directory, struct kept *out, struct error *err)
{
    return open_kept(directory, false, out, err);
}

int kept_open_moment(const char *directory, struct kept *out, struct error *err)
{
    return open_kept(directory, true, out, err);
}

static int by_breadth(const void *a, const void *b)
{
    const struct partition *x = a, *y = b;
    if (x->first_block != y->first_block)
        return x->first_block < y->first_block ? -1 : 1;
    return x->last_block > y->last_block ? -1 : x->last_block < y->last_block;
}

/* What the folder has, into a list that is the caller's, also after a failure. Returns 0, or -1. */
static int list_lookups(const char *folder, struct partition **list, size_t *count)
{
    size_t size = 0;
    struct dirent *entry;
    DIR *dir = opendir(folder);
    if (!dir)
        return -1;
    while ((entry = readdir(dir))) {
        struct partition p;
        struct error why;
        if (!partition_is_name(entry->d_name) || partition_describe(folder, entry->d_name, &p, &why) != 1)
            continue;
        if (*count == size) {
            struct partition *grown = realloc(*list, (size = size ? 2 * size : 64) * sizeof(*grown));
            if (!grown)
                break;
            *list = grown;
        }
        (*list)[(*count)++] = p;
    }
    closedir(dir);
    return entry ? -1 : 0;
}

/* What was merged is there beside its parts for a while. */
int kept_open_lookups(const char *directory, struct kept *out)
{
    struct partition *list = NULL;
    struct error why;
    char folder[448];
    size_t count = 0, i;
    uint64_t last = 0;
    snprintf(folder, sizeof(folder), "%.400s/lookups", directory);
    int result = list_lookups(folder, &list, &count) == 0 && count > 0 ? 0 : -1;
    if (result == 0 && (sql_open(":memory:", SQL_WRITE, &out->db, &why) != 0 || schema_bring(out->db, &why) != 0))
        result = -1;
    if (count > 0)
        qsort(list, count, sizeof(*list), by_breadth);
    for (i = 0; result == 0 && i < count; i++) {
        if (list[i].first_block <= last)
            continue;
        last = list[i].last_block;
        result = database_add_partition(out->db, &list[i], &why);
    }
    free(list);
    if (result == 0)
        result = database_partitions(out->db, &out->partitions, &out->partitions_count, &why);
    out->is_damaged = calloc(out->partitions_count + 1, sizeof(*out->is_damaged));
    if (result == 0 && out->is_damaged)
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
    bool *is_damaged = calloc(count + 1, sizeof(*is_damaged));
    if (!is_damaged) {
        free(list);
        return error_set(err, "out of memory");
    }
    free(kept->partitions);
    free(kept->is_damaged);
    kept->partitions = list;
    kept->partitions_count = count;
    kept->is_damaged = is_damaged;
    return 0;
}

void kept_close(struct kept *kept)
{
    sqlite3_close(kept->db);
    free(kept->partitions);
    free(kept->is_damaged);
    kept->is_damaged = NULL;
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

/* ---- partitions ---- */

static void count_damaged(struct kept *kept, size_t index, const char *why)
{
    if (kept->damaged++ == 0)
        error_set(&kept->damage, "lookups/%s (%s)", kept->partitions[index].file, why);
    kept->is_damaged[index] = true;
}

int kept_partition(struct kept *kept, size_t index, sqlite3 **out)
{
    const struct partition *p = &kept->partitions[index];
    struct error why;
    char path[512];
    *out = NULL;
    if (kept->is_damaged[index])
        return 0;
    snprintf(path, sizeof(path), "%s/lookups/%s", kept->directory, p->file);
    if (access(path, F_OK) != 0) { /* let go, or merged, since the list was read */
        kept->missing++;
        kept->is_damaged[index] = true;
        return 0;
    }
    if (quarantine_has(p))
        error_set(&why, "set aside");
    else if (sql_open(path, SQL_SEALED, out, &why) == 0 && partition_match(*out, p, &why) == 0) {
        watch(kept, *out);
        return 1;
    }
    sqlite3_close(*out);
    *out = NULL;
    count_damaged(kept, index, why.text);
    return 0;
}

bool kept_is_damaged(struct kept *kept, size_t index, sqlite3 *partition, const struct error *why)
{
    switch (sqlite3_errcode(partition) & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
    case SQLITE_NOMEM:
    case SQLITE_BUSY:
    case SQLITE_INTERRUPT:
        return false;
    default:
        count_damaged(kept, index, why->text);
        return true;
    }
}

int kept_check_database(struct kept *kept, struct error *err)
{
    return quarantine_check_pages(kept->db, "dnsflow.db", err);
}

int kept_check_partition(struct kept *kept, size_t index, struct error *err)
{
    const struct partition *p = &kept->partitions[index];
    char folder[448];
    snprintf(folder, sizeof(folder), "%s/lookups", kept->directory);
    if (quarantine_has(p))
        return error_set(err, "lookups/%s: was set aside", p->file);
    return quarantine_check(folder, p, err);
}

bool kept_has_gone(const struct kept *kept, size_t index)
{
    char path[512];
    sqlite3_stmt *s;
    const char *file = kept->partitions[index].file;
    snprintf(path, sizeof(path), "%s/lookups/%s", kept->directory, file);
    if (access(path, F_OK) == 0 || sql_prepare(kept->db, "SELECT 1 FROM partitions WHERE file = ?", &s, NULL) != 0)
        return false;
    sqlite3_bind_text(s, 1, file, -1, SQLITE_STATIC);
    int found = sql_step(s, NULL);
    sqlite3_finalize(s);
    return found == 0;
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
