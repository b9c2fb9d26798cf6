/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where others are: the text of the command line, and the address behind it. */
#ifndef DNSFLOW_BASE_ADDRESS_H
#define DNSFLOW_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"

/* As the command line names it. */
struct address_name {
    char host[256];
    char port[6];
    char text[272]; /* both, for messages */
};

/* len 0 = not known. */
struct address {
    socklen_t len;
    struct sockaddr_storage address;
};

/* Takes HOST, HOST:PORT, [IPv6] or [IPv6]:PORT. `port` is the default, 0 = a port must be given, and an IPv6 address
 * needs its brackets. Returns 0, or -1 with "expected ...". */
MUST_CHECK int address_parse(const char *text, unsigned port, struct address_name *out, struct error *err);

/* Whether it is an IPv6 address without brackets whose last part may have been meant as a port. */
bool address_is_ambiguous(const char *text);

/* The address, if it is named by numbers, without asking anybody. Returns -1 for another, with len 0. */
int address_read(const struct address_name *name, struct address *out);

/* Writes an IPv4 address without a NUL, and returns its length. For what writes many: inet_ntop() takes eight times as
 * long. */
size_t address_text4(const uint8_t *address, char text[INET_ADDRSTRLEN]);

/* As one of IPv6, one of IPv4 mapped. False: it is neither, as of a unix socket. */
bool address_to_ip6(const struct sockaddr_storage *from, struct in6_addr *out);

/* Asks for the first address of the name; may take long. Returns -1 with "WHAT NAME: cause". */
MUST_CHECK int address_resolve(const char *what, const struct address_name *name, struct address *out,
                               struct error *err);

#endif
