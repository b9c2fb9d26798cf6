/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Datagrams of versions 0 to 4. dnsflow_decode() walks the whole datagram once and refuses it with the first thing
 * that is wrong, so that nobody prints half of a forged one; dnsflow_next_record() then walks checked ground. */
#include "base/bytes.h"
#include "dnsflow.h"
#include "flow/wire.h"

/* The 40 bytes of a header of version 4. What else a record has is not touched. */
static inline int read_whole_header(const uint8_t *bytes, struct dnsflow_record *out)
{
    out->ip_vers = bytes[0];
    out->names_text = 0;
    out->names_count = bytes[1];
    out->ip4s_count = bytes[2];
    out->ip6s_count = bytes[3];
    out->names_len = load_be16(bytes + 4);
    out->client = bytes + 8;
    out->resolver = bytes + 24;
    return out->ip_vers == 4 || out->ip_vers == 6 ? DNSFLOW_OK : DNSFLOW_BAD_FAMILY;
}

/* Fields of a set header before names and addresses; only version 4 has a resolver.
 *   v4    ip_vers 1 | names 1 | ips 1 | ip6s 1 | names_len 2 | 0 2 | client 16 | resolver 16
 *   v3    the same with a client of 4 or 16 bytes and no resolver
 *   v0-2  client 4 | names 1 | ips 1 | names_len 2 */
static inline int read_set_header(struct reader *in, uint8_t version, struct dnsflow_record *out)
{
    if (version == 4) {
        const uint8_t *bytes = read_bytes(in, WIRE_SET_HEADER);
        return bytes ? read_whole_header(bytes, out) : DNSFLOW_SHORT_SET;
    }
    memset(out, 0, sizeof(*out));
    out->names_text = version == 0;
    if (version < 3) {
        out->ip_vers = 4;
        out->client = read_bytes(in, 4);
        out->names_count = read_u8(in);
        out->ip4s_count = read_u8(in);
        out->names_len = read_be16(in);
    } else {
        out->ip_vers = read_u8(in);
        out->names_count = read_u8(in);
        out->ip4s_count = read_u8(in);
        out->ip6s_count = read_u8(in);
        out->names_len = read_be16(in);
        read_skip(in, 2);
        if (!in->failed && out->ip_vers != 4 && out->ip_vers != 6)
            return DNSFLOW_BAD_FAMILY;
        out->client = read_bytes(in, out->ip_vers == 6 ? 16 : 4);
    }
    return in->failed ? DNSFLOW_SHORT_SET : DNSFLOW_OK;
}

static inline int read_set(struct reader *in, uint8_t version, struct dnsflow_record *out)
{
    int result = read_set_header(in, version, out);
    if (result != DNSFLOW_OK)
        return result;
    out->names = read_bytes(in, out->names_len);
    if (in->failed)
        return DNSFLOW_SHORT_NAMES;
    out->ip4s = read_bytes(in, 4 * out->ip4s_count);
    out->ip6s = read_bytes(in, 16 * out->ip6s_count);
    return in->failed ? DNSFLOW_SHORT_ADDRESSES : DNSFLOW_OK;
}

bool wire_names_valid(const uint8_t *names, size_t len, size_t count, size_t *used)
{
    size_t at = 0;
    for (; count > 0; count--) {
        size_t start = at;
        for (;;) {
            if (at >= len || names[at] > 63 || at - start + names[at] >= 255)
                return false;
            size_t label = names[at];
            at += label + 1;
            if (label == 0)
                break;
        }
    }
    *used = at;
    return at <= len;
}

static bool text_names_valid(const uint8_t *names, size_t len, size_t count)
{
    for (; count > 0; count--) {
        const uint8_t *nul = len ? memchr(names, 0, len) : NULL;
        if (!nul)
            return false;
        len -= (size_t)(nul + 1 - names);
        names = nul + 1;
    }
    return true;
}

