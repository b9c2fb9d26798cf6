/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Flow records for tests of the codec, and the check that datagrams hold exactly these records again. */
#ifndef DNSFLOW_TESTING_RECORDS_H
#define DNSFLOW_TESTING_RECORDS_H

#include "testing.h"

enum { SET_HEADER = 40, ADDRESSES = 700, ANSWER = 9, ANSWERS_ROOM = 2 * (ANSWER + 65535) };

/* A record and the bytes its pointers lead to. */
struct made {
    struct dnsflow_record record;
    uint8_t client[16], resolver[16];
    uint8_t names[255 * 255];
    uint8_t ip4s[ADDRESSES * 4];
    uint8_t ip6s[ADDRESSES * 16];
    uint8_t answers[ANSWERS_ROOM];
};

static inline size_t padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

/* Names of 3 to 255 octets that take `len` bytes in all; len is 1 or at least 3. */
static inline void made_names(struct made *m, size_t len, unsigned tag)
{
    struct writer out = writer_over(m->names, sizeof(m->names));
    m->record.names_count = 0;
    while (writer_len(&out) < len) {
        size_t left = len - writer_len(&out), octets = left > 255 ? 255 : left;
        if (left - octets == 1 || left - octets == 2)
            octets -= 3;
        put_name_of(&out, octets, tag + (unsigned)m->record.names_count++);
    }
    assert_false(out.failed);
    m->record.names = m->names;
    m->record.names_len = len;
}

/* `count` short names. */
static inline void made_short_names(struct made *m, size_t count)
{
    struct writer out = writer_over(m->names, sizeof(m->names));
    for (size_t i = 0; i < count; i++)
        put_name_of(&out, 3, (unsigned)i);
    m->record.names = m->names;
    m->record.names_len = writer_len(&out);
    m->record.names_count = count;
}

/* Everything but names and answers; without those. Address i of a family holds the number i and the tag. */
static inline void made_rest(struct made *m, uint8_t ip_vers, size_t ip4s, size_t ip6s, uint32_t tag)
{
    struct dnsflow_record *r = &m->record;
    assert_true(ip4s <= ADDRESSES && ip6s <= ADDRESSES);
    memset(m->client, 0xc1, 16);
    memset(m->resolver, 0x5e, 16);
    store_be32(m->client, tag);
    r->ip_vers = ip_vers;
    r->names_text = 0;
    r->set_flags = DNSFLOW_SET_MDNS;
    r->client = m->client;
    r->resolver = m->resolver;
    for (size_t i = 0; i < ip4s; i++)
        store_be32(m->ip4s + 4 * i, (uint32_t)i << 20 ^ tag);
    for (size_t i = 0; i < ip6s; i++) {
        memset(m->ip6s + 16 * i, 0x66, 16);
        store_be32(m->ip6s + 16 * i + 12, (uint32_t)i << 20 ^ tag);
    }
    r->ip4s = m->ip4s;
    r->ip4s_count = ip4s;
    r->ip6s = m->ip6s;
    r->ip6s_count = ip6s;
    r->time_us = INT64_C(1700000000000000) + tag;
    r->min_ttl = 60 + tag;
    r->qtype = TYPE_ANY;
    r->client_port = 53000;
    r->rcode = (uint16_t)(tag % 4096);
    r->transport = (uint8_t)(tag / 7 % 16);
    r->answers = NULL;
    r->answers_len = 0;
}

/* One answer more, with `len` bytes of rdata. */
static inline void made_answer(struct made *m, uint8_t owner, uint16_t type, size_t len)
{
    static uint8_t rdata[65535];
    struct dnsflow_answer answer = {owner, type, 300 + (uint32_t)len, rdata, (uint16_t)len};
    memset(rdata, 0x80 + type % 64, len);
    m->record.answers_len = dnsflow_put_answer(m->answers, m->record.answers_len, sizeof(m->answers), &answer);
    assert_true(m->record.answers_len >= ANSWER + len);
    m->record.answers = m->answers;
}

/* ---- the way back ---- */

struct sets {
    const struct caught *caught;
    size_t datagrams; /* opened so far */
    uint32_t sequence;
    size_t limit;
    bool extended;
    struct dnsflow_datagram open;
    size_t left; /* sets in it */
};

static inline struct sets sets_over(const struct caught *caught, bool extended, size_t limit)
{
    return (struct sets){.caught = caught, .sequence = 1, .limit = limit, .extended = extended};
}

static inline void open_datagram(struct sets *s)
{
    assert_true(s->datagrams < s->caught->count);
    const uint8_t *bytes = s->caught->bytes[s->datagrams];
    size_t len = s->caught->len[s->datagrams++];
    assert_int_equal(dnsflow_decode(bytes, len, &s->open), DNSFLOW_OK);
    assert_true(len <= s->limit);
    assert_int_equal(bytes[0], 4);
    assert_true(bytes[1] > 0);
    unsigned flags = load_be16(bytes + 2);
    if (!s->extended || !(flags & DNSFLOW_FLAG_ANSWERS))
        assert_int_equal(len % 4, 0);
    assert_int_equal(flags & ~(unsigned)(DNSFLOW_FLAG_ANSWERS | DNSFLOW_FLAG_SIGNED),
                     s->extended ? DNSFLOW_FLAG_EXTENDED : 0);
    assert_true(load_be32(bytes + 4) == s->sequence);
    assert_int_equal(s->open.has_trailer, s->extended);
    s->sequence++;
    s->left = bytes[1];
}

