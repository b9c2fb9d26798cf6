/* SPDX-License-Identifier: BSD-3-Clause */
#include "query/cursor.h"

#include <string.h>

#include "base/bytes.h"

enum { VERSION = 1, NUMBERS = 4, HEAD = 1 + 8 + NUMBERS * 8 + 2, BINARY = HEAD + NAME_TEXT + CURSOR_KEY };

/* FNV-1a (RFC 9923). */
static uint64_t hash_of(const void *bytes, size_t len, uint64_t hash)
{
    const uint8_t *at = bytes;
    for (; len > 0; len--)
        hash = (hash ^ *at++) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t key_hash(const void *key, size_t len)
{
    return hash_of(key, len, UINT64_C(0xcbf29ce484222325)) | 1;
}

void cursor_set_key(struct cursor *cursor, const void *key, size_t len)
{
    cursor->key_len = len < CURSOR_KEY ? len : CURSOR_KEY;
    if (len > 0)
        memcpy(cursor->key, key, cursor->key_len);
    cursor->hash = len > CURSOR_KEY ? key_hash(key, len) : 0;
}

bool cursor_is_key(const struct cursor *cursor, const void *key, size_t len)
{
    if ((len > CURSOR_KEY) != (cursor->hash != 0) || (len <= CURSOR_KEY && len != cursor->key_len))
        return false;
    return len <= CURSOR_KEY ? len == 0 || memcmp(key, cursor->key, len) == 0 : key_hash(key, len) == cursor->hash;
}

/* ---- as text: version, check, numbers, then the name and the key, in base64url (RFC 4648) ---- */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* So that a damaged one, or another question's, is not taken for another place. */
static uint64_t check_of(const uint8_t *binary, size_t len, const char *question)
{
    uint64_t hash = hash_of(question, strlen(question), UINT64_C(0xcbf29ce484222325));
    return hash_of(binary + 9, len - 9, hash);
}

void cursor_text(const struct cursor *cursor, const char *question, char text[CURSOR_TEXT])
{
    uint8_t binary[BINARY + 2] = {VERSION};
    size_t name_len = strlen(cursor->name), len = HEAD, i;
    store_be64(binary + 9, (uint64_t)cursor->since_s);
    store_be64(binary + 17, (uint64_t)cursor->until_s);
    store_be64(binary + 25, (uint64_t)cursor->number);
    store_be64(binary + 33, cursor->hash);
    store_be16(binary + 41, (uint16_t)name_len);
    memcpy(binary + len, cursor->name, name_len);
    len += name_len;
    memcpy(binary + len, cursor->key, cursor->key_len);
    len += cursor->key_len;
    store_be64(binary + 1, check_of(binary, len, question));
    for (i = 0; i < len; i += 3) {
        uint32_t three = (uint32_t)binary[i] << 16 | (uint32_t)binary[i + 1] << 8 | binary[i + 2];
        size_t left = len - i, k;
        for (k = 0; k < 4 && k <= left; k++)
            *text++ = letters[three >> (18 - 6 * k) & 63];
    }
    *text = '\0';
}

/* Returns the length, 0: it is none. */
static size_t decode(const char *text, uint8_t binary[BINARY + 3])
{
    size_t len = strlen(text), i, used = 0;
    uint32_t bits = 0;
    if (len > BINARY / 3 * 4)
        return 0;
    for (i = 0; i < len; i++) {
        const char *at = strchr(letters, text[i]);
        if (!at)
            return 0;
        bits = bits << 6 | (uint32_t)(at - letters);
        if (i % 4 > 0)
            binary[used++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    bool is_whole = len % 4 != 1 && (bits & (len % 4 == 2 ? 15 : len % 4 == 3 ? 3 : 0)) == 0;
    return is_whole ? used : 0;
}

int cursor_parse(const char *text, const char *question, struct cursor *out, struct error *err)
{
    uint8_t binary[BINARY + 3];
    size_t len = decode(text, binary), name_len = len >= HEAD ? load_be16(binary + 41) : 0;
    memset(out, 0, sizeof(*out));
    if (len < HEAD || binary[0] != VERSION || load_be64(binary + 1) != check_of(binary, len, question) ||
        name_len >= NAME_TEXT || len < HEAD + name_len || len - HEAD - name_len > CURSOR_KEY)
        return error_set(err, "expected \"start\", or what an answer of \"%s\" has said goes on", question);
    out->is_behind = true;
    out->since_s = (int64_t)load_be64(binary + 9);
    out->until_s = (int64_t)load_be64(binary + 17);
    out->number = (int64_t)load_be64(binary + 25);
    out->hash = load_be64(binary + 33);
    memcpy(out->name, binary + HEAD, name_len);
    out->key_len = len - HEAD - name_len;
    memcpy(out->key, binary + HEAD + name_len, out->key_len);
    return 0;
}
