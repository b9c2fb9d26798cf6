/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Accounts of who sends: what came of a sensor's worker, and what is missing of its sequence of numbers. */
#ifndef DNSFLOW_RECEIVE_SOURCE_H
#define DNSFLOW_RECEIVE_SOURCE_H

#include "dnsflow.h"
#include "receive/received.h"
#include "receive/verify.h"

enum {
    SOURCES_MAX = 65536,
    SOURCES_UNPROVEN_MAX =
        1024,              /* of these, from which nothing was accepted yet: anybody can send from many addresses */
    SOURCES_IDLE_S = 3600, /* live, one that is silent so long gives its place away once there are none left */
    SOURCE_NAME = 64
};

/* What makes a source. */
enum source_identity {
    SOURCE_IS_ADDRESS, /* an address and a port: what a worker sends from, through all its starts */
    SOURCE_IS_STREAM   /* one sequence: with the trailer also sensor, worker and start; verified, these alone */
};

/* What the datagram says of its source. */
enum source_proof {
    SOURCE_UNPROVEN, /* it was refused */
    SOURCE_ACCEPTED,
    SOURCE_VERIFIED /* it is signed, so that its trailer is true */
};

enum { GROWN_CAPTURED, GROWN_RECEIVED, GROWN_DROPPED, GROWN_IFDROPPED, SOURCE_COUNTERS };

struct source {
    uint8_t ip_vers; /* 0: the place is free */
    uint8_t address[16];
    uint16_t port;
    bool is_proven;                /* something was accepted */
    bool has_trailer, is_verified; /* the stream is known by sensor, worker and start; signed, by these alone */
    uint8_t worker;
    uint32_t sensor_id;
    int64_t first_time_us, last_time_us;
    uint64_t data_datagrams, records, stats_datagrams, malformed;
    uint64_t refused[VERIFY_RESULTS];
    struct dnsflow_stats last_stats;
    bool has_stats;  /* last_stats is set */
    bool is_resumed; /* nothing has come since sources_resume() */
    bool is_whole;   /* the caller's: known from its first number on, so that its counters began with 0 */
    uint16_t counters_count;
    uint64_t grown[SOURCE_COUNTERS];     /* by how much the sensor's counters grew between the statistics that came */
    uint64_t send_lost, send_lost_grown; /* the trailer's counter of datagrams not sent, as it came last; likewise */
    bool has_restarted, may_have_restarted; /* after the last statistics: counters began with 0 */
    uint32_t start_time, former_start_time; /* of the trailer, 0 = not known; of the run before */
    uint32_t sequence;                      /* highest so far */
    uint64_t window;                        /* bit i: sequence - i has been seen */
    uint64_t missing; /* bit i: it is counted as missing; neither is what comes late from before the first */
    uint64_t total, lost, out_of_order;
    uint64_t duplicates; /* of those out of order: numbers that had come already */
    uint64_t no_room;    /* missing for want of room in the socket here, so not lost on the way */
    uint64_t down;       /* missing as nobody received */
    uint64_t *counters;  /* of the trailer of the last statistics, NULL = none */
    uint64_t before;     /* records when sources_mark() was called last */
    double rate;         /* records in a second between the last two marks */
    uint64_t number;     /* the caller's, 0 in a new one */
    int64_t ahead_s;     /* the caller's: by how much the sensor's clock is before the one here; with has_ahead */
    bool has_ahead;
};

struct sources;

/* NULL: out of memory. Only live ones are forgotten. */
struct sources *sources_create(enum source_identity identity, bool is_live);

/* NULL is fine. */
void sources_destroy(struct sources *sources);

/* The source of a decoded datagram, or of one that could not be; new if need be. Good until the next call. NULL once
 * there are SOURCES_MAX, or SOURCES_UNPROVEN_MAX of those that only sent what was refused, and none is idle. */
struct source *sources_find(struct sources *sources, const struct received *from, enum source_proof proof);

/* Takes an accepted datagram, received at time_us, into the accounts. Of the datagrams that are missing before it, as
 * many as *no_room had no room in the socket; those are taken off *no_room. False: its number had come already, among
 * the last 64. */
bool source_count(struct source *source, const struct dnsflow_datagram *datagram, int64_t time_us, uint64_t *no_room);

/* A datagram beside what was known of its run at sources_resume(). */
enum source_age {
    SOURCE_NEW,   /* not known, or missing until then; also without a trailer, which tells the run */
    SOURCE_KNOWN, /* has come, or is too old to tell */
    SOURCE_OLDER  /* from before the first one */
};

enum source_age source_age(const struct source *source, const struct dnsflow_datagram *datagram);

/* In the order in which they appeared. */
uint32_t sources_count(const struct sources *sources);
const struct source *sources_at(const struct sources *sources, uint32_t index);

/* Of these, how many sent something that was accepted. */
uint32_t sources_proven(const struct sources *sources);

/* Sets every rate, `seconds` (above 0) having passed since the last mark. */
void sources_mark(struct sources *sources, double seconds);

/* "10.1.1.1:4000", "[2001:db8::7]:4000" */
void source_name(const struct source *source, char name[SOURCE_NAME]);

/* Whoever received has begun anew: what is missing up to each source's next datagram was missed meanwhile. */
void sources_resume(struct sources *sources);

/* Of a state, where the bytes are that tell sources apart. */
enum { SOURCE_STATE = 256, SOURCE_KEY_AT = 20, SOURCE_KEY = 28 };

/* What tells the source apart from others: SOURCE_KEY bytes, good as long as the source. */
const uint8_t *source_key(const struct source *source);

/* A source as it stands, the trailer's counters left out, for another process to go on with. */
void sources_save(const struct sources *sources, uint32_t index, uint8_t state[SOURCE_STATE]);

/* Takes it over, as seen at now_us at the latest. NULL: it is not a state, is there already, or there is no room. */
struct source *sources_restore(struct sources *sources, const uint8_t state[SOURCE_STATE], int64_t now_us);

/* Those that gave their place away: how many, with how many datagrams. */
struct source_gone {
    uint64_t sources, datagrams, lost;
};

/* Counted since the start; good until they are destroyed. */
const struct source_gone *sources_gone(const struct sources *sources);

#endif
