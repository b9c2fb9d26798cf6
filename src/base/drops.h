/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Every way in which an input can end without a record, and everything else worth counting. This one table feeds
 * the summary, the stats trailer and the manual. The order of the entries is the order of the counters on the wire
 * (docs/WIRE.md): add new ones at the end.
 *
 * Two ledgers balance at exit:
 *   frames:   seen   = delivered + dropped (LEDGER_FRAME) + absorbed (LEDGER_ABSORBED)
 *   messages: parsed = with a record + dropped (LEDGER_MESSAGE)
 * LEDGER_NOTE entries are counted beside them: nothing is lost to a ledger by a note. */
#ifndef DNSFLOW_BASE_DROPS_H
#define DNSFLOW_BASE_DROPS_H

#include <stddef.h>
#include <stdint.h>

enum drop_ledger { LEDGER_NONE, LEDGER_FRAME, LEDGER_ABSORBED, LEDGER_MESSAGE, LEDGER_NOTE };

/* clang-format off */
#define DROP_REASONS(X) \
    X(LINK_UNSUPPORTED, "link_unsupported", FRAME, "frame of a link type that is not decoded") \
    X(LINK_SHORT, "link_short", FRAME, "frame ends inside its link header") \
    X(LINK_CONTROL, "link_control", FRAME, "link-layer management, no network packet inside") \
    X(LINK_ENCRYPTED, "link_encrypted", FRAME, "802.11 frame whose payload is encrypted") \
    X(VLAN_DEPTH, "vlan_depth", FRAME, "more than 3 VLAN tags") \
    X(NOT_IP, "not_ip", FRAME, "no IPv4 or IPv6 packet (ARP, LLDP, ...)") \
    X(IP_MALFORMED, "ip_malformed", FRAME, "IPv4 or IPv6 header that contradicts itself") \
    X(IP_SHORT, "ip_short", FRAME, "frame or packet ends before the DNS message begins") \
    X(IP_ENCRYPTED, "ip_encrypted", FRAME, "IPsec ESP payload") \
    X(FRAGMENT, "fragment", FRAME, "IP fragment that is not put together with others") \
    X(ICMP, "icmp", FRAME, "ICMP; what it quotes is never read") \
    X(TCP, "tcp", FRAME, "TCP segment not from a DNS port, or TCP is not looked into") \
    X(NOT_UDP, "not_udp", FRAME, "IP packet of another protocol") \
    X(UDP_MALFORMED, "udp_malformed", FRAME, "UDP length below 8") \
    X(QUERY_PORT, "query_port", FRAME, "UDP datagram towards a DNS port: a query") \
    X(OTHER_PORT, "other_port", FRAME, "UDP datagram not from a DNS port") \
    X(OTHER_SHARE, "other_share", FRAME, "another share of the traffic (-m)") \
    X(FILTERED, "filtered", FRAME, "refused by the filter expression (-f)") \
    X(DNS_SHORT, "dns_short", MESSAGE, "shorter than a DNS header") \
    X(DNS_QUERY, "dns_query", MESSAGE, "a query (QR=0)") \
    X(DNS_NOT_RD, "dns_not_rd", MESSAGE, "recursion was not desired (RD=0)") \
    X(DNS_NOT_RA, "dns_not_ra", MESSAGE, "recursion was not available (RA=0)") \
    X(DNS_NXDOMAIN, "dns_nxdomain", MESSAGE, "the name does not exist (RCODE 3)") \
    X(DNS_RCODE, "dns_rcode", MESSAGE, "another error RCODE") \
    X(DNS_QDCOUNT, "dns_qdcount", MESSAGE, "not exactly one question") \
    X(DNS_QTYPE, "dns_qtype", MESSAGE, "question of a type other than A, AAAA, ANY") \
    X(DNS_NO_ADDRESS, "dns_no_address", MESSAGE, "no A or AAAA in the answer section") \
    X(DNS_MALFORMED, "dns_malformed", MESSAGE, "question or answer section is broken") \
    X(DNS_CUT, "dns_cut", MESSAGE, "cut short before the first whole address") \
    X(OVERSIZE, "oversize", MESSAGE, "the names leave no room for an address in a datagram") \
    X(SAMPLED, "sampled", MESSAGE, "not chosen by sampling (-s)") \
    X(CUT_RECORDS, "cut_records", NOTE, "records from messages that were cut short") \
    X(NAMES_TRUNCATED, "names_truncated", NOTE, "messages with more than 255 names, or 32 mDNS owner names") \
    X(ADDRESS_LENGTH, "address_length", NOTE, "A or AAAA answers of a wrong length, skipped") \
    X(ADDRESSES_LOST, "addresses_lost", NOTE, "IPv6 addresses for which the names left no room") \
    X(SETS, "sets", NOTE, "data sets encoded") \
    X(DATAGRAMS, "datagrams", NOTE, "datagrams encoded") \
    X(SENT, "sent", NOTE, "datagrams sent, over all collectors") \
    X(SEND_REFUSED, "send_refused", NOTE, "port-unreachable replies from collectors") \
    X(SEND_LOST, "send_lost", NOTE, "datagrams that no retry could send, over all collectors") \
    X(WRITTEN, "written", NOTE, "datagrams written to the capture file") \
    X(WRITE_LOST, "write_lost", NOTE, "datagrams that could not be written to the capture file") \
    X(SUPERPACKET, "superpacket", NOTE, "frames over the MTU: several datagrams in one, only the first is read") \
    X(BACKLOG, "backlog", NOTE, "packets the kernel dropped before any capture, on the whole machine") \
    X(ABSORBED, "absorbed", ABSORBED, "frames held until the rest of a datagram or message comes") \
    X(TUNNEL, "tunnel", FRAME, "tunnelled packet whose kind is not unwrapped (--decap)") \
    X(TUNNEL_DEPTH, "tunnel_depth", FRAME, "more than 8 encapsulations, or 16 MPLS labels") \
    X(FRAGMENT_REFUSED, "fragment_refused", FRAME, "IP fragment that contradicts others of its packet, or has come before") \
    X(TCP_MALFORMED, "tcp_malformed", FRAME, "TCP header that contradicts itself") \
    X(TCP_EMPTY, "tcp_empty", FRAME, "TCP segment from a DNS port without data") \
    X(TCP_OLD, "tcp_old", FRAME, "TCP data that has come before") \
    X(TCP_NO_START, "tcp_no_start", FRAME, "TCP data in which no message is known to begin") \
    X(TCP_REFUSED, "tcp_refused", FRAME, "TCP data too far ahead, or in too many pieces") \
    X(ENCRYPTED_PORT, "encrypted_port", FRAME, "port 853 or 443: DNS over TLS, HTTPS or QUIC, or anything else in TLS") \
    X(DNSTAP_MALFORMED, "dnstap_malformed", FRAME, "dnstap message that is broken, or lacks client or response") \
    X(DNSTAP_OTHER, "dnstap_other", FRAME, "dnstap message other than a response to a client") \
    X(TUNNELLED, "tunnelled", NOTE, "DNS messages out of tunnels") \
    X(REASSEMBLED, "reassembled", NOTE, "IP packets put together from fragments") \
    X(REASSEMBLY_EXPIRED, "reassembly_expired", NOTE, "IP packets of which a fragment did not come within 30 s") \
    X(REASSEMBLY_EVICTED, "reassembly_evicted", NOTE, "incomplete IP packets that had to make room") \
    X(TCP_MESSAGES, "tcp_messages", NOTE, "DNS messages over TCP") \
    X(TCP_EXPIRED, "tcp_expired", NOTE, "TCP streams given up with part of a message in hand") \
    X(TCP_EVICTED, "tcp_evicted", NOTE, "the same, as others needed the room") \
    X(TCP_GAPS, "tcp_gaps", NOTE, "places in TCP streams where data never came") \
    X(SETS_CUT, "sets_cut", NOTE, "addresses left out, as a record has 16 sets at most and a message 64") \
    X(DNSTAP_REFUSED, "dnstap_refused", NOTE, "dnstap clients sent away for what they sent, or had not sent in time") \
    X(DNSTAP_EVICTED, "dnstap_evicted", NOTE, "silent dnstap clients whose place another needed") \
    X(DNSTAP_CUT, "dnstap_cut", NOTE, "dnstap frames of which only a beginning came") \
    X(DNS_TRUNCATED, "dns_truncated", MESSAGE, "truncated (TC=1), no address; else a record by --records") \
    X(NODATA_RECORDS, "nodata_records", NOTE, "records of answers without data (--records nodata)") \
    X(NXDOMAIN_RECORDS, "nxdomain_records", NOTE, "records of names that do not exist (--records nxdomain)") \
    X(ERROR_RECORDS, "error_records", NOTE, "records of other error RCODEs (--records error)") \
    X(OTHER_RECORDS, "other_records", NOTE, "records of questions of other types (--records other)") \
    X(ANSWERS_MALFORMED, "answers_malformed", NOTE, "answers left out of records, as their rdata is broken") \
    X(ANSWERS_CUT, "answers_cut", NOTE, "records without some of their answers, for want of room or of time")
/* clang-format on */

enum drop_reason {
    DROP_NONE = 0,
#define X(name, token, ledger, text) DROP_##name,
    DROP_REASONS(X)
#undef X
        DROP_REASON_COUNT
};

struct drop_info {
    const char *token; /* name in logs, metrics and manuals */
    enum drop_ledger ledger;
    const char *text; /* one line for people */
};

/* Indexed by enum drop_reason; entry 0 is DROP_NONE. */
extern const struct drop_info drop_table[DROP_REASON_COUNT];

/* Counters of the statistics trailer (docs/WIRE.md): five of what was seen, then every reason but DROP_NONE. */
enum { DROP_COUNTERS = 5 + DROP_REASON_COUNT - 1 };

/* Name of one of these, from 0 on; NULL when there is none with this number. */
const char *drop_counter_name(size_t index);

#endif
