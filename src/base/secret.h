/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keys out of files, and the tag that authenticates a datagram: BLAKE2b (RFC 7693) keyed with 32 bytes, 16 bytes of
 * result. Where the program was built without OpenSSL's libcrypto, a tag cannot be had. */
#ifndef DNSFLOW_BASE_SECRET_H
#define DNSFLOW_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { SECRET_KEY = 32, SECRET_TAG = 16 };

/* Whether this program can make tags and encrypt. */
bool secret_is_supported(void);

/* Reads a key: 32 bytes, or 64 hexadecimal digits and perhaps a line's end. The file must be nobody else's to read. */
MUST_CHECK int secret_read_key(const char *path, uint8_t key[SECRET_KEY], struct error *err);

/* One thread's. */
struct secret_tagger;

/* NULL: out of memory, or not supported. */
struct secret_tagger *secret_tagger_create(const uint8_t key[SECRET_KEY]);

/* NULL is fine. */
void secret_tagger_destroy(struct secret_tagger *tagger);

/* The tag of these bytes; all zero where it cannot be made. */
void secret_tag(struct secret_tagger *tagger, const uint8_t *bytes, size_t len, uint8_t tag[SECRET_TAG]);

/* The same time for every tag. */
bool secret_tags_are_equal(const uint8_t a[SECRET_TAG], const uint8_t b[SECRET_TAG]);

#endif
