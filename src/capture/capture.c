/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/capture.h"

#include <stdlib.h>
#include <string.h>

struct capture {
    const struct capture_ops *ops;
    void *self;
};

int capture_create(const struct capture_ops *ops, void *self, struct capture **out, struct error *err)
{
    struct capture *capture = calloc(1, sizeof(*capture));
    if (!capture) {
        ops->close(self);
        return error_errno(err, "cannot open the capture");
    }
    capture->ops = ops;
    capture->self = self;
    *out = capture;
    return 0;
}

int capture_borrow(struct capture *capture, struct packet *packets, int max, struct error *err)
{
    return capture->ops->borrow(capture->self, packets, max, err);
}

void capture_stats(struct capture *capture, struct capture_stats *out)
{
    memset(out, 0, sizeof(*out));
    if (capture->ops->stats)
        capture->ops->stats(capture->self, out);
}

bool capture_progress(struct capture *capture, uint64_t *done, uint64_t *total)
{
    *done = *total = 0;
    if (capture->ops->progress)
        capture->ops->progress(capture->self, done, total);
    return *total > 0;
}

void capture_close(struct capture *capture)
{
    if (!capture)
        return;
    capture->ops->close(capture->self);
    free(capture);
}
