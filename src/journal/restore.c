/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/restore.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "journal/reader.h"

/* Whether the first whole block of the file has a table of streams, as it should. */
static bool has_table(int folder, const struct journal_file *file)
{
    struct journal_block block;
    const uint8_t *plain;
    int fd = openat(folder, file->name, O_RDONLY | O_CLOEXEC);
    struct journal_reader *reader = fd >= 0 ? journal_read_file(fd) : NULL;
    if (!reader)
        return false;
    bool result = journal_read(reader, &block, &plain, NULL) == JOURNAL_READ && (block.flags & JOURNAL_TABLE);
    journal_reader_close(reader);
    return result;
}

/* The number of the last file with a table; of the first if none has one, 0 if there is none. */
static int find_table(int folder, uint64_t *number, struct error *err)
{
    struct journal_file *files;
    size_t count, foreign, i;
    *number = 0;
    if (journal_list(folder, &files, &count, &foreign, err) != 0)
        return -1;
    for (i = count; i > 0 && *number == 0; i--)
        if (i == 1 || has_table(folder, &files[i - 1]))
            *number = files[i - 1].number;
    free(files);
    return 0;
}

static void take_table(const struct journal_block *block, struct sources *sources, int64_t now_us)
{
    uint32_t i;
    for (i = 0; i < block->streams_count; i++)
        (void)sources_restore(sources, block->streams + (size_t)i * SOURCE_STATE, now_us);
}

static void take_datagrams(const struct journal_block *block, const uint8_t *plain, struct sources *sources)
{
    const uint8_t *at = plain, *end = plain + block->plain_len;
    struct received from;
    while (journal_record_read(&at, end, &from) == 1) {
        uint64_t no_room = 0;
        if (dnsflow_decode(from.bytes, from.len, &from.datagram) != DNSFLOW_OK)
            continue;
        bool is_verified = (block->flags & JOURNAL_SIGNED) && from.datagram.tag;
        struct source *source = sources_find(sources, &from, is_verified ? SOURCE_VERIFIED : SOURCE_ACCEPTED);
        if (source)
            (void)source_count(source, &from.datagram, from.time_us, &no_room);
    }
}

static void resume_verifier(struct intake *intake)
{
    uint32_t i;
    for (i = 0; intake->verifier && i < sources_count(intake->sources); i++) {
        const struct source *s = sources_at(intake->sources, i);
        const struct dnsflow_trailer stream = {.worker = s->worker,
                                               .sensor_id = s->sensor_id,
                                               .start_time = s->start_time,
                                               .base_time_us = s->last_time_us};
        if (s->is_verified)
            verifier_resume(intake->verifier, &stream, s->sequence, s->window);
    }
}

int journal_restore(int folder, struct intake *intake, int64_t now_us, struct error *err)
{
    struct journal_position from = {0, 0};
    struct journal_block block;
    const uint8_t *plain;
    bool has_begun = false;
    int result;
    if (find_table(folder, &from.file, err) != 0)
        return -1;
    if (from.file == 0)
        return 0;
    struct journal_reader *reader = journal_follow(folder, from);
    if (!reader)
        return error_set(err, "journal: out of memory");
    while ((result = journal_read(reader, &block, &plain, err)) == JOURNAL_READ) {
        if (!has_begun)
            take_table(&block, intake->sources, now_us);
        has_begun = true;
        if (block.flags & JOURNAL_FIRST)
            sources_resume(intake->sources);
        take_datagrams(&block, plain, intake->sources);
    }
    journal_reader_close(reader);
    sources_resume(intake->sources);
    resume_verifier(intake);
    return result < 0 ? -1 : 0;
}
