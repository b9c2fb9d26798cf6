/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is looked out for: a file with a name, *.NAME for all names below it, an address or a prefix on each line.
 * What stands behind a blank is a note; lines that are empty or begin with # are passed over. Of any size: a million
 * lines are found in as little time as one. */
#ifndef DNSFLOW_WATCH_LIST_H
#define DNSFLOW_WATCH_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct watch_list;

/* A line of the file; borrowed of the list. */
struct watch_entry {
    const char *text;
    const char *note; /* "": there is none */
};

/* Reads it. Returns 0, or -1 with "PATH: line N: expected ...", or the cause. */
MUST_CHECK int watch_list_read(const char *path, struct watch_list **out, struct error *err);

/* NULL is fine. */
void watch_list_free(struct watch_list *list);

/* Lines with something to look out for; of NULL 0. */
size_t watch_list_count(const struct watch_list *list);

/* Whether a name, as a key (record/name.h), is in the list: it itself, else the nearest it is below. */
bool watch_list_has_name(const struct watch_list *list, const uint8_t *wire, size_t len, struct watch_entry *out);

/* Whether an address of this family, 4 or 6, is in it: by the longest prefix. */
bool watch_list_has_address(const struct watch_list *list, uint8_t ip_vers, const uint8_t *address,
                            struct watch_entry *out);

#endif
