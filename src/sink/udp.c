/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Datagrams are gathered and sent to every collector by one sendmmsg each. A collector has a socket of its own, so
 * that its source port lasts as long as the sink: readers know a stream of sequence numbers by it. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "dnsflow.h"
#include "sink/sink.h"

enum {
    GATHER = 32,               /* datagrams per sendmmsg */
    SEND_BUFFER = 4 << 20,     /* bytes asked of the kernel */
    RETRY_US = 10 * SECOND_US, /* between attempts to resolve a name */
    OVERHEAD_IP4 = 20 + 8,
    OVERHEAD_IP6 = 40 + 8,
};

struct collector {
    struct sink_target target;
    int fd; /* -1: the name has not resolved yet */
    int family;
    int64_t retry_at_us; /* monotonic */
    int last_errno;
    counter sent, lost;
    uint64_t refused;
    uint64_t lost_unresolved, lost_full, lost_size, lost_other;
};

struct udp_sink {
    struct counters *counters;
    bool blocking;
    bool resolves; /* names by itself */
    size_t limit;
    size_t collectors_count;
    struct collector collectors[SINK_COLLECTORS_MAX];
    unsigned gathered;
    struct mmsghdr messages[GATHER];
    struct iovec slices[GATHER];
    uint8_t datagrams[GATHER][DNSFLOW_LIMIT_IP4];
};

/* The kernel must not fragment: a datagram over the path's MTU comes back as EMSGSIZE instead. */
static int make_socket(int family)
{
    int on = IP_PMTUDISC_DO, on6 = IPV6_PMTUDISC_DO, size = SEND_BUFFER;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (family == AF_INET)
        (void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &on, sizeof(on));
    else
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &on6, sizeof(on6));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return fd;
}

/* Lowers the limit to what the route to this collector carries now. */
static void learn_limit(struct udp_sink *sink, const struct collector *c)
{
    bool is_ip4 = c->family == AF_INET;
    size_t overhead = is_ip4 ? OVERHEAD_IP4 : OVERHEAD_IP6;
    size_t limit = is_ip4 ? DNSFLOW_LIMIT_IP4 : DNSFLOW_LIMIT_IP6;
    int mtu = 0;
    socklen_t len = sizeof(mtu);
    int got = is_ip4 ? getsockopt(c->fd, IPPROTO_IP, IP_MTU, &mtu, &len)
                     : getsockopt(c->fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &len);
    if (got == 0 && mtu > 0 && (size_t)mtu < limit + overhead)
        limit = (size_t)mtu > overhead ? (size_t)mtu - overhead : 0;
    if (limit < DNSFLOW_LIMIT_MIN)
        limit = DNSFLOW_LIMIT_MIN;
    if (limit < sink->limit)
        sink->limit = limit;
}

/* Sends to the address, on the same socket as before if the family is still the same. */
static int connect_collector(struct udp_sink *sink, struct collector *c, const struct sink_address *to,
                             struct error *err)
{
    int family = to->address.ss_family;
    int fd = c->fd >= 0 && c->family == family ? c->fd : make_socket(family);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to->address, to->len) != 0) {
        error_errno(err, "collector %s", c->target.text);
        if (fd >= 0 && fd != c->fd)
            close(fd);
        return -1;
    }
    if (c->fd >= 0 && c->fd != fd)
        close(c->fd);
    c->fd = fd;
    c->family = family;
    learn_limit(sink, c);
    return 0;
}

static int resolve_collector(struct udp_sink *sink, struct collector *c, struct error *err)
{
    struct sink_address found;
    return sink_resolve(&c->target, &found, err) == 0 ? connect_collector(sink, c, &found, err) : -1;
}

static void try_resolve(struct udp_sink *sink, struct collector *c, bool is_first)
{
    struct error why;
    if (resolve_collector(sink, c, &why) == 0) {
        if (!is_first)
            log_line("collector %s: resolved", c->target.text);
        return;
    }
    if (is_first)
        log_line("warning: %s; trying again every %d s, datagrams until then are lost", why.text, RETRY_US / SECOND_US);
    c->retry_at_us = clock_monotonic_us() + RETRY_US;
}

static void lose(struct udp_sink *sink, struct collector *c, uint64_t *reason, uint64_t count)
{
    *reason += count;
    counter_add(&c->lost, count);
    counter_add(&sink->counters->drops[DROP_SEND_LOST], count);
}

static void count_refused(struct udp_sink *sink, struct collector *c)
{
    c->refused++;
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
    c->last_errno = cause;
    if (cause == EAGAIN || cause == EWOULDBLOCK || cause == ENOBUFS) {
        lose(sink, c, &c->lost_full, 1);
    } else if (cause == EMSGSIZE) {
        lose(sink, c, &c->lost_size, 1);
        learn_limit(sink, c);
    } else {
        lose(sink, c, &c->lost_other, 1);
    }
    return false;
}

/* sendmmsg that stops midway keeps the reason to itself. A datagram that goes out at the second try was held up by the
 * port-unreachable reply to an earlier one; any other reason shows at that try. */
