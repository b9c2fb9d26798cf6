/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/capture_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "journal/reader.h"

enum { RECORD_HEADER = 16 };

struct journal_capture {
    struct journal_reader *reader;
    char *name;
    bool is_told;
    uint64_t total;
    const uint8_t *at, *end; /* records of the block at hand that are still to be lent */
};

static void close_capture(void *self)
{
    struct journal_capture *c = self;
    journal_reader_close(c->reader);
    free(c->name);
    free(c);
}

/* What was not read, once. */
static int tell_end(struct journal_capture *c, struct error *err)
{
    const struct journal_damage *damage = journal_damage(c->reader);
    if (c->is_told)
        return CAPTURE_END;
    c->is_told = true;
    if (damage->tail > 0)
        log_line("%s: the last block is not whole: it is being written, or was cut off; %" PRIu64 " bytes", c->name,
                 damage->tail);
    if (damage->blocks + damage->bytes == 0)
        return CAPTURE_END;
    error_set(err, "%s: damaged; passed over %" PRIu64 " block%s, %" PRIu64 " bytes; all others are good", c->name,
              damage->blocks, damage->blocks == 1 ? "" : "s", damage->bytes);
    return CAPTURE_FAILED;
}

/* The next records of the block as packets. */
static int lend(struct journal_capture *c, struct packet *packets, int max)
{
    struct received from;
    int count = 0;
    while (count < max && c->at != c->end) {
        const uint8_t *start = c->at + RECORD_HEADER;
        if (journal_record_read(&c->at, c->end, &from) != 1) {
            c->at = c->end;
            break;
        }
        uint32_t len = (uint32_t)(c->at - start);
        packets[count++] = (struct packet){start, len, len, from.time_us, JOURNAL_LINK_TYPE};
    }
    return count;
}

static int borrow(void *self, struct packet *packets, int max, struct error *err)
{
    struct journal_capture *c = self;
    struct journal_block block;
    int count, result;
    while ((count = lend(c, packets, max)) == 0) {
        result = journal_read(c->reader, &block, &c->at, err);
        if (result == JOURNAL_FAILED)
            return CAPTURE_FAILED;
        if (result == JOURNAL_NOTHING) {
            c->at = c->end = NULL;
            return tell_end(c, err);
        }
        c->end = c->at + block.plain_len;
    }
    return count;
}

static void progress(void *self, uint64_t *done, uint64_t *total)
{
    const struct journal_capture *c = self;
    *done = journal_position(c->reader).offset;
    *total = c->total;
}

bool journal_is_file(const char *path)
{
    uint8_t head[128];
    struct stat info;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? pread(fd, head, sizeof(head), 0) : 0;
    close(fd);
    return n > 0 && journal_is(head, (size_t)n);
}

int journal_open_capture(const char *path, struct capture **out, struct error *err)
{
    static const struct capture_ops ops = {.borrow = borrow, .progress = progress, .close = close_capture};
    struct journal_capture *c = calloc(1, sizeof(*c));
    struct stat info;
    if (!c)
        return error_set(err, "%s: out of memory", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        free(c);
        return error_errno(err, "%s", path);
    }
    c->total = fstat(fd, &info) == 0 ? (uint64_t)info.st_size : 0;
    c->reader = journal_read_file(fd);
    c->name = strdup(path);
    if (!c->reader || !c->name) {
        close_capture(c);
        return error_set(err, "%s: out of memory", path);
    }
    return capture_create(&ops, c, out, err);
}
