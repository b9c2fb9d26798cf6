/* SPDX-License-Identifier: BSD-3-Clause */
#include "testing.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "sink/sink.h"

enum { FILE_HEADER = 24, RECORD_HEADER = 16, HEADERS = 4 + 20 + 8 };

static struct counters counters;
static struct error err;

static uint64_t counted(enum drop_reason reason)
{
    return counter_read(&counters.drops[reason]);
}

static struct sink *open_sink(const char *path)
{
    struct sink *sink;
    memset(&counters, 0, sizeof(counters));
    const struct sink_plan plan = {.kind = &sink_pcap_file, .value = path};
    const struct sink_start start = {.is_live = true};
    if (sink_pcap_file.open(&plan, &start, &counters, &sink, &err) != 0)
        fail_msg("%s", err.text);
    return sink;
}

/* Datagrams of every length up to the limit, of random bytes. */
static void write_all(struct sink *sink)
{
    struct chance c = {15};
    for (size_t len = 0; len <= DNSFLOW_LIMIT_IP4; len++) {
        uint8_t bytes[DNSFLOW_LIMIT_IP4];
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(len == 7 ? 0xff : chance_next(&c));
        uint8_t *copy = exact_copy(bytes, len);
        sink_write(sink, copy, len, INT64_C(1700000000000000) + (int64_t)len * 999999);
        free(copy);
    }
}

static uint32_t host32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static void check_record(const uint8_t *record, size_t len)
{
    const uint8_t *ip = record + RECORD_HEADER + 4, *udp = ip + 20;
    int64_t time_us = INT64_C(1700000000000000) + (int64_t)len * 999999;
    assert_true(host32(record) == time_us / 1000000);
    assert_true(host32(record + 4) == time_us % 1000000);
    assert_true(host32(record + 8) == HEADERS + len && host32(record + 12) == HEADERS + len);
    assert_true(host32(record + RECORD_HEADER) == 2);
    assert_int_equal(ip[0], 0x45);
    assert_int_equal(load_be16(ip + 2), 28 + len);
    assert_int_equal(load_be16(ip + 4), 0);
    assert_int_equal(load_be16(ip + 6), 0x4000);
    assert_int_equal(ip[8], 64);
    assert_int_equal(ip[9], 17);
    assert_memory_equal(ip + 12, "\x7f\0\0\1\x7f\0\0\1", 8);
    assert_int_equal(slow_sum(0, ip, 20), 0xffff);
    assert_int_equal(load_be16(udp), 0);
    assert_int_equal(load_be16(udp + 2), 5300);
    assert_int_equal(load_be16(udp + 4), 8 + len);
    assert_int_not_equal(load_be16(udp + 6), 0);
    assert_int_equal(udp_checksum(4, ip + 12, ip + 16, udp, 8 + len), 0);
}

static void headers_and_checksums(void **state)
{
    (void)state;
    char path[256];
    temp_file(path, "old content", 11);
    struct sink *sink = open_sink(path);
    assert_true(sink_limit(sink) >= DNSFLOW_LIMIT_IP4);
    write_all(sink);
    assert_int_equal(sink_report(sink), 0);
    sink_close(sink);
    assert_true(counted(DROP_WRITTEN) == DNSFLOW_LIMIT_IP4 + 1 && counted(DROP_WRITE_LOST) == 0);
    size_t len, at = FILE_HEADER;
    uint8_t *bytes = read_whole(path, &len);
    assert_true(host32(bytes) == 0xa1b2c3d4);
    assert_true(host32(bytes + 20) == 0); /* LINKTYPE_NULL */
    assert_true(host32(bytes + 16) >= HEADERS + DNSFLOW_LIMIT_IP4);
    for (size_t n = 0; n <= DNSFLOW_LIMIT_IP4; n++) {
        assert_true(len - at >= RECORD_HEADER + HEADERS + n);
        check_record(bytes + at, n);
        at += RECORD_HEADER + HEADERS + n;
    }
    assert_int_equal(at, len);
    free(bytes);
    unlink(path);
}

