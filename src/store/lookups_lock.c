/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/lookups_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

int lookups_lock(const char *folder, bool waits, struct error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;
    if (fd < 0)
        return error_errno(err, "%s", folder);
    while ((result = flock(fd, LOCK_EX | (waits ? 0 : LOCK_NB))) != 0 && errno == EINTR)
        ;
    if (result == 0)
        return fd;
    bool is_busy = errno == EWOULDBLOCK;
    if (!is_busy)
        error_errno(err, "%s", folder);
    close(fd);
    return is_busy ? LOOKUPS_BUSY : LOOKUPS_FAILED;
}
