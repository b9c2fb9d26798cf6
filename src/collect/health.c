/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/health.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "collect/directory.h"
#include "journal/reader.h"
#include "query/kept.h"
#include "store/backups.h"

enum { DAY_S = 86400, DAY_MIN = 1440, RATE_S = 600 /* of lookups, at least, to tell a rate */ };

int health_look(struct health *health, const char *directory, struct error *err)
{
    struct directory d;
    memset(health, 0, sizeof(*health));
    health->now_s = clock_unix_us() / SECOND_US;
    if (directory_look(directory, &d, err) != 0)
        return -1;
    health->is_consumer = faccessat(d.fd, "dnsflow.db", F_OK, 0) != 0 && faccessat(d.fd, FEEDS_REFUSED, F_OK, 0) == 0;
    health->is_fresh = health->is_consumer || kept_refresh(directory);
    health->is_running = directory_is_in_use(&d, health->process);
    directory_close(&d);
    return 0;
}

void health_free(struct health *health)
{
    free(health->sensors);
    health->sensors = NULL;
    free(health->feeds);
    health->feeds = NULL;
    health->feeds_count = 0;
}

bool health_is_drop(int total)
{
    return total >= TOTAL_SOCKET && total < TOTAL_DOUBLED && total != TOTAL_JOURNAL_RECORDS;
}

bool health_is_refusal(int total)
{
    return total >= TOTAL_DOUBLED;
}

/* ---- sensors ---- */

