/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/dns_words.h"

#include <stddef.h>

static const struct {
    uint16_t number;
    const char *name;
} types[] = {{1, "A"}, {28, "AAAA"}, {64, "SVCB"}, {65, "HTTPS"}, {255, "ANY"}};

const char *dns_type_name(uint16_t type)
{
    size_t i;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].number == type)
            return types[i].name;
    return NULL;
}
