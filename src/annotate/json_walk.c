/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotate/json_walk.h"

#include <string.h>

struct json_walk json_walk_over(const char *text, size_t len)
{
    return (struct json_walk){.at = text, .end = text + len};
}

static char peek(struct json_walk *w)
{
    while (w->at < w->end && (*w->at == ' ' || *w->at == '\t' || *w->at == '\n' || *w->at == '\r'))
        w->at++;
    return w->at < w->end ? *w->at : '\0';
}

/* A string from its first quote on; what is between the quotes. */
static bool take_string(struct json_walk *w, const char **text, size_t *len)
{
    const char *start = ++w->at;
    for (; w->at < w->end && *w->at != '"'; w->at++) {
        if ((unsigned char)*w->at < 0x20)
            return false;
        if (*w->at == '\\' && ++w->at == w->end)
            return false;
    }
    if (w->at >= w->end)
        return false;
    *text = start;
    *len = (size_t)(w->at++ - start);
    return true;
}

/* A number, true, false or null: what they are made of. */
static bool take_word(struct json_walk *w, const char **text, size_t *len)
{
    const char *start = w->at;
    while (w->at < w->end && (*w->at == '-' || *w->at == '+' || *w->at == '.' || (*w->at >= '0' && *w->at <= '9') ||
                              (*w->at >= 'a' && *w->at <= 'z') || *w->at == 'E'))
        w->at++;
    *text = start;
    *len = (size_t)(w->at - start);
    return *len > 0;
}

/* The path of a value by this name. */
static void set_path(struct json_walk *w, const char *key, size_t len)
{
    size_t before = w->lens[w->depth], dot = before > 0;
    if (before + dot + len >= JSON_PATH) {
        w->path[0] = '\0'; /* for those below too */
        w->lens[w->depth + 1 <= JSON_DEPTH ? w->depth + 1 : JSON_DEPTH] = JSON_PATH;
        return;
    }
    if (dot)
        w->path[before] = '.';
    memcpy(w->path + before + dot, key, len);
    w->path[before + dot + len] = '\0';
    if (w->depth < JSON_DEPTH)
        w->lens[w->depth + 1] = before + dot + len;
}

static bool open(struct json_walk *w, char close)
{
    if (w->depth == JSON_DEPTH)
        return false;
    w->depth++;
    w->closes[w->depth] = close;
    w->at++;
    return true;
}

/* Ends that stand here. False: something else is expected. */
static bool close_all(struct json_walk *w)
{
    while (w->depth > 0 && peek(w) == w->closes[w->depth]) {
        w->at++;
        w->depth--;
    }
    return w->depth == 0 || peek(w) == ',';
}

/* To the next value, past what leads there. 1: it stands at `at`, 0: there is no more, -1: broken. */
static int find_value(struct json_walk *w, bool *is_first)
{
    const char *key;
    size_t len;
    if (!*is_first) {
        if (!close_all(w))
            return -1;
        if (w->depth == 0)
            return peek(w) == '\0' && w->at == w->end ? 0 : -1;
        w->at++;
    }
    *is_first = false;
    if (w->closes[w->depth] == ']') {
        set_path(w, "", 0);
        return 1;
    }
    if (peek(w) != '"' || !take_string(w, &key, &len) || peek(w) != ':')
        return -1;
    w->at++;
    set_path(w, key, len);
    return 1;
}

bool json_next(struct json_walk *walk, const char **text, size_t *len, bool *is_text)
{
    struct json_walk *w = walk;
    bool is_first = false;
    int found = 1;
    if (w->is_broken || (w->depth == 0 && w->closes[1]))
        return false;
    if (w->depth == 0) {
        if (peek(w) != '{' || !open(w, '}')) {
            w->is_broken = true;
            return false;
        }
        is_first = true;
        if (peek(w) == '}')
            is_first = false;
    }
    while ((found = find_value(w, &is_first)) == 1) {
        char c = peek(w);
        if (c == '{' || c == '[') {
            if (!open(w, c == '{' ? '}' : ']'))
                break;
            is_first = peek(w) != w->closes[w->depth];
            continue;
        }
        *is_text = c == '"';
        if (*is_text ? !take_string(w, text, len) : !take_word(w, text, len))
            break;
        return true;
    }
    w->is_broken = found != 0;
    return false;
}

/* The character of four hexadecimal digits; '?' for one that is not of ASCII, or no digits. */
static char read_code(const char *digits, size_t len)
{
    unsigned code = 0;
    size_t i;
    for (i = 0; i < 4 && i < len; i++) {
        char c = digits[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
        if (digit > 15)
            return '?';
        code = 16 * code + digit;
    }
    return i == 4 && code < 0x80 ? (char)code : '?';
}

size_t json_plain(const char *text, size_t len, char *out, size_t size)
{
    size_t at = 0, used = 0;
    while (at < len && used < size) {
        char c = text[at++];
        if (c == '\\' && at < len && (c = text[at++]) == 'u') {
            c = read_code(text + at, len - at);
            at += len - at < 4 ? len - at : 4;
        }
        out[used++] = (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f ? c : '?';
    }
    return used;
}
