/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/rights.h"

#include <time.h>

#include "guard/landlock.h"
#include "guard/user.h"

int rights_give_up(const struct reader_config *config, struct error *err)
{
    const struct landlock_rules rules = {.read = config->files, .read_count = config->files_count};
    bool has_files = config->files_count > 0;
    enum user_keeps keeps = config->interface            ? USER_KEEPS_RAW
                            : has_files && !config->user ? USER_KEEPS_FILES
                                                         : USER_KEEPS_NOTHING;
    unsigned needs = (config->interface ? SANDBOX_SOCKETS : 0) | (has_files ? SANDBOX_FILES : 0) |
                     (config->show_top ? SANDBOX_TERMINAL : 0);
    tzset(); /* reads a file */
    if (user_drop(config->user, keeps, err) != 0)
        return -1;
    landlock_enter(&rules);
    return sandbox_enter(needs, config->seccomp, err);
}
