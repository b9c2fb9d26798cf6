/* SPDX-License-Identifier: BSD-3-Clause */
#include "print/output.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"

enum { STOPPING_MS = 1000 };

static void find_zeros(struct output *out, unsigned used)
{
    uint8_t i, run = 0, best = 1;
    out->zeros[used].len = 0;
    for (i = 0; i < 8; i++) {
        run = used >> i & 1 ? 0 : (uint8_t)(run + 1);
        if (run > best) {
            best = out->zeros[used].len = run;
            out->zeros[used].at = (uint8_t)(i + 1 - run);
        }
    }
}

void output_init(struct output *out, int fd, const atomic_bool *stop)
{
    unsigned n;
    out->fd = fd;
    out->put = NULL;
    out->context = NULL;
    out->stop = stop;
    out->failed = false;
    out->cause = 0;
    out->used = 0;
    out->clock_s = -1;
    out->has_date = false;
    for (n = 0; n < 256; n++) {
        char text[5];
        out->octet_len[n] = (uint8_t)snprintf(text, sizeof(text), "%u.", n);
        memcpy(out->octets[n], text, sizeof(out->octets[n]));
        snprintf(text, sizeof(text), "%02x", n);
        memcpy(out->hex[n], text, sizeof(out->hex[n]));
        find_zeros(out, n);
    }
}

void output_init_put(struct output *out, output_put *put, void *context)
{
    output_init(out, -1, NULL);
    out->put = put;
    out->context = context;
}

/* Waits until something can be written; once the program is to stop, a second at the most. */
static bool wait_writable(const struct output *out, bool is_stopping)
{
    struct pollfd ready = {.fd = out->fd, .events = POLLOUT};
    int result = poll(&ready, 1, is_stopping ? STOPPING_MS : -1);
    return result > 0 || (result < 0 && errno == EINTR);
}

/* While the program is to stop it writes no more than a pipe that is ready takes at once. */
void output_flush(struct output *out)
{
    size_t at = 0;
    if (out->put && !out->failed)
        out->failed = !out->put(out->context, out->buffer, out->used);
    while (!out->put && at < out->used && !out->failed) {
        bool is_stopping = out->stop && atomic_load(out->stop);
        size_t most = is_stopping && out->used - at > PIPE_BUF ? PIPE_BUF : out->used - at;
        if (is_stopping && !wait_writable(out, true)) {
            out->failed = true;
            out->cause = EINTR;
            break;
        }
        ssize_t len = write(out->fd, out->buffer + at, most);
        at += len > 0 ? (size_t)len : 0;
        if (len < 0 && errno == EAGAIN) {
            (void)wait_writable(out, false);
        } else if (len < 0 && errno != EINTR) {
            out->failed = true;
            out->cause = errno;
        }
    }
    out->used = 0;
}

void output_number(struct output *out, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);
    do
        digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    output_bytes(out, digits + at, sizeof(digits) - at);
}

/* A group without zeros in front, without a branch on its value; writes 4 bytes. */
static inline char *put_group(const struct output *out, char *at, unsigned n)
{
    size_t skip = (size_t)(n < 0x1000) + (n < 0x100) + (n < 0x10);
    char text[8] = {0};
    memcpy(text, out->hex[n >> 8], 2);
    memcpy(text + 2, out->hex[n & 255], 2);
    memcpy(at, text + skip, 4);
    return at + 4 - skip;
}

/* RFC 5952: hexadecimal groups, the first of the longest runs of two or more zero groups as "::". What holds an IPv4
 * address is left to inet_ntop, which is slower; a test holds the two against each other. */
