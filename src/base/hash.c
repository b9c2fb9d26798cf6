/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/hash.h"

#include <sys/random.h>

#include "base/clock.h"

uint64_t hash_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
        seed = (uint64_t)clock_unix_us() * UINT64_C(0x9e3779b97f4a7c15);
    return seed;
}
