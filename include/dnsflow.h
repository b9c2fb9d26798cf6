/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dnsflow.h - the DNSFlow wire format: records in, UDP datagrams out, and back. The format is drawn in docs/WIRE.md.
 *
 * The library holds no global state, never prints and never exits. An encoder belongs to one thread at a time; the
 * decoder works on memory the caller owns and allocates nothing. Numbers are in host byte order, addresses and names
 * as on the wire. Times are microseconds since the Unix epoch. */
#ifndef DNSFLOW_H
#define DNSFLOW_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DNSFLOW_PORT            5300 /* UDP destination port of datagrams */
#define DNSFLOW_VERSION         4    /* the version that is written; 0 to 4 are read */
#define DNSFLOW_LIMIT_IP4       1472 /* bytes of a datagram that fit an Ethernet frame over IPv4 */
#define DNSFLOW_LIMIT_IP6       1452 /* the same over IPv6 */
#define DNSFLOW_LIMIT_MIN       1232 /* what every IPv6 path carries */
#define DNSFLOW_SETS_MAX        255  /* data sets in a datagram */
#define DNSFLOW_RECORD_SETS_MAX 16   /* data sets of one record */

/* Bits of the header's flags. */
#define DNSFLOW_FLAG_STATS    1 /* statistics instead of data */
#define DNSFLOW_FLAG_EXTENDED 2 /* an extension trailer follows the sets or the statistics */
#define DNSFLOW_FLAG_SIGNED   4 /* ... and ends the datagram, behind it, a tag of DNSFLOW_TAG_SIZE bytes */
#define DNSFLOW_FLAG_ANSWERS  8 /* ... and has the answers of some sets */

#define DNSFLOW_TAG_SIZE 16

/* Bits of dnsflow_record.set_flags. */
#define DNSFLOW_SET_CONTINUES  1  /* belongs to the record of the set before it */
#define DNSFLOW_SET_INCOMPLETE 2  /* the response was cut: names or addresses may lack */
#define DNSFLOW_SET_TCP        4  /* the response came over TCP */
#define DNSFLOW_SET_DNSTAP     8  /* the response came by dnstap */
#define DNSFLOW_SET_MDNS       16 /* the response was multicast DNS */
#define DNSFLOW_SET_CUT        32 /* not all answers found a place */

/* What the response came by, as SocketProtocol of dnstap has it. */
#define DNSFLOW_OVER_UNKNOWN      0
#define DNSFLOW_OVER_UDP          1
#define DNSFLOW_OVER_TCP          2
#define DNSFLOW_OVER_TLS          3
#define DNSFLOW_OVER_HTTPS        4
#define DNSFLOW_OVER_DNSCRYPT_UDP 5
#define DNSFLOW_OVER_DNSCRYPT_TCP 6
#define DNSFLOW_OVER_QUIC         7
#define DNSFLOW_OVER_MAX          15

#define DNSFLOW_RCODE_MAX 4095

/* dnsflow_answer.owner: none of the record's names. */
#define DNSFLOW_OWNER_OTHER 255

/* Results: 0 or a count when all went well, else one of these. */
enum dnsflow_result {
    DNSFLOW_OK = 0,
    DNSFLOW_OVERSIZE = -1,        /* encoder: the names leave no room for one address, or none themselves */
    DNSFLOW_INVALID = -2,         /* encoder: the record contradicts itself, or lacks something */
    DNSFLOW_SHORT_HEADER = -3,    /* datagram shorter than 8 bytes */
    DNSFLOW_BAD_VERSION = -4,     /* version above 4 */
    DNSFLOW_SHORT_SET = -5,       /* a set's header runs past the end */
    DNSFLOW_BAD_FAMILY = -6,      /* ip_vers is neither 4 nor 6 */
    DNSFLOW_SHORT_NAMES = -7,     /* names run past the end */
    DNSFLOW_BAD_NAME = -8,        /* names_count names do not fit names_len, or a label is invalid */
    DNSFLOW_SHORT_ADDRESSES = -9, /* addresses run past the end */
    DNSFLOW_SHORT_STATS = -10,    /* statistics run past the end */
    DNSFLOW_SHORT_TRAILER = -11,  /* the extension trailer runs past the end or contradicts itself */
    DNSFLOW_BAD_ANSWERS = -12,    /* the answers are of no set, or do not fill their bytes */
};

