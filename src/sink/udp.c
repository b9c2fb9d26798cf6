/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Datagrams are gathered and sent to every collector by one sendmmsg each. A collector has a socket of its own, so
 * that its source port lasts as long as the sink: readers know a stream of sequence numbers by it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "dnsflow.h"
#include "sink/collector.h"

enum { GATHER = 32 /* datagrams per sendmmsg */ };

struct udp_sink {
    struct counters *counters;
    bool is_blocking;
    size_t collectors_count;
    struct collector collectors[SINK_COLLECTORS_MAX];
    unsigned gathered;
    struct mmsghdr messages[GATHER];
    struct iovec slices[GATHER];
    uint8_t datagrams[GATHER][DNSFLOW_LIMIT_IP4];
};

static void lose(struct udp_sink *sink, struct collector *c, enum sink_loss reason, uint64_t count)
{
    counter_add(&c->lost[reason], count);
    counter_add(&sink->counters->drops[DROP_SEND_LOST], count);
}

static void count_refused(struct udp_sink *sink, struct collector *c)
{
    collector_refused(c);
    counter_add(&sink->counters->drops[DROP_SEND_REFUSED], 1);
}

/* Deals with the error that stopped the sending at one datagram. Returns true when it should be tried again.
 * ECONNREFUSED speaks of an earlier datagram, so that this one has not been sent yet; it gets one more try. */
static bool retry_after(struct udp_sink *sink, struct collector *c, int cause, bool was_retried)
{
    if (cause == EINTR)
        return true;
    if (cause == ECONNREFUSED) {
        count_refused(sink, c);
        if (!was_retried)
            return true;
    }
    if (cause == EAGAIN || cause == EWOULDBLOCK || cause == ENOBUFS) {
        lose(sink, c, SINK_LOST_FULL, 1);
    } else if (cause == EMSGSIZE) {
        lose(sink, c, SINK_LOST_SIZE, 1);
        collector_learn_limit(c);
    } else {
        if (collector_failed(c, cause))
            return true;
        lose(sink, c, collector_is_unreachable(cause) ? SINK_LOST_UNREACHABLE : SINK_LOST_OTHER, 1);
    }
    return false;
}

/* sendmmsg that stops midway keeps the reason to itself. A datagram that goes out at the second try was held up by the
 * port-unreachable reply to an earlier one; any other reason shows at that try. */
static void send_gathered(struct udp_sink *sink, struct collector *c)
{
    int flags = sink->is_blocking ? 0 : MSG_DONTWAIT;
    unsigned at = 0;
    bool was_retried = false, was_short = false;

    while (at < sink->gathered) {
        if (!collector_attend(c)) {
            lose(sink, c, collector_loss(c), sink->gathered - at);
            return;
        }
        int sent = sendmmsg(c->fd, sink->messages + at, sink->gathered - at, flags);
        if (sent > 0) {
            if (was_short)
                count_refused(sink, c);
            at += (unsigned)sent;
            was_short = at < sink->gathered;
            counter_add(&c->sent, (uint64_t)sent);
            counter_add(&sink->counters->drops[DROP_SENT], (uint64_t)sent);
            was_retried = false;
            collector_works(c);
            continue;
        }
        was_short = false;
        was_retried = retry_after(sink, c, errno, was_retried);
        at += !was_retried;
    }
}

/* Without datagrams too, a collector that cannot be reached is tried when it is time. */
static void flush_udp(void *self)
{
    struct udp_sink *sink = self;
    size_t i;
    for (i = 0; i < sink->collectors_count; i++)
        if (sink->gathered > 0)
            send_gathered(sink, &sink->collectors[i]);
        else if (!sink->collectors[i].is_connected)
            (void)collector_attend(&sink->collectors[i]);
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
    size_t i;
    flush_udp(sink);
    for (i = 0; i < sink->collectors_count; i++)
        collector_reopen(&sink->collectors[i]);
}

static void set_address(void *self, unsigned index, const struct sink_address *address)
{
    struct udp_sink *sink = self;
    flush_udp(sink);
    if (index < sink->collectors_count)
        collector_set_address(&sink->collectors[index], address);
}

static size_t limit_udp(const void *self)
{
    const struct udp_sink *sink = self;
    size_t limit = DNSFLOW_LIMIT_IP4, i;
    for (i = 0; i < sink->collectors_count; i++)
        if (sink->collectors[i].limit < limit)
            limit = sink->collectors[i].limit;
    return limit;
}

static bool output_udp(const void *self, unsigned index, struct sink_output *out)
{
    const struct udp_sink *sink = self;
    const struct collector *c = sink->collectors + index;
    size_t i;
    if (index >= sink->collectors_count)
        return false;
    out->name = c->target.text;
    out->sent = counter_read(&c->sent);
    for (i = 0; i < SINK_LOSSES; i++)
        out->lost[i] = counter_read(&c->lost[i]);
    out->cause = (int)counter_read(&c->cause);
    return true;
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
    struct sink_output o;
    char loss[256];
    unsigned i;
    for (i = 0; output_udp(sink, i, &o); i++) {
        uint64_t lost = describe_loss(&o, loss, sizeof(loss)), refused = sink->collectors[i].refused;
        log_line("collector %s: %" PRIu64 " datagram%s sent, %" PRIu64 " lost%s", o.name, o.sent,
                 o.sent == 1 ? "" : "s", lost, loss);
        if (refused > 0)
            log_line("collector %s: answered %" PRIu64 " time%s that nobody listens on this port", o.name, refused,
                     refused == 1 ? "" : "s");
    }
    return 0;
}

static void close_udp(void *self)
{
    struct udp_sink *sink = self;
    size_t i;
    for (i = 0; i < sink->collectors_count; i++)
        collector_close(&sink->collectors[i]);
    free(sink);
}

int sink_open_udp(const struct sink_udp_options *options, struct counters *counters, struct sink **out,
                  struct error *err)
{
    static const struct sink_ops ops = {.write = write_udp,
                                        .flush = flush_udp,
                                        .reopen = reopen_udp,
                                        .set_address = set_address,
                                        .limit = limit_udp,
                                        .output = output_udp,
                                        .report = report_udp,
                                        .close = close_udp};
    struct udp_sink *sink = calloc(1, sizeof(*sink));
    size_t i;
    if (!sink)
        return error_errno(err, "cannot open the collectors");
    sink->counters = counters;
    sink->is_blocking = options->is_blocking;
    for (i = 0; i < GATHER; i++) {
        sink->slices[i].iov_base = sink->datagrams[i];
        sink->messages[i].msg_hdr.msg_iov = &sink->slices[i];
        sink->messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (; sink->collectors_count < options->count; sink->collectors_count++) {
        struct collector *c = &sink->collectors[sink->collectors_count];
        c->is_quiet = options->is_quiet;
        collector_open(c, &options->targets[sink->collectors_count],
                       options->addresses ? &options->addresses[sink->collectors_count] : NULL);
    }
    return sink_create(&ops, sink, out, err);
}
