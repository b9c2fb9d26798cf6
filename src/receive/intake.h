/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The way of a datagram into a program, whichever way it came: decoded, verified, entered in the accounts, then given
 * to who wants what is in it. What is refused touches no account but those of refusals. */
#ifndef DNSFLOW_RECEIVE_INTAKE_H
#define DNSFLOW_RECEIVE_INTAKE_H

#include "net/packet.h"
#include "net/reassembly.h"
#include "receive/listener.h"
#include "receive/received.h"
#include "receive/source.h"

/* Who wants what. `source` is NULL when there are too many. */
struct intake_calls {
    void *context;
    /* An accepted datagram, before its records. */
    void (*datagram)(void *context, const struct received *from, const struct source *source);
    /* Each of its records, in order; NULL: not wanted. */
    void (*record)(void *context, const struct received *from, const struct dnsflow_record *record);
    /* One that could not be decoded. */
    void (*malformed)(void *context, const struct source *source, int result);
};

struct intake_options {
    bool is_live;            /* else from files, whose time is past */
    bool any_port;           /* frames to other ports than DNSFLOW_PORT too */
    bool only_once;          /* a datagram whose number has come already is counted and no more */
    bool in_order;           /* ... and so is what was known at sources_resume(); without the trailer nobody can tell */
    struct verify_keys keys; /* none: datagrams are taken unverified */
    enum source_identity whose; /* accounts */
    struct intake_calls calls;
};

struct intake {
    struct intake_options options;
    struct sources *sources;
    struct verifier *verifier;
    struct reassembly *reassembly; /* old sensors send datagrams that do not fit a packet */
    uint64_t datagrams;            /* accepted */
    uint64_t malformed, refused[VERIFY_RESULTS], doubled;
    const char *why_refused; /* the last one that was malformed or refused, a word; who looks may clear it */
    uint64_t older;          /* than what was known of their stream; not taken */
    uint64_t other_sources;  /* accepted, but in nobody's account */
    uint64_t responses;      /* DNS responses among the frames */
    uint64_t no_room;        /* datagrams without room in the socket whose gap in a sequence is still to come */
};

/* Returns -1 when there is no memory. Frees nothing of `options`. */
MUST_CHECK int intake_open(struct intake *intake, const struct intake_options *options, struct error *err);

/* Takes what the frame carries, if it is a datagram. */
void intake_packet(struct intake *intake, const struct packet *packet);

/* Takes a datagram from a socket, and into the account how many had no room before it. */
void intake_datagram(struct intake *intake, const struct listener_datagram *datagram);

/* How many were refused. */
uint64_t intake_refused(const struct intake *intake);

/* Frees, also after a failed intake_open(). */
void intake_close(struct intake *intake);

#endif
