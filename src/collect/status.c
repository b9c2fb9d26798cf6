/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `status`: how everything is, in words. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/options.h"
#include "collect/command.h"
#include "collect/directory.h"
#include "journal/reader.h"
#include "query/kept.h"
#include "query/output.h"

enum { DAY_S = 86400, ALIVE_S = 60, SENSORS_SHOWN = 50, AGO = 48, SKEW_S = 60 };

struct status_config {
    const char *directory;
    bool show_help;
};

static int take_directory(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct status_config *)config)->directory, err);
}

static const struct option_row rows[] = {
    {0, "directory", "DIR", take_directory, "where everything is kept, ./dnsflow-data if it is left out", 0},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct status_config, show_help)},
    {0, NULL, NULL, NULL, "dnsflow_collect status --directory /srv/dns", 0},
};

/* ---- words ---- */

/* "3 s", "5 min", "2 h", "4 days" */
static void span_text(int64_t seconds, char text[AGO])
{
    if (seconds < 120)
        snprintf(text, AGO, "%" PRId64 " s", seconds < 0 ? 0 : seconds);
    else if (seconds < 7200)
        snprintf(text, AGO, "%" PRId64 " min", seconds / 60);
    else if (seconds < 2 * DAY_S)
        snprintf(text, AGO, "%" PRId64 " h", seconds / 3600);
    else
        snprintf(text, AGO, "%" PRId64 " days", seconds / DAY_S);
}

static void size_text(uint64_t bytes, char text[AGO])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        size /= 1024;
    snprintf(text, AGO, unit == 0 || size >= 100 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}

/* ---- the collector ---- */

static void print_running(const struct directory *d, bool is_fresh)
{
    char process[24];
    if (directory_is_in_use(d, process))
        printf("collector  running (process %s)%s\n", process,
               is_fresh ? "" : ", but does not bring in what it has received: see its log");
    else
        printf("collector  not running; what sensors send now is lost\n");
}

/* ---- sensors ---- */

struct sensor_sums {
    int64_t datagrams, records, network, here, down, send, ring;
};

/* Of the statement, which gives them in that order. */
static void read_sums(sqlite3_stmt *s, int column, struct sensor_sums *out)
{
    *out = (struct sensor_sums){sqlite3_column_int64(s, column),     sqlite3_column_int64(s, column + 1),
                                sqlite3_column_int64(s, column + 2), sqlite3_column_int64(s, column + 3),
                                sqlite3_column_int64(s, column + 4), sqlite3_column_int64(s, column + 5),
                                sqlite3_column_int64(s, column + 6)};
}

