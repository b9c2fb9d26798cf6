/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A capture file, plain or compressed, through the file backend. */
#include <sys/mman.h>
#include <unistd.h>

#include "capture/capture.h"
#include "tests/fuzz/fuzz.h"

enum { PACKETS_MAX = 100000 }; /* a small compressed input can hold many */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const atomic_bool never;
    static struct packet packets[CAPTURE_BATCH];
    struct capture *capture;
    struct error why;
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC), count, total = 0;
    volatile uint8_t sum = 0;
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (capture_open_file(path, &never, &capture, &why) == 0) {
        while (total < PACKETS_MAX && (count = capture_borrow(capture, packets, CAPTURE_BATCH, &why)) > 0)
            for (int i = 0; i < count; i++, total++)
                if (packets[i].captured_len > 0)
                    sum = (uint8_t)(sum + packets[i].bytes[0] + packets[i].bytes[packets[i].captured_len - 1]);
        capture_close(capture);
    }
    close(fd);
    return 0;
}
