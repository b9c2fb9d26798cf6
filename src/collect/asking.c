/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/asking.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "collect/directory.h"
#include "collect/health.h"
#include "query/kept.h"

int asking_parse_color(const char *text, unsigned *out, struct error *err)
{
    static const char *const names[] = {"auto", "always", "never"};
    unsigned which;
    if (parse_choice(text, names, 3, &which, err) != 0)
        return -1;
    *out = which;
    return 0;
}

bool asking_wants_color(unsigned color)
{
    const char *no = getenv("NO_COLOR"), *type = getenv("TERM");
    if (color != 0)
        return color == 1;
    return isatty(STDOUT_FILENO) && !(no && *no) && type && strcmp(type, "dumb") != 0;
}

int asking_end_output(FILE *out, struct error *err)
{
    struct pollfd pipe = {.fd = fileno(out), .events = POLLOUT};
    int flushed = fflush(out), cause = errno;
    if (flushed == 0 && !ferror(out))
        return 0;
    if (poll(&pipe, 1, 0) == 1 && (pipe.revents & POLLERR))
        return 0;
    errno = flushed != 0 ? cause : EIO;
    return error_errno(err, "standard output");
}

/* A collector that has ended has brought in all, unless it was killed. */
bool asking_refresh(const char *directory, char missing[ASKING_LINE])
{
    struct directory d;
    struct error why; /* which the question meets, and tells, itself */
    char process[24];
    uint64_t behind = 0;
    if (kept_refresh(directory) || directory_look(directory, &d, NULL) != 0)
        return true;
    bool is_in_use = directory_is_in_use(&d, process);
    directory_close(&d);
    if (is_in_use)
        snprintf(missing, ASKING_LINE,
                 "the collector (process %s) does not answer: what it has received last may be missing", process);
    else if (health_count_behind(directory, &behind, &why) == 0 && behind > 0)
        snprintf(missing, ASKING_LINE,
                 "no collector runs, and %" PRIu64
                 " records of the journal, which the last one could not bring in, are missing",
                 behind);
    return !is_in_use && behind == 0;
}

void asking_refresh_or_tell(const char *directory)
{
    char missing[ASKING_LINE];
    if (!asking_refresh(directory, missing))
        fprintf(stderr, "%s\n", missing);
}
