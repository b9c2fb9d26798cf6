/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A record that has what is looked out for, and how that is told. */
#ifndef DNSFLOW_WATCH_HIT_H
#define DNSFLOW_WATCH_HIT_H

#include <stdbool.h>
#include <stdio.h>

#include "receive/received.h"
#include "record/name.h"
#include "watch/list.h"

enum watch_what { WATCH_QUESTION, WATCH_CHAIN, WATCH_ANSWER };

struct watch_hit {
    struct watch_entry entry; /* borrowed of the list */
    enum watch_what what;
    char match[NAME_TEXT]; /* the name or the address that it is */
};

/* The first thing of the record that is in the list: the name asked for, those of its chain, then the addresses. Names
 * in other rdata are not looked at. */
bool watch_look(const struct watch_list *list, const struct dnsflow_record *record, struct watch_hit *out);

/* One line for the log: who asked whom for what, and why that is told. */
void watch_describe(const struct watch_hit *hit, const struct dnsflow_record *record, char *text, size_t size);

/* One JSON object, with a newline: "time entry note what match client resolver server sensor names addresses qtype
 * rcode", null where the sensor does not tell. Of names the first 8 are told, of addresses the first 16. */
void watch_print(const struct watch_hit *hit, const struct received *from, const struct dnsflow_record *record,
                 FILE *out);

#endif
