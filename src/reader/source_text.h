/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The accounts as the summary shows them. */
#ifndef DNSFLOW_READER_SOURCE_TEXT_H
#define DNSFLOW_READER_SOURCE_TEXT_H

#include "print/output.h"
#include "receive/source.h"

/* The block of a source. */
void source_print(const struct source *source, struct output *out);

/* All blocks, in the order in which the sources appeared. */
void sources_print(const struct sources *sources, struct output *out);

#endif
