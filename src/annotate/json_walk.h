/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of annotate/: the values of a JSON object, one after the other, each with its path: "tls.sni" is sni in tls.
 */
#ifndef DNSFLOW_ANNOTATE_JSON_WALK_H
#define DNSFLOW_ANNOTATE_JSON_WALK_H

#include <stdbool.h>
#include <stddef.h>

enum { JSON_DEPTH = 32, JSON_PATH = 256 };

struct json_walk {
    const char *at, *end;
    char path[JSON_PATH]; /* "" where it is too long */
    size_t lens[JSON_DEPTH + 1];
    char closes[JSON_DEPTH + 1]; /* of each depth, what ends it */
    unsigned depth;
    bool is_broken; /* it is no JSON object, or one too deep */
};

/* Before the first value of the text. */
struct json_walk json_walk_over(const char *text, size_t len);

/* The next value that holds no others: *text leads to it, without the quotes, as it stands there. False: there are no
 * more, or it is broken. */
bool json_next(struct json_walk *walk, const char **text, size_t *len, bool *is_text);

/* The text without its escapes, below 0x80 alone: what is else becomes '?'. Returns its length, at most `size`. */
size_t json_plain(const char *text, size_t len, char *out, size_t size);

#endif
