/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Domain names inside a DNS message (RFC 1035 section 4.1.4). */
#ifndef DNSFLOW_DNS_NAME_H
#define DNSFLOW_DNS_NAME_H

#include "base/bytes.h"

enum {
    DNS_POINTER = 0xc0, /* the least first byte of a compression pointer */
    DNS_NAME_MAX = 255, /* octets of a name, root label included (RFC 1035 section 2.3.4) */
    DNS_NAME_SLACK = 16 /* dns_name_copy may scribble this many bytes behind what it appends */
};

enum name_status {
    NAME_OK,
    NAME_BROKEN, /* bad label type, pointer that does not lead backwards, too many of these, over 255 octets */
    NAME_CUT     /* the message ends inside the name */
};

/* Appends the name at msg[*at] to `out`, uncompressed and with its case kept, and moves *at behind it. A pointer must
 * lead to before the place the walk last started from, so that the walk ends and needs no memory; and *pointers says
 * how many may still be followed, so that it ends soon however many names a message has. On failure neither `out` nor
 * *at has moved. `out` needs DNS_NAME_MAX + DNS_NAME_SLACK bytes of room, else the name counts as broken. */
enum name_status dns_name_copy(const uint8_t *msg, size_t len, size_t *at, unsigned *pointers, struct writer *out);

/* Moves *at behind the name at msg[*at]. Pointers are not followed. */
enum name_status dns_name_skip(const uint8_t *msg, size_t len, size_t *at);

#endif
