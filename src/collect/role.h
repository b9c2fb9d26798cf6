/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A role of the collector: a process that does one thing, started and replaced by the supervisor. The two share a
 * socket pair; a role goes by what comes there, not by signals, so that a signal to the whole group ends the roles one
 * after the other and nothing is lost. When the supervisor is gone, that counts as an order to stop. */
#ifndef DNSFLOW_COLLECT_ROLE_H
#define DNSFLOW_COLLECT_ROLE_H

#include <stdbool.h>

#include "collect/board.h"
#include "collect/config.h"
#include "collect/directory.h"
#include "receive/listener.h"

/* What a role works with. */
struct role_context {
    size_t index; /* of the role, in the supervisor's order */
    size_t nth;   /* of those that are the same role */
    const struct collect_config *config;
    const struct directory *directory;
    uint64_t max_size;
    uint64_t least_file, least_block;  /* that stores know of the journal */
    struct listener *const *listeners; /* config->listeners_count of them */
    int seal_fd;                       /* where connections ask for a seal */
    struct board *board;
    int ask_fd;        /* an eventfd: board->wanted has grown */
    int http_fd;       /* where questions come in, -1 = nowhere */
    int control_fd;    /* readable when there is an order */
    bool is_passed_on; /* the process before this one has passed on its work (ROLE_PASS) */
};

struct role {
    const char *name; /* of the process too, 15 characters at most */
    /* Runs until it is told to stop. Returns the exit status. */
    int (*run)(const struct role_context *context);
    bool only_reads;                                       /* ends before the others, and has nothing left to do then */
    bool (*is_wanted)(const struct role_context *context); /* NULL: it always is */
    const char *(*name_of)(const struct role_context *context); /* where there are several; NULL: its name */
};

extern const struct role role_receive, role_store, role_tidy, role_watch, role_feed, role_consume, role_query;

/* All of them, in the order in which they work on the data; the supervisor's. */
extern const struct role *const roles[BOARD_ROLES];

/* For those who are wanted where datagrams are received. */
bool role_receives(const struct role_context *context);

/* Orders, as bits. ROLE_PASS comes with ROLE_STOP: the role begins anew, and the sockets are for the next process. */
enum { ROLE_STOP = 1, ROLE_REPORT = 2, ROLE_PASS = 4 };

/* What has been ordered since the last call; without waiting. */
unsigned role_orders(const struct role_context *context);

/* Tells the supervisor that the role does its work. */
void role_tell_ready(const struct role_context *context);

/* A sign of life, at each round of a role's loop: one that gives none and uses no processor is replaced. */
void role_beat(const struct role_context *context);

#endif
