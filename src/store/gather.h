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

/* One datagram, that is not decoded yet, of a block, or of one that is all zero. False: it cannot be decoded. */
bool gather_datagram(struct tally *tally, struct account *account, const struct journal_block *block,
                     struct received *from, gather_record *each, void *context);

/* Returns how many datagrams were taken. `each` may be NULL. */
uint64_t gather_block(struct tally *tally, struct account *account, const struct journal_block *block,
                      const uint8_t *plain, gather_record *each, void *context);

#endif
