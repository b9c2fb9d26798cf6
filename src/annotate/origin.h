/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where lookups come from: captures of datagrams and files of a journal, or what a store keeps. */
#ifndef DNSFLOW_ANNOTATE_ORIGIN_H
#define DNSFLOW_ANNOTATE_ORIGIN_H

#include "annotate/flow.h"
#include "annotate/lookups.h"
#include "base/error.h"

struct kept;

struct origin {
    void *self;
    /* Brings what these flows need into the table. Returns 0, or -1 with the cause. */
    int (*prepare)(void *self, struct lookups *lookups, const struct seen_flow *flows, size_t count, struct error *err);
    void (*close)(void *self);
};

/* Files in the order of their time; of a folder, the files of a journal in it. Paths are borrowed. Returns 0, or -1
 * with the cause. */
MUST_CHECK int origin_open_files(const char *const *paths, size_t count, struct origin *out, struct error *err);

/* What has been read of them: datagrams, and files that are broken, which was told. */
uint64_t origin_datagrams(const struct origin *origin);
bool origin_is_broken(const struct origin *origin);

/* What is kept, which is borrowed. Returns 0, or -1 with the cause. */
MUST_CHECK int origin_open_store(struct kept *kept, struct origin *out, struct error *err);

/* All zero is fine. */
void origin_close(struct origin *origin);

#endif
