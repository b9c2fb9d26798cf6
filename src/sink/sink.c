/* SPDX-License-Identifier: BSD-3-Clause */
#include "sink/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const sink_loss_names[SINK_LOSSES] = {
    [SINK_LOST_UNRESOLVED] = "name not resolved",
    [SINK_LOST_UNREACHABLE] = "unreachable",
    [SINK_LOST_FULL] = "buffer full",
    [SINK_LOST_SIZE] = "too large",
    [SINK_LOST_OTHER] = "other",
};

struct sink {
    const struct sink_ops *ops;
    void *self;
};

int sink_create(const struct sink_ops *ops, void *self, struct sink **out, struct error *err)
{
    struct sink *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        ops->close(self);
        return error_errno(err, "cannot open the output");
    }
    sink->ops = ops;
    sink->self = self;
    *out = sink;
    return 0;
}

void sink_write(struct sink *sink, const uint8_t *datagram, size_t len, int64_t time_us)
{
    sink->ops->write(sink->self, datagram, len, time_us);
}

void sink_flush(struct sink *sink)
{
    sink->ops->flush(sink->self);
}

void sink_end(struct sink *sink)
{
    sink->ops->flush(sink->self);
    if (sink->ops->end)
        sink->ops->end(sink->self);
}

void sink_reopen(struct sink *sink)
{
    sink->ops->reopen(sink->self);
}

void sink_renew(struct sink *sink, const struct sink_news *news)
{
    sink->ops->renew(sink->self, news);
}

size_t sink_limit(const struct sink *sink)
{
    return sink->ops->limit ? sink->ops->limit(sink->self) : SIZE_MAX;
}

void sink_output(const struct sink *sink, struct sink_output *out)
{
    sink->ops->output(sink->self, out);
}

const char *sink_cause_text(int cause)
{
    switch (cause) {
    case 0:
        return "";
    case SINK_UNRESOLVED:
        return "its name has not been resolved";
    case EINVAL:
        return "the route to it says blackhole";
    case EHOSTUNREACH: /* the kernel's word for a refusal that comes back, too */
        return "No route to host, or a firewall refuses";
    case EMSGSIZE:
        return "its route is too narrow for datagrams of 1232 bytes";
    default:
        return strerror(cause);
    }
}

int sink_report(struct sink *sink)
{
    return sink->ops->report(sink->self);
}

void sink_close(struct sink *sink)
{
    if (!sink)
        return;
    sink->ops->flush(sink->self);
    sink->ops->close(sink->self);
    free(sink);
}
