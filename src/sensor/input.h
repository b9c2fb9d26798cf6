/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From frames to DNS messages: what is filtered, unwrapped, put together and chosen by port and share before a message
 * is parsed. Belongs to one worker. */
#ifndef DNSFLOW_SENSOR_INPUT_H
#define DNSFLOW_SENSOR_INPUT_H

#include "base/counters.h"
#include "net/packet.h"
#include "net/plain.h"
#include "sensor/config.h"

struct input;

/* Gets each DNS message, good during the call, with the capture time of its last bytes: what has waited for others may
 * be older than the frame at hand. Must not call back. */
typedef void input_take(void *context, const struct net_payload *message, int64_t time_us);

int input_create(const struct config *config, struct counters *counters, input_take *take, void *context,
                 struct input **out, struct error *err);

/* What is a message: what comes from a DNS port; with -f all that the expression lets through. */
static inline bool input_is_message(const struct net_options *options, bool has_filter, const struct net_payload *p)
{
    return has_filter || net_is_dns_port(options, p->src_port);
}

/* Where nearly every frame goes by. */
struct input_gate {
    bool is_open; /* a plain datagram needs no further look: no filter expression, no share, no port named for a tunnel
                   */
    struct net_options options;
};

/* Points into the configuration. */
void input_gate(const struct config *config, struct input_gate *out);

/* Whether the frame is a message and nothing else; what is not goes to input_frame(). Inline, as it is asked for every
 * frame. */
static inline bool input_plain(const struct input_gate *gate, const struct packet *packet, struct net_payload *out)
{
    return gate->is_open && net_decode_plain(packet, out) && input_is_message(&gate->options, false, out);
}

/* Takes the frame. Returns DROP_NONE when a message ended in it, DROP_ABSORBED when it waits for others, else why it is
 * dropped, a LEDGER_FRAME reason. */
enum drop_reason input_frame(struct input *input, const struct packet *packet);

/* Gives up what has waited too long, delivering what there is of its messages; INT64_MAX: all that waits. */
void input_expire(struct input *input, int64_t now_us);

/* What a datagram or segment that is not from a DNS port is. */
enum drop_reason input_other_port(const struct net_options *options, const struct net_payload *p);

/* NULL is fine. */
void input_destroy(struct input *input);

#endif
