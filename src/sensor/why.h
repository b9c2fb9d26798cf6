/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Why nothing comes out, in words, from counts by drop reason. */
#ifndef DNSFLOW_SENSOR_WHY_H
#define DNSFLOW_SENSOR_WHY_H

#include <stddef.h>

#include "base/drops.h"

/* "1 200 packets are 802.11, which is not decoded": about the reason that tells most. link_type is of a frame that was
 * LINK_UNSUPPORTED. Returns that reason, DROP_NONE with nothing written when no reason has a count. */
enum drop_reason why_describe(const uint64_t counts[DROP_REASON_COUNT], uint16_t link_type, char *text, size_t size);

#endif
