/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DNSFLOW_TESTING_KEYS_H
#define DNSFLOW_TESTING_KEYS_H

#include <string.h>

#include "receive/verify.h"

/* One key for all sensors. */
static inline struct verify_keys keys_of(const uint8_t key[SECRET_KEY])
{
    struct verify_keys keys = {.count = 1, .list = {{.is_for_all = true}}};
    memcpy(keys.list[0].bytes, key, SECRET_KEY);
    return keys;
}

#endif
