/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The role that answers questions over HTTP: it reads files, answers who connects, and has no rights beside that. */
#ifndef DNSFLOW_COLLECT_ANSWER_H
#define DNSFLOW_COLLECT_ANSWER_H

#include "collect/health.h"
#include "collect/role.h"
#include "serve/serve.h"

/* Listens where --http says, and says so. Returns the socket, or -1 with the cause. */
MUST_CHECK int answer_listen(const struct collect_config *config, struct error *err);

/* /metrics, of all roles; health NULL: what is kept cannot be read, and nothing is told of it. */
void metrics_print(const struct board *board, const struct health *health, const struct serve_counts *counts,
                   FILE *out);

#endif
