/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files whose names come of the time at which their first block was received: captures, or rows as JSON or CSV. One is
 * written under a name that ends with ".part" and gets its own when it is whole. What is on the disk, and how long the
 * file is then, is written down together, so that a file goes on where it ended and has everything once. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "feed/feed.h"
#include "feed/file_names.h"
#include "print/column.h"

enum {
    KEEP_US = 2 * SECOND_US,   /* between two times that it is brought to the disk */
    BOUND_US = 60 * SECOND_US, /* between two looks at what is too much or too old */
    LEVEL = 3,
    PIECE = 128 * 1024
};

struct file_feed {
    const struct feed_owner *owner;
    struct file_names names;
    const struct printer *printer; /* NULL: a capture */
    struct layout layout;
    struct output text;
    ZSTD_CStream *zstd; /* NULL: as it is */
    uint8_t *packed;
    int fd; /* -1 = none is open */
    char final[FILE_PATH], part[FILE_PATH + 8];
    uint64_t bytes;              /* written to it */
    int64_t kept_us, bound_us;   /* monotonic: when it was brought to the disk; when bounds are looked at next */
    struct feed_point end;       /* behind what is in it */
    uint64_t records, datagrams; /* of it, that are not yet counted */
    int cause;                   /* errno of what could not be written */
};

/* ---- writing ---- */

static bool write_plain(struct file_feed *f, const uint8_t *bytes, size_t len)
{
    size_t done = 0;
    while (done < len && f->cause == 0) {
        ssize_t n = write(f->fd, bytes + done, len - done);
        if (n < 0 && errno != EINTR)
            f->cause = errno;
        done += n > 0 ? (size_t)n : 0;
    }
    f->bytes += done;
    return f->cause == 0;
}

/* Compressed if it is to be; with `end` the frame ends, and what follows is another. */
static bool write_packed(struct file_feed *f, const void *bytes, size_t len, ZSTD_EndDirective end)
{
    ZSTD_inBuffer in = {bytes, len, 0};
    size_t left = 1;
    if (!f->zstd)
        return write_plain(f, bytes, len);
    while (left > 0 && f->cause == 0) {
        ZSTD_outBuffer out = {f->packed, PIECE, 0};
        left = ZSTD_compressStream2(f->zstd, &out, &in, end);
        if (ZSTD_isError(left))
            f->cause = ENOMEM;
        else
            (void)write_plain(f, f->packed, out.pos);
        if (end == ZSTD_e_continue && in.pos == in.size)
            break;
    }
    return f->cause == 0;
}

static bool put_text(void *context, const char *bytes, size_t len)
{
    return write_packed(context, bytes, len, ZSTD_e_continue);
}

static int fail(const struct file_feed *f, struct error *err)
{
    errno = f->cause;
    return error_errno(err, "%s", f->part);
}

/* Writes down how far the store is, with the file that is open and how long it is. */
static int note_part(struct file_feed *f, struct error *err)
{
    struct feed_place *place = f->owner->place;
    snprintf(place->note, sizeof(place->note), "%" PRIu64 " %s", f->bytes, f->part);
    return place_save(place, err);
}

/* Somebody may have removed it, or its folder: what is written then is nowhere. */
static bool is_there(const struct file_feed *f)
{
    struct stat here, there;
    return fstat(f->fd, &here) == 0 && lstat(f->part, &there) == 0 && here.st_dev == there.st_dev &&
           here.st_ino == there.st_ino;
}

/* Brings it to the disk, and writes down that it is there. */
static int keep(struct file_feed *f, struct error *err)
{
    struct feed_place *place = f->owner->place;
    if (f->printer)
        output_flush(&f->text);
    if (f->zstd)
        (void)write_packed(f, NULL, 0, ZSTD_e_end);
    if (f->cause == 0 && fdatasync(f->fd) != 0)
        f->cause = errno;
    if (f->cause == 0 && !is_there(f))
        f->cause = ENOENT;
    if (f->cause != 0)
        return fail(f, err);
    place->done = place->wanted = f->end;
    f->kept_us = clock_monotonic_us();
    if (note_part(f, err) != 0)
        return -1;
    f->owner->counts->records += f->records;
    f->owner->counts->datagrams += f->datagrams;
    f->records = f->datagrams = 0;
    return 0;
}