/* A sum of ffff is sent as such, never as 0, which would mean that there is none. */
static void checksums_of_zero(void **state)
{
    (void)state;
    char path[256];
    temp_file(path, NULL, 0);
    struct sink *sink = open_sink(path);
    enum { COUNT = 65536, EACH = RECORD_HEADER + HEADERS + 2 };
    for (unsigned v = 0; v < COUNT; v++)
        sink_write(sink, (const uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2, 0);
    sink_close(sink);
    size_t len;
    unsigned all_ones = 0;
    uint8_t *bytes = read_whole(path, &len);
    assert_int_equal(len, FILE_HEADER + (size_t)COUNT * EACH);
    for (size_t n = 0; n < COUNT; n++) {
        const uint8_t *ip = bytes + FILE_HEADER + n * EACH + RECORD_HEADER + 4;
        assert_int_equal(udp_checksum(4, ip + 12, ip + 16, ip + 20, 10), 0);
        assert_int_not_equal(load_be16(ip + 26), 0);
        all_ones += load_be16(ip + 26) == 0xffff;
    }
    assert_true(all_ones >= 1);
    free(bytes);
    unlink(path);
}

/* A pcap file has no times before 1970 nor after 2106, but its fraction is always one of a second. */
static void times_that_a_file_cannot_hold(void **state)
{
    (void)state;
    static const int64_t times[] = {-1,        -1000000,  -1500000,
                                    INT64_MIN, INT64_MAX, INT64_C(0xffffffff) * 1000000 + 999999};
    char path[256];
    size_t len;
    temp_file(path, NULL, 0);
    struct sink *sink = open_sink(path);
    for (size_t i = 0; i < LEN(times); i++)
        sink_write(sink, (const uint8_t *)"x", 1, times[i]);
    sink_close(sink);
    uint8_t *bytes = read_whole(path, &len);
    assert_int_equal(len, FILE_HEADER + LEN(times) * (RECORD_HEADER + HEADERS + 1));
    for (size_t i = 0; i < LEN(times); i++)
        assert_in_range(host32(bytes + FILE_HEADER + i * (RECORD_HEADER + HEADERS + 1) + 4), 0, 999999);
    free(bytes);
    unlink(path);
}

static void the_same_bytes_twice(void **state)
{
    (void)state;
    uint8_t *bytes[2];
    size_t len[2];
    for (int i = 0; i < 2; i++) {
        char path[256];
        temp_file(path, NULL, 0);
        struct sink *sink = open_sink(path);
        write_all(sink);
        if (i == 1)
            sink_flush(sink);
        sink_close(sink);
        bytes[i] = read_whole(path, &len[i]);
        unlink(path);
    }
    assert_int_equal(len[0], len[1]);
    assert_memory_equal(bytes[0], bytes[1], len[0]);
    free(bytes[0]);
    free(bytes[1]);
}

static void a_file_without_datagrams(void **state)
{
    (void)state;
    char path[256];
    struct stat info;
    temp_file(path, NULL, 0);
    sink_close(open_sink(path));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, FILE_HEADER);
    unlink(path);
}

static void a_full_disk(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0) {
        printf("skipped: no /dev/full\n");
        skip();
        return;
    }
    struct sink *sink = open_sink("/dev/full");
    write_all(sink);
    sink_flush(sink);
    assert_true(counted(DROP_WRITTEN) == 0);
    write_all(sink);
    sink_end(sink);
    assert_int_equal(sink_report(sink), -1);
    assert_true(counted(DROP_WRITE_LOST) == 2 * (DNSFLOW_LIMIT_IP4 + 1));
    sink_close(sink);
}

