/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is to be forgotten: names, all names below one, and addresses of clients. */
#ifndef DNSFLOW_STORE_FORGOTTEN_H
#define DNSFLOW_STORE_FORGOTTEN_H

#include <stdbool.h>

#include "base/error.h"
#include "store/rname.h"

enum { FORGOTTEN_MAX = 64 };

struct forgotten_entry {
    const char *text;   /* as it was told; borrowed */
    size_t address_len; /* 0: it is a name */
    uint8_t address[16];
    bool is_below; /* the names below, not the name itself */
    size_t rname_len;
    char rname[RNAME_TEXT]; /* reversed (store/rname.h) */
};

struct forgotten {
    struct forgotten_entry list[FORGOTTEN_MAX];
    size_t count;
};

/* Adds a name, "*.NAME" or an address; the text stays the caller's. Returns 0, or -1 with "expected ...". */
MUST_CHECK int forgotten_add(struct forgotten *forgotten, const char *text, struct error *err);

/* Whether a reversed name, or a client's address, is among them. */
bool forgotten_has_name(const struct forgotten *forgotten, const char *rname, size_t len);
bool forgotten_has_address(const struct forgotten *forgotten, const uint8_t *address, size_t len);

/* Whether rdata as text names one: any of its words is such a name. */
bool forgotten_has_word(const struct forgotten *forgotten, const char *text, size_t len);

#endif