static void send_gathered(struct udp_sink *sink, struct collector *c)
{
    int flags = sink->blocking ? 0 : MSG_DONTWAIT;
    unsigned at = 0;
    bool was_retried = false, was_short = false;

    if (c->fd < 0 && sink->resolves && clock_monotonic_us() >= c->retry_at_us)
        try_resolve(sink, c, false);
    if (c->fd < 0) {
        lose(sink, c, &c->lost_unresolved, sink->gathered);
        return;
    }
    while (at < sink->gathered) {
        int sent = sendmmsg(c->fd, sink->messages + at, sink->gathered - at, flags);
        if (sent > 0) {
            if (was_short)
                count_refused(sink, c);
            at += (unsigned)sent;
            was_short = at < sink->gathered;
            counter_add(&c->sent, (uint64_t)sent);
            counter_add(&sink->counters->drops[DROP_SENT], (uint64_t)sent);
            was_retried = false;
            continue;
        }
        was_short = false;
        was_retried = retry_after(sink, c, errno, was_retried);
        at += !was_retried;
    }
}

static void flush_udp(void *self)
{
    struct udp_sink *sink = self;
    size_t i;
    if (sink->gathered == 0)
        return;
    for (i = 0; i < sink->collectors_count; i++)
        send_gathered(sink, &sink->collectors[i]);
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
    for (i = 0; i < sink->collectors_count && sink->resolves; i++) {
        struct error why;
        if (resolve_collector(sink, &sink->collectors[i], &why) != 0)
            log_line("warning: %s; %s", why.text,
                     sink->collectors[i].fd >= 0 ? "sending to its old address" : "trying again");
    }
}

static void set_address(void *self, unsigned index, const struct sink_address *address)
{
    struct udp_sink *sink = self;
    struct error why;
    flush_udp(sink);
    if (index < sink->collectors_count && connect_collector(sink, &sink->collectors[index], address, &why) != 0)
        log_line("warning: %s", why.text);
}

static size_t limit_udp(const void *self)
{
    const struct udp_sink *sink = self;
    return sink->limit;
}

/* " (name not resolved 3, other 1; Network is unreachable)" when something was lost */
static void describe_loss(const struct collector *c, char *text, size_t size)
{
    const struct {
        const char *name;
        uint64_t count;
    } reasons[] = {{"name not resolved", c->lost_unresolved},
                   {"buffer full", c->lost_full},
                   {"too large", c->lost_size},
                   {"other", c->lost_other}};
    size_t used = 0, i;
    text[0] = '\0';
    if (counter_read(&c->lost) == 0)
        return;
    for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].count > 0 && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s %" PRIu64, used ? ", " : " (", reasons[i].name,
                                     reasons[i].count);
    if (used < size)
        snprintf(text + used, size - used, "%s%s)", c->last_errno ? "; " : "",
                 c->last_errno ? strerror(c->last_errno) : "");
}

static void collector_udp(const void *self, unsigned index, uint64_t *sent, uint64_t *lost)
{
    const struct udp_sink *sink = self;
    *sent = counter_read(&sink->collectors[index].sent);
    *lost = counter_read(&sink->collectors[index].lost);
}

static int report_udp(void *self)
{
    const struct udp_sink *sink = self;
    char loss[256];
    size_t i;
    for (i = 0; i < sink->collectors_count; i++) {
        const struct collector *c = &sink->collectors[i];
        describe_loss(c, loss, sizeof(loss));
        log_line("collector %s: %" PRIu64 " datagrams sent, %" PRIu64 " lost%s", c->target.text, counter_read(&c->sent),
                 counter_read(&c->lost), loss);
        if (c->refused > 0)
            log_line("collector %s: answered %" PRIu64 " times that nobody listens on this port", c->target.text,
                     c->refused);
    }
    return 0;
}

static void close_udp(void *self)
{
    struct udp_sink *sink = self;
    size_t i;
    for (i = 0; i < sink->collectors_count; i++)
        if (sink->collectors[i].fd >= 0)
            close(sink->collectors[i].fd);
    free(sink);
}

int sink_open_udp(const struct sink_target *targets, size_t count, const struct sink_address *addresses, bool blocking,
                  struct counters *counters, struct sink **out, struct error *err)
{
    static const struct sink_ops ops = {.write = write_udp,
                                        .flush = flush_udp,
                                        .reopen = reopen_udp,
                                        .set_address = set_address,
                                        .limit = limit_udp,
                                        .collector = collector_udp,
                                        .report = report_udp,
                                        .close = close_udp};
    struct udp_sink *sink = calloc(1, sizeof(*sink));
    size_t i;
    if (!sink)
        return error_errno(err, "cannot open the collectors");
    sink->counters = counters;
    sink->blocking = blocking;
    sink->resolves = !addresses;
    sink->limit = DNSFLOW_LIMIT_IP4;
    for (i = 0; i < GATHER; i++) {
        sink->slices[i].iov_base = sink->datagrams[i];
        sink->messages[i].msg_hdr.msg_iov = &sink->slices[i];
        sink->messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (; sink->collectors_count < count; sink->collectors_count++) {
        struct collector *c = &sink->collectors[sink->collectors_count];
        c->fd = -1;
        c->target = targets[sink->collectors_count];
        if (sink->resolves)
            try_resolve(sink, c, true);
        else if (addresses[sink->collectors_count].len > 0)
            (void)connect_collector(sink, c, &addresses[sink->collectors_count], err);
    }
    return sink_create(&ops, sink, out, err);
}
