/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Random DNS messages: records of many types in all sections, compressed names, odd names, now and then something
 * wrong. And damage to messages. */
#ifndef DNSFLOW_RANDOM_MESSAGE_H
#define DNSFLOW_RANDOM_MESSAGE_H

#include "../unit/testing.h"

enum { KNOWN_NAMES = 48, POINTER_REACH = 0x4000 };

struct random_message {
    struct message m;
    size_t name_at[KNOWN_NAMES]; /* where names begin that pointers may lead to */
    size_t names;
};

static inline bool one_in(struct chance *c, size_t n)
{
    return chance_below(c, n) == 0;
}

static inline void random_label(struct chance *c, struct writer *out, size_t len)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    bool odd = one_in(c, 12);
    write_u8(out, len);
    for (; len > 0; len--)
        write_u8(out, odd ? chance_below(c, 256) : (uint8_t)plain[chance_below(c, sizeof(plain) - 1)]);
}

/* Of a pointer at about `at`: ahead, to itself, to the header, to its first byte. */
static inline size_t random_target(struct chance *c, size_t at)
{
    size_t kind = chance_below(c, 4);
    return kind == 0 ? 0 : kind == 1 ? chance_below(c, 12) : (at + chance_below(c, 40)) % POINTER_REACH;
}

/* Labels and then the root or a pointer to a name before; now and then long, or with an odd pointer. */
static inline void random_name(struct chance *c, struct random_message *r)
{
    struct writer *out = &r->m.out;
    size_t at = writer_len(out), kind = chance_below(c, 32), labels = chance_below(c, 4);
    if (kind == 0)
        labels = 3 + chance_below(c, 4);
    for (; labels > 0; labels--)
        random_label(c, out, kind == 0 ? 30 + chance_below(c, 34) : 1 + chance_below(c, 12));
    if (r->names > 0 && kind < 24)
        write_be16(out, 0xc000 | r->name_at[chance_below(c, r->names)]);
    else if (one_in(c, 20))
        write_be16(out, 0xc000 | random_target(c, at));
    else
        write_u8(out, 0);
    if (r->names < KNOWN_NAMES && at < POINTER_REACH)
        r->name_at[r->names++] = at;
}

static inline void random_bytes(struct chance *c, struct writer *out, size_t len)
{
    for (; len > 0; len--)
        write_u8(out, chance_below(c, 256));
}

/* Types whose rdata begins with a number of fixed bytes, then has names, then fixed bytes again. */
struct rdata_shape {
    uint16_t type;
    uint8_t before, names, behind;
};

static inline void random_rdata(struct chance *c, struct random_message *r, uint16_t type)
{
    static const struct rdata_shape shapes[] = {
        {1, 4, 0, 0},  {28, 16, 0, 0}, {5, 0, 1, 0},   {2, 0, 1, 0},  {12, 0, 1, 0}, {15, 2, 1, 0}, {6, 0, 2, 20},
        {33, 6, 1, 0}, {39, 0, 1, 0},  {46, 18, 1, 9}, {47, 0, 1, 0}, {64, 2, 1, 0}, {65, 2, 1, 0},
    };
    struct writer *out = &r->m.out;
    if (type == 16) {
        for (size_t strings = chance_below(c, 4); strings > 0; strings--)
            random_label(c, out, chance_below(c, 40));
        return;
    }
    for (size_t i = 0; i < LEN(shapes); i++) {
        if (shapes[i].type != type)
            continue;
        random_bytes(c, out, shapes[i].before);
        for (int n = 0; n < shapes[i].names; n++)
            random_name(c, r);
        random_bytes(c, out, shapes[i].behind);
        return;
    }
    random_bytes(c, out, chance_below(c, 20)); /* OPT and those nobody knows */
}

static inline void random_record(struct chance *c, struct random_message *r, uint16_t type)
{
    struct writer *out = &r->m.out;
    if (type == 41)
        write_u8(out, 0);
    else if (r->names > 0 && !one_in(c, 4))
        write_be16(out, 0xc000 | r->name_at[chance_below(c, r->names)]);
    else
        random_name(c, r);
    write_be16(out, type);
    write_be16(out, one_in(c, 40) ? chance_below(c, 65536) : 1);
    write_be32(out, (uint32_t)chance_next(c));
    size_t len_at = writer_len(out);
    write_be16(out, 0);
    random_rdata(c, r, type);
    if (one_in(c, 60))
        random_bytes(c, out, 1 + chance_below(c, 6));
    size_t len = writer_len(out) - len_at - 2;
    if (one_in(c, 60) && len > 0)
        len = chance_below(c, len), out->at = out->start + len_at + 2 + len;
    store_be16(r->m.bytes + len_at, (uint16_t)len);
}

