/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The path of a packet: frame -> UDP payload -> DNS message -> record -> datagram -> sinks. A worker shares nothing:
 * its encoder, sequence numbers, sockets and counters are its own, and one thread at a time runs it. */
#ifndef DNSFLOW_SENSOR_WORKER_H
#define DNSFLOW_SENSOR_WORKER_H

#include <stdatomic.h>

#include "base/counters.h"
#include "capture/capture.h"
#include "net/packet.h"
#include "sensor/bad_file.h"
#include "sensor/config.h"

struct worker;

struct worker_start {
    unsigned index;
    struct sink_start sinks;
    struct bad_file *bad;    /* NULL: none */
    const atomic_bool *stop; /* ends waits for --rate early */
};

int worker_create(const struct config *config, const struct worker_start *start, struct worker **out,
                  struct error *err);

/* Takes the frame all the way. Datagrams older than a second, by capture time, leave first. */
void worker_packet(struct worker *worker, const struct packet *packet);

/* Lets time pass without a packet: sends a datagram that is a second old, and what the sinks hold back. */
void worker_tick(struct worker *worker, int64_t now_us);

/* Sends the statistics datagram. */
void worker_stats(struct worker *worker, const struct capture_stats *kernel, int64_t now_us);

/* Keeps 1 message in `rate` from now on, on top of --sample; a statistics datagram says so. */
void worker_set_sampling(struct worker *worker, uint32_t rate, const struct capture_stats *kernel, int64_t now_us);

/* 1 message in this many is kept, 0 = all. */
uint32_t worker_sample_rate(const struct worker *worker);

/* Counts `n` things that a LEDGER_NOTE reason stands for. From the worker's own thread. */
void worker_note(struct worker *worker, enum drop_reason reason, uint64_t n);

/* Sends what is open and, in file mode with --extended, the statistics. */
void worker_finish(struct worker *worker);

/* Nothing more comes after worker_finish() and the last statistics: the outputs write or count what they hold. */
void worker_end(struct worker *worker);

/* Opens the outputs anew. From the worker's own thread. */
void worker_reopen(struct worker *worker);

/* Takes over what has been found or opened for output number `index`; see sink_renew(). From the worker's own thread.
 */
void worker_renew(struct worker *worker, unsigned index, const struct sink_news *news);

/* How output number `index` stands, in the order of the command line. From any thread. False: there are not so many. */
bool worker_output(const struct worker *worker, unsigned index, struct sink_output *out);

const struct counters *worker_counters(const struct worker *worker);

/* Logs a line for each output. Returns -1 if one failed for good. */
int worker_report(struct worker *worker);

/* NULL is fine. */
void worker_destroy(struct worker *worker);

#endif
