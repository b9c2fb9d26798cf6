/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where to listen, as command lines name it. */
#ifndef DNSFLOW_RECEIVE_TARGET_H
#define DNSFLOW_RECEIVE_TARGET_H

#include "base/address.h"
#include "receive/listener.h"

/* Takes ADDR:PORT, [IPv6]:PORT, ADDR, :PORT or PORT, in numbers; nothing is all addresses, port 5300. Sets host, port
 * and text of *out, which lead into *target. Returns 0, or -1 with "expected ...". */
int listener_parse(const char *text, struct address_name *target, struct listener_options *out, struct error *err);

#endif
