/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Datagrams as a capture file: DLT_NULL, IPv4 127.0.0.1:0 to 127.0.0.1:5300 with TTL 64, DF, id 0 and valid
 * checksums. Nothing in it depends on the machine or the hour, so that a file read twice gives the same bytes. What the
 * disk or a pipe has no room for waits in the buffer, so that the file goes on where it stopped once there is room:
 * after a failed write it is tried again every second; at the end a full pipe is waited for a second. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "dnsflow.h"
#include "net/numbers.h"
#include "sink/sink.h"

enum {
    BUFFER = 256 * 1024,
    RECORD_HEADER = 16,
    NULL_HEADER = 4,
    IP_HEADER = 20,
    UDP_HEADER = 8,
    OVERHEAD = RECORD_HEADER + NULL_HEADER + IP_HEADER + UDP_HEADER,
    FILE_HEADER = 24,
    RETRY_US = SECOND_US,      /* between attempts to write on after a failure */
    QUIET_US = 10 * SECOND_US, /* between two lines about a failure */
    WAIT_MS = 50,              /* for room in a pipe, between two looks at the stop flag */
    END_US = SECOND_US,        /* for room in a pipe, at the end */
};

struct pcap_file_sink {
    struct counters *counters;
    char *path;
    const atomic_bool *wait_until; /* NULL: waits for nobody */
    bool is_for_good;
    int fd;
    bool is_regular;
    off_t size;    /* of the file, as far as this sink knows */
    counter cause; /* errno that stopped the writing, 0 = none */
    bool is_told;  /* the operator knows of it */
    int64_t next_try_us, next_line_us;
    counter written, lost; /* datagrams */
    uint64_t held;         /* ... in the buffer */
    size_t header_left;    /* bytes of the file header that are not in the file yet */
    size_t ahead;          /* bytes of the first record in the buffer that the file has already */
    struct writer out;
    uint8_t buffer[BUFFER];
};

/* pcap's own numbers are in the byte order of the machine that writes; the magic tells. */
static void write_host32(struct writer *out, uint32_t v)
{
    write_bytes(out, &v, sizeof(v));
}

static void write_host16(struct writer *out, uint16_t v)
{
    write_bytes(out, &v, sizeof(v));
}

static inline uint64_t add_carried(uint64_t sum, uint64_t word)
{
    bool carry = __builtin_add_overflow(sum, word, &sum);
    return sum + carry;
}

static inline uint64_t add_pair(uint64_t sum, const uint64_t words[2])
{
    return add_carried(add_carried(sum, words[0]), words[1]);
}

/* Sum of 16-bit words, in memory order, an odd byte padded with zero (RFC 1071). Adding 8 bytes at a time with the
 * carry brought around gives the same sum once it is folded. */
static uint64_t sum_words(uint64_t sum, const uint8_t *bytes, size_t len)
{
    uint64_t words[2];
    for (; len >= sizeof(words); len -= sizeof(words), bytes += sizeof(words)) {
        memcpy(words, bytes, sizeof(words));
        sum = add_pair(sum, words);
    }
    if (len > 0) {
        memset(words, 0, sizeof(words));
        memcpy(words, bytes, len);
        sum = add_pair(sum, words);
    }
    return sum;
}

static uint16_t fold_checksum(uint64_t sum)
{
    uint16_t bytes;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    bytes = (uint16_t)~sum;
    return load_be16((const uint8_t *)&bytes);
}

static void write_headers(struct writer *out, const uint8_t *datagram, size_t len)
{
    static const uint8_t loopback[8] = {127, 0, 0, 1, 127, 0, 0, 1};
    uint8_t pseudo[12];
    uint8_t *ip = out->at;
    write_u8(out, 0x45);
    write_u8(out, 0);
    write_be16(out, IP_HEADER + UDP_HEADER + len);
    write_be16(out, 0);
    write_be16(out, 0x4000); /* DF */
    write_u8(out, 64);
    write_u8(out, 17);
    write_be16(out, 0);
    write_bytes(out, loopback, sizeof(loopback));
    store_be16(ip + 10, fold_checksum(sum_words(0, ip, IP_HEADER)));

    uint8_t *udp = out->at;
    write_be16(out, 0);
    write_be16(out, DNSFLOW_PORT);
    write_be16(out, UDP_HEADER + len);
    write_be16(out, 0);
    memcpy(pseudo, loopback, sizeof(loopback));
    store_be16(pseudo + 8, 17);
    store_be16(pseudo + 10, (uint16_t)(UDP_HEADER + len));
    uint64_t sum = sum_words(sum_words(0, pseudo, sizeof(pseudo)), udp, UDP_HEADER);
    uint16_t checksum = fold_checksum(sum_words(sum, datagram, len));
    store_be16(udp + 6, checksum ? checksum : 0xffff); /* RFC 768: 0 would mean that there is none */
}

