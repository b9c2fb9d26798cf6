/* SPDX-License-Identifier: BSD-3-Clause
 *
 * UDP to a collector. Datagrams are gathered and sent by one sendmmsg. One that cannot be reached is tried again every
 * 2 s, whatever the cause, and one whose route or own address goes while it is in use is connected anew at once, at
 * most once a second, from the same source port. What cannot be sent until then is lost and counted. A change is logged
 * once, at most every 10 s. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "dnsflow.h"
#include "sink/collector.h"

enum {
    GATHER = 32, /* datagrams per sendmmsg */
    COLLECTORS_MAX = 10,
};

struct udp_sink {
    struct counters *counters;
    bool is_blocking;
    struct collector collector;
    unsigned gathered;
    struct mmsghdr messages[GATHER];
    struct iovec slices[GATHER];
    uint8_t datagrams[GATHER][DNSFLOW_LIMIT_IP4];
};

static void lose(struct udp_sink *sink, enum sink_loss reason, uint64_t count)
{
    counter_add(&sink->collector.lost[reason], count);
    counter_add(&sink->counters->drops[DROP_SEND_LOST], count);
}

static void count_refused(struct udp_sink *sink)
{
    collector_refused(&sink->collector);
    counter_add(&sink->counters->drops[DROP_SEND_REFUSED], 1);
}

/* Deals with the error that stopped the sending at one datagram. Returns true when it should be tried again.
 * ECONNREFUSED speaks of an earlier datagram, so that this one has not been sent yet; it gets one more try. */
static bool retry_after(struct udp_sink *sink, int cause, bool was_retried)
{
    struct collector *c = &sink->collector;
    if (cause == EINTR)
        return true;
    if (cause == ECONNREFUSED) {
        count_refused(sink);
        if (!was_retried)
            return true;
    }
    if (cause == EAGAIN || cause == EWOULDBLOCK || cause == ENOBUFS) {
        lose(sink, SINK_LOST_FULL, 1);
    } else if (cause == EMSGSIZE) {
        lose(sink, SINK_LOST_SIZE, 1);
        collector_learn_limit(c);
    } else {
        if (collector_failed(c, cause))
            return true;
        lose(sink, collector_is_unreachable(cause) ? SINK_LOST_UNREACHABLE : SINK_LOST_OTHER, 1);
    }
    return false;
}

/* sendmmsg that stops midway keeps the reason to itself. A datagram that goes out at the second try was held up by the
 * port-unreachable reply to an earlier one; any other reason shows at that try. */
static void send_gathered(struct udp_sink *sink)
{
    struct collector *c = &sink->collector;
    int flags = sink->is_blocking ? 0 : MSG_DONTWAIT;
    unsigned at = 0;
    bool was_retried = false, was_short = false;

    while (at < sink->gathered) {
        if (!collector_attend(c)) {
            lose(sink, collector_loss(c), sink->gathered - at);
            return;
        }
        int sent = sendmmsg(c->fd, sink->messages + at, sink->gathered - at, flags);
        if (sent > 0) {
            if (was_short)
                count_refused(sink);
            at += (unsigned)sent;
            was_short = at < sink->gathered;
            counter_add(&c->sent, (uint64_t)sent);
            counter_add(&sink->counters->drops[DROP_SENT], (uint64_t)sent);
            was_retried = false;
            collector_works(c);
            continue;
        }
        was_short = false;
        was_retried = retry_after(sink, errno, was_retried);
        at += !was_retried;
    }
}

/* Without datagrams too, a collector that cannot be reached is tried when it is time. */
static void flush_udp(void *self)
{
    struct udp_sink *sink = self;
    if (sink->gathered > 0)
        send_gathered(sink);
    else if (!sink->collector.is_connected)
        (void)collector_attend(&sink->collector);
    sink->gathered = 0;
}

static void write_udp(void *self, const uint8_t *datagram, size_t len, int64_t time_us)
{
    struct udp_sink *sink = self;
    (void)time_us;
    memcpy(sink->datagrams[sink->gathered], datagram, len);
    sink->slices[sink->gathered].iov_len = len;
    if (++sink->gathered == GATHER)
        flush_udp(sink);
}

static void reopen_udp(void *self)
{
    struct udp_sink *sink = self;
    flush_udp(sink);
    collector_reopen(&sink->collector);
}

