/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/bytes.h"

enum { WINDOW = 512 * 1024, ZSTD_FRAME = (int)0xfd2fb528 };

struct journal_reader {
    int folder; /* -1: a single file */
    int fd;     /* -1: none is open */
    bool heads_only;
    bool has_ended;          /* the single file's end has been taken into account */
    uint64_t file;           /* number; with no file open, the least that is to be opened next */
    uint64_t offset;         /* of bytes[start] */
    uint64_t wanted;         /* how far the file must reach for what stands there to be whole */
    size_t start, end, size; /* of `bytes` */
    uint8_t *bytes;
    ZSTD_DCtx *unpacker;
    struct journal_damage damage;
    uint64_t bytes_before; /* damage.bytes, at the last block */
    uint8_t plain[JOURNAL_PLAIN_MAX];
};

static struct journal_reader *reader_create(void)
{
    struct journal_reader *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->folder = r->fd = -1;
    r->size = WINDOW;
    r->bytes = malloc(r->size);
    r->unpacker = ZSTD_createDCtx();
    if (!r->bytes || !r->unpacker) {
        journal_reader_close(r);
        return NULL;
    }
    return r;
}

struct journal_reader *journal_follow(int folder, struct journal_position from)
{
    struct journal_reader *r = reader_create();
    if (!r)
        return NULL;
    r->folder = folder;
    r->file = from.file;
    r->offset = from.offset;
    return r;
}

struct journal_reader *journal_read_file(int fd)
{
    struct journal_reader *r = reader_create();
    if (r)
        r->fd = fd;
    else
        close(fd);
    return r;
}

void journal_reader_close(struct journal_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    ZSTD_freeDCtx(reader->unpacker);
    free(reader->bytes);
    free(reader);
}

void journal_heads_only(struct journal_reader *reader, bool heads_only)
{
    reader->heads_only = heads_only;
}

struct journal_position journal_position(const struct journal_reader *reader)
{
    return (struct journal_position){reader->file, reader->offset};
}

const struct journal_damage *journal_damage(const struct journal_reader *reader)
{
    return &reader->damage;
}

/* Bytes of the frame that stands alone in front of all blocks, 0: there is none. */
static size_t file_header_size(const uint8_t *bytes, size_t len)
{
    uint8_t header[JOURNAL_FILE_HEADER], want[JOURNAL_FILE_HEADER];
    if (len < 4 || load_le32(bytes) != (uint32_t)ZSTD_FRAME)
        return 0;
    size_t size = ZSTD_findFrameCompressedSize(bytes, len);
    if (ZSTD_isError(size) || ZSTD_decompress(header, sizeof(header), bytes, size) != sizeof(header))
        return 0;
    journal_file_header(want);
    return memcmp(header, want, sizeof(want)) == 0 ? size : 0;
}

bool journal_is(const uint8_t *bytes, size_t len)
{
    return file_header_size(bytes, len) > 0;
}

/* ---- bytes of the file ---- */

static size_t held(const struct journal_reader *r)
{
    return r->end - r->start;
}

static void pass(struct journal_reader *r, size_t len)
{
    r->start += len;
    r->offset += len;
}

/* What was read may be written anew before the next call. */
static void forget(struct journal_reader *r)
{
    r->start = r->end = 0;
}

/* Has `need` bytes at hand, or all that the file has. Returns -1 with the cause. */
static int fill(struct journal_reader *r, size_t need, struct error *err)
{
    if (held(r) >= need)
        return 0;
    memmove(r->bytes, r->bytes + r->start, held(r));
    r->end = held(r);
    r->start = 0;
    if (need > r->size) {
        uint8_t *grown = realloc(r->bytes, need);
        if (!grown)
            return error_set(err, "journal: out of memory");
        r->bytes = grown;
        r->size = need;
    }
    while (r->end < r->size) {
        ssize_t n = pread(r->fd, r->bytes + r->end, r->size - r->end, (off_t)(r->offset + r->end));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, "journal: read");
        if (n == 0)
            break;
        r->end += (size_t)n;
    }
    return 0;
}

/* Past what is no head, to where one may begin. */
static void search(struct journal_reader *r)
{
    const uint8_t *at = r->bytes + r->start + 1;
    size_t left = held(r) - 1;
    const uint8_t *next = memmem(at, left, "\x5d\x2a\x4d\x18", 4);
    size_t skip = next ? (size_t)(next - at) + 1 : left > 3 ? left - 2 : 1;
    r->damage.bytes += skip;
    pass(r, skip);
}

/* ---- blocks ---- */

/* Results of a step. */
enum { STEP_FAILED = -1, STEP_BLOCK = 1, STEP_ON, STEP_MORE };

