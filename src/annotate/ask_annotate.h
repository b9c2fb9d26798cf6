/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The name of one flow, as a question: about its server, of a client, at a moment. */
#ifndef DNSFLOW_ANNOTATE_ASK_ANNOTATE_H
#define DNSFLOW_ANNOTATE_ASK_ANNOTATE_H

#include "query/ask.h"

/* The client must be given. It is not among `questions`: the command line has a verb for many flows. */
extern const struct question question_annotate;

#endif
