/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Folders, datagrams and blocks for tests of the journal and what reads it. */
#ifndef DNSFLOW_TESTING_JOURNALS_H
#define DNSFLOW_TESTING_JOURNALS_H

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "journal/build.h"
#include "journal/reader.h"
#include "journal/writer.h"
#include "receive/source.h"
#include "records.h"

enum { JOURNAL_START = 1700000000 };

static const int64_t journal_now = (int64_t)JOURNAL_START * SECOND_US;

/* A folder of its own; returns its descriptor. */
static inline int make_folder(char path[256])
{
    const char *dir = getenv("TMPDIR");
    snprintf(path, 256, "%s/dnsflow-journal-XXXXXX", dir ? dir : "/tmp");
    assert_non_null(mkdtemp(path));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static inline void remove_folder(const char *path, int fd)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(fd, entry->d_name, 0), 0);
    closedir(dir);
    close(fd);
    assert_int_equal(rmdir(path), 0);
}

/* The datagram number `sequence` of a stream, with one record whose first address is the number. */
struct made_datagram {
    uint8_t bytes[1232];
    size_t len;
    struct received from;
};

static inline void keep_made(void *context, const uint8_t *datagram, size_t len, int64_t time_us)
{
    struct made_datagram *m = context;
    (void)time_us;
    assert_true(len <= sizeof(m->bytes));
    memcpy(m->bytes, datagram, len);
    m->len = len;
}

static inline void make_datagram(struct made_datagram *m, uint32_t stream, uint32_t sequence)
{
    static const uint8_t address[16] = {10, 1, 1, 1};
    static struct made made;
    const struct dnsflow_encoder_options options = {.size = sizeof(options),
                                                    .extended = 1,
                                                    .sensor_id = stream,
                                                    .start_time = JOURNAL_START,
                                                    .emit = keep_made,
                                                    .context = m};
    struct dnsflow_encoder *e = dnsflow_encoder_create(&options);
    assert_non_null(e);
    made_short_names(&made, 1);
    made_rest(&made, 4, 1, 0, 0);
    store_be32(made.ip4s, sequence);
    made.record.time_us = journal_now + sequence;
    assert_int_equal(dnsflow_encoder_add(e, &made.record), 1);
    dnsflow_encoder_flush(e);
    dnsflow_encoder_destroy(e);
    store_be32(m->bytes + 4, sequence);
    m->from = (struct received){.ip_vers = 4,
                                .address = address,
                                .port = (uint16_t)(4000 + stream),
                                .time_us = journal_now + sequence,
                                .bytes = m->bytes,
                                .len = m->len};
    assert_int_equal(dnsflow_decode(m->bytes, m->len, &m->from.datagram), DNSFLOW_OK);
}

/* Writes a block with the datagrams first..last of the stream. Returns what journal_write() does. */
static inline int write_block_of(struct journal_writer *w, uint16_t flags, uint32_t first, uint32_t last,
                                 const struct sources *sources)
{
    static struct journal_build build;
    struct made_datagram m;
    struct error err;
    build_begin(&build, flags);
    if (sources)
        build_table(&build, sources);
    for (; first <= last; first++) {
        make_datagram(&m, 1, first);
        assert_true(build_has_room(&build, m.len));
        build_datagram(&build, &m.from);
    }
    build.head.totals[TOTAL_DATAGRAMS] = last;
    int result = journal_write(w, &build.head, build.plain, journal_now + last, &err);
    build_end(&build);
    return result;
}

static inline struct journal_writer *open_writer(int folder, uint64_t file_bytes, uint64_t bytes, uint64_t *cut)
{
    const struct journal_limits limits = {.file_bytes = file_bytes, .bytes = bytes, .sync_us = -1};
    struct journal_writer *w;
    struct error err = {""};
    uint64_t unwanted;
    if (journal_writer_open(folder, &limits, &w, cut ? cut : &unwanted, &err) != 0)
        fail_msg("%s", err.text);
    return w;
}

/* The sequence numbers that the reader finds next, up to `max`; checks that records and head agree. */
static inline size_t read_numbers(struct journal_reader *r, uint32_t *numbers, size_t max)
{
    struct journal_block block;
    const uint8_t *plain, *at;
    struct received from;
    struct error err;
    size_t count = 0;
    int result;
    while ((result = journal_read(r, &block, &plain, &err)) == JOURNAL_READ) {
        uint32_t datagrams = 0;
        at = plain;
        while (journal_record_read(&at, plain + block.plain_len, &from) == 1) {
            assert_true(count < max);
            numbers[count++] = load_be32(from.bytes + 4);
            assert_int_equal(from.time_us, journal_now + numbers[count - 1]);
            datagrams++;
        }
        assert_int_equal(datagrams, block.datagrams);
    }
    assert_int_equal(result, JOURNAL_NOTHING);
    return count;
}

/* A datagram of the stream comes: returns its source as it stands then. */
static inline const struct source *come(struct sources *sources, uint32_t stream, uint32_t sequence)
{
    struct made_datagram m;
    uint64_t no_room = 0;
    make_datagram(&m, stream, sequence);
    struct source *s = sources_find(sources, &m.from, SOURCE_ACCEPTED);
    assert_non_null(s);
    (void)source_count(s, &m.from.datagram, m.from.time_us, &no_room);
    return s;
}

static inline void assert_same(const struct source *a, const struct source *b)
{
    assert_true(a->sequence == b->sequence && a->window == b->window && a->missing == b->missing);
    assert_true(a->total == b->total && a->lost == b->lost && a->duplicates == b->duplicates);
    assert_true(a->data_datagrams == b->data_datagrams && a->records == b->records && a->start_time == b->start_time);
}

/* Calls of an intake that has nothing to do. */
static inline void nothing(void *context, const struct received *from, const struct source *source)
{
    (void)context;
    (void)from;
    (void)source;
}

static inline void no_malformed(void *context, const struct source *source, int result)
{
    (void)context;
    (void)source;
    (void)result;
}

#endif
