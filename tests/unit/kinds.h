/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of dns_parse_any() share: the message at hand and what is found in it. */
#ifndef DNSFLOW_TEST_KINDS_H
#define DNSFLOW_TEST_KINDS_H

#include "testing.h"

#include "dns/message.h"

enum {
    TYPE_HTTPS = 65,
    NAMES_ROOM = 255 * 255 + 64,
    DNS_WITH_ALL = DNS_WITH_NODATA | DNS_WITH_NXDOMAIN | DNS_WITH_ERROR | DNS_WITH_OTHER
};

static struct message m;
static struct dns_response got;
static struct dns_answers found;
static uint8_t names[NAMES_ROOM];
static struct writer names_out;
static uint8_t *copy; /* that the answers lie in */

static inline enum drop_reason parse_cut(size_t len, bool complete, unsigned options)
{
    free(copy);
    copy = exact_copy(m.bytes, len);
    memset(&found, 0xee, sizeof(found));
    names_out = writer_over(names, sizeof(names));
    return dns_parse_any(copy, len, complete, options, &names_out, &got, &found);
}

static inline enum drop_reason parse_with(unsigned options)
{
    return parse_cut(message_len(&m), true, options);
}

/* The question is at 12; example.com begins at 16. */
static inline void begin(uint16_t qtype)
{
    message_begin(&m, MESSAGE_RESPONSE);
    message_question(&m, "www.example.com", qtype);
}

/* What follows an owner. */
static inline void put_rr_tail(uint16_t type, uint16_t class, uint32_t ttl, const void *rdata, size_t len)
{
    write_be16(&m.out, type);
    write_be16(&m.out, class);
    write_be32(&m.out, ttl);
    write_be16(&m.out, len);
    write_bytes(&m.out, rdata, len);
}

static inline void put_opt(unsigned rcode)
{
    message_count(&m, 10);
    write_u8(&m.out, 0);
    put_rr_tail(41, 1232, rcode >> 4 << 24, "", 0);
}

#endif
