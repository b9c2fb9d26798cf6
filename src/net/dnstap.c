/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A protobuf message is a list of fields: key (number << 3 | kind) as a varint, then a varint (kind 0), 8 bytes (1), a
 * length and as many bytes (2), or 4 bytes (5). The numbers below are those of dnstap.proto. Nothing is copied and no
 * memory is taken, which is why no protobuf library reads it. */
#include "net/dnstap.h"

#include "base/clock.h"
#include "net/layers.h"

enum { DNSTAP_MESSAGE = 14, DNSTAP_TYPE = 15, TYPE_MESSAGE = 1, CLIENT_RESPONSE = 6 };

enum {
    MESSAGE_TYPE = 1,
    SOCKET_PROTOCOL = 3,
    QUERY_ADDRESS = 4,
    RESPONSE_ADDRESS = 5,
    QUERY_PORT = 6,
    RESPONSE_PORT = 7,
    QUERY_TIME_SEC = 8,
    QUERY_TIME_NSEC = 9,
    RESPONSE_TIME_SEC = 12,
    RESPONSE_TIME_NSEC = 13,
    RESPONSE_MESSAGE = 14,
};

enum { OVER_TCP = 2 };

struct field {
    uint64_t number;
    uint64_t value;     /* kinds 0, 1, 5 */
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
static bool read_field(struct reader *in, struct field *out)
{
    if (in->failed || reader_left(in) == 0)
        return false;
    uint64_t key = read_varint(in), len;
    *out = (struct field){.number = key >> 3};
    switch (key & 7) {
    case 0:
        out->value = read_varint(in);
        break;
    case 1:
        out->value = __builtin_bswap64(read_be64(in));
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

static void take_field(struct message *m, const struct field *f)
{
    switch (f->number) {
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
    struct field f;
    uint64_t type = TYPE_MESSAGE;
    *m = (struct message){0};
    while (read_field(&in, &f)) {
        if (f.number == DNSTAP_MESSAGE)
            body = f.body;
        else if (f.number == DNSTAP_TYPE)
            type = f.value;
    }
    while (read_field(&body, &f))
        take_field(m, &f);
    if (in.failed || body.failed)
        return DROP_DNSTAP_MALFORMED;
    return type == TYPE_MESSAGE && m->type == CLIENT_RESPONSE ? DROP_NONE : DROP_DNSTAP_OTHER;
}

/* Who did not say where it was asked at has no address: one of zeros, of the client's family. */
enum drop_reason net_dnstap(struct walk *walk)
{
    static const uint8_t nobody[16];
    struct net_payload *out = walk->out;
    struct message m;
    enum drop_reason why = read_message(walk->in, &m);
    if (why != DROP_NONE)
        return why;
    size_t size = reader_left(&m.client);
    if ((size != 4 && size != 16) || reader_left(&m.response) == 0)
        return DROP_DNSTAP_MALFORMED;
    out->ip_vers = size == 4 ? 4 : 6;
    out->transport = m.protocol == OVER_TCP ? NET_DNSTAP_TCP : NET_DNSTAP;
    out->dst = m.client.at;
    out->src = reader_left(&m.resolver) == size ? m.resolver.at : nobody;
    out->src_port = m.response_port <= UINT16_MAX ? (uint16_t)m.response_port : 0;
    out->dst_port = m.query_port <= UINT16_MAX ? (uint16_t)m.query_port : 0;
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
    uint64_t seconds = m.response_sec ? m.response_sec : m.query_sec;
    uint64_t nanoseconds = m.response_sec ? m.response_nsec : m.query_nsec;
    return seconds > UINT32_MAX ? 0 : (int64_t)(seconds * SECOND_US + nanoseconds % 1000000000 / 1000);
}