/* What is too much or too old goes. Where it cannot, that is said, and what comes is written all the same. */
static void bound(struct file_feed *f)
{
    struct feed_counts *counts = f->owner->counts;
    struct error why;
    f->bound_us = clock_monotonic_us() + BOUND_US;
    counts->trouble[0] = '\0';
    if (file_names_bound(&f->names, clock_unix_us() / SECOND_US, &why) != 0)
        snprintf(counts->trouble, sizeof(counts->trouble), "%.399s", why.text);
}

/* Gives it its name. */
static int publish(struct file_feed *f, struct error *err)
{
    (void)close(f->fd);
    f->fd = -1;
    if (file_names_publish(&f->names, f->part, f->final, err) != 0)
        return -1;
    f->owner->counts->batches++;
    f->owner->place->note[0] = '\0';
    return place_save(f->owner->place, err);
}

/* It has everything that is done: where it is not there any more, it has its name already. */
static int finish(struct file_feed *f, struct error *err)
{
    if (f->fd >= 0 && (keep(f, err) != 0 || publish(f, err) != 0))
        return -1;
    bound(f);
    return 0;
}

/* ---- opening ---- */

static void begin_content(struct file_feed *f)
{
    uint8_t header[JOURNAL_FILE_HEADER];
    if (f->printer && f->printer->header) {
        f->printer->header(&f->text, &f->layout);
    } else if (!f->printer) {
        journal_file_header(header);
        (void)write_packed(f, header, sizeof(header), ZSTD_e_continue);
    }
}

/* A file for blocks received from now on. */
static int begin_file(struct file_feed *f, int64_t time_s, struct error *err)
{
    f->fd = file_names_begin(&f->names, time_s, f->final, f->part, err);
    if (f->fd < 0)
        return -1;
    f->bytes = 0;
    f->cause = 0;
    f->kept_us = clock_monotonic_us();
    if (note_part(f, err) != 0)
        return -1;
    begin_content(f);
    return f->cause == 0 ? 0 : fail(f, err);
}

/* The file and its length out of the note. Returns whether there is one. */
static bool read_note(struct file_feed *f)
{
    const char *note = f->owner->place->note, *blank = strchr(note, ' ');
    char number[24];
    if (!blank || (size_t)(blank - note) >= sizeof(number))
        return false;
    snprintf(number, sizeof(number), "%.*s", (int)(blank - note), note);
    if (parse_number(number, 0, INT64_MAX, &f->bytes, NULL) != 0 || strlen(blank + 1) <= strlen(FILE_PART))
        return false;
    snprintf(f->part, sizeof(f->part), "%s", blank + 1);
    snprintf(f->final, sizeof(f->final), "%.*s", (int)(strlen(f->part) - strlen(FILE_PART)), f->part);
    return true;
}

/* Where path= leads elsewhere by now, that file may be out of reach. */
static int leave(const struct file_feed *f, struct error *err)
{
    size_t len = strlen(f->names.folder);
    int cause = errno;
    if (cause == ENOENT)
        return 0;
    if (strncmp(f->part, f->names.folder, len) == 0 && f->part[len] == '/') {
        errno = cause;
        return error_errno(err, "%s", f->part);
    }
    log_line("warning: store %s: %s keeps this name, as path= leads elsewhere now: %s", f->owner->spec->name, f->part,
             strerror(cause));
    return 0;
}

/* The one that was open when it ended: what is behind what was written down is not in it any more. One that has nothing
 * is begun again, one of other content ends there. */
