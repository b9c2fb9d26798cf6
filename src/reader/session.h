/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From captured frames, or received datagrams, to what is printed of them. */
#ifndef DNSFLOW_READER_SESSION_H
#define DNSFLOW_READER_SESSION_H

#include "capture/filter.h"
#include "net/packet.h"
#include "net/reassembly.h"
#include "reader/cof.h"
#include "reader/config.h"
#include "reader/listener.h"
#include "reader/source.h"
#include "reader/tops.h"
#include "reader/verify.h"

struct session {
    const struct reader_config *config;
    struct sources *sources;
    struct verifier *verifier;               /* NULL: datagrams are taken unverified */
    struct filter *filter;                   /* NULL = none; live, the kernel has it */
    struct reassembly *reassembly;           /* old sensors send datagrams that do not fit a packet */
    struct tops *tops;                       /* records are counted in tables instead of printed, NULL = not */
    struct cof *cof;                         /* records are gathered instead of printed, NULL = not */
    bool has_rows_only;                      /* no statistics: certain records are asked for */
    bool is_done;                            /* as many records as were asked for */
    bool has_trailers;                       /* a datagram had one */
    bool has_told;                           /* that none has one, though columns need it */
    int64_t first_us, last_us;               /* the earliest and the latest time of a datagram */
    bool has_window;                         /* a record lies between --since and --until: */
    int64_t window_first_us, window_last_us; /* the earliest and the latest of these */
    int64_t gathered_us;                     /* when what was gathered was printed last */
    uint64_t datagrams;
    uint64_t records, matched;
    uint64_t frames, filtered; /* that -f lets pass, with or without a datagram; that it does not */
    uint64_t responses;        /* of DNS, in these */
    unsigned named;            /* sources of malformed datagrams, on standard error */
    uint64_t malformed, refused, other_sources;
    uint64_t no_room;     /* datagrams without room in the socket whose gap in a sequence is still to come */
    struct output *side;  /* where statistics and summaries go: one of these */
    struct output out;    /* standard output */
    struct output errors; /* standard error */
};

/* Once *stop is set, what nobody takes is not written any more. */
int session_open(struct session *session, const struct reader_config *config, const atomic_bool *stop,
                 struct error *err);

/* Takes what the frame carries, if it is a datagram for UDP port 5300. */
void session_packet(struct session *session, const struct packet *packet);

void session_datagram(struct session *session, const struct listener_datagram *datagram);

/* Prints what has been gathered, if it is time to; now_us as the datagrams tell it, or live the clock. */
void session_tick(struct session *session, int64_t now_us);

/* Prints what was gathered up to now and the summary, and goes on. */
void session_report(struct session *session, uint64_t dropped);

/* Writes what is held back. */
void session_flush(struct session *session);

/* Up to which time records were counted: that of the latest datagram, or with --since and --until the latest record
 * between them. */
int64_t session_last_us(const struct session *session);

/* Seconds for which records were counted: from the first datagram to the last, or with --since and --until from the
 * first record between them to the last, whichever other conditions hold. */
double session_seconds(const struct session *session);

/* Seconds for which sources were counted: from the first datagram to the last. */
double session_whole_seconds(const struct session *session);

/* Prints what is still to be printed and the closing summary; `dropped` datagrams found no room in the socket they were
 * received from. Returns -1 with the cause when the output could not be written; a closed pipe is no failure. */
int session_finish(struct session *session, uint64_t dropped, struct error *err);

/* Frees, also after a failed session_open(). */
void session_close(struct session *session);

#endif