/* The next set of all datagrams. */
static inline struct dnsflow_record next_set(struct sets *s)
{
    struct dnsflow_record got;
    if (s->left == 0)
        open_datagram(s);
    s->left--;
    assert_int_equal(dnsflow_next_record(&s->open, &got), 1);
    if (s->left == 0) {
        struct dnsflow_record none;
        assert_int_equal(dnsflow_next_record(&s->open, &none), 0);
        if (s->extended)
            assert_true(s->caught->time_us[s->datagrams - 1] == got.time_us);
    }
    return got;
}

static inline void expect_same_head(const struct dnsflow_record *got, const struct dnsflow_record *want)
{
    static const uint8_t zeros[16];
    size_t address_len = want->ip_vers == 4 ? 4 : 16;
    assert_int_equal(got->ip_vers, want->ip_vers);
    assert_memory_equal(got->client, want->client, address_len);
    assert_memory_equal(got->client + address_len, zeros, 16 - address_len);
    assert_memory_equal(got->resolver, want->resolver, address_len);
    assert_memory_equal(got->resolver + address_len, zeros, 16 - address_len);
    assert_int_equal(got->names_count, want->names_count);
    assert_int_equal(got->names_len, padded(want->names_len));
    assert_memory_equal(got->names, want->names, want->names_len);
    assert_memory_equal(got->names + want->names_len, zeros, got->names_len - want->names_len);
}

static inline void expect_same_trailer(const struct dnsflow_record *got, const struct dnsflow_record *want, bool first)
{
    assert_true(got->time_us == want->time_us);
    assert_true(got->min_ttl == want->min_ttl);
    assert_int_equal(got->qtype, want->qtype);
    assert_int_equal(got->client_port, want->client_port);
    assert_int_equal(got->set_flags & ~DNSFLOW_SET_CUT, want->set_flags | (first ? 0 : DNSFLOW_SET_CONTINUES));
    assert_int_equal(got->rcode, want->rcode);
    assert_int_equal(got->transport, want->transport);
}

/* The answers of a record's first set: all of them, or with a flag the first of them. */
static inline void expect_answers(const struct dnsflow_record *got, const struct dnsflow_record *want)
{
    assert_int_equal(!!(got->set_flags & DNSFLOW_SET_CUT), got->answers_len < want->answers_len);
    assert_true(got->answers_len <= want->answers_len);
    if (got->answers_len == 0)
        return;
    const uint8_t *at = got->answers;
    struct dnsflow_answer answer;
    assert_memory_equal(got->answers, want->answers, got->answers_len);
    while (dnsflow_next_answer(&at, got->answers + got->answers_len, &answer))
        ;
    assert_ptr_equal(at, got->answers + got->answers_len);
}

/* The record comes next, in `sets` sets (0 = any number): names in each, every address once, IPv4 before
 * IPv6, answers with the first. */
static inline void expect_record(struct sets *s, const struct dnsflow_record *want, size_t sets)
{
    size_t ip4s = 0, ip6s = 0, parts = 0;
    do {
        struct dnsflow_record got = next_set(s);
        expect_same_head(&got, want);
        if (s->extended)
            expect_same_trailer(&got, want, parts == 0);
        if (s->extended && parts == 0)
            expect_answers(&got, want);
        else
            assert_int_equal(got.answers_len, 0);
        assert_true(got.ip4s_count + got.ip6s_count > 0 || want->ip4s_count + want->ip6s_count == 0);
        assert_true(got.ip4s_count <= want->ip4s_count - ip4s && got.ip6s_count <= want->ip6s_count - ip6s);
        if (got.ip4s_count)
            assert_memory_equal(got.ip4s, want->ip4s + 4 * ip4s, 4 * got.ip4s_count);
        if (got.ip6s_count)
            assert_memory_equal(got.ip6s, want->ip6s + 16 * ip6s, 16 * got.ip6s_count);
        assert_int_equal(got.set_flags & DNSFLOW_SET_CONTINUES, s->extended && parts > 0);
        ip4s += got.ip4s_count;
        ip6s += got.ip6s_count;
        if (ip4s < want->ip4s_count && got.ip4s_count < 255)
            assert_int_equal(got.ip6s_count, 0);
        parts++;
    } while (ip4s + ip6s < want->ip4s_count + want->ip6s_count);
    if (sets)
        assert_int_equal(parts, sets);
}

static inline void expect_no_more(const struct sets *s)
{
    assert_int_equal(s->left, 0);
    assert_int_equal(s->datagrams, s->caught->count);
}

#endif
