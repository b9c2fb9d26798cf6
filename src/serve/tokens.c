/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE = 512 };

/* ---- the file ---- */

static int take_line(struct tokens *tokens, char *line, struct error *err)
{
    static const char blanks[] = " \t\r\n";
    char *role = line + strspn(line, blanks), *text, *end;
    if (*role == '\0' || *role == '#')
        return 0;
    text = role + strcspn(role, blanks);
    if (*text)
        *text++ = '\0';
    text += strspn(text, blanks);
    end = text + strcspn(text, blanks);
    bool is_clean = end[strspn(end, blanks)] == '\0';
    *end = '\0';
    if (strcmp(role, "read") != 0 && strcmp(role, "read-no-clients") != 0)
        return error_set(err, "expected \"read TOKEN\" or \"read-no-clients TOKEN\"");
    size_t len = strlen(text), i;
    for (i = 0; i < len; i++)
        is_clean &= text[i] > ' ' && text[i] < 0x7f;
    if (!is_clean || len < TOKEN_MIN || len > TOKEN_MAX)
        return error_set(err, "expected a token of %d to %d characters, printable ASCII", TOKEN_MIN, TOKEN_MAX);
    if (tokens->count == TOKENS_MAX)
        return error_set(err, "expected at most %d tokens", TOKENS_MAX);
    struct token *token = &tokens->list[tokens->count++];
    memcpy(token->text, text, len);
    token->role = strcmp(role, "read") == 0 ? TOKEN_READ : TOKEN_NO_CLIENTS;
    return 0;
}

static int take_lines(FILE *file, const char *path, struct tokens *out, struct error *err)
{
    char line[LINE];
    unsigned number = 0;
    struct error why;
    while (fgets(line, sizeof(line), file)) {
        number++;
        if (!strchr(line, '\n') && !feof(file))
            return error_set(err, "token file %s: line %u: it is too long", path, number);
        if (take_line(out, line, &why) != 0)
            return error_set(err, "token file %s: line %u: %s", path, number, why.text);
    }
    if (ferror(file))
        return error_errno(err, "token file %s", path);
    return out->count > 0 ? 0 : error_set(err, "token file %s: expected at least one token", path);
}

int tokens_read(const char *path, struct tokens *out, struct error *err)
{
    struct stat info;
    memset(out, 0, sizeof(*out));
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe is refused, not waited for */
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (!file || fstat(fd, &info) != 0) {
        error_errno(err, "token file %s", path);
        if (file)
            fclose(file);
        else if (fd >= 0)
            close(fd);
        return -1;
    }
    int result = S_ISREG(info.st_mode) && (info.st_mode & 077) == 0
                     ? take_lines(file, path, out, err)
                     : error_set(err, "token file %s: expected a file that only its owner can read (chmod 600)", path);
    fclose(file);
    return result;
}

/* ---- checking ---- */

enum token_role tokens_check(const struct tokens *tokens, const char *text, size_t len)
{
    char padded[TOKEN_MAX + 1] = "";
    unsigned role = TOKEN_NONE;
    size_t i, k;
    memcpy(padded, text, len <= TOKEN_MAX ? len : 0);
    for (i = 0; i < tokens->count; i++) {
        unsigned difference = 0;
        for (k = 0; k < sizeof(padded); k++)
            difference |= (unsigned char)padded[k] ^ (unsigned char)tokens->list[i].text[k];
        role |= ((difference - 1) >> 31) * (unsigned)tokens->list[i].role; /* as one of them at the most is it */
    }
    return role == (TOKEN_READ | TOKEN_NO_CLIENTS) ? TOKEN_NO_CLIENTS : (enum token_role)role;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Returns the length, 0 when it is none (RFC 4648) or does not fit. */
static size_t base64_decode(const char *text, char *out, size_t size)
{
    uint32_t bits = 0;
    size_t used = 0, count = 0;
    for (; *text && *text != '='; text++) {
        int digit = base64_digit(*text);
        if (digit < 0 || used == size)
            return 0;
        bits = bits << 6 | (uint32_t)digit;
        if (++count % 4 != 1)
            out[used++] = (char)(bits >> (8 - count % 4 * 2) % 8);
    }
    return text[strspn(text, "=")] == '\0' ? used : 0;
}

/* RFC 7617: name and password behind a colon. */
static enum token_role check_basic(const struct tokens *tokens, const char *value)
{
    char plain[TOKEN_MAX + 256];
    size_t len = base64_decode(value, plain, sizeof(plain));
    const char *colon = memchr(plain, ':', len);
    return colon ? tokens_check(tokens, colon + 1, len - (size_t)(colon + 1 - plain)) : TOKEN_NONE;
}

enum token_role tokens_check_field(const struct tokens *tokens, const char *value)
{
    size_t word = strcspn(value, " ");
    const char *rest = value + word + strspn(value + word, " ");
    if (word == 6 && strncasecmp(value, "Bearer", word) == 0)
        return tokens_check(tokens, rest, strlen(rest));
    if (word == 5 && strncasecmp(value, "Basic", word) == 0)
        return check_basic(tokens, rest);
    return TOKEN_NONE;
}
