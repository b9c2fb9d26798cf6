/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Accounts in the database: whatever process goes on with them, and wherever in the journal, they are those of one that
 * has read all of it. */
#include "journals.h"

#include <inttypes.h>

#include "base/drops.h"
#include "store/database.h"
#include "store/folded.h"

enum { BLOCKS = 40, EACH = 30, STREAMS = 3, COUNTERS = DROP_COUNTERS };

struct place {
    char path[256];
    int fd;
    sqlite3 *db;
    struct account account;
    struct database_position position;
};

static void begin(struct place *p)
{
    struct error err = {""};
    if (database_open(p->path, &p->db, &err) != 0 || account_open(&p->account) != 0 ||
        database_restore(p->db, &p->account, &p->position, &err) != 0)
        fail_msg("%s", err.text);
}

static void end(struct place *p)
{
    struct tally tally;
    struct folded folded;
    struct error err = {""};
    assert_int_equal(tally_open(&tally), 0);
    assert_int_equal(folded_make(&folded, &tally, FOLD_NAMES), 0);
    if (database_begin(p->db, &folded, &p->account, &p->position, &err) != 0 || database_end(p->db, NULL, &err) != 0)
        fail_msg("%s", err.text);
    folded_free(&folded);
    tally_close(&tally);
    account_close(&p->account);
    database_close(p->db);
}

/* What a sensor has sent, and what became of it. */
struct sending {
    struct chance chance;
    uint32_t sequence[STREAMS];
    uint64_t counters[STREAMS][COUNTERS];
    struct journal_block block; /* the last one */
};

/* Frames and messages, and what became of each: the first reason of each kind stands for all of it. */
static void grow(struct sending *s, uint64_t *counters)
{
    static const enum drop_ledger ledgers[] = {LEDGER_FRAME, LEDGER_ABSORBED, LEDGER_MESSAGE};
    enum { FRAMES, DELIVERED, MESSAGES, ANSWERED, RECORDS, REASONS };
    uint64_t grown[LEN(ledgers)], answered = chance_below(&s->chance, 1000), delivered = chance_below(&s->chance, 1000);
    for (size_t k = 0; k < LEN(ledgers); k++) {
        size_t i = 1;
        while (drop_table[i].ledger != ledgers[k])
            i++;
        grown[k] = chance_below(&s->chance, 100);
        counters[REASONS + i - 1] += grown[k];
    }
    counters[FRAMES] += delivered + grown[0] + grown[1];
    counters[DELIVERED] += delivered;
    counters[MESSAGES] += answered + grown[2];
    counters[ANSWERED] += answered;
    counters[RECORDS] += answered;
    counters[REASONS + DROP_SETS - 1] += 2 * answered;
}

/* Statistics; each counter has grown. */
static void make_statistics(struct sending *s, struct made_datagram *m, uint32_t stream, int64_t time_us)
{
    struct dnsflow_stats stats = {.pkts_captured = 10 * s->sequence[stream],
                                  .pkts_received = 11 * s->sequence[stream],
                                  .pkts_dropped = s->sequence[stream],
                                  .pkts_ifdropped = 2 * s->sequence[stream]};
    const struct dnsflow_encoder_options options = {.size = sizeof(options),
                                                    .extended = 1,
                                                    .sensor_id = stream,
                                                    .start_time = JOURNAL_START,
                                                    .emit = keep_made,
                                                    .context = m};
    struct dnsflow_encoder *e = dnsflow_encoder_create(&options);
    assert_non_null(e);
    grow(s, s->counters[stream]);
    dnsflow_encoder_stats(e, &stats, time_us, s->counters[stream], COUNTERS);
    dnsflow_encoder_destroy(e);
    store_be32(m->bytes + 4, s->sequence[stream]);
    assert_int_equal(dnsflow_decode(m->bytes, m->len, &m->from.datagram), DNSFLOW_OK);
    m->from.len = m->len;
}

/* A block of datagrams, some of which are missing on the way or at one of the stages here. */
static void take_block(struct sending *s, struct place *p)
{
    struct made_datagram m;
    struct journal_block *b = &s->block;
    int64_t now_us = journal_now + (int64_t)b->number * 20 * SECOND_US;
    b->number++;
    b->flags = b->number == 1 || b->number == BLOCKS / 2 ? JOURNAL_FIRST : 0;
    b->first_us = now_us;
    b->datagrams = EACH;
    b->totals[TOTAL_DATAGRAMS] += EACH + (b->number % 7 == 0 ? 2u : 0u); /* two went from the journal unread */
    b->totals[TOTAL_SOCKET] += chance_below(&s->chance, 4);
    b->totals[TOTAL_MEMORY] += chance_below(&s->chance, 4);
    b->totals[TOTAL_JOURNAL] += chance_below(&s->chance, 4);
    account_block(&p->account, b);
    for (int i = 0; i < EACH; i++) {
        uint32_t stream = (uint32_t)chance_below(&s->chance, STREAMS);
        s->sequence[stream] += 1 + (uint32_t)(chance_below(&s->chance, 6) == 0 ? chance_below(&s->chance, 4) : 0);
        make_datagram(&m, stream, s->sequence[stream]);
        if (chance_below(&s->chance, 5) == 0)
            make_statistics(s, &m, stream, now_us);
        m.from.time_us = now_us;
        assert_non_null(account_datagram(&p->account, b, &m.from));
    }
    p->position = (struct database_position){.at = {b->number / 5 + 1, b->number % 5}, .block = b->number};
}

