/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A datagram that was received, or found in a capture, and where it came from. */
#ifndef DNSFLOW_RECEIVE_RECEIVED_H
#define DNSFLOW_RECEIVE_RECEIVED_H

#include "dnsflow.h"

/* Everything is borrowed from who received it. */
struct received {
    uint8_t ip_vers;
    const uint8_t *address; /* of the sensor, 4 or 16 bytes */
    uint16_t port;
    int64_t time_us; /* when it was captured or received */
    const uint8_t *bytes;
    size_t len;
    struct dnsflow_datagram datagram; /* decoded */
};

/* When the response came: as the trailer says, else when the datagram came. */
static inline int64_t received_record_time(const struct received *from, const struct dnsflow_record *record)
{
    return from->datagram.has_trailer ? record->time_us : from->time_us;
}

#endif