static int check_sets(struct reader *in, const struct dnsflow_datagram *d)
{
    size_t set, used;
    for (set = 0; set < d->sets_count; set++) {
        struct dnsflow_record r;
        int result = read_set(in, d->version, &r);
        if (result != DNSFLOW_OK)
            return result;
        bool valid = r.names_text ? text_names_valid(r.names, r.names_len, r.names_count)
                                  : wire_names_valid(r.names, r.names_len, r.names_count, &used);
        if (!valid)
            return DNSFLOW_BAD_NAME;
    }
    return DNSFLOW_OK;
}

static int read_stats(struct reader *in, struct dnsflow_datagram *d)
{
    d->stats.pkts_captured = read_be32(in);
    d->stats.pkts_received = read_be32(in);
    d->stats.pkts_dropped = read_be32(in);
    d->stats.pkts_ifdropped = read_be32(in);
    if (d->version >= 2)
        d->stats.sample_rate = read_be32(in);
    return in->failed ? DNSFLOW_SHORT_STATS : DNSFLOW_OK;
}

/* Behind the entries of the sets, for each that has any: set 1 | bytes 2 | answers. */
static int read_answers(struct reader *in, struct dnsflow_datagram *d)
{
    int before = -1;
    d->answers_ = in->at;
    d->answers_left_ = reader_left(in);
    while (reader_left(in) > 0) {
        int set = read_u8(in);
        size_t len = read_be16(in);
        const uint8_t *answers = read_bytes(in, len);
        if (in->failed || set <= before || set >= d->sets_count || !wire_answers_valid(answers, len))
            return DNSFLOW_BAD_ANSWERS;
        before = set;
    }
    return DNSFLOW_OK;
}

/* An ext_version that is not known is passed over: the datagram is then one without a trailer. */
static int read_trailer(struct reader *in, struct dnsflow_datagram *d)
{
    struct dnsflow_trailer *t = &d->trailer;
    struct reader whole = *in;
    t->ext_version = read_u8(in);
    t->worker = read_u8(in);
    size_t len = read_be16(in);
    read_skip(&whole, len);
    if (in->failed || whole.failed || len < 4)
        return DNSFLOW_SHORT_TRAILER;
    if (t->ext_version != WIRE_EXT_VERSION) {
        *in = whole;
        return DNSFLOW_OK;
    }
    reader_clamp(in, len - 4);
    t->sensor_id = read_be32(in);
    t->start_time = read_be32(in);
    t->sample_rate = read_be32(in);
    t->base_time_us = (int64_t)read_be64(in);
    if (d->flags & DNSFLOW_FLAG_STATS) {
        d->counters_count = read_be16(in);
        read_skip(in, 2);
        d->counters = read_bytes(in, 8 * d->counters_count);
    } else {
        d->set_trailers_ = read_bytes(in, (size_t)d->sets_count * WIRE_SET_TRAILER);
    }
    if (in->failed)
        return DNSFLOW_SHORT_TRAILER;
    d->has_trailer = 1;
    int result = d->flags & DNSFLOW_FLAG_STATS || !(d->flags & DNSFLOW_FLAG_ANSWERS) ? DNSFLOW_OK : read_answers(in, d);
    *in = whole;
    return result;
}

/* The end of the datagram, behind its trailer. */
static int find_tag(const struct reader *in, struct dnsflow_datagram *d)
{
    if (!(d->flags & DNSFLOW_FLAG_EXTENDED) || reader_left(in) < DNSFLOW_TAG_SIZE)
        return DNSFLOW_SHORT_TRAILER;
    d->tag = in->end - DNSFLOW_TAG_SIZE;
    return DNSFLOW_OK;
}

