/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of net/: which entries of a table have waited longest. A list through the table, by index; entry 0 of the
 * arrays is the list's head, so that the table's entries count from 1. */
#ifndef DNSFLOW_NET_AGES_H
#define DNSFLOW_NET_AGES_H

#include <stdint.h>

struct ages_link {
    uint32_t before, after;
};

/* `links` has an entry more than the table. */
static inline void ages_append(struct ages_link *links, uint32_t entry)
{
    links[entry].before = links[0].before;
    links[entry].after = 0;
    links[links[0].before].after = entry;
    links[0].before = entry;
}

/* Takes out an entry, which must be in the list. */
static inline void ages_remove(struct ages_link *links, uint32_t entry)
{
    links[links[entry].before].after = links[entry].after;
    links[links[entry].after].before = links[entry].before;
}

/* 0: the list is empty. */
static inline uint32_t ages_oldest(const struct ages_link *links)
{
    return links[0].after;
}

#endif
