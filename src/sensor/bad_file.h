/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --dump-bad: a pcap file with the first frames of every drop reason, for a look at what was refused. Bounded; shared
 * by all workers. */
#ifndef DNSFLOW_SENSOR_BAD_FILE_H
#define DNSFLOW_SENSOR_BAD_FILE_H

#include "base/drops.h"
#include "base/error.h"
#include "net/packet.h"

enum { BAD_FRAMES_PER_REASON = 16 };

struct bad_file;

/* Makes the file anew. Returns 0, or -1 with the cause. */
MUST_CHECK int bad_file_open(const char *path, struct bad_file **out, struct error *err);

/* Writes the frame unless its reason has had its share. A pcap file has one link type, that of the first frame; frames
 * of others are counted only. May be called from any thread. */
void bad_file_add(struct bad_file *bad, enum drop_reason why, const struct packet *packet);

/* Logs what was written. Returns -1 when the file could not be written whole. NULL is fine. */
int bad_file_close(struct bad_file *bad);

#endif
