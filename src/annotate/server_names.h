/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of annotate/: the names that a store knows behind addresses, found once each. */
#ifndef DNSFLOW_ANNOTATE_SERVER_NAMES_H
#define DNSFLOW_ANNOTATE_SERVER_NAMES_H

#include "query/kept.h"
#include "store/intern.h"

enum { SERVER_NAMES_MAX = 20000 /* of one address */, ALL_NAMES_MAX = 4 << 20 /* of all that are there at a time */ };

struct server_name {
    uint32_t rname, via; /* numbers in `rnames`; via INTERN_NONE: it has the address itself */
    uint32_t order;      /* in which those of the address were found */
    int64_t first_s, last_s;
    uint64_t count, own; /* own: without those that came by a CNAME to it */
};

struct server {
    size_t from, count; /* in `names`, by when they were first seen */
};

struct server_names {
    struct kept *kept;
    struct intern *rnames; /* reversed names, with their NUL */
    struct intern *addresses;
    struct server *servers; /* by number of the address */
    size_t servers_size;
    struct server_name *names;
    size_t names_count, names_size;
    uint32_t *seen_by; /* by number in `rnames`: the last server that has it, + 1 */
    size_t seen_size;
    uint64_t cut; /* addresses that have more names, or that came when there were too many */
    sqlite3_stmt *owners, *aliases;
};

/* Returns 0, or -1 with the cause; closed then. */
MUST_CHECK int server_names_open(struct server_names *names, struct kept *kept, struct error *err);
void server_names_close(struct server_names *names);

/* Forgets all when it has become much; numbers are of no use then. */
void server_names_trim(struct server_names *names);

/* The number of the address, whose names are there then; INTERN_NONE with the cause. */
uint32_t server_names_find(struct server_names *names, const uint8_t *address, size_t len, struct error *err);

#endif
