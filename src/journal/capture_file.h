/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A file of a journal as a capture: as any program reads it, but past what is damaged. */
#ifndef DNSFLOW_JOURNAL_CAPTURE_FILE_H
#define DNSFLOW_JOURNAL_CAPTURE_FILE_H

#include "capture/capture.h"

/* Whether the file can be read and is one of a journal. */
bool journal_is_file(const char *path);

/* Opens it. What was passed over is told at its end, which is CAPTURE_FAILED then; a last block that is not whole, as
 * while it is written, is only mentioned. Returns 0, or -1 with "PATH: cause". */
MUST_CHECK int journal_open_capture(const char *path, struct capture **out, struct error *err);

#endif
