/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The directory that holds everything a collector keeps:
 *
 *     lock        who has it, as "PID"; locked as long as one of its processes lives
 *     settings    what was fixed at the first start
 *     journal/    what was received (journal/chain.h)
 *     dnsflow.db  what is known of it (store/database.h), and lookups/ (store/partition.h)
 *     backup/     copies (store/backups.h), if they go nowhere else
 *     feeds/      how far stores beside the embedded one are (feed/place.h)
 *     asking/     what questions to such a store need, while they are answered
 *     watch       up to where --watch has looked
 *     control     a socket: who connects asks that all that has been received is brought in there
 *     replay/     a store that is being made anew (collect/swap.h) */
#ifndef DNSFLOW_COLLECT_DIRECTORY_H
#define DNSFLOW_COLLECT_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define DIRECTORY_DEFAULT  "./dnsflow-data"
#define DIRECTORY_SERVICE  "/var/lib/dnsflow-collect" /* of the packages */
#define WATCH_PLACE        "watch"
#define ASKING_FOLDER      "asking"
#define DIRECTORY_SIZE_MIN (UINT64_C(256) << 20)

struct directory {
    const char *path; /* for messages; borrowed */
    int fd, lock_fd, journal_fd;
    char user[64]; /* whom root is to become, as it belongs to them; empty: the caller is not root */
};

/* Opens it to write, making what is missing and completing what a replay that was killed has left (swap.h); as root for
 * `user`, else for whom it belongs to. Locks it: "PATH: in use by process N". Returns 0, or -1 with one line. */
MUST_CHECK int directory_open(const char *path, const char *user, struct directory *out, struct error *err);

/* Where who only asks looks: as was told; of no DIRECTORY_DEFAULT that of the service, where there is one. */
const char *directory_to_ask(const char *told);

/* Opens it to read, beside who writes. */
MUST_CHECK int directory_look(const char *path, struct directory *out, struct error *err);

/* The same, for who changes what is there beside its owner's processes: as root with whom to become, as
 * directory_open() finds them. */
MUST_CHECK int directory_look_as_owner(const char *path, const char *user, struct directory *out, struct error *err);

/* The process that has it open to write, as text in *process ("?" = not known); false: nobody has. */
bool directory_is_in_use(const struct directory *directory, char process[24]);

/* How many bytes it may take: `told`, which is kept if it is not 0; else what was kept; else 20 GiB or half of what is
 * free, whichever is less, which is kept too. */
MUST_CHECK int directory_max_size(const struct directory *directory, uint64_t told, uint64_t *out, struct error *err);

/* The same to look at, without anything told or kept. */
MUST_CHECK int directory_look_size(const struct directory *directory, uint64_t *out, struct error *err);

/* Becomes who directory_open() has found, for good. */
MUST_CHECK int directory_become_owner(const struct directory *directory, struct error *err);

/* Closes, also what was never opened, if all zero at first. */
void directory_close(struct directory *directory);

#endif
