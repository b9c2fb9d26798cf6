/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/formats.h"

#include <stdio.h>
#include <string.h>

const struct printer printer_cof = {.name = "cof", .is_data_only = true};

static const struct printer *const printers[] = {&printer_text, &printer_json, &printer_csv, &printer_tsv,
                                                 &printer_cof};

enum { PRINTERS = sizeof(printers) / sizeof(printers[0]) };

const struct printer *printer_find(const char *name)
{
    size_t i;
    for (i = 0; i < PRINTERS; i++)
        if (strcmp(printers[i]->name, name) == 0)
            return printers[i];
    return NULL;
}

void printer_names(char *text, size_t size)
{
    size_t i, used = 0;
    for (i = 0; i < PRINTERS && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", printers[i]->name);
}