static char *put_ip6(const struct output *out, char *at, const uint8_t *address)
{
    static const uint8_t zero[10];
    unsigned i, used = 0;
    if (memcmp(address, zero, sizeof(zero)) == 0) {
        (void)inet_ntop(AF_INET6, address, at, INET6_ADDRSTRLEN);
        return at + strlen(at);
    }
    for (i = 0; i < 8; i++)
        used |= (unsigned)((address[2 * i] | address[2 * i + 1]) != 0) << i;
    unsigned from = out->zeros[used].len ? out->zeros[used].at : 8, to = from + out->zeros[used].len;
    for (i = 0; i < from; i++) {
        at = put_group(out, at, load_be16(address + 2 * i));
        *at++ = ':';
    }
    if (from == 8)
        return at - 1;
    if (from == 0)
        *at++ = ':';
    *at++ = ':';
    for (i = to; i < 8; i++) {
        at = put_group(out, at, load_be16(address + 2 * i));
        *at++ = ':';
    }
    return to < 8 ? at - 1 : at;
}

/* With a dot behind it, and what is behind a short one in the table. */
static inline char *put_octet(const struct output *out, char *at, uint8_t n)
{
    memcpy(at, out->octets[n], sizeof(out->octets[0]));
    return at + out->octet_len[n];
}

void output_address(struct output *out, uint8_t ip_vers, const uint8_t *address)
{
    char *start = output_reserve(out, INET6_ADDRSTRLEN + 4), *at = start;
    if (ip_vers == 6) {
        out->used += (size_t)(put_ip6(out, at, address) - start);
        return;
    }
    at = put_octet(out, at, address[0]);
    at = put_octet(out, at, address[1]);
    at = put_octet(out, at, address[2]);
    at = put_octet(out, at, address[3]);
    out->used += (size_t)(at - start) - 1;
}

static void put_digits(char *at, int count, uint32_t n)
{
    for (; count > 0; n /= 10)
        at[--count] = (char)('0' + n % 10);
}

void output_digits(struct output *out, int count, uint32_t n)
{
    put_digits(output_reserve(out, (size_t)count), count, n);
    out->used += (size_t)count;
}

/* Rows of a second have the same text. */
void output_time(struct output *out, int64_t time_us)
{
    int64_t seconds = time_us / SECOND_US;
    if (seconds != out->clock_s || seconds <= 0) {
        int64_t of_day = seconds % 86400;
        unsigned s = (unsigned)(of_day < 0 ? of_day + 86400 : of_day);
        char text[8] = {(char)('0' + s / 36000),   (char)('0' + s / 3600 % 10), ':',
                        (char)('0' + s / 600 % 6), (char)('0' + s / 60 % 10),   ':',
                        (char)('0' + s % 60 / 10), (char)('0' + s % 10)};
        memcpy(out->clock, text, sizeof(text));
        out->clock_s = seconds;
    }
    output_bytes(out, out->clock, sizeof(out->clock));
}

/* Days to a date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days. */
static void put_date(char *text, uint32_t seconds)
{
    uint32_t days = seconds / 86400 + 719468;
    uint32_t era = days / 146097, of_era = days % 146097;
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100), shifted = (5 * of_year + 2) / 153;
    uint32_t day = of_year - (153 * shifted + 2) / 5 + 1, month = shifted < 10 ? shifted + 3 : shifted - 9;
    memcpy(text, "0000-00-00T00:00:00.", 20);
    put_digits(text, 4, year + era * 400 + (month <= 2));
    put_digits(text + 5, 2, month);
    put_digits(text + 8, 2, day);
    put_digits(text + 11, 2, seconds / 3600 % 24);
    put_digits(text + 14, 2, seconds / 60 % 60);
    put_digits(text + 17, 2, seconds % 60);
}

void output_iso_time(struct output *out, int64_t time_us)
{
    uint32_t seconds, us;
    clock_split(time_us, &seconds, &us);
    if (!out->has_date || seconds != out->date_s) {
        put_date(out->date, seconds);
        out->date_s = seconds;
        out->has_date = true;
    }
    char *at = output_reserve(out, sizeof(out->date) + 7);
    memcpy(at, out->date, sizeof(out->date));
    put_digits(at + sizeof(out->date), 6, us);
    at[sizeof(out->date) + 6] = 'Z';
    out->used += sizeof(out->date) + 7;
}

void output_format(struct output *out, const char *format, ...)
{
    char text[OUTPUT_PIECE];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len > 0)
        output_bytes(out, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}
