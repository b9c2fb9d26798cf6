/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Datagrams as a capture file: DLT_NULL, IPv4 127.0.0.1:0 to 127.0.0.1:5300 with TTL 64, DF, id 0 and valid
 * checksums. Nothing in it depends on the machine or the hour, so that a file read twice gives the same bytes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "dnsflow.h"
#include "sink/sink.h"

enum {
    BUFFER = 256 * 1024,
    RECORD_HEADER = 16,
    NULL_HEADER = 4,
    IP_HEADER = 20,
    UDP_HEADER = 8,
    OVERHEAD = RECORD_HEADER + NULL_HEADER + IP_HEADER + UDP_HEADER,
};

struct pcap_file_sink {
    struct counters *counters;
    char *path;
    int fd;
    int cause; /* errno that ended the writing, 0 = none */
    uint64_t datagrams, lost;
    uint64_t held; /* datagrams in the buffer */
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

static void write_file_header(struct writer *out)
{
    write_host32(out, 0xa1b2c3d4);
    write_host16(out, 2);
    write_host16(out, 4);
    write_host32(out, 0);
    write_host32(out, 0);
    write_host32(out, 65535);
    write_host32(out, 0); /* LINKTYPE_NULL */
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

/* After a failed write the file ends inside a record, so that nothing more can follow. */
static void fail(struct pcap_file_sink *sink, int cause)
{
    sink->cause = cause;
    log_line("error: %s: %s; nothing more is written to it", sink->path, strerror(cause));
}

static void flush_file(void *self)
{
    struct pcap_file_sink *sink = self;
    const uint8_t *at = sink->buffer;
    while (!sink->cause && at < sink->out.at) {
        ssize_t n = write(sink->fd, at, (size_t)(sink->out.at - at));
        if (n >= 0)
            at += n;
        else if (errno != EINTR)
            fail(sink, errno);
    }
    counter_add(&sink->counters->drops[sink->cause ? DROP_WRITE_LOST : DROP_WRITTEN], sink->held);
    if (sink->cause)
        sink->lost += sink->held;
    else
        sink->datagrams += sink->held;
    sink->held = 0;
    sink->out = writer_over(sink->buffer, BUFFER);
}

static void write_file(void *self, const uint8_t *datagram, size_t len, int64_t time_us)
{
    struct pcap_file_sink *sink = self;
    uint32_t captured = (uint32_t)(NULL_HEADER + IP_HEADER + UDP_HEADER + len), seconds, microseconds;
    if (writer_room(&sink->out) < OVERHEAD + len)
        flush_file(sink);
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

/* Not emptied yet: it may be the file that is open already. */
static int open_path(const char *path, struct error *err)
{
    int fd = strcmp(path, "-") == 0 ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    return fd >= 0 ? fd : error_errno(err, "%s", path);
}

/* Returns 0 or an errno. */
static int empty(int fd)
{
    struct stat file;
    if (fstat(fd, &file) != 0)
        return errno;
    return S_ISREG(file.st_mode) && ftruncate(fd, 0) != 0 ? errno : 0;
}

static bool is_same_file(int a, int b)
{
    struct stat one, other;
    return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* After a rotation the name leads to a new file; if nobody has moved it, the old one stays. */
static void set_file(void *self, int fd)
{
    struct pcap_file_sink *sink = self;
    flush_file(sink);
    if (sink->fd == STDOUT_FILENO || is_same_file(fd, sink->fd)) {
        close(fd);
        return;
    }
    close(sink->fd);
    sink->fd = fd;
    sink->cause = empty(fd);
    write_file_header(&sink->out);
}

static void reopen_file(void *self)
{
    struct pcap_file_sink *sink = self;
    struct error why;
    int fd = sink->fd == STDOUT_FILENO ? -1 : open_path(sink->path, &why);
    if (fd >= 0)
        set_file(self, fd);
    else if (sink->fd != STDOUT_FILENO)
        log_line("warning: %s; writing on to the old file", why.text);
}

static size_t limit_file(const void *self)
{
    (void)self;
    return DNSFLOW_LIMIT_IP4;
}

static int report_file(void *self)
{
    struct pcap_file_sink *sink = self;
    flush_file(sink);
    log_line("file %s: %" PRIu64 " datagrams written, %" PRIu64 " lost%s%s", sink->path, sink->datagrams, sink->lost,
             sink->cause ? "; error: " : "", sink->cause ? strerror(sink->cause) : "");
    return sink->cause ? -1 : 0;
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

int sink_open_pcap_file(const char *path, struct counters *counters, struct sink **out, struct error *err)
{
    static const struct sink_ops ops = {.write = write_file,
                                        .flush = flush_file,
                                        .reopen = reopen_file,
                                        .set_file = set_file,
                                        .limit = limit_file,
                                        .report = report_file,
                                        .close = close_file};
    struct pcap_file_sink *sink = calloc(1, sizeof(*sink));
    if (!sink || !(sink->path = strdup(path))) {
        free(sink);
        return error_set(err, "%s: out of memory", path);
    }
    sink->counters = counters;
    sink->out = writer_over(sink->buffer, BUFFER);
    sink->fd = open_path(path, err);
    if (sink->fd < 0) {
        close_file(sink);
        return -1;
    }
    if (sink->fd != STDOUT_FILENO)
        sink->cause = empty(sink->fd);
    write_file_header(&sink->out);
    return sink_create(&ops, sink, out, err);
}
