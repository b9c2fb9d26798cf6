/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static void hide_controls(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

void log_line(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    hide_controls(text);
    fprintf(stderr, "[%d]: %s\n", (int)getpid(), text);
}

void log_failure(const char *program, const struct error *why)
{
    struct error shown = *why;
    hide_controls(shown.text);
    fprintf(stderr, "%s: %s\n", program, shown.text);
}
