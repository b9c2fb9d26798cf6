/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Crypto-PAn (Xu, Fan, Ammar, Moon: Prefix-Preserving IP Address Anonymization, 2002): bit i of the result is bit i of
 * the address, turned over by the first bit of AES over the i bits before it, filled up from a pad. Addresses that
 * share a prefix share one of the same length afterwards. The first half of the key is that of AES; the second half,
 * encrypted, is the pad. None of the blocks depends on another one's result, so that all go through AES in one call. */
#include "sensor/anonymize.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#ifdef HAVE_LIBCRYPTO
#include <openssl/evp.h>
#endif

enum { BLOCK = 16, BITS_MAX = 128 };

struct anonymizer {
    struct anonymize_options options;
    void *cipher;
    uint8_t pad[BLOCK];
    uint8_t blocks[BITS_MAX * BLOCK];
    uint8_t result[16];
};

#ifdef HAVE_LIBCRYPTO

static int open_cipher(struct anonymizer *a)
{
    int len = 0;
    a->cipher = EVP_CIPHER_CTX_new();
    return a->cipher && EVP_EncryptInit_ex(a->cipher, EVP_aes_128_ecb(), NULL, a->options.key, NULL) == 1 &&
                   EVP_CIPHER_CTX_set_padding(a->cipher, 0) == 1 &&
                   EVP_EncryptUpdate(a->cipher, a->pad, &len, a->options.key + BLOCK, BLOCK) == 1
               ? 0
               : -1;
}

static void encrypt_blocks(struct anonymizer *a, unsigned count)
{
    int len = 0;
    (void)EVP_EncryptUpdate(a->cipher, a->blocks, &len, a->blocks, (int)count * BLOCK);
}

static void close_cipher(struct anonymizer *a)
{
    EVP_CIPHER_CTX_free(a->cipher);
}

#else

static int open_cipher(struct anonymizer *a)
{
    (void)a;
    return -1;
}

static void encrypt_blocks(struct anonymizer *a, unsigned count)
{
    (void)a, (void)count;
}

static void close_cipher(struct anonymizer *a)
{
    (void)a;
}

#endif

int anonymizer_create(const struct anonymize_options *options, struct anonymizer **out, struct error *err)
{
    struct anonymizer *a = calloc(1, sizeof(*a));
    if (!a)
        return error_set(err, "out of memory");
    a->options = *options;
    if (options->kind == ANONYMIZE_CRYPTOPAN && open_cipher(a) != 0) {
        anonymizer_destroy(a);
        return error_set(err, "option --anonymize-client: AES cannot be had from libcrypto");
    }
    *out = a;
    return 0;
}

void anonymizer_destroy(struct anonymizer *anonymizer)
{
    if (!anonymizer)
        return;
    close_cipher(anonymizer);
    free(anonymizer);
}

/* The first `bits` bits of `from`, then zeros. */
static void keep_bits(const uint8_t *from, unsigned bits, unsigned size, uint8_t *out)
{
    unsigned i;
    for (i = 0; i < size; i++) {
        unsigned kept = bits >= 8 * (i + 1) ? 8 : bits > 8 * i ? bits - 8 * i : 0;
        out[i] = from[i] & (uint8_t)(0xff00u >> kept);
    }
}

static void cryptopan(struct anonymizer *a, const uint8_t *address, unsigned size)
{
    unsigned bits = 8 * size, i;
    uint8_t block[BLOCK];
    memcpy(block, a->pad, BLOCK);
    for (i = 0; i < bits; i++) {
        uint8_t bit = (uint8_t)(0x80u >> i % 8);
        memcpy(a->blocks + (size_t)i * BLOCK, block, BLOCK);
        block[i / 8] = (uint8_t)((block[i / 8] & (uint8_t)~bit) | (address[i / 8] & bit));
    }
    encrypt_blocks(a, bits);
    memcpy(a->result, address, size);
    for (i = 0; i < bits; i++)
        a->result[i / 8] ^= (uint8_t)((a->blocks[(size_t)i * BLOCK] >> 7) << (7 - i % 8));
}

const uint8_t *anonymizer_address(struct anonymizer *anonymizer, uint8_t ip_vers, const uint8_t *address)
{
    const struct anonymize_options *o = &anonymizer->options;
    unsigned size = ip_vers == 4 ? 4 : 16;
    if (o->kind == ANONYMIZE_CRYPTOPAN)
        cryptopan(anonymizer, address, size);
    else
        keep_bits(address, ip_vers == 4 ? o->keep_ip4 : o->keep_ip6, size, anonymizer->result);
    return anonymizer->result;
}
