/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From captured frames, or received datagrams, to what is printed of them: which records are wanted, and who takes
 * them. */
#ifndef DNSFLOW_READER_SESSION_H
#define DNSFLOW_READER_SESSION_H

#include "capture/filter.h"
#include "reader/config.h"
#include "print/output.h"
#include "reader/taker.h"
#include "receive/intake.h"

/* The earliest and the latest of some times. */
struct session_span {
    bool is_set;
    int64_t first_us, last_us;
};

struct session {
    const struct reader_config *config;
    struct intake intake;
    struct filter *filter; /* NULL = none; live, the kernel has it */
    const struct taker *taker;
    void *taken;                /* the taker's own */
    bool is_choosy;             /* certain records are asked for, or so many */
    bool is_done;               /* as many records as were asked for */
    bool has_trailers;          /* a datagram had one */
    bool has_results;           /* a record told what the response came by */
    bool has_told;              /* that no sensor sends what columns or filters need */
    struct session_span all;    /* times of the datagrams */
    struct session_span window; /* times of the records between --since and --until */
    uint64_t records, matched;
    uint64_t frames, filtered; /* that -f lets pass, with or without a datagram; that it does not */
    unsigned named;            /* sources of malformed datagrams, on standard error */
    struct output *side;       /* where statistics and summaries go: one of these */
    struct output out;         /* standard output */
    struct output errors;      /* standard error */
};

/* Once *stop is set, what nobody takes is not written any more. */
int session_open(struct session *session, const struct reader_config *config, const atomic_bool *stop,
                 struct error *err);

/* Takes what the frame carries, if it is a datagram for UDP port 5300. */
void session_packet(struct session *session, const struct packet *packet);

/* Takes a datagram from the socket. */
void session_datagram(struct session *session, const struct listener_datagram *datagram);

/* Lets time pass; now_us as the datagrams tell it, or live the clock. */
void session_tick(struct session *session, int64_t now_us);

/* Prints what was gathered up to now and the summary, and goes on. */
void session_report(struct session *session, uint64_t dropped);

/* Writes what is held back. */
void session_flush(struct session *session);

/* Seconds from the first datagram to the last, in the time that was asked for; and the latter's time. */
double session_seconds(const struct session *session);
int64_t session_last_us(const struct session *session);

/* The same of all datagrams. */
double session_whole_seconds(const struct session *session);

/* For takers: the lines below a summary, and the summary of rows. */
void session_print_notes(struct session *session, uint64_t dropped, struct output *out);
void session_print_summary(struct session *session, uint64_t dropped);

/* Prints what is still to be printed and the closing summary; `dropped` datagrams found no room in the socket they were
 * received from. Returns -1 with the cause when the output could not be written; a closed pipe is no failure. */
int session_finish(struct session *session, uint64_t dropped, struct error *err);

/* Frees, also after a failed session_open(). */
void session_close(struct session *session);

#endif
