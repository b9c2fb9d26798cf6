/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Why nothing comes out, in words, from counts by drop reason. */
#ifndef DNSFLOW_SENSOR_WHY_H
#define DNSFLOW_SENSOR_WHY_H

#include <stddef.h>

#include "base/drops.h"
#include "sensor/config.h"

enum { WHY_TEXT = 320 /* bytes are enough for any sentence */ };

struct why {
    const struct config *config;
    const uint64_t *counts; /* by drop reason */
    uint16_t link_type;     /* of a frame that was LINK_UNSUPPORTED */
    uint64_t llc;           /* packets with DNS in frames that the kernel's filter does not look into */
};

/* "1 200 packets are 802.11, which is not decoded": about the reason that tells most. False with nothing written when
 * no reason has a count. */
bool why_describe(const struct why *why, char *text, size_t size);

#endif
