/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hashes of what others send, with a seed that they do not know, so that they cannot choose keys that collide. */
#ifndef DNSFLOW_BASE_HASH_H
#define DNSFLOW_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A number that outsiders cannot guess: random, or made from the clock where the kernel has none yet. */
uint64_t hash_seed(void);

/* Both halves of the product of 128 bits mixed into one. */
static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 product;
    product all = (product)a * b;
    return (uint64_t)all ^ (uint64_t)(all >> 64);
#else
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low = a0 * b0, middle = a1 * b0 + (low >> 32), other = a0 * b1 + (uint32_t)middle;
    return (other << 32 | (uint32_t)low) ^ (a1 * b1 + (middle >> 32) + (other >> 32));
#endif
}

/* The hash of the key: for tables in memory only, as it differs with the machine's byte order. */
static inline uint64_t hash_bytes(uint64_t seed, const uint8_t *key, size_t len)
{
    uint64_t hash = seed ^ len, word;
    for (; len >= sizeof(word); key += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, key, sizeof(word));
        hash = hash_fold(hash ^ word, seed | UINT64_C(0x9e3779b97f4a7c15));
    }
    word = 0;
    memcpy(&word, key, len);
    hash = hash_fold(hash ^ word, UINT64_C(0xbf58476d1ce4e5b9));
    return hash_fold(hash ^ seed, UINT64_C(0x94d049bb133111eb));
}

#endif
