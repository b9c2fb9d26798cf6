/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/text.h"

#include <errno.h>
#include <event2/buffer.h>

static ssize_t put(void *buffer, const char *bytes, size_t len)
{
    if (evbuffer_get_length(buffer) + len <= TEXT_MAX && evbuffer_add(buffer, bytes, len) == 0)
        return (ssize_t)len;
    errno = ENOMEM;
    return 0;
}

FILE *text_open(struct evbuffer *buffer)
{
    return fopencookie(buffer, "w", (cookie_io_functions_t){.write = put});
}
