/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Capture files written byte by byte in either byte order, and their reading through the public interface. */
#ifndef DNSFLOW_TESTING_FILES_H
#define DNSFLOW_TESTING_FILES_H

#include "testing.h"

#include "capture/capture.h"

/* A writer of numbers in the byte order of the file. */
struct maker {
    struct writer out;
    bool big;
};

static inline void put16(struct maker *m, uint16_t v)
{
    uint8_t p[2] = {(uint8_t)v, (uint8_t)(v >> 8)};
    if (m->big)
        store_be16(p, v);
    write_bytes(&m->out, p, 2);
}

static inline void put32(struct maker *m, uint32_t v)
{
    uint8_t p[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    if (m->big)
        store_be32(p, v);
    write_bytes(&m->out, p, 4);
}

enum { READ_MAX = 64 };

/* What was read: the last result (CAPTURE_END or CAPTURE_FAILED; -3 = could not be opened) and the first
 * packets. */
struct reading {
    int result;
    size_t count;
    struct packet packets[READ_MAX];
    uint8_t bytes[READ_MAX][64];
    struct error err;
};

enum { NOT_OPENED = -3 };

static inline void read_path(const char *path, struct reading *r)
{
    static const atomic_bool never;
    struct capture *capture;
    struct packet batch[7];
    memset(r, 0, sizeof(*r));
    r->result = NOT_OPENED;
    if (capture_open_file(path, &never, &capture, &r->err) != 0)
        return;
    while ((r->result = capture_borrow(capture, batch, (int)LEN(batch), &r->err)) > 0) {
        for (int i = 0; i < r->result; i++, r->count++) {
            size_t len = batch[i].captured_len;
            uint32_t sum = 0;
            for (size_t k = 0; k < len; k++)
                sum += batch[i].bytes[k]; /* every byte lent may be read */
            assert_true(sum <= 255u * len);
            if (r->count >= READ_MAX)
                continue;
            r->packets[r->count] = batch[i];
            memcpy(r->bytes[r->count], batch[i].bytes, len < 64 ? len : 64);
        }
    }
    assert_true(r->result == CAPTURE_END || r->result == CAPTURE_FAILED);
    capture_close(capture);
}

static inline void read_bytes_as_file(const uint8_t *bytes, size_t len, struct reading *r)
{
    char path[256];
    temp_file(path, bytes, len);
    read_path(path, r);
    if (r->result == CAPTURE_FAILED || r->result == NOT_OPENED)
        assert_non_null(strstr(r->err.text, path)); /* every message names the file */
    if (r->result == CAPTURE_FAILED)
        assert_non_null(strstr(r->err.text, "at byte "));
    unlink(path);
}

static inline void read_made(const struct maker *m, struct reading *r)
{
    assert_false(m->out.failed);
    read_bytes_as_file(m->out.start, writer_len(&m->out), r);
}

#endif
