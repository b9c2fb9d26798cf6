/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From frames to DNS messages: what is filtered, unwrapped, put together and chosen by port and share before a message
 * is parsed. Belongs to one worker. */
#ifndef DNSFLOW_SENSOR_INPUT_H
#define DNSFLOW_SENSOR_INPUT_H

#include "base/counters.h"
#include "net/packet.h"
#include "sensor/config.h"

struct input;

/* Gets each DNS message, good during the call, with the capture time of its last bytes: what has waited for others may
 * be older than the frame at hand. Must not call back. */
typedef void input_take(void *context, const struct net_payload *message, int64_t time_us);

int input_create(const struct config *config, struct counters *counters, input_take *take, void *context,
                 struct input **out, struct error *err);

/* Whether a plain datagram from a DNS port is a message without further ado: no filter expression, no share, no port
 * that was named for a tunnel. */
bool input_is_open(const struct input *input);

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
