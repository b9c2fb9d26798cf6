/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files that the program has in itself: the page, and the description of the API. */
#ifndef DNSFLOW_SERVE_ASSETS_H
#define DNSFLOW_SERVE_ASSETS_H

#include <stddef.h>

struct asset {
    const char *path, *type;
    const unsigned char *bytes;
    size_t len;
};

enum { ASSETS = 6 };

extern const struct asset assets[ASSETS];

#endif
