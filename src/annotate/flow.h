/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A connection that somebody saw, and the name that its client had looked up before. */
#ifndef DNSFLOW_ANNOTATE_FLOW_H
#define DNSFLOW_ANNOTATE_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen_flow {
    uint8_t client[16], server[16];
    uint8_t client_len, server_len;    /* 4 or 16 */
    bool is_either_way;                /* the client may as well be the one that is called server */
    uint16_t client_port, server_port; /* 0: not told */
    bool is_whole_second;              /* the time has no decimals: it began within that second */
    int64_t time_us;                   /* when it began */
    const char *known;                 /* its name, where the input has it; NULL: it has not */
    size_t known_len;
};

/* How a name was found, or why none was. Words are in `method_names`. */
enum method {
    METHOD_CLIENT_UNIQUE,             /* the client looked up one name that gave the server's address */
    METHOD_CLIENT_LATEST,             /* ... several, of which this is the newest */
    METHOD_OTHERS_DOMAIN,             /* the domain of nearly all lookups, of whomever, that gave the address */
    METHODS_NAMED,                    /* those that find a name come first */
    METHOD_ENCRYPTED = METHODS_NAMED, /* none, and the client talks to an encrypted resolver */
    METHOD_EXPIRED,                   /* none: the client's lookup was too long ago */
    METHOD_MANY_DOMAINS,              /* none: lookups of others that gave the address are of several domains */
    METHOD_FEW_LOOKUPS,               /* none: others had the address too seldom to tell */
    METHOD_NO_LOOKUP,                 /* none gave the address */
    METHODS
};

extern const char *const method_names[METHODS];

enum { CANDIDATES_MAX = 255 /* no more are counted */ };

/* Names are keys (record/name.h), borrowed from who found them; NULL: there is none. */
struct annotation {
    enum method method;
    const uint8_t *name;
    const uint8_t *via;  /* the name that has the address, where a CNAME led to it */
    int64_t age_us;      /* from the lookup to the flow; with a name alone */
    uint32_t candidates; /* names of the client, or domains of all, that it may have been */
};

#endif
