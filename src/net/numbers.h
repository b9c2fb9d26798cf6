/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Numbers that others have given out: link types (https://www.tcpdump.org/linktypes.html), IP protocols (IANA). */
#ifndef DNSFLOW_NET_NUMBERS_H
#define DNSFLOW_NET_NUMBERS_H

enum { LINKTYPE_NULL = 0, LINKTYPE_ETHERNET = 1, LINKTYPE_RAW = 101 };

enum { PROTO_TCP = 6, PROTO_UDP = 17 };

#endif
