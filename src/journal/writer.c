/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/clock.h"
#include "journal/reader.h"

enum {
    LEVEL = 1,
    HEADER_ROOM = 128,
    MODE = 0640,
    ASK_AGAIN = 1000 /* blocks, for a table that did not come */
};

static const int64_t FILE_US = INT64_C(3600) * SECOND_US; /* a file is full then too, so that it can go by its age */

struct journal_writer {
    int folder, fd; /* fd -1: the next block begins a file */
    struct journal_limits limits;
    uint64_t number;       /* of the last block */
    uint64_t ask_at;       /* the least one at which a table may be asked for */
    uint64_t file, offset; /* number of the last file; bytes that are good in it */
    bool has_blocks;       /* the file that is open */
    bool is_dirty;
    int64_t begun_us; /* the file */
    int64_t synced_us;
    _Atomic bool wants_table;
    bool has_last;
    struct journal_block last;
    struct journal_size size;
    ZSTD_CCtx *packer;
    size_t room;
    uint8_t *bytes; /* head and frame, so that they are written at once */
};

/* ---- going on ---- */

/* The last whole block of the file, and where what is good in it ends. Returns 0, or -1 with the cause. */
static int find_end(struct journal_writer *w, const struct journal_file *file, bool *has_block, uint64_t *end,
                    struct error *err)
{
    struct journal_block block;
    const uint8_t *plain;
    int fd = openat(w->folder, file->name, O_RDONLY | O_CLOEXEC), result;
    if (fd < 0)
        return error_errno(err, "journal/%s", file->name);
    struct journal_reader *reader = journal_read_file(fd);
    if (!reader)
        return error_set(err, "journal: out of memory");
    *has_block = false;
    *end = 0;
    journal_heads_only(reader, true);
    while ((result = journal_read(reader, &block, &plain, err)) == JOURNAL_READ) {
        w->last = block;
        w->last.streams_count = 0;
        w->last.streams = NULL;
        w->has_last = *has_block = true;
        *end = journal_position(reader).offset;
    }
    journal_reader_close(reader);
    return result < 0 ? -1 : 0;
}

/* What a write that was broken off has left behind the last block. */
static int cut_tail(struct journal_writer *w, const struct journal_file *file, uint64_t end, uint64_t *cut,
                    struct error *err)
{
    if (end >= file->bytes)
        return 0;
    int fd = openat(w->folder, file->name, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)end) != 0) {
        error_errno(err, "journal/%s", file->name);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    close(fd);
    *cut = file->bytes - end;
    w->size.bytes -= *cut;
    return 0;
}

/* The file's header, compressed. Returns its length. */
static size_t pack_header(struct journal_writer *w, uint8_t packed[HEADER_ROOM])
{
    uint8_t header[JOURNAL_FILE_HEADER];
    journal_file_header(header);
    size_t len = ZSTD_compress2(w->packer, packed, HEADER_ROOM, header, sizeof(header));
    return ZSTD_isError(len) ? 0 : len;
}

