/* SPDX-License-Identifier: BSD-3-Clause */
#ifdef HAVE_NCURSES
#include "reader/screen.h"

#include <curses.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <term.h>
#include <unistd.h>

enum { ESCAPE_MS = 25 };

static void hold_lines(struct screen *screen)
{
    screen->error_fd = screen->held_fd = -1;
    if (!isatty(STDERR_FILENO))
        return;
    screen->held_fd = memfd_create("lines", MFD_CLOEXEC);
    screen->error_fd = dup(STDERR_FILENO);
    if (screen->held_fd >= 0 && screen->error_fd >= 0)
        (void)dup2(screen->held_fd, STDERR_FILENO);
}

static void show_lines(struct screen *screen)
{
    char part[4096];
    ssize_t len;
    if (screen->held_fd >= 0 && screen->error_fd >= 0) {
        (void)dup2(screen->error_fd, STDERR_FILENO);
        (void)lseek(screen->held_fd, 0, SEEK_SET);
        while ((len = read(screen->held_fd, part, sizeof(part))) > 0)
            if (write(STDERR_FILENO, part, (size_t)len) < 0)
                break;
    }
    if (screen->held_fd >= 0)
        close(screen->held_fd);
    if (screen->error_fd >= 0)
        close(screen->error_fd);
}

int screen_open(struct screen *screen, struct error *err)
{
    memset(screen, 0, sizeof(*screen));
    if (!isatty(STDOUT_FILENO))
        return error_set(err, "option --top: standard output is no terminal; --summary prints the same tables");
    screen->keys = fopen("/dev/tty", "re");
    if (!screen->keys)
        return error_errno(err, "option --top: /dev/tty");
    screen->terminal = newterm(NULL, stdout, screen->keys);
    if (!screen->terminal || !tigetstr("cup")) {
        const char *type = getenv("TERM");
        if (screen->terminal) {
            endwin();
            delscreen(screen->terminal);
        }
        fclose(screen->keys);
        return error_set(err,
                         "option --top: TERM is %s: not known here, or cannot move the cursor; expected such as vt100",
                         type && *type ? type : "not set");
    }
    hold_lines(screen);
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    set_escdelay(ESCAPE_MS);
    curs_set(0);
    return 0;
}

bool screen_is_gone(const struct screen *screen)
{
    struct pollfd keys = {.fd = fileno(screen->keys)};
    return poll(&keys, 1, 0) > 0;
}

void screen_close(struct screen *screen)
{
    endwin();
    delscreen(screen->terminal);
    fclose(screen->keys);
    show_lines(screen);
}

#else
extern const int screen_not_built; /* an empty file is no C */
#endif