/* The block behind the head, whose frame is at hand unless heads alone are wanted. */
static int take_block(struct journal_reader *r, size_t head, const struct journal_block *block, const uint8_t **plain)
{
    const uint8_t *packed = r->bytes + r->start + head;
    bool is_whole = r->heads_only || (ZSTD_findFrameCompressedSize(packed, block->packed_len) == block->packed_len &&
                                      ZSTD_decompressDCtx(r->unpacker, r->plain, sizeof(r->plain), packed,
                                                          block->packed_len) == block->plain_len);
    if (!is_whole) {
        r->damage.blocks++;
        pass(r, head);
        return STEP_ON;
    }
    r->bytes_before = r->damage.bytes;
    *plain = r->heads_only ? NULL : r->plain;
    if (r->heads_only && held(r) < head + block->packed_len) {
        r->offset += head + block->packed_len;
        forget(r);
    } else {
        pass(r, head + block->packed_len);
    }
    return STEP_BLOCK;
}

static bool has_bytes(const struct journal_reader *r, uint64_t end)
{
    struct stat info;
    return fstat(r->fd, &info) == 0 && (uint64_t)info.st_size >= end;
}

/* The head at the place, whose bytes are at hand then. Returns its length, 0: the file has not all of it, or -1: there
 * is none; *result is STEP_FAILED when it cannot be read. */
static ptrdiff_t read_head(struct journal_reader *r, struct journal_block *block, int *result, struct error *err)
{
    ptrdiff_t head = journal_head_read(r->bytes + r->start, held(r), block);
    if (head != 0 || held(r) < JOURNAL_HEAD_MIN)
        return head;
    size_t need = (size_t)load_le32(r->bytes + r->start + 4) + 8;
    r->wanted = r->offset + need;
    if (fill(r, need, err) != 0) {
        *result = STEP_FAILED;
        return 0;
    }
    return journal_head_read(r->bytes + r->start, held(r), block);
}

/* What begins at the place: a block, the file's header, or nothing that makes sense. */
static int step(struct journal_reader *r, struct journal_block *block, const uint8_t **plain, struct error *err)
{
    int result = STEP_MORE;
    if (fill(r, JOURNAL_HEAD_MIN, err) != 0)
        return STEP_FAILED;
    r->wanted = r->offset + (held(r) > 0 ? (size_t)JOURNAL_HEAD_MIN : 1);
    size_t header = r->offset == 0 ? file_header_size(r->bytes + r->start, held(r)) : 0;
    if (header > 0) {
        pass(r, header);
        return STEP_ON;
    }
    ptrdiff_t head = read_head(r, block, &result, err);
    if (head == 0 || held(r) == 0)
        return result;
    if (head < 0) {
        search(r);
        return STEP_ON;
    }
    size_t whole = (size_t)head + block->packed_len, streams = (size_t)(block->streams - (r->bytes + r->start));
    r->wanted = r->offset + whole;
    if (!r->heads_only && fill(r, whole, err) != 0)
        return STEP_FAILED;
    if (r->heads_only ? !has_bytes(r, r->wanted) : held(r) < whole)
        return STEP_MORE;
    block->streams = r->bytes + r->start + streams;
    return take_block(r, (size_t)head, block, plain);
}

/* ---- files ---- */

static void leave_file(struct journal_reader *r)
{
    close(r->fd);
    r->fd = -1;
    r->file++;
    r->offset = 0;
    forget(r);
}

/* Opens the file at the place, or the next there is. 1, 0: there is none yet, -1: the cause. */
static int open_file(struct journal_reader *r, struct error *err)
{
    struct journal_file found;
    int result = journal_find(r->folder, r->file, &found, err);
    if (result != 1)
        return result;
    int fd = openat(r->folder, found.name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, "journal/%s", found.name);
    if (found.number != r->file) {
        r->damage.gone += r->file > 0 ? found.number - r->file : 0;
        r->offset = 0;
    }
    r->file = found.number;
    r->fd = fd;
    forget(r);
    return 1;
}

/* At the end of a single file what stands behind the last block is its tail. */
static int end_single(struct journal_reader *r)
{
    if (r->has_ended)
        return 0;
    r->has_ended = true;
    r->damage.tail = r->damage.bytes - r->bytes_before;
    r->damage.bytes = r->bytes_before;
    r->damage.files += r->offset == 0;
    return 0;
}

/* At the end of what the file has: 1 = there is more, or the chain goes on, 0 = there is nothing yet, or -1. What does
 * not make a block although nothing will follow it is searched for others: its length may be what is damaged. */
static int end_file(struct journal_reader *r, struct error *err)
{
    struct journal_file next;
    int result = r->folder < 0 ? 1 : journal_find(r->folder, r->file + 1, &next, err);
    if (result != 1)
        return result;
    if (has_bytes(r, r->wanted)) { /* written before the next one was begun */
        forget(r);
        return 1;
    }
    if (held(r) > 0) {
        search(r);
        return 1;
    }
    if (r->folder < 0)
        return end_single(r);
    r->damage.files += r->offset == 0;
    leave_file(r);
    return 1;
}

int journal_read(struct journal_reader *reader, struct journal_block *block, const uint8_t **plain, struct error *err)
{
    int result = 1;
    for (;;) {
        if (reader->fd < 0 && (result = open_file(reader, err)) != 1)
            return result;
        result = step(reader, block, plain, err);
        if (result == STEP_BLOCK)
            return JOURNAL_READ;
        if (result == STEP_MORE)
            result = end_file(reader, err);
        if (result == STEP_FAILED || result == 0) {
            forget(reader);
            return result;
        }
    }
}
