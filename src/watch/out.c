/* SPDX-License-Identifier: BSD-3-Clause */
#include "watch/out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe is opened to read, too: so it is there whether somebody reads it or not. */
int watch_out_open(struct watch_out *out, const char *path, struct error *err)
{
    struct stat info;
    bool is_pipe = stat(path, &info) == 0 && S_ISFIFO(info.st_mode);
    out->path = path;
    out->rest_len = 0;
    out->fd = open(path, (is_pipe ? O_RDWR : O_WRONLY | O_CREAT) | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
    return out->fd >= 0 ? 0 : error_errno(err, "%s", path);
}

/* Returns how many bytes were written. */
static size_t put(const struct watch_out *out, const char *bytes, size_t len, int *cause)
{
    size_t done = 0;
    *cause = 0;
    while (done < len && *cause == 0) {
        ssize_t n = write(out->fd, bytes + done, len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            *cause = n == 0 ? EIO : errno;
    }
    return done;
}

int watch_out_put(struct watch_out *out, const char *line, size_t len)
{
    int cause;
    size_t done = put(out, out->rest, out->rest_len, &cause);
    memmove(out->rest, out->rest + done, out->rest_len - done);
    out->rest_len -= done;
    if (cause != 0 || len > WATCH_LINE)
        return cause ? cause : EMSGSIZE;
    done = put(out, line, len, &cause);
    if (done == 0)
        return cause;
    memcpy(out->rest, line + done, len - done);
    out->rest_len = len - done;
    return 0;
}

void watch_out_close(struct watch_out *out)
{
    int cause;
    if (out->fd < 0)
        return;
    (void)put(out, out->rest, out->rest_len, &cause);
    close(out->fd);
    out->fd = -1;
}
