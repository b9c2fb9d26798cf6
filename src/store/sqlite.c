/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/sqlite.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "store/database.h"
#include "store/folded.h"
#include "store/gather.h"
#include "store/orphans.h"
#include "store/quarantine.h"

enum {
    HOUR_S = 3600,
    WAL_MS = 500,
    WRITER_MS = 30000,  /* that tidy writes is waited for */
    MUCH = 50000,       /* lookups */
    BYTES_OF_ALL = 2048 /* that are allowed, for each lookup of a seal: which takes a tenth to a fifth of it then */
};

struct sqlite_store {
    char directory[400], lookups[448];
    sqlite3 *db;
    struct journal_reader *reader;
    struct tally tally;
    struct account account;
    struct database_position sealed, read; /* where the database is, and what was gathered */
    int64_t since_us, until_us;            /* received, of what is gathered; since > until: nothing is */
    bool has_datagrams;                    /* else these are of blocks without any */
    int64_t begun_us;                      /* monotonic: when the first block of it was taken */
    struct journal_block block;            /* read, but of the next hour: to be taken after a seal */
    const uint8_t *plain;                  /* its records; NULL: there is none */
    uint64_t most_lookups;                 /* that one seal may have */
    uint64_t lookups_block;                /* up to this one lookups are in partitions, whatever the database has */
    struct sqlite_store_counts counts;
};

static bool is_empty(const struct sqlite_store *s)
{
    return s->since_us > s->until_us;
}

static void forget(struct sqlite_store *s)
{
    tally_clear(&s->tally);
    account_clear(&s->account);
    s->since_us = INT64_MAX;
    s->until_us = INT64_MIN;
    s->has_datagrams = false;
}

/* ---- opening ---- */

static int open_database(struct sqlite_store *s, struct error *err)
{
    int result = database_open(s->directory, &s->db, err);
    if (result == 0 && (database_restore(s->db, &s->account, &s->sealed, err) != 0 ||
                        orphans_settle(s->db, s->lookups, &s->account, &s->sealed, err) != 0 ||
                        database_last_lookups(s->db, &s->lookups_block, err) != 0))
        result = sql_is_damaged(s->db) ? DATABASE_DAMAGED : -1;
    return result;
}

/* One that is damaged is set aside, and there is a new one. */
static int open_or_renew(struct sqlite_store *s, struct error *err)
{
    struct error why;
    int result = open_database(s, &why);
    if (result == DATABASE_DAMAGED) {
        result = quarantine_database(s->directory, why.text, err);
        sqlite3_close(s->db);
        s->db = NULL;
        account_close(&s->account);
        if (result != 0)
            return -1;
        if (account_open(&s->account) != 0)
            return error_set(err, "store: out of memory");
        result = open_database(s, &why);
    }
    return result == 0 ? 0 : error_set(err, "%s", why.text);
}

static int open_parts(struct sqlite_store *s, int journal, struct error *err)
{
    if (mkdir(s->lookups, 0750) != 0 && errno != EEXIST)
        return error_errno(err, "%s", s->lookups);
    if (tally_open(&s->tally) != 0 || account_open(&s->account) != 0)
        return error_set(err, "store: out of memory");
    if (open_or_renew(s, err) != 0)
        return -1;
    s->read = s->sealed;
    s->reader = journal_follow(journal, s->sealed.at);
    return s->reader ? 0 : error_set(err, "store: out of memory");
}

int sqlite_store_open(const char *directory, int journal, struct sqlite_store **out, struct error *err)
{
    struct sqlite_store *s = calloc(1, sizeof(*s));
    if (!s)
        return error_set(err, "store: out of memory");
    if (snprintf(s->directory, sizeof(s->directory), "%s", directory) >= (int)sizeof(s->directory)) {
        free(s);
        return error_set(err, "%s: the path is too long", directory);
    }
    snprintf(s->lookups, sizeof(s->lookups), "%s/lookups", directory);
    if (open_parts(s, journal, err) != 0) {
        sqlite_store_close(s);
        return -1;
    }
    forget(s);
    s->most_lookups = UINT64_MAX;
    *out = s;
    return 0;
}

void sqlite_store_close(struct sqlite_store *store)
{
    if (!store)
        return;
    journal_reader_close(store->reader);
    database_close(store->db);
    tally_close(&store->tally);
    account_close(&store->account);
    free(store);
}

const struct sqlite_store_counts *sqlite_store_counts(const struct sqlite_store *store)
{
    return &store->counts;
}

const struct journal_damage *sqlite_store_damage(const struct sqlite_store *store)
{
    return journal_damage(store->reader);
}

int64_t sqlite_store_age_us(const struct sqlite_store *store)
{
    return is_empty(store) ? 0 : clock_monotonic_us() - store->begun_us;
}

void sqlite_store_limit(struct sqlite_store *store, uint64_t max_size)
{
    store->most_lookups = max_size / BYTES_OF_ALL;
}

bool sqlite_store_renew(struct sqlite_store *store, const char *why)
{
    struct error err;
    if (!sql_is_damaged(store->db) || database_has_moved(store->db))
        return false;
    if (quarantine_database(store->directory, why, &err) == 0)
        return true;
    log_line("error: store: %s", err.text);
    return false;
}

