/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The other side of guard/helper.h: what runs in the helper's processes. */
#ifndef DNSFLOW_GUARD_HELPER_PROCESS_H
#define DNSFLOW_GUARD_HELPER_PROCESS_H

#include "guard/helper.h"

/* What the program asks. */
struct helper_request {
    uint8_t task;
};

/* Serves the program at the other end of `fd` until that end closes, then calls work->leave(). One process answers,
 * each request in a process of its own, so that a slow name server holds nothing up; another one watches it. When one
 * of the two dies the other makes a new one and sends HELPER_AGAIN. */
_Noreturn void helper_process_run(const struct helper_work *work, int fd);

#endif