/* The disk is full after `room` bytes, wherever in a record that is; then there is room again. */
static uint8_t *write_through_full_disk(rlim_t room, bool rotate, size_t *len)
{
    char path[256], moved[300];
    struct rlimit limit;
    temp_file(path, NULL, 0);
    snprintf(moved, sizeof(moved), "%s.1", path);
    struct sink *sink = open_sink(path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const struct rlimit full = {.rlim_cur = room, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    for (int i = 0; i < 3; i++)
        sink_write(sink, (const uint8_t *)"datagram", 8, i * 1000000);
    sink_flush(sink);
    sink_write(sink, (const uint8_t *)"another", 7, 5000000);
    sink_flush(sink);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    if (rotate)
        assert_int_equal(rename(path, moved), 0);
    sink_reopen(sink);
    sink_write(sink, (const uint8_t *)"last", 4, 6000000);
    sink_end(sink);
    assert_int_equal(sink_report(sink), 0);
    sink_close(sink);
    assert_true(counted(DROP_WRITTEN) == 5 && counted(DROP_WRITE_LOST) == 0);
    uint8_t *bytes = read_whole(path, len);
    if (rotate) {
        size_t moved_len;
        uint8_t *old = read_whole(moved, &moved_len);
        old = realloc(old, moved_len + *len);
        assert_non_null(old);
        memcpy(old + moved_len, bytes + FILE_HEADER, *len - FILE_HEADER);
        *len += moved_len - FILE_HEADER;
        free(bytes);
        bytes = old;
        unlink(moved);
    }
    unlink(path);
    return bytes;
}

static void a_disk_with_room_again(void **state)
{
    (void)state;
    enum { THREE = FILE_HEADER + 3 * (RECORD_HEADER + HEADERS + 8) };
    size_t whole_len, len;
    signal(SIGXFSZ, SIG_IGN);
    uint8_t *whole = write_through_full_disk(1 << 20, false, &whole_len);
    for (rlim_t room = 0; room <= THREE; room++) {
        uint8_t *bytes = write_through_full_disk(room, false, &len);
        assert_int_equal(len, whole_len);
        assert_memory_equal(bytes, whole, len);
        free(bytes);
    }
    /* rotated meanwhile: both files whole, no record cut between them */
    for (rlim_t room = 1; room <= THREE; room++) {
        uint8_t *bytes = write_through_full_disk(room, true, &len);
        assert_int_equal(len, whole_len);
        assert_memory_equal(bytes, whole, len);
        free(bytes);
    }
    free(whole);
}

/* The end comes before there is room again: the file ends with a whole record. */
static void a_disk_full_to_the_end(void **state)
{
    (void)state;
    enum { RECORD = RECORD_HEADER + HEADERS + 8 };
    for (rlim_t room = FILE_HEADER; room < FILE_HEADER + 3 * RECORD; room++) {
        char path[256];
        size_t len;
        struct rlimit limit;
        temp_file(path, NULL, 0);
        struct sink *sink = open_sink(path);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        const struct rlimit full = {.rlim_cur = room, .rlim_max = limit.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
        for (int i = 0; i < 3; i++)
            sink_write(sink, (const uint8_t *)"datagram", 8, 0);
        sink_end(sink);
        assert_int_equal(sink_report(sink), -1);
        sink_close(sink);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        free(read_whole(path, &len));
        assert_int_equal(len, FILE_HEADER + (room - FILE_HEADER) / RECORD * RECORD);
        assert_true(counted(DROP_WRITTEN) == (room - FILE_HEADER) / RECORD);
        assert_true(counted(DROP_WRITTEN) + counted(DROP_WRITE_LOST) == 3);
        unlink(path);
    }
}

static void a_rotated_file(void **state)
{
    (void)state;
    char path[256], moved[300];
    size_t len;
    temp_file(path, NULL, 0);
    snprintf(moved, sizeof(moved), "%s.1", path);
    struct sink *sink = open_sink(path);
    sink_write(sink, (const uint8_t *)"one", 3, 0);
    assert_int_equal(rename(path, moved), 0);
    sink_reopen(sink);
    sink_write(sink, (const uint8_t *)"three", 5, 0);
    sink_close(sink);
    free(read_whole(moved, &len));
    assert_int_equal(len, FILE_HEADER + RECORD_HEADER + HEADERS + 3);
    free(read_whole(path, &len));
    assert_int_equal(len, FILE_HEADER + RECORD_HEADER + HEADERS + 5);
    assert_true(counted(DROP_WRITTEN) == 2);
    unlink(path);
    unlink(moved);
}

static size_t drain(int fd)
{
    static uint8_t bytes[1 << 16];
    size_t total = 0;
    ssize_t len;
    while ((len = read(fd, bytes, sizeof(bytes))) > 0)
        total += (size_t)len;
    return total;
}

/* More is held for it than a pipe takes at once. */
static void the_next_reader_of_a_pipe(void **state)
{
    (void)state;
    static const uint8_t datagram[1000];
    enum { SIZE = RECORD_HEADER + HEADERS + sizeof(datagram), COUNT = 200 };
    char path[64];
    snprintf(path, sizeof(path), "/tmp/dnsflow-pipe-%d", (int)getpid());
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    signal(SIGPIPE, SIG_IGN);
    int first = open(path, O_RDONLY | O_NONBLOCK);
    struct sink *sink = open_sink(path);
    close(first);
    for (size_t i = 0; i < COUNT; i++)
        sink_write(sink, datagram, sizeof(datagram), 0);
    sink_flush(sink);
    int second = open(path, O_RDONLY | O_NONBLOCK);
    size_t got = 0;
    sink_reopen(sink);
    for (size_t i = 0; i < COUNT && got < FILE_HEADER + COUNT * SIZE; i++) {
        got += drain(second);
        sink_flush(sink);
    }
    assert_int_equal(got, FILE_HEADER + COUNT * SIZE);
    assert_int_equal(counted(DROP_WRITTEN), COUNT);
    sink_close(sink);
    close(second);
    unlink(path);
}

static void what_cannot_be_opened(void **state)
{
    (void)state;
    const struct sink_plan plan = {.kind = &sink_pcap_file, .value = "/nonexistent/file.pcap"};
    const struct sink_start start = {.is_live = true};
    struct sink *sink;
    assert_int_equal(sink_pcap_file.open(&plan, &start, &counters, &sink, &err), -1);
    assert_string_equal(err.text, "/nonexistent/file.pcap: No such file or directory");
    sink_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_and_checksums),    cmocka_unit_test(checksums_of_zero),
        cmocka_unit_test(the_same_bytes_twice),     cmocka_unit_test(times_that_a_file_cannot_hold),
        cmocka_unit_test(a_file_without_datagrams), cmocka_unit_test(a_full_disk),
        cmocka_unit_test(a_disk_with_room_again),   cmocka_unit_test(a_disk_full_to_the_end),
        cmocka_unit_test(a_rotated_file),           cmocka_unit_test(the_next_reader_of_a_pipe),
        cmocka_unit_test(what_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