int dnsflow_decode(const uint8_t *bytes, size_t len, struct dnsflow_datagram *out)
{
    struct dnsflow_datagram d = {.bytes_ = bytes, .len_ = len, .at_ = WIRE_HEADER};
    struct reader in = reader_over(bytes, len);
    int result;

    memset(out, 0, sizeof(*out));
    d.version = read_u8(&in);
    d.sets_count = read_u8(&in);
    d.flags = read_be16(&in);
    d.sequence = read_be32(&in);
    if (in.failed)
        return DNSFLOW_SHORT_HEADER;
    if (d.version > DNSFLOW_VERSION)
        return DNSFLOW_BAD_VERSION;
    result = d.flags & DNSFLOW_FLAG_STATS ? read_stats(&in, &d) : check_sets(&in, &d);
    if (result == DNSFLOW_OK && d.version == DNSFLOW_VERSION && (d.flags & DNSFLOW_FLAG_EXTENDED))
        result = read_trailer(&in, &d);
    if (result == DNSFLOW_OK && d.version == DNSFLOW_VERSION && (d.flags & DNSFLOW_FLAG_SIGNED))
        result = find_tag(&in, &d);
    if (result == DNSFLOW_OK && d.version == DNSFLOW_VERSION && (d.flags & DNSFLOW_FLAG_ANSWERS) &&
        !(d.flags & DNSFLOW_FLAG_EXTENDED))
        result = DNSFLOW_SHORT_TRAILER;
    if (result == DNSFLOW_OK)
        *out = d;
    return result;
}

/* time offset 4 (signed) | min_ttl 4 | qtype 2 | client port 2 | set flags 2 | result 2 */
static void read_set_trailer(const struct dnsflow_datagram *d, struct dnsflow_record *out)
{
    const uint8_t *t = d->set_trailers_ + d->sets_done_ * WIRE_SET_TRAILER;
    out->time_us = (int64_t)((uint64_t)d->trailer.base_time_us + (uint64_t)(int64_t)(int32_t)load_be32(t));
    out->min_ttl = load_be32(t + 4);
    out->qtype = load_be16(t + 8);
    out->client_port = load_be16(t + 10);
    out->set_flags = load_be16(t + 12);
    out->rcode = load_be16(t + 14) & DNSFLOW_RCODE_MAX;
    out->transport = (uint8_t)(load_be16(t + 14) >> WIRE_RCODE_BITS);
}

/* Those of the set at hand, if they are the next. */
static void take_answers(struct dnsflow_datagram *d, struct dnsflow_record *out)
{
    if (d->answers_[0] != d->sets_done_)
        return;
    out->answers_len = load_be16(d->answers_ + 1);
    out->answers = d->answers_ + WIRE_ANSWERS_HEADER;
    d->answers_ += WIRE_ANSWERS_HEADER + out->answers_len;
    d->answers_left_ -= WIRE_ANSWERS_HEADER + out->answers_len;
}

int dnsflow_next_record(struct dnsflow_datagram *datagram, struct dnsflow_record *out)
{
    if ((datagram->flags & DNSFLOW_FLAG_STATS) || datagram->sets_done_ >= datagram->sets_count)
        return 0;
    struct reader in = reader_over(datagram->bytes_ + datagram->at_, datagram->len_ - datagram->at_);
    memset(out, 0, sizeof(*out));
    if (read_set(&in, datagram->version, out) != DNSFLOW_OK)
        return 0;
    if (datagram->set_trailers_)
        read_set_trailer(datagram, out);
    if (datagram->answers_left_ > 0)
        take_answers(datagram, out);
    datagram->at_ = (size_t)(in.at - datagram->bytes_);
    datagram->sets_done_++;
    return 1;
}

const char *dnsflow_result_text(int result)
{
    switch (result) {
    case DNSFLOW_OVERSIZE:
        return "the names leave no room";
    case DNSFLOW_INVALID:
        return "the record contradicts itself, or lacks something";
    case DNSFLOW_SHORT_HEADER:
        return "shorter than the 8 bytes of a header";
    case DNSFLOW_BAD_VERSION:
        return "a version above 4";
    case DNSFLOW_SHORT_SET:
        return "a set header runs past the end";
    case DNSFLOW_BAD_FAMILY:
        return "a set is neither IPv4 nor IPv6";
    case DNSFLOW_SHORT_NAMES:
        return "names run past the end";
    case DNSFLOW_BAD_NAME:
        return "a name is invalid";
    case DNSFLOW_SHORT_ADDRESSES:
        return "addresses run past the end";
    case DNSFLOW_SHORT_STATS:
        return "statistics run past the end";
    case DNSFLOW_SHORT_TRAILER:
        return "the extension trailer is broken";
    case DNSFLOW_BAD_ANSWERS:
        return "the answers are of no set, or do not fill their bytes";
    default:
        return result < 0 ? "an error of a later version" : "no error";
    }
}