/* What is missing, each stage that has something. */
static void print_losses(const struct sensor_sums *sums)
{
    const struct {
        int64_t count;
        const char *text;
    } losses[] = {{sums->ring, "packets had no room in the sensor's ring"},
                  {sums->send, "datagrams the sensor could not send"},
                  {sums->network, "datagrams were lost on the way"},
                  {sums->here, "datagrams had no room here"},
                  {sums->down, "datagrams came while the collector was down"}};
    size_t i;
    for (i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
        if (losses[i].count > 0)
            printf("             %" PRId64 " %s\n", losses[i].count, losses[i].text);
}

/* A datagram waits a second at the most in a sensor, and on the way. */
static void print_clock(int64_t ahead_s)
{
    char span[AGO];
    if (ahead_s >= -SKEW_S && ahead_s <= SKEW_S)
        return;
    span_text(ahead_s < 0 ? -ahead_s : ahead_s, span);
    printf("             its clock is %s %s; records have its times\n", span, ahead_s < 0 ? "behind" : "ahead");
}

static void print_sensor(sqlite3_stmt *s, int64_t now_s)
{
    struct sensor_sums sums;
    char address[INET6_ADDRSTRLEN] = "?", ago[AGO];
    int64_t silent = now_s - sqlite3_column_int64(s, 4), starts = sqlite3_column_int64(s, 5);
    if (sqlite3_column_blob(s, 0))
        (void)inet_ntop(sqlite3_column_bytes(s, 0) == 16 ? AF_INET6 : AF_INET, sqlite3_column_blob(s, 0), address,
                        sizeof(address));
    read_sums(s, 6, &sums);
    span_text(silent, ago);
    printf("  %s", address);
    if (sqlite3_column_type(s, 2) != SQLITE_NULL)
        printf(" sensor %" PRId64 " worker %d", (int64_t)sqlite3_column_int64(s, 2), sqlite3_column_int(s, 3));
    else
        printf(" port %d", sqlite3_column_int(s, 1));
    printf(": %s, last heard %s ago; %" PRId64 " records in 24 h", silent <= ALIVE_S ? "alive" : "silent", ago,
           sums.records);
    if (starts > 1)
        printf(", started %" PRId64 " times", starts);
    puts("");
    print_clock(sqlite3_column_int64(s, 14));
    print_losses(&sums);
}

/* Streams of one sensor and worker are one line, however often it was started. */
static int print_sensors(struct kept *kept, int64_t now_s, struct error *err)
{
    sqlite3_stmt *s;
    int result, shown = 0;
    if (sql_prepare(kept->db,
                    "SELECT address, CASE WHEN sensor IS NULL THEN port END AS source, sensor, worker, max(last),"
                    " count(DISTINCT coalesce(start, id)), sum(datagrams), sum(records), sum(network), sum(here), "
                    "sum(down), sum(send),"
                    " sum(ring), count(*) OVER (), ahead FROM streams JOIN minutes ON stream = id"
                    " WHERE last >= ?1 AND minute >= ?1 / 60"
                    " GROUP BY address, source, sensor, worker ORDER BY max(last) DESC, sensor, worker LIMIT ?2",
                    &s, err) != 0)
        return -1;
    sqlite3_bind_int64(s, 1, now_s - DAY_S);
    sqlite3_bind_int(s, 2, SENSORS_SHOWN);
    int64_t all = 0;
    for (; (result = sql_step(s, err)) == 1; shown++) {
        all = sqlite3_column_int64(s, 13);
        if (shown == 0)
            printf("sensors    %" PRId64 " in the last 24 h\n", all);
        print_sensor(s, now_s);
    }
    sqlite3_finalize(s);
    if (result == 0 && shown == 0)
        puts("sensors    none in the last 24 h");
    if (all > shown)
        printf("  and %" PRId64 " more: dnsflow_collect query loss has all\n", all - shown);
    return result;
}

/* ---- what was refused or dropped ---- */

static int print_totals(struct kept *kept, int64_t now_s, struct error *err)
{
    sqlite3_stmt *s;
    int result, i;
    if (sql_prepare(kept->db, "SELECT sum(count) FROM totals WHERE what = ? AND minute >= ?", &s, err) != 0)
        return -1;
    for (i = TOTAL_SOCKET; i <= TOTALS_COUNT; i++) {
        const char *word = i < TOTALS_COUNT ? journal_totals[i].word : "expired";
        const char *text = i < TOTALS_COUNT ? journal_totals[i].text : "gone from the journal before they were read";
        sqlite3_bind_text(s, 1, word, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 2, now_s / 60 - 1440);
        if ((result = sql_step(s, err)) < 0)
            break;
        int64_t count = sqlite3_column_int64(s, 0);
        if (count > 0 && i != TOTAL_JOURNAL_RECORDS)
            printf("  %" PRId64 " datagrams in 24 h %s: %s\n", count, i < TOTAL_DOUBLED ? "dropped" : "not taken",
                   text);
        (void)sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    return i <= TOTALS_COUNT ? -1 : 0;
}

/* ---- disk ---- */

struct usage {
    uint64_t journal, lookups, database;
    int64_t oldest_s, newest_s; /* of lookups */
};

/* How far the store is behind the journal: blocks with a whole head behind its position. */
static int print_store(const struct directory *d, struct kept *kept, struct error *err)
{
    struct journal_position at;
    struct journal_block block;
    const uint8_t *plain;
    int64_t file, offset;
    uint64_t behind = 0;
    if (sql_number(kept->db, "SELECT file FROM position WHERE store = 'sqlite'", 0, &file, err) != 0 ||
        sql_number(kept->db, "SELECT offset FROM position WHERE store = 'sqlite'", 0, &offset, err) != 0)
        return -1;
    at = (struct journal_position){(uint64_t)file, (uint64_t)offset};
    struct journal_reader *reader = journal_follow(d->journal_fd, at);
    if (!reader)
        return error_set(err, "out of memory");
    journal_heads_only(reader, true);
    while (journal_read(reader, &block, &plain, err) == JOURNAL_READ)
        behind += block.records;
    journal_reader_close(reader);
    if (behind == 0)
        printf("store      has all that is in the journal\n");
    else
        printf("store      %" PRIu64 " records of the journal are still to be taken in\n", behind);
    return 0;
}

static int measure(const struct directory *d, struct kept *kept, struct usage *u, struct error *err)
{
    struct journal_file *files;
    size_t count, foreign, i;
    int64_t pages, size;
    memset(u, 0, sizeof(*u));
    u->oldest_s = INT64_MAX;
    if (journal_list(d->journal_fd, &files, &count, &foreign, err) != 0 ||
        sql_number(kept->db, "PRAGMA page_count", 0, &pages, err) != 0 ||
        sql_number(kept->db, "PRAGMA page_size", 0, &size, err) != 0)
        return -1;
    for (i = 0; i < count; i++)
        u->journal += files[i].bytes;
    free(files);
    u->database = (uint64_t)(pages * size);
    for (i = 0; i < kept->partitions_count; i++) {
        const struct partition *p = &kept->partitions[i];
        u->lookups += p->bytes;
        u->oldest_s = p->since < u->oldest_s ? p->since : u->oldest_s;
        u->newest_s = p->until > u->newest_s ? p->until : u->newest_s;
    }
    return 0;
}

/* At the rate of what is kept now. */
static void print_days(const struct usage *u, uint64_t max_size, uint64_t free_bytes)
{
    double seconds = (double)(u->newest_s - u->oldest_s), rate = (double)(u->lookups + u->database) / seconds;
    uint64_t used = u->lookups + u->database, room = max_size - max_size / 4;
    double left = used < room ? (double)(room - used) : 0;
    char text[AGO];
    if (left > (double)free_bytes)
        left = (double)free_bytes;
    if (seconds < 600) {
        printf("           too short a time to say how long that lasts\n");
        return;
    }
    span_text((int64_t)((double)room / rate), text);
    printf("           at the rate of now that is %s of lookups", text);
    span_text((int64_t)(left / rate), text);
    printf("; it is full in %s, then the oldest go\n", text);
}

/* Each is opened, which shows most of what can be wrong. */
static void print_damage(struct kept *kept)
{
    size_t i;
    for (i = 0; i < kept->partitions_count; i++) {
        sqlite3 *db;
        (void)kept_partition(kept, i, &db);
        sqlite3_close(db);
    }
    if (kept->damaged > 0)
        printf("           %" PRIu64 " of these cannot be used: %s\n", kept->damaged, kept->damage.text);
    if (kept->missing > 0)
        printf("           %" PRIu64 " of these are not there\n", kept->missing);
}

static int print_disk(const struct directory *d, struct kept *kept, struct error *err)
{
    struct usage u;
    struct statvfs disk;
    uint64_t max_size;
    char used[AGO], most[AGO], left[AGO], journal[AGO], lookups[AGO], database[AGO], since[ANSWER_TIME];
    if (measure(d, kept, &u, err) != 0 || directory_max_size(d, 0, &max_size, err) != 0)
        return -1;
    if (fstatvfs(d->fd, &disk) != 0)
        return error_errno(err, "%s", d->path);
    size_text(u.journal + u.lookups + u.database, used);
    size_text(max_size, most);
    size_text((uint64_t)disk.f_bavail * disk.f_frsize, left);
    size_text(u.journal, journal);
    size_text(u.lookups, lookups);
    size_text(u.database, database);
    printf("disk       %s of %s: journal %s, lookups %s, answers and accounts %s; %s are free there\n", used, most,
           journal, lookups, database, left);
    if (kept->partitions_count == 0)
        return 0;
    answer_time(u.oldest_s, false, since);
    printf("           lookups received since %s UTC, in %zu file%s\n", since, kept->partitions_count,
           kept->partitions_count == 1 ? "" : "s");
    print_damage(kept);
    print_days(&u, max_size, (uint64_t)disk.f_bavail * disk.f_frsize);
    return 0;
}

static int print_status(const char *path, struct error *err)
{
    struct directory directory;
    struct kept kept;
    int64_t now_s = clock_unix_us() / SECOND_US;
    if (directory_look(path, &directory, err) != 0)
        return -1;
    bool is_fresh = kept_refresh(path);
    print_running(&directory, is_fresh);
    int result = kept_open(path, &kept, err);
    if (result == 0) {
        result = print_store(&directory, &kept, err) != 0 || print_disk(&directory, &kept, err) != 0 ||
                         print_totals(&kept, now_s, err) != 0 || print_sensors(&kept, now_s, err) != 0
                     ? -1
                     : 0;
        kept_close(&kept);
    }
    directory_close(&directory);
    return result;
}

int command_status(int argc, char **argv, struct error *err)
{
    struct status_config config = {NULL, false};
    if (options_parse(rows, argc, argv, &config, err) != 0)
        return 2;
    if (config.show_help) {
        options_help(rows, "dnsflow_collect status", "Says how everything is.", stdout);
        return EXIT_SUCCESS;
    }
    return print_status(config.directory ? config.directory : DIRECTORY_DEFAULT, err) == 0 ? EXIT_SUCCESS
                                                                                           : EXIT_FAILURE;
}
