/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The process that passes lines on. It ends when the last writer of its pipe has. */
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process.h"
#include "base/log_process.h"

enum {
    LINES_MAX = 200,
    PERIOD_US = 10 * SECOND_US,
    STARTED = 1 /* a line of this character alone says that the program has started; others never begin with it */
};

struct passing {
    enum log_where where;
    const char *program;
    int journal;
    int echo; /* where lines go as well until the sensor has started, -1 = nowhere */
    int64_t since_us;
    unsigned lines, left_out;
};

/* The text of "[PID]: text". */
static const char *text_of(const char *line)
{
    size_t digits = line[0] == '[' ? strspn(line + 1, "0123456789") : 0;
    return digits > 0 && strncmp(line + 1 + digits, "]: ", 3) == 0 ? line + digits + 4 : line;
}

/* The journal's own protocol: fields, one on each line (systemd.io/JOURNAL_NATIVE_PROTOCOL). */
static void write_journal(const struct passing *p, const char *message)
{
    char text[1400];
    int len = snprintf(text, sizeof(text), "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s\n", log_level(message),
                       p->program, message);
    if (len > 0 && (size_t)len < sizeof(text))
        (void)send(p->journal, text, (size_t)len, MSG_NOSIGNAL);
}

static void write_line(const struct passing *p, const char *line)
{
    if (p->where == LOG_TO_JOURNAL)
        write_journal(p, text_of(line));
    else
        syslog(log_level(text_of(line)), "%s", line);
}

static void pass_on(struct passing *p, const char *line)
{
    int64_t now = clock_monotonic_us();
    char note[64];
    if (p->echo >= 0)
        dprintf(p->echo, "%s\n", line);
    if (now - p->since_us >= PERIOD_US) {
        snprintf(note, sizeof(note), "warning: %u lines were left out", p->left_out);
        if (p->left_out > 0)
            write_line(p, note);
        p->since_us = now;
        p->lines = p->left_out = 0;
    }
    if (p->lines++ < LINES_MAX)
        write_line(p, line);
    else
        p->left_out++;
}

/* Returns -1 with errno when nobody listens there. */
static int connect_to(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int cause = errno;
    close(fd);
    errno = cause;
    return -1;
}

/* Whether syslog(3), which fails in silence, has somebody to talk to. */
static bool has_syslog(void)
{
    int fd = connect_to(_PATH_LOG, SOCK_DGRAM);
    if (fd < 0 && errno == EPROTOTYPE)
        fd = connect_to(_PATH_LOG, SOCK_STREAM);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

/* Whether there is what the lines are to go to. The default of -D is no reason to refuse. */
static int find_log(const struct log_choice *choice, int *journal, struct error *err)
{
    static const char path[] = "/run/systemd/journal/socket";
    if (choice->where == LOG_TO_JOURNAL && (*journal = connect_to(path, SOCK_DGRAM)) < 0)
        return error_errno(err, "option --log journal: %s", path);
    if (choice->where != LOG_TO_SYSLOG || has_syslog())
        return 0;
    if (choice->is_given)
        return error_set(err, "option --log syslog: no syslog at %s: %s; take --log stderr, with 2>>FILE for a file",
                         _PATH_LOG, strerror(errno));
    log_line("warning: option -D/--daemon: no syslog at %s: %s; from the start on lines are lost, --log stderr 2>>FILE "
             "keeps them",
             _PATH_LOG, strerror(errno));
    return 0;
}

static void stop_echo(struct passing *p)
{
    if (p->echo >= 0)
        close(p->echo);
    p->echo = -1;
}

static void pass_lines(struct passing *p, int fd)
{
    char line[1100];
    FILE *in = fdopen(fd, "r");
    while (in && (fgets(line, sizeof(line), in) || (ferror(in) && errno == EINTR))) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == STARTED)
            stop_echo(p);
        else
            pass_on(p, line);
    }
}

/* In the new process: what comes from `fd`, until the last writer has ended. */
_Noreturn static void run_process(struct passing *p, int fd)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    size_t i;
    for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    process_leave_terminal();
    (void)dup2(STDOUT_FILENO, STDERR_FILENO);
    (void)dup2(fd, STDIN_FILENO);
    pass_lines(p, STDIN_FILENO);
    _exit(EXIT_SUCCESS);
}

int log_process_start(const struct log_choice *choice, const char *program, void (*drop)(const void *context),
                      const void *context, struct error *err)
{
    struct passing p = {
        .where = choice->where, .program = program, .journal = -1, .echo = -1, .since_us = clock_monotonic_us()};
    int pair[2];
    if (choice->where == LOG_TO_STDERR)
        return 0;
    if (find_log(choice, &p.journal, err) != 0)
        return -1;
    if (!log_is_journal()) /* where the lines would come twice */
        p.echo = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    pid_t process = pipe(pair) == 0 ? fork() : -1;
    if (process < 0)
        return error_errno(err, "option --log: cannot start a process");
    if (process == 0) {
        close(pair[1]);
        openlog(program, LOG_NDELAY, LOG_DAEMON);
        drop(context);
        run_process(&p, pair[0]);
    }
    (void)dup2(pair[1], STDERR_FILENO);
    close(pair[0]);
    close(pair[1]);
    if (p.journal >= 0)
        close(p.journal);
    stop_echo(&p);
    return 0;
}

void log_tell_started(const struct log_choice *choice)
{
    static const char started[] = {STARTED, '\n'};
    if (choice->where != LOG_TO_STDERR && write(STDERR_FILENO, started, sizeof(started)) < 0)
        log_line("warning: --log: the process that passes lines on is gone");
}

int log_choose(const char *text, struct log_choice *choice, struct error *err)
{
    static const char *const names[] = {
        [LOG_TO_STDERR] = "stderr", [LOG_TO_SYSLOG] = "syslog", [LOG_TO_JOURNAL] = "journal"};
    unsigned which;
    if (parse_choice(text, names, sizeof(names) / sizeof(names[0]), &which, err) != 0)
        return -1;
    if (choice)
        *choice = (struct log_choice){(enum log_where)which, true};
    return 0;
}