/* ---- writing ---- */

/* Waits a little for room in a pipe. */
static void wait_for_room(const struct pcap_file_sink *sink)
{
    struct pollfd ready = {.fd = sink->fd, .events = POLLOUT};
    (void)poll(&ready, 1, WAIT_MS);
}

/* Returns 0 or an errno; *done says how many bytes the file has taken. EAGAIN: a pipe is full. */
static int write_all(struct pcap_file_sink *sink, const uint8_t *bytes, size_t len, size_t *done)
{
    *done = 0;
    while (*done < len) {
        ssize_t n = write(sink->fd, bytes + *done, len - *done);
        if (n >= 0) {
            *done += (size_t)n;
            sink->size += n;
        } else if (errno == EAGAIN && sink->wait_until && !atomic_load(sink->wait_until)) {
            wait_for_room(sink);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

static int write_file_header(struct pcap_file_sink *sink)
{
    uint8_t bytes[FILE_HEADER];
    struct writer out = writer_over(bytes, sizeof(bytes));
    size_t done;
    if (sink->header_left == 0)
        return 0;
    write_host32(&out, 0xa1b2c3d4);
    write_host16(&out, 2);
    write_host16(&out, 4);
    write_host32(&out, 0);
    write_host32(&out, 0);
    write_host32(&out, 65535);
    write_host32(&out, LINKTYPE_NULL);
    int cause = write_all(sink, bytes + FILE_HEADER - sink->header_left, sink->header_left, &done);
    sink->header_left -= done;
    return cause;
}

/* The file has the first `done` bytes of the buffer: the records that are whole in it leave. */
static void take_out(struct pcap_file_sink *sink, size_t done)
{
    size_t len = writer_len(&sink->out), at = 0;
    uint64_t count = 0;
    while (done < len && at + RECORD_HEADER <= done) {
        uint32_t captured;
        memcpy(&captured, sink->buffer + at + 8, sizeof(captured));
        if (at + RECORD_HEADER + captured > done)
            break;
        at += RECORD_HEADER + captured;
        count++;
    }
    if (done == len) {
        at = len;
        count = sink->held;
    }
    memmove(sink->buffer, sink->buffer + at, len - at);
    sink->out.at -= at;
    sink->ahead = done - at;
    sink->held -= count;
    counter_add(&sink->written, count);
    counter_add(&sink->counters->drops[DROP_WRITTEN], count);
}

static void lose(struct pcap_file_sink *sink, uint64_t count)
{
    counter_add(&sink->lost, count);
    counter_add(&sink->counters->drops[DROP_WRITE_LOST], count);
}

static const char *cause_text(int cause)
{
    return cause == EAGAIN ? "its reader does not keep up" : cause ? strerror(cause) : "";
}

/* EPIPE lasts until the file is opened anew: who read has gone. */
static void note_cause(struct pcap_file_sink *sink, int cause)
{
    int64_t now = clock_monotonic_us();
    bool is_end = cause == EPIPE || (cause != 0 && cause != EAGAIN && sink->is_for_good);
    int before = (int)counter_read(&sink->cause);
    counter_set(&sink->cause, (uint64_t)cause);
    sink->next_try_us = is_end ? INT64_MAX : cause == EAGAIN ? 0 : now + RETRY_US;
    if (cause == 0 && sink->is_told) {
        log_line("file %s: can be written to again", sink->path);
        sink->is_told = false;
    } else if (is_end && before != cause) {
        log_line("error: %s: %s; nothing more is written to it", sink->path, strerror(cause));
        sink->is_told = true;
    } else if (cause != 0 && !is_end && !sink->is_told && now >= sink->next_line_us) {
        log_line("error: %s: %s; %sdatagrams that find no room in memory are lost", sink->path, cause_text(cause),
                 cause == EAGAIN ? "" : "trying again every second, ");
        sink->is_told = true;
        sink->next_line_us = now + QUIET_US;
    }
}

/* Begins the file, or begins it anew. */
static void use_file(struct pcap_file_sink *sink, int fd)
{
    struct stat file;
    sink->fd = fd;
    sink->header_left = FILE_HEADER;
    sink->ahead = 0;
    sink->size = 0;
    sink->next_try_us = 0;
    sink->is_regular = strcmp(sink->path, "-") != 0 && fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
    if (sink->is_regular && (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0))
        note_cause(sink, errno);
}

/* Another program may empty the file and leave it where it is: what is written on would stand behind a hole. */
static void look_at_file(struct pcap_file_sink *sink)
{
    struct stat file;
    if (!sink->is_regular || fstat(sink->fd, &file) != 0 || file.st_size >= sink->size)
        return;
    log_line("warning: %s: was cut by another program; begun anew", sink->path);
    use_file(sink, sink->fd);
}

/* What cannot be written stays in the buffer. */
static void write_held(struct pcap_file_sink *sink)
{
    size_t done = 0;
    look_at_file(sink);
    int cause = write_file_header(sink);
    if (cause == 0) {
        cause = write_all(sink, sink->buffer + sink->ahead, writer_len(&sink->out) - sink->ahead, &done);
        take_out(sink, sink->ahead + done);
    }
    if (cause != EAGAIN && (cause != 0 || counter_read(&sink->cause) != 0))
        note_cause(sink, cause);
}

static void flush_file(void *self)
{
    struct pcap_file_sink *sink = self;
    if (counter_read(&sink->cause) == 0 || clock_monotonic_us() >= sink->next_try_us)
        write_held(sink);
}

/* The file ends with its last whole record. */
static void cut_part(struct pcap_file_sink *sink)
{
    struct stat file;
    size_t part = sink->header_left > 0 ? FILE_HEADER - sink->header_left : sink->ahead;
    if (part > 0 && fstat(sink->fd, &file) == 0 && S_ISREG(file.st_mode))
        (void)!ftruncate(sink->fd, file.st_size - (off_t)part);
    sink->ahead = 0;
}

static void write_file(void *self, const uint8_t *datagram, size_t len, int64_t time_us)
{
    struct pcap_file_sink *sink = self;
    uint32_t captured = (uint32_t)(NULL_HEADER + IP_HEADER + UDP_HEADER + len), seconds, microseconds;
    if (writer_room(&sink->out) < OVERHEAD + len)
        flush_file(sink);
    if (writer_room(&sink->out) < OVERHEAD + len) {
        if (counter_read(&sink->cause) == 0)
            note_cause(sink, EAGAIN);
        lose(sink, 1);
        return;
    }
    clock_split(time_us, &seconds, &microseconds);
    write_host32(&sink->out, seconds);
    write_host32(&sink->out, microseconds);
    write_host32(&sink->out, captured);
    write_host32(&sink->out, captured);
    write_host32(&sink->out, 2); /* AF_INET */
    write_headers(&sink->out, datagram, len);
    write_bytes(&sink->out, datagram, len);
    sink->held++;
}

/* ---- the file ---- */

/* A pipe does not block its writer. That of standard output may be another program's too, so that it is opened once
 * more; where that cannot be, it blocks. */
static int open_standard_output(void)
{
    struct stat file;
    if (fstat(STDOUT_FILENO, &file) != 0 || !S_ISFIFO(file.st_mode))
        return STDOUT_FILENO;
    int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 ? fd : STDOUT_FILENO;
}

/* Not emptied yet: it may be the file that is open already. A new one is given to its owner. */
static int open_path(const char *path, const struct sink_owner *owner, struct error *err)
{
    if (strcmp(path, "-") == 0)
        return open_standard_output();
    int fd = owner ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1;
    if (fd >= 0 && fchown(fd, owner->uid, owner->gid) != 0)
        log_line("warning: %s: cannot be given to uid %d: %s", path, (int)owner->uid, strerror(errno));
    if (fd < 0)
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644); /* that of a named pipe waits for a reader */
    if (fd >= 0)
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd >= 0 ? fd : error_errno(err, "%s", path);
}

/* Without waiting for the reader of a pipe. */
static int open_again(const char *path, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0644);
    if (fd >= 0)
        return fd;
    if (errno == ENXIO)
        return error_set(err, "%s: nobody reads from this pipe", path);
    return error_errno(err, "%s", path);
}

static bool is_same_file(int a, int b)
{
    struct stat one, other;
    return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* After a rotation the name leads to a new file, which gets what the old one could not take; if nobody has moved it,
 * the old one stays. The next reader of a named pipe gets a file from its beginning. */
static void set_file(struct pcap_file_sink *sink, int fd)
{
    bool has_reader = counter_read(&sink->cause) != EPIPE;
    if (has_reader)
        write_held(sink);
    if (has_reader && is_same_file(fd, sink->fd)) {
        close(fd);
        return;
    }
    cut_part(sink);
    close(sink->fd);
    use_file(sink, fd);
    write_held(sink);
}

static void reopen_file(void *self)
{
    struct pcap_file_sink *sink = self;
    struct error why;
    if (strcmp(sink->path, "-") == 0)
        return;
    int fd = open_again(sink->path, &why);
    if (fd >= 0)
        set_file(sink, fd);
    else
        log_line("warning: %s; %s", why.text, sink_pcap_file.old);
}

static void renew_file(void *self, const struct sink_news *news)
{
    set_file(self, news->fd);
}

static void output_file(const void *self, struct sink_output *out)
{
    const struct pcap_file_sink *sink = self;
    *out = (struct sink_output){.name = sink->path,
                                .sent = counter_read(&sink->written),
                                .lost[SINK_LOST_OTHER] = counter_read(&sink->lost),
                                .cause = (int)counter_read(&sink->cause)};
}

static void end_file(void *self)
{
    struct pcap_file_sink *sink = self;
    int64_t until = clock_monotonic_us() + END_US;
    write_held(sink);
    while (sink->held > 0 && !sink->is_regular && counter_read(&sink->cause) != EPIPE && clock_monotonic_us() < until) {
        wait_for_room(sink);
        write_held(sink);
    }
    if (sink->held > 0 && counter_read(&sink->cause) == 0)
        note_cause(sink, EAGAIN);
    cut_part(sink);
    lose(sink, sink->held);
    sink->held = 0;
    sink->out = writer_over(sink->buffer, BUFFER);
}

static int report_file(void *self)
{
    const struct pcap_file_sink *sink = self;
    uint64_t written = counter_read(&sink->written), lost = counter_read(&sink->lost);
    int cause = (int)counter_read(&sink->cause);
    log_line("file %s: %" PRIu64 " datagram%s written, %" PRIu64 " lost%s%s", sink->path, written,
             written == 1 ? "" : "s", lost, cause ? "; error: " : "", cause_text(cause));
    return lost > 0 || cause ? -1 : 0;
}

static void close_file(void *self)
{
    struct pcap_file_sink *sink = self;
    if (!sink)
        return;
    if (sink->fd > STDERR_FILENO)
        close(sink->fd);
    free(sink->path);
    free(sink);
}

/* ---- the kind ---- */

static int parse_file(struct sink_plan *plan, struct error *err)
{
    plan->is_renewable = strcmp(plan->value, "-") != 0;
    return parse_path(plan->value, &plan->value, err);
}

static int open_file(const struct sink_plan *plan, const struct sink_start *start, struct counters *counters,
                     struct sink **out, struct error *err)
{
    static const struct sink_ops ops = {.write = write_file,
                                        .flush = flush_file,
                                        .end = end_file,
                                        .reopen = reopen_file,
                                        .renew = renew_file,
                                        .output = output_file,
                                        .report = report_file,
                                        .close = close_file};
    struct pcap_file_sink *sink = calloc(1, sizeof(*sink));
    if (!sink || !(sink->path = strdup(plan->value))) {
        free(sink);
        return error_set(err, "%s: out of memory", plan->value);
    }
    sink->wait_until = start->is_live ? NULL : start->stop;
    sink->counters = counters;
    sink->is_for_good = start->is_for_good;
    sink->out = writer_over(sink->buffer, BUFFER);
    int fd = open_path(sink->path, start->owner, err);
    if (fd < 0) {
        close_file(sink);
        return -1;
    }
    use_file(sink, fd);
    return sink_create(&ops, sink, out, err);
}

static int renew_path(const struct sink_plan *plan, struct sink_news *out, struct error *err)
{
    out->address.len = 0;
    out->fd = open_again(plan->value, err);
    return out->fd >= 0 ? 0 : -1;
}

const struct sink_kind sink_pcap_file = {.is_file = true,
                                         .most = 1,
                                         .many = "files",
                                         .old = "writing on to the old file",
                                         .parse = parse_file,
                                         .open = open_file,
                                         .renew = renew_path};
