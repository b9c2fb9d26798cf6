/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Clients that were seen to talk to an encrypted resolver, so that what they look up is seen by nobody. */
#ifndef DNSFLOW_ANNOTATE_ENCRYPTED_H
#define DNSFLOW_ANNOTATE_ENCRYPTED_H

#include "annotate/flow.h"

struct encrypted;

/* NULL: out of memory. */
struct encrypted *encrypted_create(void);
/* NULL is fine. */
void encrypted_destroy(struct encrypted *encrypted);

/* Notes the client of a flow to port 853, or to a resolver that is known to answer over HTTPS. */
void encrypted_note(struct encrypted *encrypted, const struct seen_flow *flow);

/* Whether the flow's client was noted. */
bool encrypted_has(const struct encrypted *encrypted, const struct seen_flow *flow);

#endif
