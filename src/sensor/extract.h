/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a DNS message to flow records: the one place that knows both. */
#ifndef DNSFLOW_SENSOR_EXTRACT_H
#define DNSFLOW_SENSOR_EXTRACT_H

#include "base/counters.h"
#include "dns/message.h"
#include "flow/encoder.h"
#include "net/packet.h"

/* Working memory, used again for every message. */
struct extract {
    unsigned options;             /* DNS_WITH_, of EXTRACT_ANY */
    int sets_before;              /* that the message at hand has been given; 0 between messages */
    struct dnsflow_record record; /* what is not filled in for each one stays zero */
    struct dns_response response;
    struct dns_owners owners;
    struct dns_answers answers;
    uint8_t answer_bytes[DNS_ANSWERS_BYTES];
};

/* How a message is read; with EXTRACT_ANY records tell RCODE and transport, and those without addresses are made that
 * the options ask for. */
enum extract_kind { EXTRACT_PLAIN, EXTRACT_WITH_SVCB, EXTRACT_ANY, EXTRACT_MDNS };

/* Parses the message in `udp`, captured at time_us, and adds its record (mDNS: its records) to the encoder. Returns
 * DROP_NONE when there was one, else a LEDGER_MESSAGE reason. Notes are counted in *counters. */
enum drop_reason extract_message(struct extract *scratch, const struct net_payload *udp, int64_t time_us,
                                 enum extract_kind kind, struct dnsflow_encoder *encoder, struct counters *counters);

#endif