/* One line for a result. Never NULL. */
const char *dnsflow_result_text(int result);

/* One observation: who asked whom for what, and what came back. Pointers are borrowed: the encoder copies what they
 * lead to before it returns; those a decoder gives lead into the datagram. */
struct dnsflow_record {
    uint8_t ip_vers;         /* 4 or 6: family of client and resolver */
    uint8_t names_text;      /* 1: names are NUL-terminated text (version 0); else wire format. Decoder only */
    uint16_t set_flags;      /* DNSFLOW_SET_ bits; needs the trailer */
    const uint8_t *client;   /* 4 or 16 bytes */
    const uint8_t *resolver; /* 4 or 16 bytes; NULL below version 4 */
    const uint8_t *names;    /* names_count names: length-prefixed labels, root label 0, uncompressed, one behind the
                              * other; the question name first, then the CNAME targets */
    size_t names_len;        /* bytes of names; the encoder pads, a decoder leaves the padding in */
    size_t names_count;      /* 1 to 255 */
    const uint8_t *ip4s;     /* ip4s_count x 4 bytes */
    size_t ip4s_count;
    const uint8_t *ip6s; /* ip6s_count x 16 bytes */
    size_t ip6s_count;
    /* From here on only with the extension trailer; else 0. */
    int64_t time_us;        /* capture time of the response */
    uint32_t min_ttl;       /* seconds, smallest of the CNAME, A and AAAA answers */
    uint16_t qtype;         /* 0 = no question */
    uint16_t client_port;   /* 0 = unknown */
    uint16_t rcode;         /* with the upper bits of EDNS; 0 to DNSFLOW_RCODE_MAX */
    uint8_t transport;      /* DNSFLOW_OVER_, or another number up to DNSFLOW_OVER_MAX */
    const uint8_t *answers; /* other answers than A, AAAA and CNAME, for dnsflow_next_answer(); NULL = none */
    size_t answers_len;     /* bytes */
    size_t spare_[4];
};

/* One of a record's answers, class IN. */
struct dnsflow_answer {
    uint8_t owner; /* which of the record's names it is about, from 0, or DNSFLOW_OWNER_OTHER; of a decoded one, what
                    * was sent: a number from names_count on is none of the names either */
    uint16_t type;
    uint32_t ttl;         /* seconds, as in the response */
    const uint8_t *rdata; /* names in it uncompressed */
    uint16_t rdata_len;
};

/* Reads the answer at *at, which is moved behind it: first record->answers, then up to record->answers_len behind it.
 * Returns 1, or 0 at the end or where no whole answer is left. */
int dnsflow_next_answer(const uint8_t **at, const uint8_t *end, struct dnsflow_answer *out);

/* Appends the answer to the `used` bytes of `answers`, which has room for `size`. Returns the bytes used then, or 0
 * when it does not fit. */
size_t dnsflow_put_answer(uint8_t *answers, size_t used, size_t size, const struct dnsflow_answer *answer);

/* What a sensor says about itself; counters are cumulative since its start, modulo 2^32. */
struct dnsflow_stats {
    uint32_t pkts_captured;  /* frames given to the decoder */
    uint32_t pkts_received;  /* the kernel's count after the filter, drops included */
    uint32_t pkts_dropped;   /* lost in the capture ring */
    uint32_t pkts_ifdropped; /* lost by the interface */
    uint32_t sample_rate;    /* 0 = not sampling; not on the wire below version 2 */
};

/* ---- encoder ---- */

struct dnsflow_encoder;

struct dnsflow_encoder_options {
    size_t size;    /* sizeof(struct dnsflow_encoder_options), for later versions of this struct */
    size_t limit;   /* bytes of the largest datagram, from DNSFLOW_LIMIT_MIN to DNSFLOW_LIMIT_IP4; 0 is the latter */
    int extended;   /* 1 = with the extension trailer */
    uint8_t worker; /* trailer: number of this encoder within the sensor */
    uint32_t sensor_id;   /* trailer */
    uint32_t start_time;  /* trailer: Unix seconds, start of this sequence space */
    uint32_t sample_rate; /* trailer: 1 message in this many is kept, 0 = all */
    /* Called with each finished datagram; the bytes are good until it returns. time_us is that of its last record.
     * It must not call the encoder. */
    void (*emit)(void *context, const uint8_t *datagram, size_t len, int64_t time_us);
    void *context;
    /* NULL = none. Else datagrams are extended and end with a tag, which this makes of all bytes before it. */
    void (*sign)(void *sign_context, const uint8_t *bytes, size_t len, uint8_t tag[DNSFLOW_TAG_SIZE]);
    void *sign_context;
};