bool sqlite_store_has_moved(const struct sqlite_store *store)
{
    return database_has_moved(store->db);
}

/* ---- sealing ---- */

/* Lookups on their way into a partition. */
struct lookups {
    const char *folder;
    struct folded folded;
    struct partition partition;
    int result;
    struct error why;
};

static void *seal_lookups(void *context)
{
    struct lookups *l = context;
    l->result = partition_seal(l->folder, &l->folded, &l->partition, &l->why);
    return NULL;
}

/* All of it, or nothing. Where there is much the partition is written by a thread of its own. */
static int write_away(struct sqlite_store *s, struct lookups *l, struct error *err)
{
    char path[512];
    pthread_t thread;
    uint32_t count = intern_size(s->tally.lookups);
    bool has_thread = count >= MUCH && process_start_thread(&thread, seal_lookups, l) == 0;
    if (count > 0 && !has_thread)
        (void)seal_lookups(l);
    if (!has_thread && l->result != 0)
        return error_set(err, "%s", l->why.text);
    bool has_begun = database_begin(s->db, &l->folded, &s->account, &s->read, err) == 0;
    if (has_thread)
        (void)pthread_join(thread, NULL);
    if (has_begun && l->result != 0) {
        sql_roll_back(s->db);
        return error_set(err, "%s", l->why.text);
    }
    if (has_begun && database_end(s->db, count > 0 ? &l->partition : NULL, err) == 0)
        return 0;
    snprintf(path, sizeof(path), "%s/%s", s->lookups, l->partition.file);
    if (count > 0 && l->result == 0)
        (void)remove(path);
    return -1;
}

int sqlite_store_seal(struct sqlite_store *store, struct error *err)
{
    struct lookups lookups = {.folder = store->lookups,
                              .partition = {.first_block = store->sealed.block + 1,
                                            .last_block = store->read.block,
                                            .end = store->read.at,
                                            .since = store->since_us / SECOND_US,
                                            .until = store->until_us / SECOND_US}};
    if (is_empty(store))
        return 0;
    int result = folded_make(&lookups.folded, &store->tally, FOLD_NAMES) == 0 ? write_away(store, &lookups, err)
                                                                              : error_set(err, "store: out of memory");
    folded_free(&lookups.folded);
    if (result != 0)
        return -1;
    (void)database_cut_wal(store->db, store->directory, WAL_MS);
    sqlite3_busy_timeout(store->db, WRITER_MS);
    store->sealed = store->read;
    store->counts.rows += intern_size(store->tally.lookups) + intern_size(store->tally.answers);
    store->counts.seals++;
    forget(store);
    return 0;
}

/* ---- taking in ---- */

static void take_block(struct sqlite_store *s)
{
    const struct journal_block *block = &s->block;
    uint64_t before = s->tally.records;
    if (is_empty(s))
        s->begun_us = clock_monotonic_us();
    s->tally.has_no_lookups = block->number <= s->lookups_block;
    s->counts.datagrams += gather_block(&s->tally, &s->account, block, s->plain, NULL, NULL);
    if (block->datagrams > 0 || s->since_us > s->until_us) { /* one without any says only what was refused by now */
        int64_t first_us = block->datagrams > 0 ? block->first_us : clock_unix_us();
        int64_t last_us = block->datagrams > 0 ? block->last_us : first_us;
        bool is_only = !s->has_datagrams;
        s->since_us = is_only || first_us < s->since_us ? first_us : s->since_us;
        s->until_us = is_only || last_us > s->until_us ? last_us : s->until_us;
        s->has_datagrams |= block->datagrams > 0;
    }
    s->counts.records += s->tally.records - before;
    s->read.block = block->number;
    s->read.at = journal_position(s->reader);
    s->plain = NULL;
}

/* Partitions are of one hour, so that hours can be made of them. */
static bool is_of_another_hour(const struct sqlite_store *s)
{
    return s->has_datagrams && s->block.datagrams > 0 &&
           s->block.first_us / SECOND_US / HOUR_S != s->since_us / SECOND_US / HOUR_S;
}

/* Nor has one those of blocks that others have. */
static bool is_behind_others(const struct sqlite_store *s)
{
    return s->read.block <= s->lookups_block && s->block.number > s->lookups_block && !is_empty(s);
}

int sqlite_store_step(struct sqlite_store *store, struct error *err)
{
    if (!store->plain) {
        int result = journal_read(store->reader, &store->block, &store->plain, err);
        if (result != JOURNAL_READ) {
            store->plain = NULL;
            return result;
        }
    }
    if (store->block.number <= store->read.block) { /* a copy: it has been taken */
        store->plain = NULL;
        return 1;
    }
    bool is_full = tally_is_full(&store->tally) || store->account.is_short_of_memory ||
                   intern_size(store->tally.lookups) >= store->most_lookups;
    if ((is_of_another_hour(store) || is_behind_others(store) || is_full) && sqlite_store_seal(store, err) != 0)
        return -1;
    take_block(store);
    return 1;
}