static int go_on(struct file_feed *f, struct error *err)
{
    f->end = f->owner->place->done;
    if (!read_note(f))
        return 0;
    if (f->bytes == 0)
        return unlink(f->part) == 0 ? 0 : leave(f, err);
    f->fd = open(f->part, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (f->fd < 0)
        return leave(f, err);
    if (ftruncate(f->fd, (off_t)f->bytes) != 0 || lseek(f->fd, 0, SEEK_END) != (off_t)f->bytes)
        return error_errno(err, "%s", f->part);
    f->kept_us = clock_monotonic_us();
    size_t len = strlen(f->final), ending = strlen(f->names.ending);
    return len > ending && strcmp(f->final + len - ending, f->names.ending) == 0 ? 0 : publish(f, err);
}

static int prepare(struct file_feed *f, struct error *err)
{
    if (file_names_parse(f->owner->spec, &f->names, err) != 0)
        return -1;
    f->printer = f->names.content == FILE_JSON ? &printer_json : f->names.content == FILE_CSV ? &printer_csv : NULL;
    layout_default(&f->layout);
    f->layout.time_style = f->printer ? f->printer->time_style : WHEN_ISO;
    output_init_put(&f->text, put_text, f);
    if (!f->names.is_packed)
        return 0;
    f->zstd = ZSTD_createCStream();
    f->packed = malloc(PIECE);
    if (!f->zstd || !f->packed || ZSTD_isError(ZSTD_CCtx_setParameter(f->zstd, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(f->zstd, ZSTD_c_checksumFlag, 1)))
        return error_set(err, "out of memory");
    return 0;
}

static void file_close(void *feed)
{
    struct file_feed *f = feed;
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    ZSTD_freeCStream(f->zstd);
    free(f->packed);
    free(f);
}

static void *file_open(const struct feed_owner *owner, struct error *err)
{
    struct file_feed *f = calloc(1, sizeof(*f));
    if (!f) {
        error_set(err, "out of memory");
        return NULL;
    }
    f->owner = owner;
    f->fd = -1;
    if (prepare(f, err) == 0 && go_on(f, err) == 0)
        return f;
    file_close(f);
    return NULL;
}

/* ---- taking ---- */

static void put_rows(struct file_feed *f, const uint8_t *plain, size_t len)
{
    const uint8_t *at = plain, *end = plain + len;
    struct dnsflow_record record;
    struct received from;
    while (journal_data_read(&at, end, &from))
        while (dnsflow_next_record(&from.datagram, &record))
            f->printer->record(&f->text, &f->layout, &from, &record);
}

static int file_take(void *feed, const struct journal_block *block, const uint8_t *plain,
                     const struct feed_point *behind, struct error *err)
{
    struct file_feed *f = feed;
    int64_t time_s = block->first_us / SECOND_US;
    if (block->datagrams > 0 && f->fd >= 0 && !file_names_is_of(&f->names, time_s, f->final) && finish(f, err) != 0)
        return FEED_FAILED;
    if (block->datagrams > 0 && f->fd < 0 && begin_file(f, time_s, err) != 0)
        return FEED_FAILED;
    if (block->datagrams > 0 && f->printer)
        put_rows(f, plain, block->plain_len);
    else if (block->datagrams > 0)
        (void)write_packed(f, plain, block->plain_len, ZSTD_e_continue);
    if (f->cause != 0)
        return fail(f, err);
    f->end = *behind;
    f->records += block->records;
    f->datagrams += block->datagrams;
    return FEED_TAKEN;
}

/* A file ends with its time, also where nothing comes any more; that there may be more in the journal is no matter, as
 * another file goes on then. */
static int file_work(void *feed, bool is_all, struct error *err)
{
    struct file_feed *f = feed;
    int64_t now_us = clock_monotonic_us();
    if (now_us >= f->bound_us)
        bound(f);
    if (f->fd < 0) { /* blocks without a datagram are of no file */
        f->owner->place->done = f->owner->place->wanted = f->end;
        return 0;
    }
    bool is_over = !file_names_is_of(&f->names, clock_unix_us() / SECOND_US - FILE_LATE_S, f->final);
    bool is_behind = f->end.block != f->owner->place->done.block;
    if (is_over && !is_behind)
        return finish(f, err);
    return is_behind && (is_all || now_us - f->kept_us >= KEEP_US) ? keep(f, err) : 0;
}

static int file_check(const struct feed_spec *spec, struct error *err)
{
    struct file_names names;
    return file_names_parse(spec, &names, err);
}

static const struct feed_key keys[] = {
    {"path", "PATTERN",
     "with % as in strftime(3), UTC: /srv/dns/%Y%m%d/%H%M.pcap.zst; ends with .pcap, .ndjson or .csv,"
     " and .zst to be compressed",
     false, false},
    {"max-size", "SIZE", "of all these files; then the oldest go", false, false},
    {"max-age", "TIME", "such as 30d; what is older goes", false, false},
};

const struct feed_kind feed_file = {.name = "file",
                                    .help = "files by time: captures, or rows",
                                    .keys = keys,
                                    .keys_count = sizeof(keys) / sizeof(keys[0]),
                                    .check = file_check,
                                    .open = file_open,
                                    .take = file_take,
                                    .work = file_work,
                                    .close = file_close,
                                    .folder = file_names_folder};
