/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of store/: a partition without some of its lookups. */
#ifndef DNSFLOW_STORE_ERASE_PARTITION_H
#define DNSFLOW_STORE_ERASE_PARTITION_H

#include "store/forgotten.h"
#include "store/partition.h"

/* Whether names, or lookups of clients, that are to be forgotten are in the file. 1, 0, or -1 with the cause. */
int partition_has_forgotten(const char *folder, const char *file, const struct forgotten *forgotten, struct error *err);

/* Writes the partition into the scratch folder, as new-LEVEL.db and on the disk, without these and without names,
 * addresses and kinds that no row has any more. *out is what the new one is, with another name than the old one has.
 * Returns 0, or -1 with the cause. */
MUST_CHECK int partition_erase(const char *folder, const char *scratch, const struct partition *old,
                               const struct forgotten *forgotten, struct partition *out, struct error *err);

#endif