static void renew_udp(void *self, const struct sink_news *news)
{
    struct udp_sink *sink = self;
    flush_udp(sink);
    collector_set_address(&sink->collector, &news->address);
}

static size_t limit_udp(const void *self)
{
    return ((const struct udp_sink *)self)->collector.limit;
}

static void output_udp(const void *self, struct sink_output *out)
{
    const struct collector *c = &((const struct udp_sink *)self)->collector;
    size_t i;
    out->name = c->target.text;
    out->sent = counter_read(&c->sent);
    for (i = 0; i < SINK_LOSSES; i++)
        out->lost[i] = counter_read(&c->lost[i]);
    out->cause = (int)counter_read(&c->cause);
}

/* " (name not resolved 3, other 1; Network is unreachable)" when something was lost; returns how much. */
static uint64_t describe_loss(const struct sink_output *o, char *text, size_t size)
{
    uint64_t lost = 0;
    size_t used = 0, i;
    text[0] = '\0';
    for (i = 0; i < SINK_LOSSES; i++) {
        lost += o->lost[i];
        if (o->lost[i] > 0 && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s %" PRIu64, used ? ", " : " (", sink_loss_names[i],
                                     o->lost[i]);
    }
    if (used > 0 && used < size)
        snprintf(text + used, size - used, "%s%s)", o->cause ? "; " : "", sink_cause_text(o->cause));
    return lost;
}

static int report_udp(void *self)
{
    const struct udp_sink *sink = self;
    uint64_t refused = sink->collector.refused;
    struct sink_output o;
    char loss[256];
    output_udp(sink, &o);
    uint64_t lost = describe_loss(&o, loss, sizeof(loss));
    log_line("collector %s: %" PRIu64 " datagram%s sent, %" PRIu64 " lost%s", o.name, o.sent, o.sent == 1 ? "" : "s",
             lost, loss);
    if (refused > 0)
        log_line("collector %s: answered %" PRIu64 " time%s that nobody listens on this port", o.name, refused,
                 refused == 1 ? "" : "s");
    return 0;
}

static void close_udp(void *self)
{
    struct udp_sink *sink = self;
    collector_close(&sink->collector);
    free(sink);
}

/* ---- the kind ---- */

static int parse_udp(struct sink_plan *plan, struct error *err)
{
    plan->is_renewable = true;
    if (address_parse(plan->value, DNSFLOW_PORT, &plan->target, err) != 0)
        return -1;
    if (address_is_ambiguous(plan->value))
        log_line("warning: option %s %s: taken as an address without a port; a port stands behind [ADDRESS]:",
                 plan->option, plan->value);
    return 0;
}

static int open_udp(const struct sink_plan *plan, const struct sink_start *start, struct counters *counters,
                    struct sink **out, struct error *err)
{
    static const struct sink_ops ops = {.write = write_udp,
                                        .flush = flush_udp,
                                        .reopen = reopen_udp,
                                        .renew = renew_udp,
                                        .limit = limit_udp,
                                        .output = output_udp,
                                        .report = report_udp,
                                        .close = close_udp};
    struct udp_sink *sink = calloc(1, sizeof(*sink));
    size_t i;
    if (!sink)
        return error_errno(err, "cannot open the collectors");
    sink->counters = counters;
    sink->is_blocking = !start->is_live;
    for (i = 0; i < GATHER; i++) {
        sink->slices[i].iov_base = sink->datagrams[i];
        sink->messages[i].msg_hdr.msg_iov = &sink->slices[i];
        sink->messages[i].msg_hdr.msg_iovlen = 1;
    }
    sink->collector.is_quiet = start->is_quiet;
    collector_open(&sink->collector, &plan->target, start->is_live);
    return sink_create(&ops, sink, out, err);
}

static int renew_address(const struct sink_plan *plan, struct sink_news *out, struct error *err)
{
    out->fd = -1;
    return address_resolve("collector", &plan->target, &out->address, err);
}

const struct sink_kind sink_udp = {.most = COLLECTORS_MAX,
                                   .many = "collectors",
                                   .old = "sending to its old address",
                                   .parse = parse_udp,
                                   .open = open_udp,
                                   .renew = renew_address};
