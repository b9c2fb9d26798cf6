/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From captured frames to printed rows. */
#ifndef DNSFLOW_READER_SESSION_H
#define DNSFLOW_READER_SESSION_H

#include "capture/filter.h"
#include "net/packet.h"
#include "net/reassembly.h"
#include "reader/config.h"
#include "reader/source.h"
#include "reader/verify.h"

struct session {
    const struct reader_config *config;
    struct sources *sources;
    struct verifier *verifier;     /* NULL: datagrams are taken unverified */
    struct filter *filter;         /* NULL = none; live, the kernel has it */
    struct reassembly *reassembly; /* old sensors send datagrams that do not fit a packet */
    struct output out;             /* standard output */
    struct output side;            /* where statistics and summaries go, if not there */
    uint64_t datagrams;
    uint64_t malformed, other_sources;
};

int session_open(struct session *session, const struct reader_config *config, struct error *err);

/* Prints what the frame carries, if it is a datagram for UDP port 5300. */
void session_packet(struct session *session, const struct packet *packet);

/* Prints the closing summary and frees. Returns -1 with the cause when the output could not be written; a closed pipe
 * is no failure. */
int session_close(struct session *session, struct error *err);

#endif