static void read_sensor(sqlite3_stmt *s, int64_t now_s, struct health_sensor *out)
{
    int64_t *const sums[] = {&out->datagrams, &out->records, &out->network, &out->here,
                             &out->down,      &out->send,    &out->ring};
    size_t i;
    memset(out, 0, sizeof(*out));
    memcpy(out->address, "?", 2);
    if (sqlite3_column_blob(s, 0))
        (void)inet_ntop(sqlite3_column_bytes(s, 0) == 16 ? AF_INET6 : AF_INET, sqlite3_column_blob(s, 0), out->address,
                        sizeof(out->address));
    out->port = sqlite3_column_int64(s, 1);
    out->has_sensor = sqlite3_column_type(s, 2) != SQLITE_NULL;
    out->sensor = sqlite3_column_int64(s, 2);
    out->worker = sqlite3_column_int64(s, 3);
    out->heard_s = sqlite3_column_int64(s, 4);
    out->silent_s = now_s > out->heard_s ? now_s - out->heard_s : 0;
    out->starts = sqlite3_column_int64(s, 5);
    for (i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
        *sums[i] = sqlite3_column_int64(s, 6 + (int)i);
    out->has_ahead = sqlite3_column_type(s, 14) != SQLITE_NULL;
    out->ahead_s = sqlite3_column_int64(s, 14);
    out->recent = sqlite3_column_int64(s, 15);
}

static int add_sensor(struct health *h, sqlite3_stmt *s, size_t *size, struct error *err)
{
    if (h->listed == *size) {
        size_t more = *size ? 2 * *size : 64;
        struct health_sensor *grown = realloc(h->sensors, more * sizeof(*grown));
        if (!grown)
            return error_set(err, "out of memory");
        h->sensors = grown;
        *size = more;
    }
    h->sensors_count = (uint64_t)sqlite3_column_int64(s, 13);
    read_sensor(s, h->now_s, &h->sensors[h->listed++]);
    return 1;
}

/* Streams of one sensor and worker are one, however often it was started. */
static int read_sensors(struct health *h, sqlite3 *db, int most, struct error *err)
{
    sqlite3_stmt *s;
    size_t size = 0;
    int result = 1;
    if (sql_prepare(db,
                    "SELECT address, CASE WHEN sensor IS NULL THEN port END AS source, sensor, worker, max(last),"
                    " count(DISTINCT coalesce(start, id)), sum(datagrams), sum(records), sum(network), sum(here),"
                    " sum(down), sum(send), sum(ring), count(*) OVER (), ahead,"
                    " sum(CASE WHEN minute > ?3 THEN records ELSE 0 END) FROM streams JOIN minutes ON stream = id"
                    " WHERE last >= ?1 AND minute >= ?1 / 60"
                    " GROUP BY address, source, sensor, worker ORDER BY max(last) DESC, sensor, worker LIMIT ?2",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, h->now_s - DAY_S);
    sqlite3_bind_int(s, 2, most);
    sqlite3_bind_int64(s, 3, h->now_s / 60 - HEALTH_RECENT_MIN);
    while (result == 1 && (result = sql_step(s, err)) == 1)
        result = add_sensor(h, s, &size, err);
    sqlite3_finalize(s);
    return result;
}

/* ---- what was dropped or not taken ---- */

static int read_totals(struct health *h, sqlite3 *db, struct error *err)
{
    sqlite3_stmt *s;
    int result = 0, i;
    if (sql_prepare(db, "SELECT sum(count) FROM totals WHERE what = ? AND minute >= ?", &s, err) != 0)
        return -1;
    for (i = 0; i < HEALTH_TOTALS && result >= 0; i++) {
        sqlite3_bind_text(s, 1, i == HEALTH_EXPIRED ? "expired" : journal_totals[i].word, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 2, h->now_s / 60 - DAY_MIN);
        result = sql_step(s, err);
        h->totals_24h[i] = result == 1 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
        (void)sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    return result < 0 ? -1 : 0;
}

/* ---- how far it is, and the disk ---- */

/* How far a store at this position is behind the journal: blocks with a whole head behind it. */
static int count_behind(const struct directory *d, struct journal_position at, int64_t now_s, uint64_t *behind,
                        int64_t *behind_s, struct error *err)
{
    struct journal_block block;
    const uint8_t *plain;
    struct journal_reader *reader = journal_follow(d->journal_fd, at);
    if (!reader)
        return error_set(err, "out of memory");
    journal_heads_only(reader, true);
    while (journal_read(reader, &block, &plain, err) == JOURNAL_READ) {
        if (*behind == 0 && block.records > 0 && now_s > block.first_us / SECOND_US)
            *behind_s = now_s - block.first_us / SECOND_US;
        *behind += block.records;
    }
    journal_reader_close(reader);
    return 0;
}

static int read_behind(const struct directory *d, sqlite3 *db, int64_t now_s, uint64_t *behind, int64_t *behind_s,
                       struct error *err)
{
    int64_t file, offset;
    if (sql_number(db, "SELECT file FROM position WHERE store = 'sqlite'", 0, &file, err) != 0 ||
        sql_number(db, "SELECT offset FROM position WHERE store = 'sqlite'", 0, &offset, err) != 0)
        return -1;
    const struct journal_position at = {(uint64_t)file, (uint64_t)offset};
    return count_behind(d, at, now_s, behind, behind_s, err);
}

static int read_feeds(struct health *h, const struct directory *d, struct error *err)
{
    struct feed_told *told;
    size_t count = feed_state_read(d->path, &told), i;
    int result = 0;
    h->feeds = count > 0 ? calloc(count, sizeof(*h->feeds)) : NULL;
    if (count > 0 && !h->feeds)
        result = error_set(err, "out of memory");
    for (i = 0; result == 0 && i < count; i++) {
        struct health_feed *feed = &h->feeds[h->feeds_count++];
        feed->told = told[i];
        result = count_behind(d, told[i].state.done.at, h->now_s, &feed->behind, &feed->behind_s, err);
    }
    free(told);
    return result;
}

/* Below the directory, beside what they share with the store. */
static void measure_backups(struct health *h, const struct directory *d)
{
    struct backups all;
    int target = openat(d->fd, BACKUP_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int lookups = target >= 0 ? openat(d->fd, "lookups", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (target >= 0) {
        backups_list(target, &all);
        h->backups_count = all.count;
        h->backups = backups_bytes(target, &all, lookups);
        close(target);
    }
    if (lookups >= 0)
        close(lookups);
}

static int measure(struct health *h, const struct directory *d, const struct kept *kept, struct error *err)
{
    struct journal_file *files;
    size_t count, foreign, i;
    int64_t pages, size;
    if (journal_list(d->journal_fd, &files, &count, &foreign, err) != 0)
        return -1;
    for (i = 0; i < count; i++)
        h->journal += files[i].bytes;
    free(files);
    if (sql_number(kept->db, "PRAGMA page_count", 0, &pages, err) != 0 ||
        sql_number(kept->db, "PRAGMA page_size", 0, &size, err) != 0)
        return -1;
    h->database = (uint64_t)(pages * size);
    h->files = kept->partitions_count;
    h->oldest_s = INT64_MAX;
    for (i = 0; i < kept->partitions_count; i++) {
        const struct partition *p = &kept->partitions[i];
        h->lookups += p->bytes;
        h->oldest_s = p->since < h->oldest_s ? p->since : h->oldest_s;
        h->newest_s = p->until > h->newest_s ? p->until : h->newest_s;
    }
    measure_backups(h, d);
    return 0;
}

/* Each is opened, which shows most of what can be wrong. */
static void look_at_files(struct health *h, struct kept *kept)
{
    size_t i;
    for (i = 0; i < kept->partitions_count; i++) {
        sqlite3 *db;
        (void)kept_partition(kept, i, &db);
        sqlite3_close(db);
    }
    h->damaged = kept->damaged;
    h->missing = kept->missing;
    h->damage = kept->damage;
}

/* At the rate of what is kept now. */
static void tell_rate(struct health *h)
{
    double seconds = (double)(h->newest_s - h->oldest_s);
    uint64_t used = h->lookups + h->database, room = h->max_size - h->max_size / 4;
    double left = used < room ? (double)(room - used) : 0, rate = (double)used / seconds;
    h->has_rate = h->files > 0 && seconds >= RATE_S && used > 0;
    if (!h->has_rate)
        return;
    if (left > (double)h->free)
        left = (double)h->free;
    h->room_s = (int64_t)((double)room / rate);
    h->full_s = (int64_t)(left / rate);
}

static int read_disk(struct health *h, const struct directory *d, struct kept *kept, struct error *err)
{
    struct statvfs disk;
    if (measure(h, d, kept, err) != 0 || directory_look_size(d, &h->max_size, err) != 0)
        return -1;
    if (fstatvfs(d->fd, &disk) != 0)
        return error_errno(err, "%s", d->path);
    h->free = (uint64_t)disk.f_bavail * disk.f_frsize;
    tell_rate(h);
    look_at_files(h, kept);
    return 0;
}

int health_read(struct health *health, const char *directory, int most_sensors, struct error *err)
{
    struct directory d;
    struct kept kept;
    if (directory_look(directory, &d, err) != 0)
        return -1;
    int result = health->is_consumer ? read_feeds(health, &d, err) : kept_open_moment(directory, &kept, err);
    if (result == 0 && !health->is_consumer) {
        result = read_behind(&d, kept.db, health->now_s, &health->behind, &health->behind_s, err) != 0 ||
                         read_feeds(health, &d, err) != 0 || read_disk(health, &d, &kept, err) != 0 ||
                         read_totals(health, kept.db, err) != 0 || read_sensors(health, kept.db, most_sensors, err) != 0
                     ? -1
                     : 0;
        kept_close(&kept);
    }
    directory_close(&d);
    return result;
}

int health_count_behind(const char *directory, uint64_t *behind, struct error *err)
{
    struct directory d;
    struct kept kept;
    int64_t behind_s;
    *behind = 0;
    if (directory_look(directory, &d, err) != 0)
        return -1;
    int result = kept_open_moment(directory, &kept, err);
    if (result == 0) {
        result = read_behind(&d, kept.db, clock_unix_us() / SECOND_US, behind, &behind_s, err);
        kept_close(&kept);
    }
    directory_close(&d);
    return result;
}
