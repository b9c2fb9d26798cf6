/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where an answer goes on: behind the row that was its last. Made of what that row is about and of nothing that the
 * store changes, so that it is good after merges, restarts and whatever has arrived since. */
#ifndef DNSFLOW_QUERY_CURSOR_H
#define DNSFLOW_QUERY_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "record/name.h"

enum {
    CURSOR_KEY = 400, /* longer ones are cut, and told apart by a hash */
    CURSOR_TEXT = 2 * (2 * NAME_TEXT + CURSOR_KEY)
};

/* All zero: the beginning. */
struct cursor {
    bool is_behind; /* a row */
    int64_t since_s, until_s;
    int64_t number;          /* of the row: a time, or type << 16 | RCODE */
    char name[NAME_TEXT];    /* of the row, reversed; "": it has none */
    uint8_t key[CURSOR_KEY]; /* of the row: rdata, or addresses */
    size_t key_len;
    uint64_t hash; /* of the whole key, if it was cut; else 0 */
};

/* Sets the key. */
void cursor_set_key(struct cursor *cursor, const void *key, size_t len);

/* Whether the key is the one of the row the cursor is at. */
bool cursor_is_key(const struct cursor *cursor, const void *key, size_t len);

/* As text: letters, digits, '-' and '_', for the question of that name. */
void cursor_text(const struct cursor *cursor, const char *question, char text[CURSOR_TEXT]);

/* Returns 0, or -1 with "expected ..." where it is not one of that question. */
MUST_CHECK int cursor_parse(const char *text, const char *question, struct cursor *out, struct error *err);

#endif
