/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Taking out what a file of the chain holds. */
#ifndef DNSFLOW_JOURNAL_EMPTY_H
#define DNSFLOW_JOURNAL_EMPTY_H

#include "journal/chain.h"

/* Puts a file without blocks in the place of a closed one, at once and on the disk, so that the chain has no gap. Who
 * has the old one open still reads that. Returns 0, or -1 with the cause, and the file is as it was. */
MUST_CHECK int journal_empty(int folder, const struct journal_file *file, struct error *err);

#endif
