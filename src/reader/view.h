/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The live view: the tables of tops.h on a terminal, while the input is read. */
#ifndef DNSFLOW_READER_VIEW_H
#define DNSFLOW_READER_VIEW_H

#include "reader/input.h"

enum { VIEW_NOT_STARTED = -3 };

/* Until the user quits or *stop is set; an input that ends stays on display. Returns 0, CAPTURE_FAILED when the
 * input broke, or VIEW_NOT_STARTED. */
int view_run(struct reader_input *input, struct session *session, const atomic_bool *stop, struct error *err);

/* What draws it, for --version. */
const char *view_version(void);

#endif
