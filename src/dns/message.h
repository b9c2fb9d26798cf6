/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From the bytes of a DNS message (RFC 1035 section 4) to what a record is made of, in one pass and without memory of
 * its own. Only the header, the question and the answer section are read, and behind them, by dns_parse_any(), an OPT:
 * what is wrong there costs nothing. */
#ifndef DNSFLOW_DNS_MESSAGE_H
#define DNSFLOW_DNS_MESSAGE_H

#include "base/bytes.h"
#include "base/drops.h"

enum {
    DNS_MESSAGE_MAX = 65535,
    DNS_NAMES_MAX = 255,               /* names a record can hold */
    DNS_NAMES_BYTES = 1472,            /* of names, more than any datagram has room for: others are passed over then */
    DNS_POINTERS_MAX = 256,            /* followed in a message: one for each name, and more if there are fewer */
    DNS_IP4_MAX = DNS_MESSAGE_MAX / 4, /* address hints lie one behind the other; an A answer takes 15 bytes */
    DNS_IP6_MAX = DNS_MESSAGE_MAX / 16,
    DNS_OWNERS_MAX = 32,                      /* records of one mDNS message */
    DNS_OWNER_ROOM = 272,                     /* for a name */
    DNS_OWNERS_SEEN = 256,                    /* a power of 2 */
    DNS_ADDRESSES_MAX = DNS_MESSAGE_MAX / 15, /* A and AAAA answers, the smallest of which has 15 bytes */
};

/* Options: dns_parse_response() knows the first, dns_parse_any() all. */
enum {
    DNS_WITH_SVCB = 1, /* questions of type SVCB and HTTPS too (RFC 9460) */
    DNS_WITH_NODATA = 2,
    DNS_WITH_NXDOMAIN = 4,
    DNS_WITH_ERROR = 8,
    DNS_WITH_OTHER = 16,
};

/* One record's worth. Made once and used again for every message: 128 KiB, of which a message touches what it fills. */
struct dns_response {
    uint16_t qtype;         /* 0 = no question */
    unsigned names_count;   /* names appended to the caller's writer */
    bool names_truncated;   /* there were more CNAME targets than DNS_NAMES_MAX - 1 */
    bool incomplete;        /* the answer section was cut: more may have followed */
    unsigned pointers_left; /* that may still be followed */
    unsigned bad_lengths;   /* A and AAAA answers of a wrong length, skipped */
    uint32_t min_ttl;       /* seconds, over CNAME, A and AAAA; RFC 2181 section 8: top bit set counts as 0 */
    size_t ip4_count;
    size_t ip6_count;
    uint8_t ip4[DNS_IP4_MAX * 4];
    uint8_t ip6[DNS_IP6_MAX * 16];
};

/* Reads the response msg[0..len). `complete` is false when the message went on behind `len`: then what is whole
 * counts. The question name and the CNAME targets are appended to `names`, which needs room for DNS_NAMES_MAX names.
 * With DNS_WITH_SVCB the address hints of SVCB and HTTPS answers are addresses, the targets in AliasMode names. Returns
 * DROP_NONE when the message makes a record, else a LEDGER_MESSAGE reason; bad_lengths is good either way. */
enum drop_reason dns_parse_response(const uint8_t *msg, size_t len, bool complete, unsigned options,
                                    struct writer *names, struct dns_response *out);

/* What a response is, by RCODE, question and addresses. */
enum dns_kind {
    DNS_ADDRESS,  /* what dns_parse_response() takes */
    DNS_NODATA,   /* RCODE 0, asked for addresses, has none */
    DNS_NXDOMAIN, /* RCODE 3 */
    DNS_ERROR,    /* another RCODE but 0 */
    DNS_OTHER,    /* RCODE 0, asked for another type */
    DNS_KINDS
};

enum {
    DNS_ANSWERS_BYTES = 1472, /* more than a datagram has room for, each counted with DNS_ANSWER_HEAD */
    DNS_ANSWER_HEAD = 9,
    DNS_ANSWERS_MAX = DNS_ANSWERS_BYTES / DNS_ANSWER_HEAD,
    DNS_ANSWERS_WORK = 1536, /* bytes of owner names that are compared, more than honest ones have */
    DNS_OWNER_NONE = 255
};

