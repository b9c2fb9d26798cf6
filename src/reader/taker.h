/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What becomes of the records that are wanted: rows, tables or passive DNS. A taker is one file, which fills this. */
#ifndef DNSFLOW_READER_TAKER_H
#define DNSFLOW_READER_TAKER_H

#include <stdbool.h>

#include "receive/source.h"

struct session;

struct taker {
    /* Makes session->taken, and prints what stands in front. Returns -1: out of memory. */
    int (*open)(struct session *session);
    void (*close)(struct session *session);
    /* A wanted record. Of a later part of a split record (is_part) only the addresses are new. */
    void (*record)(struct session *session, const struct received *from, const struct dnsflow_record *record,
                   bool is_part);
    /* A datagram of statistics; NULL: the accounts have them. */
    void (*stats)(struct session *session, const struct received *from, const struct source *source);
    /* Time passes, as the datagrams or live the clock tell it; NULL: nothing depends on it. */
    void (*tick)(struct session *session, int64_t now_us);
    /* Prints what was gathered, and the summary, and goes on. */
    void (*report)(struct session *session, uint64_t dropped);
};

extern const struct taker taker_rows, taker_tables, taker_cof;

#endif
