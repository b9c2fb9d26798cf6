/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Buffered text, fast enough for millions of rows a second. */
#ifndef DNSFLOW_PRINT_OUTPUT_H
#define DNSFLOW_PRINT_OUTPUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { OUTPUT_SIZE = 1 << 16, OUTPUT_PIECE = 4096 };

/* Takes text that is ready. False: it cannot, nor any more. */
typedef bool output_put(void *context, const char *bytes, size_t len);

struct output {
    int fd;
    output_put *put;         /* in place of the descriptor; NULL: none */
    void *context;           /* for it */
    const atomic_bool *stop; /* once it is set, what nobody takes for a second fails with EINTR; NULL = never */
    bool failed;             /* nothing more can be written; errno told why */
    int cause;
    size_t used;
    char buffer[OUTPUT_SIZE];
    char octets[256][4]; /* "0." to "255." */
    uint8_t octet_len[256];
    char hex[256][2]; /* "00" to "ff" */
    struct {
        uint8_t at, len; /* len 0: there is none of two or more */
    } zeros[256];        /* by bits for groups that are not 0: the first of the longest runs of zero groups */
    int64_t clock_s;     /* what clock holds, seconds since 1970 */
    char clock[8];
    bool has_date;   /* date holds date_s */
    uint32_t date_s; /* seconds since 1970 */
    char date[20];   /* 2026-01-31T23:59:59. */
};

/* For an open descriptor, which stays the caller's. */
void output_init(struct output *out, int fd, const atomic_bool *stop);

/* The same, for a function. */
void output_init_put(struct output *out, output_put *put, void *context);

/* Writes what is held back. */
void output_flush(struct output *out);

/* Room for `len` more bytes, at most OUTPUT_PIECE; what the caller writes there it adds to out->used. */
static inline char *output_reserve(struct output *out, size_t len)
{
    if (OUTPUT_SIZE - out->used < len)
        output_flush(out);
    return out->buffer + out->used;
}

/* One byte, as it is. */
static inline void output_char(struct output *out, char c)
{
    *output_reserve(out, 1) = c;
    out->used++;
}

/* At most OUTPUT_PIECE bytes. */
static inline void output_bytes(struct output *out, const char *bytes, size_t len)
{
    memcpy(output_reserve(out, len), bytes, len);
    out->used += len;
}

/* At most OUTPUT_PIECE bytes, without the zero at the end. */
static inline void output_text(struct output *out, const char *text)
{
    output_bytes(out, text, strlen(text));
}

/* In decimal. */
void output_number(struct output *out, uint64_t n);

/* `label`, then n. */
static inline void output_labelled(struct output *out, const char *label, uint64_t n)
{
    output_text(out, label);
    output_number(out, n);
}

/* The last `count` decimal digits of n, zeros in front. */
void output_digits(struct output *out, int count, uint32_t n);

/* 4 or 16 bytes; IPv6 as RFC 5952 has it. */
void output_address(struct output *out, uint8_t ip_vers, const uint8_t *address);

/* HH:MM:SS, UTC */
void output_time(struct output *out, int64_t time_us);

/* 2026-01-31T23:59:59.123456Z */
void output_iso_time(struct output *out, int64_t time_us);

/* At most OUTPUT_PIECE bytes. */
void output_format(struct output *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
