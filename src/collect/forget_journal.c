/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/forget_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "journal/build.h"
#include "journal/empty.h"
#include "journal/reader.h"
#include "journal/restore.h"
#include "journal/writer.h"
#include "record/field.h"
#include "record/rdata.h"
#include "store/database.h"

enum { RDATA_TEXT = 4 * 65536 + 16, FILE_BYTES = 64 << 20 };

/* ---- what a file has ---- */

struct look {
    const struct forgotten *forgotten;
    char *text; /* RDATA_TEXT bytes */
    bool has, has_table;
    uint64_t last_block, damaged;
};

static bool has_answer(const struct look *look, const struct dnsflow_record *record)
{
    const uint8_t *at = record->answers, *end = field_answers_end(record);
    struct dnsflow_answer answer;
    while (record->answers_len > 0 && dnsflow_next_answer(&at, end, &answer)) {
        size_t len = rdata_text(answer.type, answer.rdata, answer.rdata_len, look->text, RDATA_TEXT);
        if (forgotten_has_word(look->forgotten, look->text, len))
            return true;
    }
    return false;
}

static bool has_record(const struct look *look, const struct dnsflow_record *record)
{
    struct name_walk walk = name_walk_over(record);
    uint8_t wire[NAME_WIRE];
    char rname[RNAME_TEXT];
    size_t len;
    if (forgotten_has_address(look->forgotten, record->client, record->ip_vers == 6 ? 16 : 4))
        return true;
    while ((len = name_next(&walk, wire)) > 0)
        if (forgotten_has_name(look->forgotten, rname, rname_of(wire, len, rname)))
            return true;
    return has_answer(look, record);
}

static bool has_block(const struct look *look, const struct journal_block *block, const uint8_t *plain)
{
    const uint8_t *at = plain, *end = plain + block->plain_len;
    struct dnsflow_record record;
    struct received from;
    while (journal_data_read(&at, end, &from))
        while (dnsflow_next_record(&from.datagram, &record))
            if (has_record(look, &record))
                return true;
    return false;
}

/* To its end, as the number of the last block is wanted too. A file that is gone meanwhile has nothing. */
static int look_into(int folder, const struct journal_file *file, struct look *look, struct error *err)
{
    struct journal_block block;
    const uint8_t *plain;
    bool is_first = true;
    int fd = openat(folder, file->name, O_RDONLY | O_CLOEXEC), result;
    look->has = look->has_table = false;
    look->last_block = 0;
    if (fd < 0)
        return errno == ENOENT ? 0 : error_errno(err, "journal/%s", file->name);
    struct journal_reader *reader = journal_read_file(fd);
    if (!reader)
        return error_set(err, "journal: out of memory");
    while ((result = journal_read(reader, &block, &plain, err)) == JOURNAL_READ) {
        look->has_table |= is_first && (block.flags & JOURNAL_TABLE);
        look->last_block = block.number;
        look->has = look->has || (plain && has_block(look, &block, plain));
        is_first = false;
        if (look->has)
            journal_heads_only(reader, true);
    }
    look->damaged += journal_damage(reader)->blocks;
    journal_reader_close(reader);
    return result;
}

/* ---- all files ---- */

/* From the last one back: a receiver begins with the last table of streams, and what stands behind it. */
static int forget_files(int folder, const struct journal_file *files, size_t count, uint64_t taken, struct look *look,
                        struct forget_journal *out, struct error *err)
{
    bool may_go = false;
    size_t i;
    for (i = count; i > 0; i--) {
        const struct journal_file *file = &files[i - 1];
        if (look_into(folder, file, look, err) != 0)
            return -1;
        if (look->has && may_go && look->last_block <= taken) {
            if (journal_empty(folder, file, err) != 0)
                return -1;
            out->emptied++;
        } else if (look->has) {
            out->last = out->left == 0 ? *file : out->last;
            out->left++;
        }
        may_go |= look->has_table;
    }
    return 0;
}

int forget_journal(int folder, const struct forgotten *forgotten, uint64_t taken, struct forget_journal *out,
                   struct error *err)
{
    struct look look = {.forgotten = forgotten, .text = malloc(RDATA_TEXT)};
    struct journal_file *files = NULL;
    size_t count, foreign;
    int result = -1;
    out->left = 0;
    if (!look.text)
        return error_set(err, "out of memory");
    if (journal_list(folder, &files, &count, &foreign, err) == 0)
        result = forget_files(folder, files, count, taken, &look, out, err);
    out->damaged = look.damaged;
    free(files);
    free(look.text);
    return result;
}

/* ---- closing the last one ---- */

static int write_table(struct journal_writer *writer, int folder, struct journal_build *build, struct error *err)
{
    const struct intake_options options = {.only_once = true, .whose = SOURCE_IS_STREAM};
    struct intake intake;
    int result = -1;
    if (intake_open(&intake, &options, err) == 0 && journal_restore(folder, &intake, INT64_MAX, err) == 0) {
        build_begin(build, 0);
        build_table(build, intake.sources);
        if (journal_last(writer))
            memcpy(build->head.totals, journal_last(writer)->totals, sizeof(build->head.totals));
        result = journal_write(writer, &build->head, build->plain, clock_unix_us(), err);
        build_end(build);
    }
    intake_close(&intake);
    return result == 0 ? journal_sync(writer, 0, true, err) : -1;
}

int forget_journal_close(int folder, const char *directory, struct error *err)
{
    const struct database_position known = database_look(directory);
    const struct journal_limits limits = {.file_bytes = FILE_BYTES,
                                          .bytes = UINT64_MAX,
                                          .sync_us = SECOND_US,
                                          .least_file = known.at.file,
                                          .least_block = known.block};
    struct journal_build *build = malloc(sizeof(*build));
    struct journal_writer *writer = NULL;
    uint64_t cut;
    int result = -1;
    if (!build)
        return error_set(err, "out of memory");
    if (journal_writer_open(folder, &limits, &writer, &cut, err) == 0)
        result = write_table(writer, folder, build, err);
    journal_writer_close(writer);
    free(build);
    return result;
}
