/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Capture files: large reads into one reused buffer, out of which packets are lent. What is left of a record at the
 * end of the buffer moves to its front before the next read. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/format.h"
#include "capture/frame_stream.h"
#include "capture/stream.h"

enum {
    READ_SIZE = 256 * 1024, /* small enough to stay in the processor's cache */
    BUFFER_SIZE = BLOCK_MAX + READ_SIZE,
    FILE_HEADER = 24,
};

struct file_capture {
    struct stream *stream;
    char *name; /* for messages */
    enum { PCAP, PCAPNG, FRAME_STREAM } format;
    bool at_end;
    bool has_header; /* the first bytes have been read; a signal can put that off */
    struct pcap_format pcap;
    struct pcapng_format pcapng;
    struct frame_stream frames;
    uint64_t offset; /* of buffer[start], counted after decompression */
    uint64_t skip;   /* bytes to pass over that are not in the buffer yet */
    size_t start, end;
    uint8_t *buffer;
};

static int fail_at(const struct file_capture *file, struct error *err)
{
    struct error why = *err;
    error_set(err, "%s: at byte %" PRIu64 ": %s; what came before it is good", file->name, file->offset, why.text);
    return CAPTURE_FAILED;
}

static void pass_by(struct file_capture *file, uint64_t used)
{
    uint64_t have = file->end - file->start;
    uint64_t now = used < have ? used : have;
    file->start += (size_t)now;
    file->skip += used - now;
    file->offset += used;
}

/* Reads on behind what is left. Returns 1, 0 at the end of the file, or a capture result. */
static int read_more(struct file_capture *file, struct error *err)
{
    memmove(file->buffer, file->buffer + file->start, file->end - file->start);
    file->end -= file->start;
    file->start = 0;
    ssize_t n = stream_read(file->stream, file->buffer + file->end, READ_SIZE, err);
    if (n == STREAM_INTERRUPTED)
        return CAPTURE_IDLE;
    if (n < 0) {
        file->at_end = true;
        return fail_at(file, err);
    }
    file->at_end = n == 0;
    file->end += (size_t)n;
    if (file->skip > 0) {
        uint64_t skip = file->skip < file->end ? file->skip : file->end;
        file->start = (size_t)skip;
        file->skip -= skip;
    }
    return 1;
}

/* Lends what the buffer holds in whole. Returns the number, 0 when more bytes are needed, or CAPTURE_FAILED. */
static int lend(struct file_capture *file, struct packet *packets, int max, struct error *err)
{
    const uint8_t *at = file->buffer + file->start;
    size_t left = file->end - file->start;
    uint64_t used = 0;
    int count = file->format == PCAPNG         ? pcapng_lend(&file->pcapng, at, left, packets, max, &used, err)
                : file->format == FRAME_STREAM ? frame_stream_lend(&file->frames, at, left, packets, max, &used, err)
                                               : pcap_lend(&file->pcap, at, left, packets, max, &used, err);
    pass_by(file, used);
    if (count != LEND_BROKEN)
        return count;
    file->at_end = true;
    return fail_at(file, err);
}

/* Whether no record is open where the bytes at hand end. */
static bool is_at_boundary(const struct file_capture *file)
{
    bool is_open = file->format == PCAPNG && file->pcapng.open_len > 0;
    return file->start == file->end && file->skip == 0 && !is_open;
}

/* Knows the format from the first bytes. Returns 1, CAPTURE_IDLE when a signal came first, or CAPTURE_FAILED. */
static int read_header(struct file_capture *file, struct error *err)
{
    static const uint8_t section[4] = {0x0a, 0x0d, 0x0d, 0x0a};
    while (file->end < FILE_HEADER && !file->at_end) {
        ssize_t n = stream_read(file->stream, file->buffer + file->end, READ_SIZE, err);
        if (n < 0)
            return n == STREAM_INTERRUPTED ? CAPTURE_IDLE : CAPTURE_FAILED;
        file->at_end = n == 0;
        file->end += (size_t)n;
    }
    file->has_header = true;
    if (file->end >= sizeof(section) && memcmp(file->buffer, section, sizeof(section)) == 0) {
        file->format = PCAPNG;
        return 1;
    }
    if (frame_stream_is(file->buffer, file->end)) {
        file->format = FRAME_STREAM;
        return 1;
    }
    const char *text =
        file->end == 0 ? "the file is empty; expected pcap or pcapng" : "not a capture: shorter than a pcap header";
    if (file->end < FILE_HEADER) {
        error_set(err, "%s", text);
        return CAPTURE_FAILED;
    }
    if (pcap_format_open(&file->pcap, file->buffer, err) != 0)
        return CAPTURE_FAILED;
    pass_by(file, FILE_HEADER);
    return 1;
}

/* The same with the file's name before the cause. */
static int open_header(struct file_capture *file, struct error *err)
{
    struct error why;
    int result = file->has_header ? 1 : read_header(file, &why);
    if (result == CAPTURE_FAILED)
        error_set(err, "%s: %s", file->name, why.text);
    return result;
}

static int borrow(void *self, struct packet *packets, int max, struct error *err)
{
    struct file_capture *file = self;
    int opened = open_header(file, err);
    if (opened != 1)
        return opened;
    for (;;) {
        int count = file->skip == 0 ? lend(file, packets, max, err) : 0;
        if (count != 0)
            return count;
        if (file->at_end && is_at_boundary(file))
            return CAPTURE_END;
        if (file->at_end) {
            file->offset -= file->skip;
            file->start = file->end;
            file->skip = 0;
            file->pcapng.open_len = 0;
            error_set(err, "the file ends inside a record");
            return fail_at(file, err);
        }
        int filled = read_more(file, err);
        if (filled != 1)
            return filled;
    }
}

static void progress(void *self, uint64_t *done, uint64_t *total)
{
    const struct file_capture *file = self;
    stream_progress(file->stream, done, total);
}

static void close_file(void *self)
{
    struct file_capture *file = self;
    if (!file)
        return;
    stream_close(file->stream);
    pcapng_format_close(&file->pcapng);
    free(file->buffer);
    free(file->name);
    free(file);
}

int capture_open_file(const char *path, const atomic_bool *stop, struct capture **out, struct error *err)
{
    static const struct capture_ops ops = {.borrow = borrow, .progress = progress, .close = close_file};
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    struct file_capture *file = calloc(1, sizeof(*file));
    struct error why;

    if (!file || !(file->name = strdup(name)) || !(file->buffer = malloc(BUFFER_SIZE))) {
        close_file(file);
        return error_set(err, "%s: out of memory", name);
    }
    if (stream_open(path, stop, &file->stream, &why) != 0) {
        error_set(err, "%s: %s", name, why.text);
        close_file(file);
        return -1;
    }
    if (open_header(file, err) == CAPTURE_FAILED) {
        close_file(file);
        return -1;
    }
    return capture_create(&ops, file, out, err);
}
