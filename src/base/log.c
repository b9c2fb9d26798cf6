/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

enum { LINE = 1100, PATIENCE_MS = 20 };

static void hide_controls(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

/* Who reads standard error may have stopped; nobody waits for that for long. The journal's end is a socket. */
static bool put_line(const char *line, size_t len, int patience_ms)
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

bool log_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat file;
    char text[48];
    if (!stream || fstat(STDERR_FILENO, &file) != 0)
        return false;
    snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)file.st_dev, (uintmax_t)file.st_ino);
    return strcmp(text, stream) == 0;
}

int log_level(const char *text)
{
    if (strncmp(text, "error:", 6) == 0)
        return LOG_ERR;
    return strncmp(text, "warning:", 8) == 0 ? LOG_WARNING : LOG_INFO;
}

void log_line(const char *format, ...)
{
    static atomic_uint left_out; /* lines that found no room, to be told with the next one */
    char line[LINE];
    va_list args;
    bool is_journal = log_is_journal();
    int head = is_journal ? snprintf(line, sizeof(line), "<%d>", LOG_INFO)
                          : snprintf(line, sizeof(line), "[%d]: ", (int)getpid());
    va_start(args, format);
    vsnprintf(line + head, sizeof(line) - 64 - (size_t)head, format, args);
    va_end(args);
    hide_controls(line);
    if (is_journal)
        line[1] = (char)('0' + log_level(line + head));
    size_t len = strlen(line);
    unsigned missing = atomic_exchange(&left_out, 0);
    if (missing > 0)
        len += (size_t)snprintf(line + len, sizeof(line) - len, " (%u lines before this one are missing)", missing);
    line[len++] = '\n';
    if (!put_line(line, len, missing > 0 ? 0 : PATIENCE_MS))
        atomic_fetch_add(&left_out, missing + 1);
}

void log_failure(const char *program, const struct error *why)
{
    struct error shown = *why;
    hide_controls(shown.text);
    if (log_is_journal())
        fprintf(stderr, "<%d>%s\n", LOG_ERR, shown.text);
    else
        fprintf(stderr, "%s: %s\n", program, shown.text);
}