/* The rows of a statement, as text. */
static char *rows_of(sqlite3 *db, const char *query)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    sqlite3_stmt *s;
    assert_non_null(out);
    assert_int_equal(sql_prepare(db, query, &s, NULL), 0);
    while (sql_step(s, NULL) == 1)
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            const uint8_t *bytes = sqlite3_column_blob(s, i);
            fprintf(out, "%s%s=", i ? " " : "\n", sqlite3_column_name(s, i));
            if (sqlite3_column_type(s, i) == SQLITE_BLOB)
                for (int k = 0; k < sqlite3_column_bytes(s, i); k++)
                    fprintf(out, "%02x", bytes[k]);
            else
                fprintf(out, "%" PRId64, (int64_t)sqlite3_column_int64(s, i));
        }
    sqlite3_finalize(s);
    fclose(out);
    return text;
}

static const char *const tables[] = {
    "SELECT * FROM streams ORDER BY id",
    "SELECT * FROM minutes ORDER BY minute, stream",
    "SELECT * FROM sensor_minutes ORDER BY minute, stream",
    "SELECT sum(count) FROM totals GROUP BY what ORDER BY what",
    "SELECT file, offset, block, totals, no_room FROM position",
};

/* All blocks, by a new process after each so many. Fills what is in the tables then. */
static void take_all(unsigned each, char *rows[LEN(tables)])
{
    struct sending s = {.chance = {5}};
    struct place p = {.fd = -1};
    sqlite3 *db;
    p.fd = make_folder(p.path);
    begin(&p);
    assert_false(p.position.is_known);
    while (s.block.number < BLOCKS) {
        take_block(&s, &p);
        if (s.block.number % each != 0)
            continue;
        end(&p);
        assert_true(database_look(p.path).block == s.block.number);
        begin(&p);
        assert_true(p.position.is_known && p.position.block == s.block.number);
        assert_true(p.position.at.file == s.block.number / 5 + 1 && p.position.at.offset == s.block.number % 5);
        assert_true(p.account.begun_s == JOURNAL_START / 60 * 60);
    }
    end(&p);
    assert_int_equal(database_open(p.path, &db, NULL), 0);
    for (size_t i = 0; i < LEN(tables); i++)
        rows[i] = rows_of(db, tables[i]);
    database_close(db);
    remove_folder(p.path, p.fd);
}

static void whoever_goes_on(void **state)
{
    static const unsigned each[] = {1, 3, 8};
    char *want[LEN(tables)], *rows[LEN(tables)];
    (void)state;
    take_all(BLOCKS, want);
    for (size_t i = 0; i < LEN(each); i++) {
        take_all(each[i], rows);
        for (size_t k = 0; k < LEN(tables); k++) {
            assert_string_equal(rows[k], want[k]);
            free(rows[k]);
        }
    }
    for (size_t k = 0; k < LEN(tables); k++)
        free(want[k]);
}

/* Every number that a sensor gives is somewhere, and something is everywhere. */
static void numbers_balance(void **state)
{
    static const char *const sums[] = {"datagrams", "statistics", "network", "here",     "memory",
                                       "journal",   "expired",    "ring",    "interface"};
    static const char *const told[] = {"frames",   "delivered", "refused", "held", "messages",
                                       "answered", "unfit",     "records", "sets"};
    struct sending s = {.chance = {5}};
    struct place p = {.fd = -1};
    int64_t number;
    char query[100];
    (void)state;
    p.fd = make_folder(p.path);
    begin(&p);
    while (s.block.number < BLOCKS)
        take_block(&s, &p);
    end(&p);
    assert_int_equal(database_open(p.path, &p.db, NULL), 0);
    for (size_t i = 0; i < LEN(sums); i++) {
        snprintf(query, sizeof(query), "SELECT sum(%s) FROM minutes", sums[i]);
        assert_int_equal(sql_number(p.db, query, 0, &number, NULL), 0);
        assert_true(number > 0);
    }
    for (size_t i = 0; i < LEN(told); i++) {
        snprintf(query, sizeof(query), "SELECT sum(%s) FROM sensor_minutes", told[i]);
        assert_int_equal(sql_number(p.db, query, 0, &number, NULL), 0);
        assert_true(number > 0);
    }
    assert_int_equal(sql_number(p.db, "SELECT sum(datagrams) FROM minutes", 0, &number, NULL), 0);
    assert_int_equal(number, BLOCKS * EACH);
    assert_int_equal(sql_number(p.db, "SELECT sum(made + beside - datagrams - network - here - down) FROM minutes", -1,
                                &number, NULL),
                     0);
    assert_int_equal(number, 0);
    database_close(p.db);
    remove_folder(p.path, p.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whoever_goes_on), cmocka_unit_test(numbers_balance)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
