/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Addresses, numbers and times as text, held against the C library. */
#include "print/output.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <time.h>

#include "base/address.h"
#include "base/clock.h"
#include "testing.h"

static struct output out;

static void hold(int family, const uint8_t *address)
{
    char text[INET6_ADDRSTRLEN], text4[INET_ADDRSTRLEN];
    uint8_t *exact = exact_copy(address, family == AF_INET6 ? 16 : 4);
    assert_non_null(inet_ntop(family, address, text, sizeof(text)));
    if (family == AF_INET) {
        assert_int_equal(address_text4(exact, text4), strlen(text));
        assert_memory_equal(text4, text, strlen(text));
    }
    out.used = 0;
    output_address(&out, family == AF_INET6 ? 6 : 4, exact);
    free(exact);
    if (out.used != strlen(text) || memcmp(out.buffer, text, out.used) != 0)
        fail_msg("%.*s, expected %s", (int)out.used, out.buffer, text);
}

/* Every pattern of zero groups, and groups of every number of digits. */
static void ip6(void **state)
{
    static const uint16_t values[] = {1, 0xf, 0x10, 0xff, 0x100, 0xfff, 0x1000, 0xffff};
    struct chance chance = {1};
    (void)state;
    for (unsigned mask = 0; mask < 256; mask++)
        for (int round = 0; round < 50; round++) {
            uint8_t address[16];
            for (int i = 0; i < 8; i++)
                store_be16(address + 2 * i, mask >> i & 1 ? values[chance_below(&chance, LEN(values))] : 0);
            hold(AF_INET6, address);
        }
    for (int round = 0; round < 10000; round++) {
        uint8_t address[16];
        store_be64(address, chance_next(&chance));
        store_be64(address + 8, chance_next(&chance));
        hold(AF_INET6, address);
    }
    for (unsigned low = 0; low < 65536; low += 257) {
        uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [15] = (uint8_t)low};
        hold(AF_INET6, mapped);
        mapped[10] = mapped[11] = 0;
        hold(AF_INET6, mapped);
    }
}

static void ip4(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 256; n++) {
        const uint8_t address[4] = {(uint8_t)n, (uint8_t)(255 - n), (uint8_t)(n * 7), (uint8_t)(n * 31)};
        hold(AF_INET, address);
    }
}

/* At the end of the buffer, where it is flushed first. */
static void full_buffer(void **state)
{
    char path[256];
    (void)state;
    temp_file(path, "", 0);
    out.fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(out.fd >= 0);
    out.used = 0;
    for (uint64_t n = 0; n < 50000; n++) {
        output_number(&out, n);
        output_char(&out, '\n');
    }
    output_number(&out, UINT64_MAX);
    output_flush(&out);
    assert_false(out.failed);
    close(out.fd);
    size_t len;
    uint8_t *bytes = read_whole(path, &len);
    bytes[len] = '\0';
    const char *at = (const char *)bytes;
    for (unsigned long n = 0; n < 50000; n++) {
        char *end;
        assert_int_equal(strtoul(at, &end, 10), n);
        at = end + 1;
    }
    assert_string_equal(at, "18446744073709551615");
    free(bytes);
    remove(path);
}

struct taker {
    int fd;
    uint8_t *bytes;
    size_t len;
};

static void *take_all(void *context)
{
    struct taker *t = context;
    ssize_t n;
    while ((n = read(t->fd, t->bytes + t->len, 700)) > 0)
        t->len += (size_t)n;
    return NULL;
}

/* A pipe that takes a part each time, while somebody reads. */
static void full_pipe(void **state)
{
#ifdef __i386__ /* under qemu a thread that reads and one that writes wait for each other for ever */
    skip();
#endif
    enum { NUMBERS = 40000, ROOM = 4096 };
    static uint8_t bytes[8 * NUMBERS];
    struct taker taker = {.bytes = bytes};
    pthread_t thread;
    int fds[2];
    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, ROOM), ROOM);
    taker.fd = fds[0];
    assert_int_equal(pthread_create(&thread, NULL, take_all, &taker), 0);
    out.fd = fds[1];
    out.used = 0;
    for (uint64_t n = 0; n < NUMBERS; n++) {
        output_number(&out, n);
        output_char(&out, '\n');
    }
    output_flush(&out);
    assert_false(out.failed);
    close(fds[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(fds[0]);
    char *at = (char *)bytes;
    for (unsigned long n = 0; n < NUMBERS; n++) {
        assert_int_equal(strtoul(at, &at, 10), n);
        assert_int_equal(*at++, '\n');
    }
    assert_ptr_equal(at, bytes + taker.len);
}

/* Once the program is to stop, a pipe that nobody reads is waited for a second. */
static void pipe_that_nobody_reads(void **state)
{
    enum { ROOM = 4096 };
    static const char line[ROOM];
    atomic_bool stop = true;
    int fds[2];
    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, ROOM), ROOM);
    out.fd = fds[1];
    out.stop = &stop;
    out.used = 0;
    output_bytes(&out, line, ROOM);
    output_flush(&out);
    assert_false(out.failed);
    output_bytes(&out, line, 1);
    int64_t begun_us = clock_monotonic_us();
    output_flush(&out);
    assert_true(clock_monotonic_us() - begun_us >= SECOND_US * 9 / 10);
    assert_true(out.failed && out.cause == EINTR);
    out.failed = false;
    out.stop = NULL;
    close(fds[0]);
    close(fds[1]);
}

static void hold_time(int64_t seconds, unsigned us)
{
    char text[64], want[96];
    struct tm tm;
    time_t at = (time_t)seconds;
    if (at != seconds) /* the C library has 32 bits for it */
        return;
    assert_non_null(gmtime_r(&at, &tm));
    assert_true(strftime(text, sizeof(text), "%H:%M:%S", &tm) == 8);
    out.used = 0;
    output_time(&out, seconds * SECOND_US + (seconds < 0 ? -(int64_t)us : (int64_t)us));
    if (out.used != 8 || memcmp(out.buffer, text, 8) != 0)
        fail_msg("%.*s, expected %s", (int)out.used, out.buffer, text);
    if (seconds < 0 || seconds > UINT32_MAX)
        return;
    assert_true(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 19);
    int len = snprintf(want, sizeof(want), "%s.%06uZ", text, us);
    out.used = 0;
    output_iso_time(&out, seconds * SECOND_US + us);
    if (out.used != (size_t)len || memcmp(out.buffer, want, out.used) != 0)
        fail_msg("%.*s, expected %s", (int)out.used, out.buffer, want);
}

/* Every day there is, the edges of each, and each moment more than once. */
static void times(void **state)
{
    struct chance chance = {2};
    (void)state;
    hold_time(0, 0); /* the first of all */
    for (int64_t day = 0; day <= UINT32_MAX / 86400; day++) {
        hold_time(day * 86400, 0);
        hold_time(day * 86400, 999999);
        hold_time(day * 86400 + (int64_t)chance_below(&chance, 86400), (unsigned)chance_below(&chance, 1000000));
        hold_time(day * 86400 + 86399, 1);
    }
    for (int round = 0; round < 10000; round++)
        hold_time(-(int64_t)chance_below(&chance, 1 << 20), 0);
    hold_time(-1, 999999);
    hold_time(-86400, 0);
    hold_time(INT64_C(1) << 33, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ip6),
                                       cmocka_unit_test(ip4),
                                       cmocka_unit_test(full_buffer),
                                       cmocka_unit_test(full_pipe),
                                       cmocka_unit_test(pipe_that_nobody_reads),
                                       cmocka_unit_test(times)};
    output_init(&out, STDOUT_FILENO, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
