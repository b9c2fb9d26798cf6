/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of store/: who turns partitions into others has the folder alone, from when it reads the catalogue to when
 * what it has made is entered there. Seals need it not: they only add. */
#ifndef DNSFLOW_STORE_LOOKUPS_LOCK_H
#define DNSFLOW_STORE_LOOKUPS_LOCK_H

#include <stdbool.h>

#include "base/error.h"

enum { LOOKUPS_FAILED = -1, LOOKUPS_BUSY = -2 };

/* A descriptor that holds the lock until it is closed, also by the end of the process; LOOKUPS_FAILED with the cause;
 * LOOKUPS_BUSY: another has it, and it is not to be waited for. */
int lookups_lock(const char *folder, bool waits, struct error *err);

#endif
