/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Backups that a running collector makes by itself, one step at a time between its other work. */
#ifndef DNSFLOW_COLLECT_BACKUP_H
#define DNSFLOW_COLLECT_BACKUP_H

#include <stdbool.h>

#include "collect/role.h"
#include "store/backup.h"

enum { BACKUP_TEXT = 800 };

/* What a backup is of, as one line. */
void backup_text(const struct backup_result *result, char text[BACKUP_TEXT]);

struct daily {
    const struct role_context *context;
    char target[512];
    struct backup *running; /* NULL = none is */
    int64_t next_us;        /* monotonic: when to look again */
};

void daily_begin(struct daily *daily, const struct role_context *context);

/* Does a little of one that is due. Returns whether there is more to do at once. */
bool daily_step(struct daily *daily);

/* One that is being made is given up. */
void daily_end(struct daily *daily);

#endif
