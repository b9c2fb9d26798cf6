/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A protobuf message is a list of fields: key (number << 3 | kind) as a varint, then a varint (kind 0), 8 bytes (1), a
 * length and as many bytes (2), or 4 bytes (5). The numbers below are those of dnstap.proto. Nothing is copied and no
 * memory is taken, which is why no protobuf library reads it. */
#include "net/dnstap.h"

#include "base/clock.h"
#include "net/layers.h"

/* Keys of the fields that are read. One of another kind is not the field, and passed over as an unknown one is. */
enum { VARINT = 0, BYTES = 2, FIXED32 = 5 };

enum { DNSTAP_MESSAGE = 14 << 3 | BYTES, DNSTAP_TYPE = 15 << 3 | VARINT };

enum {
    MESSAGE_TYPE = 1 << 3 | VARINT,
    SOCKET_PROTOCOL = 3 << 3 | VARINT,
    QUERY_ADDRESS = 4 << 3 | BYTES,
    RESPONSE_ADDRESS = 5 << 3 | BYTES,
    QUERY_PORT = 6 << 3 | VARINT,
    RESPONSE_PORT = 7 << 3 | VARINT,
    QUERY_TIME_SEC = 8 << 3 | VARINT,
    QUERY_TIME_NSEC = 9 << 3 | FIXED32,
    RESPONSE_TIME_SEC = 12 << 3 | VARINT,
    RESPONSE_TIME_NSEC = 13 << 3 | FIXED32,
    RESPONSE_MESSAGE = 14 << 3 | BYTES,
};

enum { TYPE_MESSAGE = 1, CLIENT_RESPONSE = 6 };

enum {
    NUMBER_MAX = (1 << 29) - 1,
    OVER_TCP = 2,
    OVER_MAX = 15 /* that a record has room for */,
    NANOSECONDS = 1000000000
};

struct wire_field {
    uint64_t key;
    uint64_t value;     /* kinds 0 and 5 */
    struct reader body; /* kind 2 */
};

struct message {
    uint64_t type, protocol, query_port, response_port;
    uint64_t query_sec, query_nsec, response_sec, response_nsec;
    struct reader client, resolver, response;
};

static uint64_t read_varint(struct reader *in)
{
    uint64_t value = 0;
    unsigned shift;
    for (shift = 0; shift < 64; shift += 7) {
        uint8_t byte = read_u8(in);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    in->failed = true;
    return 0;
}

/* False at the end, or when in->failed: what follows is no field. */
static bool read_field(struct reader *in, struct wire_field *out)
{
    if (in->failed || reader_left(in) == 0)
        return false;
    *out = (struct wire_field){.key = read_varint(in)};
    uint64_t number = out->key >> 3, len;
    if (number == 0 || number > NUMBER_MAX)
        in->failed = true;
    switch (out->key & 7) {
    case 0:
        out->value = read_varint(in);
        break;
    case 1:
        read_skip(in, 8);
        break;
    case 2:
        len = read_varint(in);
        if (in->failed || len > reader_left(in)) {
            in->failed = true;
            return false;
        }
        out->body = reader_over(in->at, (size_t)len);
        read_skip(in, (size_t)len);
        break;
    case 5:
        out->value = __builtin_bswap32(read_be32(in));
        break;
    default:
        in->failed = true;
    }
    return !in->failed;
}

static void take_field(struct message *m, const struct wire_field *f)
{
    switch (f->key) {
    case MESSAGE_TYPE:
        m->type = f->value;
        break;
    case SOCKET_PROTOCOL:
        m->protocol = f->value;
        break;
    case QUERY_ADDRESS:
        m->client = f->body;
        break;
    case RESPONSE_ADDRESS:
        m->resolver = f->body;
        break;
    case QUERY_PORT:
        m->query_port = f->value;
        break;
    case RESPONSE_PORT:
        m->response_port = f->value;
        break;
    case QUERY_TIME_SEC:
        m->query_sec = f->value;
        break;
    case QUERY_TIME_NSEC:
        m->query_nsec = f->value;
        break;
    case RESPONSE_TIME_SEC:
        m->response_sec = f->value;
        break;
    case RESPONSE_TIME_NSEC:
        m->response_nsec = f->value;
        break;
    case RESPONSE_MESSAGE:
        m->response = f->body;
        break;
    default:
        break;
    }
}

static enum drop_reason read_message(struct reader in, struct message *m)
{
    struct reader body = {0};
    struct wire_field f;
    uint64_t type = TYPE_MESSAGE;
    *m = (struct message){0};
    while (read_field(&in, &f)) {
        if (f.key == DNSTAP_MESSAGE)
            body = f.body;
        else if (f.key == DNSTAP_TYPE)
            type = f.value;
    }
    while (read_field(&body, &f))
        take_field(m, &f);
    if (in.failed || body.failed)
        return DROP_DNSTAP_MALFORMED;
    return type == TYPE_MESSAGE && m->type == CLIENT_RESPONSE ? DROP_NONE : DROP_DNSTAP_OTHER;
}

/* An address of 4 or 16 bytes, or what is none. One that is mapped into IPv6, as a server names IPv4 that listens for
 * both on one socket, is an IPv4 address. */
static struct reader plain_address(struct reader in)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (reader_left(&in) == 16 && memcmp(in.at, mapped, sizeof(mapped)) == 0)
        read_skip(&in, sizeof(mapped));
    return in;
}

/* 0: not told, or no time that a record can bear. */
static int64_t time_of(uint64_t seconds, uint64_t nanoseconds)
{
    return seconds == 0 || seconds > UINT32_MAX
               ? 0
               : (int64_t)(seconds * SECOND_US + nanoseconds % NANOSECONDS / (NANOSECONDS / SECOND_US));
}

/* The client says of what family the record is. A resolver that is missing, or of another family, has an address of
 * zeros. */
enum drop_reason net_dnstap(struct walk *walk)
{
    static const uint8_t nobody[16];
    struct net_payload *out = walk->out;
    struct message m;
    enum drop_reason why = read_message(walk->in, &m);
    if (why != DROP_NONE)
        return why;
    struct reader client = plain_address(m.client), resolver = plain_address(m.resolver);
    size_t size = reader_left(&client);
    if ((size != 4 && size != 16) || reader_left(&m.response) == 0)
        return DROP_DNSTAP_MALFORMED;
    out->ip_vers = size == 4 ? 4 : 6;
    out->transport = m.protocol == OVER_TCP ? NET_DNSTAP_TCP : NET_DNSTAP;
    out->over = m.protocol <= OVER_MAX ? (uint8_t)m.protocol : 0;
    out->dst = client.at;
    out->src = reader_left(&resolver) == size ? resolver.at : nobody;
    out->src_port = m.response_port <= UINT16_MAX ? (uint16_t)m.response_port : 0;
    out->dst_port = m.query_port <= UINT16_MAX ? (uint16_t)m.query_port : 0;
    out->sent_us = time_of(m.response_sec, m.response_nsec);
    out->bytes = m.response.at;
    out->len = reader_left(&m.response);
    out->complete = true;
    walk->next = LAYER_END;
    return DROP_NONE;
}

int64_t net_dnstap_time(const uint8_t *bytes, size_t len)
{
    struct message m;
    if (read_message(reader_over(bytes, len), &m) == DROP_DNSTAP_MALFORMED)
        return 0;
    int64_t sent_us = time_of(m.response_sec, m.response_nsec);
    return sent_us != 0 ? sent_us : time_of(m.query_sec, m.query_nsec);
}
