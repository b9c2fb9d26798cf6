/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE = 1100, PATIENCE_MS = 20 };

static void hide_controls(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

/* Who reads standard error may have stopped; nobody waits for that for long. The journal's end is a socket. */
static bool put(const char *line, size_t len, int patience_ms)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    ssize_t n;
    if (poll(&ready, 1, patience_ms) <= 0 || !(ready.revents & POLLOUT))
        return false;
    do {
        n = send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == ENOTSOCK)
            n = write(STDERR_FILENO, line, len);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

void log_line(const char *format, ...)
{
    static atomic_uint left_out; /* lines that found no room, to be told with the next one */
    char line[LINE];
    va_list args;
    int head = snprintf(line, sizeof(line), "[%d]: ", (int)getpid());
    va_start(args, format);
    vsnprintf(line + head, sizeof(line) - 64 - (size_t)head, format, args);
    va_end(args);
    hide_controls(line);
    size_t len = strlen(line);
    unsigned missing = atomic_exchange(&left_out, 0);
    if (missing > 0)
        len += (size_t)snprintf(line + len, sizeof(line) - len, " (%u lines before this one are missing)", missing);
    line[len++] = '\n';
    if (!put(line, len, missing > 0 ? 0 : PATIENCE_MS))
        atomic_fetch_add(&left_out, missing + 1);
}

void log_failure(const char *program, const struct error *why)
{
    struct error shown = *why;
    hide_controls(shown.text);
    fprintf(stderr, "%s: %s\n", program, shown.text);
}
