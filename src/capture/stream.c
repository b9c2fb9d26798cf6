/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Plain files go through read(); compressed ones, known by their magic, through libarchive with exactly the filters
 * named here: enabling all of them would let it start helper programs. */
#include "capture/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

enum { HEAD = 8, ARCHIVE_BLOCK = 1 << 16, WAIT_MS = 100 };

struct stream {
    int fd;
    const atomic_bool *stop;
    uint64_t done, total; /* total 0: no regular file */
    uint8_t head[HEAD];   /* read to know the format, and given out first */
    size_t head_len, head_at;
    uint32_t skip;           /* bytes to pass over before the head */
    bool is_known;           /* the head has been read and the format decided */
    struct archive *archive; /* NULL = plain */
    uint8_t *block;          /* what libarchive reads into */
    const uint8_t *unpacked; /* what it has lent, and is not given out yet */
    size_t unpacked_len;
};

static const struct {
    uint8_t len;
    uint8_t magic[6];
    int (*enable)(struct archive *);
    const char *name;
} filters[] = {
    {2, {0x1f, 0x8b}, archive_read_support_filter_gzip, "gzip"},
    {3, {'B', 'Z', 'h'}, archive_read_support_filter_bzip2, "bzip2"},
    {6, {0xfd, '7', 'z', 'X', 'Z', 0x00}, archive_read_support_filter_xz, "xz"},
    {4, {0x28, 0xb5, 0x2f, 0xfd}, archive_read_support_filter_zstd, "zstd"},
    {4, {0x04, 0x22, 0x4d, 0x18}, archive_read_support_filter_lz4, "lz4"},
    {4, {0x02, 0x21, 0x4c, 0x18}, archive_read_support_filter_lz4, "lz4"}, /* its first format, lz4 -l */
};

/* Waits for a pipe or a terminal. False: a signal came, or nothing for a while; *stop may have been set. */
static bool wait_readable(const struct stream *stream)
{
    struct pollfd ready = {.fd = stream->fd, .events = POLLIN};
    return stream->total > 0 || poll(&ready, 1, WAIT_MS) > 0;
}

/* Returns what read() does; a wait that ends without bytes is EINTR. */
static ssize_t read_fd(struct stream *stream, uint8_t *buffer, size_t len)
{
    if (!wait_readable(stream)) {
        errno = EINTR;
        return -1;
    }
    ssize_t n = read(stream->fd, buffer, len);
    if (n < 0 && errno == EAGAIN)
        errno = EINTR;
    return n;
}

static ssize_t read_stored(struct stream *stream, uint8_t *buffer, size_t len)
{
    size_t ahead = stream->head_len - stream->head_at;
    if (ahead > 0) {
        if (len > ahead)
            len = ahead;
        memcpy(buffer, stream->head + stream->head_at, len);
        stream->head_at += len;
        return (ssize_t)len;
    }
    ssize_t n = read_fd(stream, buffer, len);
    if (n > 0)
        stream->done += (uint64_t)n;
    return n;
}

static la_ssize_t archive_block(struct archive *archive, void *context, const void **block)
{
    struct stream *stream = context;
    ssize_t n;
    do
        n = read_stored(stream, stream->block, ARCHIVE_BLOCK);
    while (n < 0 && errno == EINTR && !atomic_load(stream->stop));
    if (n < 0)
        archive_set_error(archive, errno, "%s", strerror(errno));
    *block = stream->block;
    return n;
}

static const char *archive_text(struct archive *archive)
{
    const char *text = archive_error_string(archive);
    return text ? text : "it ends too early";
}

/* One raw entry behind one filter. A filter that libarchive would hand to a program (ARCHIVE_WARN) is refused. */
static int open_archive(struct stream *stream, size_t filter, struct error *err)
{
    struct archive_entry *entry;
    stream->archive = archive_read_new();
    stream->block = malloc(ARCHIVE_BLOCK);
    if (!stream->archive || !stream->block)
        return error_set(err, "out of memory");
    if (filters[filter].enable(stream->archive) != ARCHIVE_OK)
        return error_set(err, "this libarchive cannot read %s", filters[filter].name);
    archive_read_support_format_raw(stream->archive);
    if (archive_read_open(stream->archive, stream, NULL, archive_block, NULL) != ARCHIVE_OK ||
        archive_read_next_header(stream->archive, &entry) != ARCHIVE_OK)
        return error_set(err, "broken %s data: %s", filters[filter].name, archive_text(stream->archive));
    return 0;
}

