/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Being somebody else than root, once everything that needs root's rights is open. */
#ifndef DNSFLOW_GUARD_USER_H
#define DNSFLOW_GUARD_USER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* Whom a program started by root becomes: `name` (that --user gave), else dnsflow, else nobody. */
MUST_CHECK int user_find(const char *name, uid_t *uid, gid_t *gid, struct error *err);

/* What a program keeps of root's rights. */
enum user_keeps {
    USER_KEEPS_NOTHING,
    USER_KEEPS_RAW,  /* to open an interface again */
    USER_KEEPS_FILES /* to read any file, as root */
};

/* As root: becomes that user, unless it is to read files. Keeps no other capability, and takes back the chance to get
 * more (bounding set, no_new_privs). As another user only that; one who was given a capability by the file keeps it.
 * Returns -1 with one line for the user. */
MUST_CHECK int user_drop(const char *name, enum user_keeps keeps, struct error *err);

#endif
