/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/secret.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef HAVE_LIBCRYPTO
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#endif

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_digits(const char *text, size_t len, uint8_t key[SECRET_KEY])
{
    size_t i;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    if (len != 2 * SECRET_KEY)
        return false;
    for (i = 0; i < SECRET_KEY; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

int secret_read_key(const char *path, uint8_t key[SECRET_KEY], struct error *err)
{
    char text[2 * SECRET_KEY + 8];
    struct stat file;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe is refused, not waited for */
    if (fd < 0 || fstat(fd, &file) != 0) {
        error_errno(err, "key file %s", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    ssize_t len = read(fd, text, sizeof(text));
    close(fd);
    if (!S_ISREG(file.st_mode) || (file.st_mode & 077) != 0)
        return error_set(err, "key file %s: expected a file that only its owner can read (chmod 600)", path);
    if (len == SECRET_KEY)
        memcpy(key, text, SECRET_KEY);
    else if (len < 0 || !parse_digits(text, (size_t)len, key))
        return error_set(err, "key file %s: expected 32 bytes or 64 hexadecimal digits", path);
    return 0;
}

#ifdef HAVE_LIBCRYPTO

struct secret_tagger {
    EVP_MAC *mac;
    EVP_MAC_CTX *context;
    uint8_t key[SECRET_KEY];
};

bool secret_is_supported(void)
{
    return true;
}

struct secret_tagger *secret_tagger_create(const uint8_t key[SECRET_KEY])
{
    struct secret_tagger *t = calloc(1, sizeof(*t));
    size_t size = SECRET_TAG;
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                     OSSL_PARAM_construct_end()};
    if (!t)
        return NULL;
    memcpy(t->key, key, SECRET_KEY);
    if (!(t->mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_BLAKE2BMAC, NULL)) || !(t->context = EVP_MAC_CTX_new(t->mac)) ||
        EVP_MAC_CTX_set_params(t->context, parameters) != 1) {
        secret_tagger_destroy(t);
        return NULL;
    }
    return t;
}

void secret_tagger_destroy(struct secret_tagger *tagger)
{
    if (!tagger)
        return;
    EVP_MAC_CTX_free(tagger->context);
    EVP_MAC_free(tagger->mac);
    OPENSSL_cleanse(tagger->key, sizeof(tagger->key));
    free(tagger);
}

void secret_tag(struct secret_tagger *tagger, const uint8_t *bytes, size_t len, uint8_t tag[SECRET_TAG])
{
    size_t made = 0;
    memset(tag, 0, SECRET_TAG);
    if (EVP_MAC_init(tagger->context, tagger->key, SECRET_KEY, NULL) == 1 &&
        EVP_MAC_update(tagger->context, bytes, len) == 1)
        (void)EVP_MAC_final(tagger->context, tag, &made, SECRET_TAG);
}

#else

bool secret_is_supported(void)
{
    return false;
}

struct secret_tagger *secret_tagger_create(const uint8_t key[SECRET_KEY])
{
    (void)key;
    return NULL;
}

void secret_tagger_destroy(struct secret_tagger *tagger)
{
    (void)tagger;
}

void secret_tag(struct secret_tagger *tagger, const uint8_t *bytes, size_t len, uint8_t tag[SECRET_TAG])
{
    (void)tagger, (void)bytes, (void)len;
    memset(tag, 0, SECRET_TAG);
}

#endif

bool secret_tags_are_equal(const uint8_t a[SECRET_TAG], const uint8_t b[SECRET_TAG])
{
    unsigned difference = 0;
    size_t i;
    for (i = 0; i < SECRET_TAG; i++)
        difference |= (unsigned)(a[i] ^ b[i]);
    return difference == 0;
}
