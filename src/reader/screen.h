/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The terminal, as curses has it: opened for a full screen, and given back as it was. */
#ifndef DNSFLOW_READER_SCREEN_H
#define DNSFLOW_READER_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

struct screen {
    void *terminal; /* of curses */
    FILE *keys;     /* where keys come from: standard input may be a capture */
    int error_fd;   /* standard error, -1 = left alone */
    int held_fd;    /* what is said there meanwhile */
};

/* From here on curses draws on standard output; lines for the operator wait. */
int screen_open(struct screen *screen, struct error *err);

/* Whether the terminal was closed from the other side. */
bool screen_is_gone(const struct screen *screen);

/* Gives the terminal back and shows the lines that waited. */
void screen_close(struct screen *screen);

#endif
