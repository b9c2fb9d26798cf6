/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/gather.h"

bool gather_datagram(struct tally *tally, struct account *account, const struct journal_block *block,
                     struct received *from, gather_record *each, void *context)
{
    struct dnsflow_record records[TALLY_TOGETHER];
    size_t count, i;
    if (dnsflow_decode(from->bytes, from->len, &from->datagram) != DNSFLOW_OK)
        return false;
    const struct source *source = account_datagram(account, block, from);
    uint64_t told = from->datagram.has_trailer    ? from->datagram.trailer.sample_rate
                    : source && source->has_stats ? source->last_stats.sample_rate
                                                  : 0;
    uint64_t rate = told > 1 ? told : 1;
    if (from->datagram.flags & DNSFLOW_FLAG_STATS)
        return true;
    do {
        for (count = 0; count < TALLY_TOGETHER && dnsflow_next_record(&from->datagram, &records[count]); count++)
            ;
        tally_records(tally, from, records, count, rate);
        for (i = 0; each && i < count; i++)
            each(context, from, &records[i], rate);
    } while (count == TALLY_TOGETHER);
    return true;
}

uint64_t gather_block(struct tally *tally, struct account *account, const struct journal_block *block,
                      const uint8_t *plain, gather_record *each, void *context)
{
    const uint8_t *at = plain, *end = plain + block->plain_len;
    struct received from;
    uint64_t datagrams = 0;
    account_block(account, block);
    while (journal_record_read(&at, end, &from) == 1)
        datagrams += gather_datagram(tally, account, block, &from, each, context);
    return datagrams;
}
