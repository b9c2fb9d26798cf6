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
#include "base/process.h"
#include "sensor/daemon_log.h"
#include "sensor/privileges.h"

enum { LINES_MAX = 200, PERIOD_US = 10 * SECOND_US };

struct passing {
    enum config_log where;
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
static void write_journal(int fd, const char *message)
{
    char text[1400];
    int len = snprintf(text, sizeof(text), "PRIORITY=%d\nSYSLOG_IDENTIFIER=dnsflow\nMESSAGE=%s\n", log_level(message),
                       message);
    if (len > 0 && (size_t)len < sizeof(text))
        (void)send(fd, text, (size_t)len, MSG_NOSIGNAL);
}

static void write_line(const struct passing *p, const char *line)
{
    if (p->where == CONFIG_LOG_JOURNAL)
        write_journal(p->journal, text_of(line));
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
static int find_log(const struct config *config, int *journal, struct error *err)
{
    static const char path[] = "/run/systemd/journal/socket";
    if (config->log == CONFIG_LOG_JOURNAL && (*journal = connect_to(path, SOCK_DGRAM)) < 0)
        return error_errno(err, "option --log journal: %s", path);
    if (config->log != CONFIG_LOG_SYSLOG || has_syslog())
        return 0;
    if (config->log_given)
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
        if (line[0] == DAEMON_LOG_STARTED)
            stop_echo(p);
        else
            pass_on(p, line);
    }
}

int daemon_log(const struct config *config, struct error *err)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    struct passing p = {.where = config->log, .journal = -1, .echo = -1, .since_us = clock_monotonic_us()};
    int pair[2];
    size_t i;
    if (config->log == CONFIG_LOG_STDERR)
        return 0;
    if (find_log(config, &p.journal, err) != 0)
        return -1;
    if (!log_is_journal()) /* where the lines would come twice */
        p.echo = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    pid_t process = pipe(pair) == 0 ? fork() : -1;
    if (process < 0)
        return error_errno(err, "option --log: cannot start a process");
    if (process == 0) {
        for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
            signal(ignored[i], SIG_IGN);
        close(pair[1]);
        process_leave_terminal();
        (void)dup2(STDOUT_FILENO, STDERR_FILENO);
        (void)dup2(pair[0], STDIN_FILENO);
        openlog("dnsflow", LOG_NDELAY, LOG_DAEMON);
        (void)privileges_drop_all(config, NULL);
        pass_lines(&p, STDIN_FILENO);
        _exit(EXIT_SUCCESS);
    }
    (void)dup2(pair[1], STDERR_FILENO);
    close(pair[0]);
    close(pair[1]);
    if (p.journal >= 0)
        close(p.journal);
    stop_echo(&p);
    return 0;
}
