/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A thread that runs one worker on packets another thread hands it: batches of copied frames through a bounded queue.
 * For capture files, where the one who reads may wait; live workers read their own ring. */
#ifndef DNSFLOW_SENSOR_FEED_H
#define DNSFLOW_SENSOR_FEED_H

#include "base/error.h"
#include "net/packet.h"
#include "sensor/worker.h"

struct feed;

/* Starts the thread. The worker must not be touched until feed_finish(). */
MUST_CHECK int feed_start(struct worker *worker, struct feed **out, struct error *err);

/* Hands over a copy of the packet; waits while the queue is full. */
void feed_packet(struct feed *feed, const struct packet *packet);

/* Asks the thread to open the worker's outputs anew. */
void feed_reopen(struct feed *feed);

/* Hands over the rest, waits for the thread to end and frees. NULL is fine. */
void feed_finish(struct feed *feed);

#endif
