/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int pid_file_lock(const char *path, struct error *err)
{
    char text[32] = "";
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_set(err, "pid file %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int cause = errno;
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
        close(fd);
        if (cause != EWOULDBLOCK)
            return error_set(err, "pid file %s: cannot lock: %s", path, strerror(cause));
        text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
        return error_set(err, "pid file %s: already running (pid %s)", path, text);
    }
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) {
        error_set(err, "pid file %s: %s", path, strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}
