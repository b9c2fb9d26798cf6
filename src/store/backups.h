/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The backups in a directory: TARGET/YYYYMMDD-HHMMSS (UTC), each with dnsflow.db, lookups/, an empty journal/ and a
 * mark, so that it is a collector's directory that can be asked. One that is being made, or taken away, has ".new"
 * behind its name. What has the name of one but holds anything else is no backup, and is left alone. */
#ifndef DNSFLOW_STORE_BACKUPS_H
#define DNSFLOW_STORE_BACKUPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define BACKUP_MARK   ".backup"
#define BACKUP_FOLDER "backup" /* in a collector's directory: where those of each day go */

enum { BACKUP_STAMP = 16, BACKUP_NAME = BACKUP_STAMP + 4, BACKUPS_KEPT = 2, BACKUPS_MAX = 64 };

struct backups {
    char stamps[BACKUPS_MAX][BACKUP_STAMP]; /* the oldest first */
    size_t count;
};

/* "20261127-100000" */
void backup_stamp(int64_t time_s, char stamp[BACKUP_STAMP]);

/* When that is; -1: it is no such name. */
int64_t backup_stamp_time(const char *stamp);

/* Those in the folder of the descriptor. */
void backups_list(int target, struct backups *out);

/* Takes one away. Returns 0, or -1 with the cause. One that has gone is fine. */
MUST_CHECK int backups_remove(int target, const char *stamp, struct error *err);

/* Takes away what never became one. */
void backups_remove_unfinished(int target);

/* Takes away what is in a folder of a backup, but not what does not belong there. */
void backups_empty(int folder);

/* What they take of the disk beside the store whose lookups are in that folder, -1 = in none: their files are often the
 * same as there, and then count nothing. */
uint64_t backups_bytes(int target, const struct backups *backups, int lookups);

/* Lets go of lookups of the journal's blocks up to that one. Where the database of one cannot be written the file goes
 * all the same. */
void backups_let_go(const char *target_path, int target, const struct backups *backups, uint64_t last_block);

#endif
