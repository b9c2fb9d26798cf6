/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of sink/: one collector, the socket that sends to it, and whether there is a way to it. The socket keeps its
 * source port as long as the collector has addresses of one family: readers know a stream of sequence numbers by it. */
#ifndef DNSFLOW_SINK_COLLECTOR_H
#define DNSFLOW_SINK_COLLECTOR_H

#include "sink/sink.h"

struct collector {
    struct address_name target;
    struct address address; /* len 0: not known */
    bool resolves;          /* asks for its address by itself */
    bool is_quiet;          /* another one speaks for it */
    int fd;                 /* -1: no socket */
    int family;
    bool is_connected;
    size_t limit;         /* bytes of the largest datagram that the route carries */
    bool is_narrow;       /* the route carries less than the least limit */
    int64_t next_try_us;  /* monotonic: not connected, nor asked for the address before */
    int64_t next_look_us; /* ... the connection not looked at before */
    counter cause;        /* that of struct sink_output */
    bool is_told;         /* the operator knows of the cause */
    int64_t next_line_us;
    counter sent, lost[SINK_LOSSES];
    uint64_t refused; /* port-unreachable replies */
    bool is_refusal_told;
};

/* Tries to find or reach it at once; live, a name is not asked for here. */
void collector_open(struct collector *c, const struct address_name *target, bool is_live);

/* Closes its socket; the rest stays to be reported. */
void collector_close(struct collector *c);

/* Takes another address from now on. */
void collector_set_address(struct collector *c, const struct address *address);

/* Asks for the address again, if it resolves names itself; where there is none, the old one stays. */
void collector_reopen(struct collector *c);

/* To be called before each sending, and now and then without any: does what is due. Whether it can be sent to. */
bool collector_attend(struct collector *c);

/* Sending has failed with this errno. True: there is a way again, so that it is worth another try. */
bool collector_failed(struct collector *c, int cause);

/* A reply says that nobody listens. */
void collector_refused(struct collector *c);

/* What was noted has come to an end. */
void collector_recovered(struct collector *c);

/* Sending has succeeded. */
static inline void collector_works(struct collector *c)
{
    if (__builtin_expect(counter_read(&c->cause) != 0, 0))
        collector_recovered(c);
}

/* Whether the errno says that nothing gets to the collector at present: no way to it, or none that is allowed. */
bool collector_is_unreachable(int cause);

/* Why datagrams are lost while collector_attend() says no. */
enum sink_loss collector_loss(const struct collector *c);

/* Asks the kernel anew how much the route carries. */
void collector_learn_limit(struct collector *c);

#endif