static int write_all(int fd, const uint8_t *bytes, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        bytes += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* A file that was begun, and no whole block of it written, becomes one without blocks. One that is larger than that can
 * be is left alone. */
static int empty_file(struct journal_writer *w, const struct journal_file *file, uint64_t *cut, struct error *err)
{
    uint8_t packed[HEADER_ROOM];
    size_t len = pack_header(w, packed);
    if (len == 0 || file->bytes == len || file->bytes > 4 * JOURNAL_PLAIN_MAX)
        return 0;
    int fd = openat(w->folder, file->name, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) != 0 || write_all(fd, packed, len, 0) != 0) {
        error_errno(err, "journal/%s", file->name);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    close(fd);
    *cut = file->bytes > len ? file->bytes - len : 0;
    w->size.bytes = w->size.bytes + len - file->bytes;
    return 0;
}

/* From the last file backwards to one that has a block. */
static int find_last(struct journal_writer *w, const struct journal_file *files, size_t count, uint64_t *cut,
                     struct error *err)
{
    bool has_block = false;
    uint64_t end = 0;
    size_t i;
    for (i = count; i > 0 && !has_block; i--) {
        if (find_end(w, &files[i - 1], &has_block, &end, err) != 0)
            return -1;
        if (i == count &&
            (has_block ? cut_tail(w, &files[i - 1], end, cut, err) : empty_file(w, &files[i - 1], cut, err)))
            return -1;
    }
    w->number = w->has_last && w->last.number > w->limits.least_block ? w->last.number : w->limits.least_block;
    w->file =
        count > 0 && files[count - 1].number > w->limits.least_file ? files[count - 1].number : w->limits.least_file;
    return 0;
}

static int go_on(struct journal_writer *w, uint64_t *cut, struct error *err)
{
    struct journal_file *files;
    size_t count, foreign, i;
    if (journal_list(w->folder, &files, &count, &foreign, err) != 0)
        return -1;
    w->size.files = count;
    for (i = 0; i < count; i++)
        w->size.bytes += files[i].bytes;
    int result = find_last(w, files, count, cut, err);
    free(files);
    return result;
}

int journal_writer_open(int folder, const struct journal_limits *limits, struct journal_writer **out, uint64_t *cut,
                        struct error *err)
{
    struct journal_writer *w = calloc(1, sizeof(*w));
    *cut = 0;
    if (!w || !(w->packer = ZSTD_createCCtx())) {
        free(w);
        return error_set(err, "journal: out of memory");
    }
    ZSTD_CCtx_setParameter(w->packer, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(w->packer, ZSTD_c_checksumFlag, 1);
    w->folder = folder;
    w->fd = -1;
    w->limits = *limits;
    w->wants_table = true;
    if (go_on(w, cut, err) != 0) {
        journal_writer_close(w);
        return -1;
    }
    *out = w;
    return 0;
}

const struct journal_block *journal_last(const struct journal_writer *writer)
{
    return writer->has_last ? &writer->last : NULL;
}

bool journal_wants_table(struct journal_writer *writer)
{
    return atomic_exchange(&writer->wants_table, false);
}

struct journal_size journal_size(const struct journal_writer *writer)
{
    return writer->size;
}

/* ---- files ---- */

static void close_file(struct journal_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    w->is_dirty = false;
}

void journal_writer_close(struct journal_writer *writer)
{
    if (!writer)
        return;
    close_file(writer);
    ZSTD_freeCCtx(writer->packer);
    free(writer->bytes);
    free(writer);
}

/* Takes away the oldest files, as far as the limits ask for it; the last one stays. Where that fails it is tried again
 * with the next file. */
static void expire(struct journal_writer *w, int64_t now_us)
{
    struct journal_file *files;
    size_t count, foreign, i;
    uint64_t bytes = 0;
    if (journal_list(w->folder, &files, &count, &foreign, NULL) != 0)
        return;
    for (i = 0; i < count; i++)
        bytes += files[i].bytes;
    w->size.files = count;
    for (i = 0; i + 1 < count; i++) {
        bool is_old = w->limits.age_us > 0 && files[i + 1].time_us + w->limits.age_us < now_us;
        if (!is_old && bytes + w->limits.file_bytes <= w->limits.bytes)
            break;
        if (unlinkat(w->folder, files[i].name, 0) != 0)
            break;
        bytes -= files[i].bytes;
        w->size.files--;
        w->size.expired++;
    }
    w->size.bytes = bytes;
    free(files);
}

/* A file with its header; one that cannot be begun leaves nothing. */
static int begin_file(struct journal_writer *w, int64_t now_us, struct error *err)
{
    uint8_t packed[HEADER_ROOM];
    char name[JOURNAL_NAME];
    if (journal_sync(w, 0, true, err) != 0)
        return -1;
    close_file(w);
    expire(w, now_us);
    journal_name(w->file + 1, now_us, name);
    size_t len = pack_header(w, packed);
    int fd = openat(w->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
    if (fd < 0)
        return error_errno(err, "journal/%s", name);
    if (len == 0 || write_all(fd, packed, len, 0) != 0) {
        error_errno(err, "journal/%s", name);
        (void)unlinkat(w->folder, name, 0);
        close(fd);
        return -1;
    }
    (void)fsync(w->folder); /* the name; where that is not possible the file is found all the same */
    w->fd = fd;
    w->file++;
    w->offset = len;
    w->has_blocks = false;
    w->ask_at = 0;
    w->begun_us = now_us;
    w->size.bytes += len;
    w->size.files++;
    return 0;
}

/* ---- blocks ---- */

/* Head and frame in w->bytes. Returns their length, 0 with the cause. */
static size_t pack(struct journal_writer *w, struct journal_block *block, const uint8_t *plain, struct error *err)
{
    size_t head = journal_head_size(block), most = ZSTD_compressBound(block->plain_len);
    if (w->room < head + most) {
        uint8_t *grown = realloc(w->bytes, head + most);
        if (!grown) {
            error_set(err, "journal: out of memory");
            return 0;
        }
        w->bytes = grown;
        w->room = head + most;
    }
    size_t len = ZSTD_compress2(w->packer, w->bytes + head, most, plain, block->plain_len);
    if (ZSTD_isError(len)) {
        error_set(err, "journal: %s", ZSTD_getErrorName(len));
        return 0;
    }
    block->number = w->number + 1;
    block->packed_len = (uint32_t)len;
    return journal_head_write(block, w->bytes, head) + len;
}

/* The next block begins a file. */
static void leave_file(struct journal_writer *w)
{
    close_file(w);
    atomic_store(&w->wants_table, true);
}

/* A file that something is left behind in, and cannot be taken off, is not gone on with. */
static void give_back(struct journal_writer *w)
{
    if (ftruncate(w->fd, (off_t)w->offset) != 0)
        leave_file(w);
}

int journal_write(struct journal_writer *writer, struct journal_block *block, const uint8_t *plain, int64_t now_us,
                  struct error *err)
{
    size_t len = pack(writer, block, plain, err);
    if (len == 0)
        return -1;
    bool begins = writer->fd < 0 || ((block->flags & JOURNAL_TABLE) && writer->has_blocks);
    if (begins && begin_file(writer, now_us, err) != 0) {
        atomic_store(&writer->wants_table, true);
        return -1;
    }
    if (write_all(writer->fd, writer->bytes, len, writer->offset) != 0) {
        error_errno(err, "journal");
        give_back(writer);
        if (block->flags & JOURNAL_TABLE)
            atomic_store(&writer->wants_table, true);
        return -1;
    }
    writer->has_blocks = true;
    writer->number = block->number;
    writer->offset += len;
    writer->size.bytes += len;
    writer->is_dirty = true;
    bool is_full = writer->offset >= writer->limits.file_bytes || now_us - writer->begun_us >= FILE_US;
    if (is_full && writer->number >= writer->ask_at) {
        writer->ask_at = writer->number + ASK_AGAIN;
        atomic_store(&writer->wants_table, true);
    }
    return 0;
}

int journal_sync(struct journal_writer *writer, int64_t now_us, bool at_once, struct error *err)
{
    if (!writer->is_dirty || writer->limits.sync_us < 0 ||
        (!at_once && now_us - writer->synced_us < writer->limits.sync_us))
        return 0;
    struct stat info;
    bool is_gone = fstat(writer->fd, &info) == 0 && info.st_nlink == 0;
    writer->synced_us = now_us;
    writer->is_dirty = false;
    if (!is_gone && fdatasync(writer->fd) == 0)
        return 0;
    if (is_gone)
        error_set(err, "journal: its last file has been removed; what was in it is lost");
    else
        error_errno(err, "journal: fdatasync"); /* what it did not keep is not known (fsync(2)) */
    leave_file(writer);
    return -1;
}
