/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/daemon.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/options.h"

/* The process in between ends at once, so that nobody has to wait for the new one. */
static void wait_for_ready(pid_t between, int fd)
{
    char done = 0;
    (void)waitpid(between, NULL, 0);
    _exit(read(fd, &done, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int daemon_start(int *ready_fd, struct error *err)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0)
        return error_errno(err, "cannot go into the background");
    pid_t between = fork();
    if (between > 0) {
        close(pair[1]);
        wait_for_ready(between, pair[0]);
    }
    if (between < 0 || setsid() < 0)
        return error_errno(err, "cannot go into the background");
    pid_t last = fork();
    if (last > 0)
        _exit(EXIT_SUCCESS);
    close(pair[0]);
    *ready_fd = pair[1];
    return last == 0 ? 0 : error_errno(err, "cannot go into the background");
}

void daemon_ready(int ready_fd)
{
    if (write(ready_fd, "", 1) == 1)
        close(ready_fd);
}

/* An address that begins with @ is in the abstract namespace. */
int notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    if (len == 0 || len >= sizeof(address.sun_path))
        return -1;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, size) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void notify_send(int fd, const char *state)
{
    if (fd >= 0)
        (void)send(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
}

int64_t notify_watchdog_us(void)
{
    const char *every = getenv("WATCHDOG_USEC");
    uint64_t us;
    return every && parse_number(every, 1, INT64_MAX, &us, NULL) == 0 ? (int64_t)us : 0;
}