/* A short first read from a pipe is completed, so that the magic is whole. Returns 1, STREAM_INTERRUPTED or -1. */
static int read_head(struct stream *stream, struct error *err)
{
    while (stream->head_len < HEAD) {
        ssize_t n = read_fd(stream, stream->head + stream->head_len, HEAD - stream->head_len);
        if (n < 0 && errno == EINTR)
            return STREAM_INTERRUPTED;
        if (n < 0)
            return error_set(err, "%s", strerror(errno));
        if (n == 0)
            break;
        stream->head_len += (size_t)n;
        stream->done += (uint64_t)n;
    }
    return 1;
}

/* A skippable frame of zstd or lz4: magic 5? 2a 4d 18 | length 4, little-endian | anything. libarchive knows it behind
 * a frame of another kind only. */
static bool is_skippable(const struct stream *stream)
{
    return stream->head_len == HEAD && (load_le32(stream->head) & 0xfffffff0) == 0x184d2a50;
}

/* Passes over the rest of such a frame. Returns as read_head() does. */
static int pass_over(struct stream *stream, struct error *err)
{
    uint8_t bytes[4096];
    while (stream->skip > 0) {
        ssize_t n = read_fd(stream, bytes, stream->skip < sizeof(bytes) ? stream->skip : sizeof(bytes));
        if (n < 0 && errno == EINTR)
            return STREAM_INTERRUPTED;
        if (n <= 0)
            return error_set(err, "broken compressed data: %s", n < 0 ? strerror(errno) : "it ends too early");
        stream->skip -= (uint32_t)n;
        stream->done += (uint64_t)n;
    }
    return 1;
}

/* Finds out how the bytes are stored, at the first read. Returns as read_head() does. */
static int find_format(struct stream *stream, struct error *err)
{
    size_t i;
    int result;
    while ((result = pass_over(stream, err)) == 1 && (result = read_head(stream, err)) == 1 && is_skippable(stream)) {
        stream->skip = load_le32(stream->head + 4);
        stream->head_len = 0;
    }
    if (result != 1)
        return result;
    stream->is_known = true;
    for (i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
        if (stream->head_len >= filters[i].len && memcmp(stream->head, filters[i].magic, filters[i].len) == 0)
            return open_archive(stream, i, err) == 0 ? 1 : -1;
    return 1;
}

int stream_open(const char *path, const atomic_bool *stop, struct stream **out, struct error *err)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    struct stat info;
    if (!stream)
        return error_errno(err, "cannot open");
    stream->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    stream->stop = stop;
    if (stream->fd < 0) {
        error_set(err, "%s", strerror(errno));
        stream_close(stream);
        return -1;
    }
    if (fstat(stream->fd, &info) == 0 && S_ISREG(info.st_mode))
        stream->total = (uint64_t)info.st_size;
    *out = stream;
    return 0;
}

/* Piece by piece: archive_read_data() forgets what it has copied when damage follows. */
static ssize_t read_unpacked(struct stream *stream, uint8_t *buffer, size_t len, struct error *err)
{
    const void *piece;
    la_int64_t offset;
    while (stream->unpacked_len == 0) {
        int result = archive_read_data_block(stream->archive, &piece, &stream->unpacked_len, &offset);
        if (result == ARCHIVE_EOF)
            return 0;
        if (result != ARCHIVE_OK)
            return error_set(err,
                             "broken compressed data: %s; what stands right in front of the damage cannot be unpacked",
                             archive_text(stream->archive));
        stream->unpacked = piece;
    }
    if (len > stream->unpacked_len)
        len = stream->unpacked_len;
    memcpy(buffer, stream->unpacked, len);
    stream->unpacked += len;
    stream->unpacked_len -= len;
    return (ssize_t)len;
}

ssize_t stream_read(struct stream *stream, uint8_t *buffer, size_t len, struct error *err)
{
    ssize_t n;
    int known = stream->is_known ? 1 : find_format(stream, err);
    if (known != 1)
        return known;
    if (stream->archive)
        return read_unpacked(stream, buffer, len, err);
    n = read_stored(stream, buffer, len);
    if (n < 0 && errno == EINTR)
        return STREAM_INTERRUPTED;
    if (n < 0)
        return error_set(err, "%s", strerror(errno));
    return n;
}

void stream_progress(const struct stream *stream, uint64_t *done, uint64_t *total)
{
    *done = stream->done;
    *total = stream->total;
}

void stream_close(struct stream *stream)
{
    if (!stream)
        return;
    archive_read_free(stream->archive);
    if (stream->fd > STDIN_FILENO)
        close(stream->fd);
    free(stream->block);
    free(stream);
}
