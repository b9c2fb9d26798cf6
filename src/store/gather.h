/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A block of the journal taken apart: what its records bring to a tally, and its streams to their accounts. */
#ifndef DNSFLOW_STORE_GATHER_H
#define DNSFLOW_STORE_GATHER_H

#include "store/account.h"
#include "store/tally.h"

/* Each record, and of how many messages one was kept. */
typedef void gather_record(void *context, const struct received *from, const struct dnsflow_record *record,
                           uint64_t rate);

/* Returns how many datagrams were taken. `each` may be NULL. */
uint64_t gather_block(struct tally *tally, struct account *account, const struct journal_block *block,
                      const uint8_t *plain, gather_record *each, void *context);

#endif
