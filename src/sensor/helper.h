/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Small processes beside the sensor that do what the sensor itself may not once it has given up its rights: ask for
 * the addresses of collectors, open the output file by its name, remove the sockets it listened at. They speak in
 * messages of fixed size over a socket pair; the sensor names things by number only, so that it cannot ask for anything
 * that the command line has not named. */
#ifndef DNSFLOW_SENSOR_HELPER_H
#define DNSFLOW_SENSOR_HELPER_H

#include "sensor/config.h"
#include "sink/sink.h"

struct helper;

enum helper_task { HELPER_RESOLVE = 1, HELPER_OPEN, HELPER_AGAIN /* an answer only: a process was replaced */ };

struct helper_answer {
    uint8_t task;
    uint8_t collector;           /* HELPER_RESOLVE: its number */
    bool is_done;                /* else `cause` says why not */
    struct sink_address address; /* HELPER_RESOLVE */
    int fd;                      /* HELPER_OPEN: belongs to the receiver; else -1 */
    char cause[256];
};

/* Starts the process. Before any thread; what the sensor has opened by then is closed in it. `drop` is called in it
 * first, to give up rights, and may end it. */
int helper_start(const struct config *config, int (*drop)(const struct config *, struct error *), struct helper **out,
                 struct error *err);

/* Becomes readable when there is an answer, or the process is gone. */
int helper_fd(const struct helper *helper);

/* Asks, without waiting. What is asked for already is not asked for again. */
void helper_ask(struct helper *helper, enum helper_task task, unsigned collector);

/* Takes an answer, without waiting. 1: there was one, 0: not yet, -1: the helper is gone for good. */
int helper_take(struct helper *helper, struct helper_answer *out);

/* Nothing more will be asked for: it may end beside the sensor. NULL is fine. */
void helper_dismiss(struct helper *helper);

/* Tells it to end, if it has not been told, and does not wait long for that. NULL is fine. */
void helper_stop(struct helper *helper);

#endif
