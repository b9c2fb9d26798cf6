/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/role.h"

#include <errno.h>
#include <sys/socket.h>

bool role_receives(const struct role_context *context)
{
    return !context->config->has_from_kafka;
}

unsigned role_orders(const struct role_context *context)
{
    char orders[16];
    unsigned result = 0;
    ssize_t n, i;
    while ((n = recv(context->control_fd, orders, sizeof(orders), MSG_DONTWAIT)) > 0)
        for (i = 0; i < n; i++)
            result |= (unsigned)orders[i];
    bool is_gone = n == 0 || (errno != EAGAIN && errno != EINTR);
    return result | (is_gone ? ROLE_STOP : 0u);
}

void role_tell_ready(const struct role_context *context)
{
    (void)send(context->control_fd, "R", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void role_beat(const struct role_context *context)
{
    atomic_fetch_add_explicit(&context->board->beats[context->index], 1, memory_order_relaxed);
}