static inline uint16_t random_type(struct chance *c, bool answer)
{
    static const uint16_t wanted[] = {1, 1, 1, 28, 28, 5, 5};
    static const uint16_t others[] = {2, 6, 12, 15, 16, 33, 39, 41, 46, 47, 64, 65, 0, 255, 65280, 12345};
    if (answer ? !one_in(c, 6) : one_in(c, 3))
        return wanted[chance_below(c, LEN(wanted))];
    return others[chance_below(c, LEN(others))];
}

static inline void random_section(struct chance *c, struct random_message *r, size_t count_at, size_t count)
{
    store_be16(r->m.bytes + count_at, (uint16_t)(one_in(c, 60) ? count + 1 : count));
    for (; count > 0; count--)
        random_record(c, r, random_type(c, count_at == 6));
}

/* About as many CNAMEs as a record takes, and an address. The last target may be odd. */
static inline void random_chain(struct chance *c, struct random_message *r)
{
    struct writer *out = &r->m.out;
    size_t count = 250 + chance_below(c, 10);
    store_be16(r->m.bytes + 6, (uint16_t)(count + 2));
    random_record(c, r, TYPE_A);
    for (; count > 0; count--) {
        write_be16(out, 0xc00c);
        write_be16(out, TYPE_CNAME);
        write_be16(out, 1);
        write_be32(out, 300);
        write_be16(out, 4);
        random_label(c, out, 2);
        write_u8(out, 0);
    }
    random_record(c, r, TYPE_CNAME);
}

/* Returns the length. One in 200 has about as many CNAMEs as a record takes. */
static inline size_t random_message(struct chance *c, struct random_message *r)
{
    static const uint16_t qtypes[] = {TYPE_A, TYPE_A, TYPE_AAAA, TYPE_AAAA, TYPE_ANY};
    uint16_t flags = (uint16_t)(MESSAGE_RESPONSE | (chance_below(c, 8) << 8 & 0x0600) | chance_below(c, 4) << 4);
    size_t questions = one_in(c, 30) ? chance_below(c, 3) : 1;
    r->names = 0;
    message_begin(&r->m, one_in(c, 20) ? (uint16_t)chance_next(c) : flags);
    store_be16(r->m.bytes + 4, (uint16_t)questions);
    for (; questions > 0; questions--) {
        random_name(c, r);
        write_be16(&r->m.out, one_in(c, 20) ? chance_below(c, 300) : qtypes[chance_below(c, LEN(qtypes))]);
        write_be16(&r->m.out, 1);
    }
    if (one_in(c, 200)) {
        random_chain(c, r);
    } else {
        random_section(c, r, 6, chance_below(c, 9));
    }
    random_section(c, r, 8, chance_below(c, 3));
    random_section(c, r, 10, chance_below(c, 4));
    return message_len(&r->m);
}

/* Bits, a count, a length (where one is known), or the end. Returns the new length. */
static inline size_t damage_message(struct chance *c, uint8_t *msg, size_t len, const size_t *length_at, size_t lengths)
{
    if (len == 0)
        return 0;
    size_t kind = chance_below(c, 8), at = chance_below(c, len);
    if (kind == 0)
        return at;
    if (kind == 1 && len >= 12) {
        at = 4 + 2 * chance_below(c, 4);
        store_be16(msg + at, (uint16_t)(load_be16(msg + at) + chance_below(c, 5) - 2));
    } else if (kind <= 3 && lengths > 0) {
        at = length_at[chance_below(c, lengths)];
        store_be16(msg + at, (uint16_t)(load_be16(msg + at) + chance_below(c, 17) - 8));
    } else {
        for (size_t bits = 1 + chance_below(c, 3); bits > 0; bits--)
            msg[chance_below(c, len)] ^= (uint8_t)(1u << chance_below(c, 8));
    }
    return len;
}

#endif
