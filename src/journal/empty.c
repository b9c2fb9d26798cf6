/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/empty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <zstd.h>

#include "journal/block.h"

enum { MODE = 0640, ROOM = 128 };

static const char new_name[] = "empty.new"; /* foreign to the chain */

int journal_empty(int folder, const struct journal_file *file, struct error *err)
{
    uint8_t header[JOURNAL_FILE_HEADER], packed[ROOM];
    journal_file_header(header);
    size_t len = ZSTD_compress(packed, sizeof(packed), header, sizeof(header), 1);
    if (ZSTD_isError(len))
        return error_set(err, "journal: %s", ZSTD_getErrorName(len));
    int fd = openat(folder, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, MODE);
    if (fd < 0)
        return error_errno(err, "journal/%s", new_name);
    bool is_done =
        write(fd, packed, len) == (ssize_t)len && fsync(fd) == 0 && renameat(folder, new_name, folder, file->name) == 0;
    if (!is_done) {
        error_errno(err, "journal/%s", file->name);
        (void)unlinkat(folder, new_name, 0);
    }
    close(fd);
    return is_done && fsync(folder) != 0 ? error_errno(err, "journal") : is_done ? 0 : -1;
}
