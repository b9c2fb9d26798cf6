/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A receiver begins where the one before it ended. */
#ifndef DNSFLOW_JOURNAL_RESTORE_H
#define DNSFLOW_JOURNAL_RESTORE_H

#include "receive/intake.h"

/* Brings the intake's streams to where the chain in the folder left them: its last table of streams, and what was
 * written behind that. What they miss then counts as missed while nobody received; a signed datagram that was written
 * is not taken again. Returns 0, or -1 with the cause. */
MUST_CHECK int journal_restore(int folder, struct intake *intake, int64_t now_us, struct error *err);

#endif
