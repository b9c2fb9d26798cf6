/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dnstap messages (https://dnstap.info, dnstap.proto) in their protobuf encoding: what a name server itself says it has
 * sent, whatever way its client is connected. Only responses to clients are taken. */
#ifndef DNSFLOW_NET_DNSTAP_H
#define DNSFLOW_NET_DNSTAP_H

#include "net/packet.h"

/* Link type of packets that are dnstap messages. None of the LINKTYPE_ numbers. */
enum { NET_LINK_DNSTAP = 0xfd53 };

/* When the response was sent, or else when the query came, in us since the Unix epoch; 0 when the message does not
 * say. */
int64_t net_dnstap_time(const uint8_t *bytes, size_t len);

#endif