/* An answer of class IN that is no A, AAAA or CNAME. */
struct dns_answer {
    uint8_t owner; /* which of the names, from 0, or DNS_OWNER_NONE */
    uint16_t type;
    uint16_t rdata_len;
    uint16_t owner_at; /* where its name is in the message */
    uint32_t ttl;
    const uint8_t *rdata; /* names in it uncompressed; in the message or in `rewritten` */
};

/* What there is beside names and addresses. Made once and used again. */
struct dns_answers {
    enum dns_kind kind;
    uint16_t rcode; /* with the upper bits of EDNS (RFC 6891 section 6.1.3), where an OPT was found */
    bool cut;       /* there were more answers than there is room for, or their names took too much work */
    unsigned bad;   /* answers whose rdata is broken, left out */
    unsigned count;
    size_t bytes; /* of all, each counted with DNS_ANSWER_HEAD */
    struct dns_answer list[DNS_ANSWERS_MAX];
    /* inside */
    unsigned pointers_left;
    size_t work_left;
    unsigned names_known;
    const uint8_t *names_at; /* the first */
    uint32_t name_hash[DNS_NAMES_MAX];
    uint8_t name_len[DNS_NAMES_MAX];
    const uint8_t *name[DNS_NAMES_MAX];
    size_t rewritten_len;
    uint8_t rewritten[2 * DNS_ANSWERS_BYTES];
};

/* The same as dns_parse_response(), for those too that have no address, of the kinds that the options ask for; others
 * are dropped as there. A truncated one (TC) without an address is DROP_DNS_TRUNCATED. Answers are gathered where the
 * question was for another type, or for ANY; signatures and denials (RRSIG, NSEC) only where they were asked for. */
enum drop_reason dns_parse_any(const uint8_t *msg, size_t len, bool complete, unsigned options, struct writer *names,
                               struct dns_response *out, struct dns_answers *answers);

/* Whether the first bytes of a message, 12 at least, can be the header of a response: where one has to be told from
 * arbitrary bytes. */
bool dns_looks_like_response(const uint8_t *msg, size_t len);

/* The owner names of the addresses in an mDNS response (RFC 6762), which has no question to go by. */
struct dns_owners {
    unsigned count;
    bool truncated;  /* there were more than DNS_OWNERS_MAX */
    bool incomplete; /* as in struct dns_response */
    unsigned bad_lengths;
    uint16_t qtype; /* of the first question, 0 = none */
    uint16_t name_len[DNS_OWNERS_MAX];
    uint64_t name_hash[DNS_OWNERS_MAX];
    uint8_t name[DNS_OWNERS_MAX][DNS_OWNER_ROOM];  /* as first seen */
    uint8_t lower[DNS_OWNERS_MAX][DNS_OWNER_ROOM]; /* in lower case */
    uint8_t by_hash[2 * DNS_OWNERS_MAX];           /* owners, counted from 1, from the place that the hash says on */
    /* its addresses: a chain through the two arrays below, counted from 1 */
    uint16_t first[DNS_OWNERS_MAX], last[DNS_OWNERS_MAX];
    unsigned addresses_count;
    uint16_t rdata_at[DNS_ADDRESSES_MAX + 1], next[DNS_ADDRESSES_MAX + 1];
    /* owners by where their name lies, for the pointers that lead there */
    uint16_t seen_at[DNS_OWNERS_SEEN];
    uint8_t seen_owner[DNS_OWNERS_SEEN];
};

/* Finds the owner names. Returns DROP_NONE when there is at least one. A message whose names take more work than those
 * of any honest one of its size is malformed. */
enum drop_reason dns_find_owners(const uint8_t *msg, size_t len, bool complete, struct dns_owners *owners);

/* Fills the record of owner number `index`, after dns_find_owners() on the same message. */
void dns_owner_record(const uint8_t *msg, const struct dns_owners *owners, unsigned index, struct writer *names,
                      struct dns_response *out);

#endif
