/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/board.h"

#include <sys/mman.h>

#include "base/clock.h"

struct board *board_make(struct error *err)
{
    struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED) {
        error_errno(err, "memory of all processes");
        return NULL;
    }
    board->started_s = clock_unix_us() / SECOND_US;
    return board;
}
