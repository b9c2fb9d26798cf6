/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How everything is: what `status` says, as numbers. */
#ifndef DNSFLOW_COLLECT_HEALTH_H
#define DNSFLOW_COLLECT_HEALTH_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "collect/feed_state.h"
#include "journal/block.h"

enum {
    HEALTH_RECENT_MIN = 10,
    HEALTH_ALIVE_S = 60, /* one that was heard since then is alive */
    HEALTH_TOTALS = TOTALS_COUNT + 1,
    HEALTH_EXPIRED = TOTALS_COUNT
};

/* Of the last 24 h, all streams of one sensor and worker, or of one address and port, together. */
struct health_sensor {
    char address[INET6_ADDRSTRLEN];
    bool has_sensor, has_ahead;
    int64_t port, sensor, worker; /* port without a sensor, else sensor and worker */
    int64_t heard_s, silent_s, starts, ahead_s;
    int64_t recent; /* records of the last HEALTH_RECENT_MIN */
    int64_t datagrams, records, network, here, down, send, ring;
};

/* A store beside the embedded one. */
struct health_feed {
    struct feed_told told;
    uint64_t behind; /* as of the embedded one */
    int64_t behind_s;
};

struct health {
    int64_t now_s;
    bool is_running, is_fresh; /* is_fresh: it has brought in what it had received */
    bool is_consumer;          /* of --from-kafka: it has no store of its own, so that there are feeds alone */
    char process[24];
    uint64_t behind;  /* records of the journal that are still to be taken in ... */
    int64_t behind_s; /* ... and for how long the first of them has waited */
    uint64_t journal, lookups, database, backups, max_size, free;
    size_t files, backups_count;        /* of lookups */
    int64_t oldest_s, newest_s;         /* of lookups, when there are files */
    uint64_t damaged, missing;          /* of these files: that cannot be used, and that are not there */
    struct error damage;                /* of the first of these */
    bool has_rate;                      /* the next two are known: it is long enough */
    int64_t room_s, full_s;             /* of lookups that fit; until then, at the rate of now */
    uint64_t totals_24h[HEALTH_TOTALS]; /* what was dropped or not taken, by enum journal_total, and HEALTH_EXPIRED */
    size_t feeds_count;                 /* stores beside the embedded one, that there are or were */
    struct health_feed *feeds;
    uint64_t sensors_count; /* that there are; and those that are listed, heard last first */
    struct health_sensor *sensors;
    size_t listed;
};

/* Records of the journal that the store has still to take in, as `behind`. Returns 0, or -1. */
MUST_CHECK int health_count_behind(const char *directory, uint64_t *behind, struct error *err);

/* Looks whether a collector runs. Returns 0, or -1: the directory cannot be read. */
MUST_CHECK int health_look(struct health *health, const char *directory, struct error *err);

/* Reads all else, with at most so many sensors, -1 = all. Returns 0, or -1 with the cause; either way health_free() is
 * due. */
MUST_CHECK int health_read(struct health *health, const char *directory, int most_sensors, struct error *err);

void health_free(struct health *health);

/* Whether a total is of what was dropped, else of what was not taken; those that are neither are left out of
 * both. */
bool health_is_drop(int total);
bool health_is_refusal(int total);

/* All of it as one object of JSON. */
void health_print_json(const struct health *health, FILE *out);

#endif
