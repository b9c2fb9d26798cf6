/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The encoder's inside door for the sensor: names are written straight into the open datagram, so that they are copied
 * once on their way from the DNS message. dnsflow_encoder_add() is made of the same two steps. */
#ifndef DNSFLOW_FLOW_ENCODER_H
#define DNSFLOW_FLOW_ENCODER_H

#include "base/bytes.h"
#include "dnsflow.h"

/* Begins a record: a writer at the place of its names, with room for the longest list. Forgets what was begun before
 * and not committed. Good until the next call on the encoder. */
struct writer *flow_encoder_names(struct dnsflow_encoder *encoder);

/* What of a record did not get a place, though the rest did: addresses, and answers. */
struct flow_left_out {
    size_t no_room;   /* the names leave none */
    size_t over_most; /* there would be too many sets */
    bool answers;     /* not all found a place */
};

/* Ends it, in up to `most` sets, at least 1, and DNSFLOW_RECORD_SETS_MAX at most: record->names and names_len are
 * ignored, the rest is as for dnsflow_encoder_add(). */
int flow_encoder_commit(struct dnsflow_encoder *encoder, const struct dnsflow_record *record, int most,
                        struct flow_left_out *left_out);

/* Largest datagram from now on, in bytes, not below DNSFLOW_LIMIT_MIN. An open datagram above it is emitted. */
void flow_encoder_set_limit(struct dnsflow_encoder *encoder, size_t limit);

/* Trailer: start of the sequence space. For a sensor that learns it from its first packet. */
void flow_encoder_set_start(struct dnsflow_encoder *encoder, uint32_t start_time);

/* Trailer: 1 message in this many is kept from now on, 0 = all. An open datagram leaves with the rate it was made at.
 */
void flow_encoder_set_sample_rate(struct dnsflow_encoder *encoder, uint32_t sample_rate);

/* Trailer: the base of the times is this from now on, and not the time of the first set, unless that is too far away.
 * For records whose times other clocks have made. */
void flow_encoder_set_base(struct dnsflow_encoder *encoder, int64_t time_us);

/* Whether a datagram is open. */
bool flow_encoder_is_open(const struct dnsflow_encoder *encoder);

/* Datagrams emitted so far, statistics included. */
uint64_t flow_encoder_datagrams(const struct dnsflow_encoder *encoder);

#endif
