/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who may ask: secrets out of a file, each with what it is good for. */
#ifndef DNSFLOW_SERVE_TOKENS_H
#define DNSFLOW_SERVE_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { TOKENS_MAX = 64, TOKEN_MIN = 16, TOKEN_MAX = 128 };

/* TOKEN_NO_CLIENTS: nothing is told of who asked. */
enum token_role { TOKEN_NONE, TOKEN_READ, TOKEN_NO_CLIENTS };

struct tokens {
    size_t count;
    struct token {
        char text[TOKEN_MAX + 1]; /* zeros behind it */
        enum token_role role;
    } list[TOKENS_MAX];
};

/* Lines of "read TOKEN" or "read-no-clients TOKEN"; blank ones and those that begin with # are passed over. The file
 * must be nobody else's to read. Returns 0, or -1 with "token file PATH: ...". */
MUST_CHECK int tokens_read(const char *path, struct tokens *out, struct error *err);

/* What a token is good for; takes as long for each. */
enum token_role tokens_check(const struct tokens *tokens, const char *text, size_t len);

/* The same for the value of an Authorization field: Bearer, or Basic with the token as the password. */
enum token_role tokens_check_field(const struct tokens *tokens, const char *value);

#endif
