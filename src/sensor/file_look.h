/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a file is, as far as the frames of it tell before they are decoded: whether the filter can judge them, and
 * whether they are what the other program reads. */
#ifndef DNSFLOW_SENSOR_FILE_LOOK_H
#define DNSFLOW_SENSOR_FILE_LOOK_H

#include "capture/filter.h"
#include "sensor/config.h"

struct file_look {
    const struct config *config;
    struct filter *filter; /* NULL: no expression */
    bool is_done;          /* something else than datagrams was seen in this file */
    uint64_t packets;      /* of this file */
    uint64_t datagrams;    /* of DNSFlow, seen before */
};

/* Returns 0, or -1 with the cause; `config` must outlive it. */
MUST_CHECK int file_look_open(struct file_look *look, const struct config *config, struct error *err);

/* A new file begins. */
void file_look_begin(struct file_look *look);

/* How many of the packets may be taken: all, or those before one that the filter cannot judge, which *err explains. */
MUST_CHECK int file_look_packets(struct file_look *look, const struct packet *packets, int count, struct error *err);

/* Whether the file held DNSFlow datagrams and nothing else. */
bool file_look_is_datagrams(const struct file_look *look);

/* Frees, also after a failed file_look_open(). */
void file_look_close(struct file_look *look);

#endif
