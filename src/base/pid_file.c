/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the path still leads to the file that is open: its owner may have removed it in between. */
static bool is_at(const char *path, int fd)
{
    struct stat named, open;
    return stat(path, &named) == 0 && fstat(fd, &open) == 0 && named.st_dev == open.st_dev &&
           named.st_ino == open.st_ino;
}

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
    if (!is_at(path, fd)) {
        close(fd);
        return error_set(err, "pid file %s: another process is starting or ending; start again", path);
    }
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) {
        error_set(err, "pid file %s: %s", path, strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

void pid_file_remove(const char *path, int fd)
{
    if (fd < 0)
        return;
    if (is_at(path, fd))
        (void)unlink(path);
    close(fd);
}
