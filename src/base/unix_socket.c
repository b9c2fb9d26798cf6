/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/unix_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int address_of(const char *path, struct sockaddr_un *out, struct error *err)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(out->sun_path))
        return error_set(err, "%s: the name is too long for a socket", path);
    snprintf(out->sun_path, sizeof(out->sun_path), "%s", path);
    return 0;
}

/* What a connection attempt says, as an errno: 0 and EAGAIN (its queue is full) when somebody listens, ECONNREFUSED
 * when nobody does. It does not wait. */
static int probe(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = fd >= 0 ? connect(fd, (const struct sockaddr *)address, sizeof(*address)) : -1;
    int cause = result == 0 ? 0 : errno;
    if (fd >= 0)
        close(fd);
    return cause;
}

/* A socket file that nobody listens at is left from a run before. */
static int remove_stale(const struct sockaddr_un *address, struct error *err)
{
    const char *path = address->sun_path;
    struct stat file;
    if (lstat(path, &file) != 0)
        return errno == ENOENT ? 0 : error_errno(err, "%s", path);
    if (!S_ISSOCK(file.st_mode))
        return error_set(err, "%s: there is a file of that name that is no socket", path);
    int cause = probe(address);
    if (cause == 0 || cause == EAGAIN)
        return error_set(err, "%s: another program listens there", path);
    errno = cause;
    if (cause != ECONNREFUSED && cause != ENOENT)
        return error_errno(err, "%s: cannot tell whether another program listens there", path);
    return unlink(path) == 0 || errno == ENOENT ? 0 : error_errno(err, "%s: cannot replace the socket", path);
}

int unix_socket_listen(const char *path, unsigned mode, int backlog, struct error *err)
{
    struct sockaddr_un address;
    if (address_of(path, &address, err) != 0 || remove_stale(&address, err) != 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0777 & ~mode);
    int result = fd >= 0 ? bind(fd, (struct sockaddr *)&address, sizeof(address)) : -1;
    umask(before);
    if (result == 0 && listen(fd, backlog) == 0)
        return fd;
    error_errno(err, "%s: cannot listen", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

void unix_socket_find(const char *path, struct unix_socket_id *out)
{
    struct stat file;
    memset(out, 0, sizeof(*out));
    if (lstat(path, &file) == 0 && S_ISSOCK(file.st_mode))
        *out = (struct unix_socket_id){.device = file.st_dev, .number = file.st_ino, .changed = file.st_ctim};
}

static bool is_same(const struct unix_socket_id *a, const struct unix_socket_id *b)
{
    return a->device != 0 && a->device == b->device && a->number == b->number &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

void unix_socket_remove(const char *path, const struct unix_socket_id *id)
{
    struct unix_socket_id now;
    unix_socket_find(path, &now);
    if (is_same(&now, id))
        (void)unlink(path);
}
