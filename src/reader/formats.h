/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The formats of --format. */
#ifndef DNSFLOW_READER_FORMATS_H
#define DNSFLOW_READER_FORMATS_H

#include "print/printer.h"

/* NULL when there is no such format. */
const struct printer *printer_find(const char *name);

/* "text, json, ..." in `text`, for messages. */
void printer_names(char *text, size_t size);

/* Prints no rows: what it is given is gathered (reader/take_cof.c). */
extern const struct printer printer_cof;

#endif
