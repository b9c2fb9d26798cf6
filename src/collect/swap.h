/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A store that was made in DIR/replay takes the place of the one that is there, as
 *
 *     lookups     -> lookups.old-N      replay/lookups    -> lookups
 *     dnsflow.db  -> dnsflow.db.old-N   replay/dnsflow.db -> dnsflow.db
 *
 * which is four renames. A file replay/ready, with N, says that the new store is whole: from then on the renames are
 * completed by whoever opens the directory to write next, and each of them can be the one before which it was killed.
 * Without that file DIR/replay is of somebody who was killed earlier, and is removed. */
#ifndef DNSFLOW_COLLECT_SWAP_H
#define DNSFLOW_COLLECT_SWAP_H

#include "base/error.h"

#define SWAP_FOLDER "replay"

/* Says that what is in DIR/replay is whole. Returns 0, or -1 with the cause. */
MUST_CHECK int swap_declare(int directory, struct error *err);

/* Completes or removes what is in DIR/replay, if there is any; what was in use before is removed at the end. Only under
 * the directory's lock. Returns 0, or -1 with the cause; it may be done again. */
MUST_CHECK int swap_settle(int directory, struct error *err);

#endif
