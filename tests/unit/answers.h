/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of answers share. */
#ifndef DNSFLOW_TESTING_ANSWERS_H
#define DNSFLOW_TESTING_ANSWERS_H

#include "records.h"

/* Bytes of a datagram with one set and one answer beside its names and rdata. */
enum { TRAILER = 24, SET_TRAILER = 16, AREA = 3, BESIDE = 8 + SET_HEADER + TRAILER + SET_TRAILER };

static struct made made[4];
static struct caught caught;

static inline void zero_tag(void *context, const uint8_t *bytes, size_t len, uint8_t tag[DNSFLOW_TAG_SIZE])
{
    (void)context;
    (void)bytes;
    memset(tag, 0xaa, DNSFLOW_TAG_SIZE);
    tag[0] = (uint8_t)len;
}

static inline struct dnsflow_encoder *encoder_with(bool is_signed, size_t limit)
{
    struct dnsflow_encoder_options options = {.size = sizeof(options),
                                              .limit = limit,
                                              .extended = 1,
                                              .emit = catch_datagram,
                                              .context = &caught,
                                              .sign = is_signed ? zero_tag : NULL};
    caught.count = 0;
    struct dnsflow_encoder *e = dnsflow_encoder_create(&options);
    assert_non_null(e);
    return e;
}

static inline void end_with(struct dnsflow_encoder *e, struct sets *sets)
{
    if (sets)
        expect_no_more(sets);
    release_caught(&caught);
    dnsflow_encoder_destroy(e);
}

/* A record with one name of 3 bytes, which takes 4. */
static inline struct dnsflow_record *short_record(struct made *m, size_t ip4s, size_t ip6s, uint32_t tag)
{
    made_rest(m, 4, ip4s, ip6s, tag);
    made_short_names(m, 1);
    return &m->record;
}

#endif
