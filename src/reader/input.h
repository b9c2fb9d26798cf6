/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the reader reads from: a capture file, an interface or a socket of its own. */
#ifndef DNSFLOW_READER_INPUT_H
#define DNSFLOW_READER_INPUT_H

#include <stdatomic.h>

#include "capture/capture.h"
#include "reader/session.h"

struct reader_input {
    const struct reader_config *config;
    const atomic_bool *stop;
    size_t file;               /* which one is being read */
    bool has_packets;          /* it held some */
    bool has_failed;           /* one before it was broken, which has been said */
    struct capture *capture;   /* NULL: it is the listener */
    struct listener *listener; /* NULL: it is the capture */
    struct packet packets[CAPTURE_BATCH];
    int next, count;  /* of the packets: --speed holds them until it is their time */
    int64_t lead_us;  /* capture time at the monotonic clock's zero, at speed 1 */
    bool has_started; /* lead_us is set */
};

/* Files are read one behind the other; all must be there from the start. Setting *stop ends a wait for one. */
int reader_input_open(struct reader_input *input, const struct reader_config *config, const atomic_bool *stop,
                      struct error *err);

/* Gives the session what has come; waits 100 ms at the most, but for files. Returns how many packets or datagrams that
 * were, or CAPTURE_IDLE, CAPTURE_END or CAPTURE_FAILED. */
int reader_input_step(struct reader_input *input, struct session *session, struct error *err);

/* Datagrams for which the socket had no room. */
uint64_t reader_input_dropped(struct reader_input *input);

/* Takes what has come and was not read yet: what is asked for ends now, and what was received up to now belongs to it.
 */
void reader_input_drain(struct reader_input *input, struct session *session);

/* Closes what is open, also after a failed reader_input_open(). */
void reader_input_close(struct reader_input *input);

#endif