/* Returns NULL when memory is short or the options are contradictory. */
struct dnsflow_encoder *dnsflow_encoder_create(const struct dnsflow_encoder_options *options);

/* Frees the encoder; an open datagram is dropped, flush before. NULL is fine. */
void dnsflow_encoder_destroy(struct dnsflow_encoder *encoder);

/* Adds one record; finished datagrams go to emit(). A record that does not fit one set is split over several, each
 * with all names; addresses that would take more than DNSFLOW_RECORD_SETS_MAX are left out. Answers stand with the
 * first set, in order as far as an empty datagram has room for them, else with DNSFLOW_SET_CUT. Without the trailer a
 * record must have an address, and rcode, transport and answers are not written. Returns the number of sets written (1
 * or more), DNSFLOW_OVERSIZE or DNSFLOW_INVALID. */
int dnsflow_encoder_add(struct dnsflow_encoder *encoder, const struct dnsflow_record *record);

/* Emits the open datagram if there is one. Returns 1 if there was. */
int dnsflow_encoder_flush(struct dnsflow_encoder *encoder);

/* Emits the open datagram, then one with statistics. `counters` (may be NULL) go into the trailer, at most 128. */
int dnsflow_encoder_stats(struct dnsflow_encoder *encoder, const struct dnsflow_stats *stats, int64_t time_us,
                          const uint64_t *counters, size_t counters_count);

/* ---- decoder ---- */

struct dnsflow_trailer {
    uint8_t ext_version;
    uint8_t worker;
    uint32_t sensor_id;
    uint32_t start_time; /* Unix seconds */
    uint32_t sample_rate;
    int64_t base_time_us; /* of the first set, or near it; statistics: when they were read */
};

/* An accepted datagram. Fields below the line are the decoder's own. */
struct dnsflow_datagram {
    uint8_t version;
    uint8_t sets_count;
    uint16_t flags;
    uint32_t sequence;
    struct dnsflow_stats stats; /* when flags has DNSFLOW_FLAG_STATS */
    int has_trailer;            /* trailer and the extended fields of records are filled */
    struct dnsflow_trailer trailer;
    const uint8_t *tag;      /* the last DNSFLOW_TAG_SIZE bytes, over all before them; NULL = not signed */
    const uint8_t *counters; /* trailer of statistics: counters_count x 8 bytes, big-endian */
    size_t counters_count;
    /* ---- */
    const uint8_t *bytes_;
    size_t len_;
    size_t at_;
    size_t sets_done_;
    const uint8_t *set_trailers_;
    const uint8_t *answers_;
    size_t answers_left_;
    size_t spare_[4];
};

/* Reads and checks the whole datagram, so that walking it afterwards cannot fail. `bytes` must stay as they are while
 * *out is in use. Returns 0, or a negative result and then *out holds nothing. */
int dnsflow_decode(const uint8_t *bytes, size_t len, struct dnsflow_datagram *out);

/* Fills *out with the next data set. Returns 1, or 0 when there is none. */
int dnsflow_next_record(struct dnsflow_datagram *datagram, struct dnsflow_record *out);

/* Presentation form (RFC 1035 section 5.1) of the wire-format name at *at, which is moved behind it: no trailing dot,
 * the root is ".", the bytes . \ " ( ) ; @ $ behind a backslash, bytes outside 0x21-0x7e and the punctuation in `also`
 * (may be NULL) as \DDD. Writes at most `size` bytes, the NUL included; 1024 is always enough. Returns the length of
 * the text, or -1 when the name does not end before `end` or the text does not fit. */
int dnsflow_name_text(const uint8_t **at, const uint8_t *end, const char *also, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
