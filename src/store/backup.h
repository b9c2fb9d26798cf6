/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Making a backup of a store that others write: the database as it is at one moment, and the partitions that it names
 * at that moment, as hard links where that is possible. It is done in small steps, and nobody who writes waits for it.
 * Belongs to one thread. */
#ifndef DNSFLOW_STORE_BACKUP_H
#define DNSFLOW_STORE_BACKUP_H

#include "store/backups.h"

struct backup;

struct backup_result {
    char path[512];
    size_t partitions, left_out; /* of these: what was set aside, or is not there */
    uint64_t bytes, new_bytes;   /* of its files; of those that are no links */
    int64_t until_s;             /* received last, 0 = nothing has been */
};

/* Begins one of the collector's directory in `target`, which is made if need be; one at a time can be made there.
 * Returns 0, or -1 with the cause. */
MUST_CHECK int backup_open(const char *directory, const char *target, struct backup **out, struct error *err);

/* 1: there is more to do, 0: it is on the disk and has its name, and older ones have gone, but for BACKUPS_KEPT; -1:
 * it failed, with the cause. */
int backup_step(struct backup *backup, struct error *err);

const struct backup_result *backup_result(const struct backup *backup);

/* Frees; what has not come to its end is taken away. NULL is fine. */
void backup_close(struct backup *backup);

/* When the next one is due that is to be made so often: after the last one, or after the first lookups; -1: nothing is
 * kept yet. */
int64_t backup_due_s(const char *directory, const char *target, int64_t every_s);

#endif
