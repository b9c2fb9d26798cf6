/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `run`: opens everything that takes rights, gives these up, and lets the supervisor go. */
#include <inttypes.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/daemon.h"
#include "base/log.h"
#include "base/pid_file.h"
#include "base/process.h"
#include "base/unix_socket.h"
#include "collect/answer.h"
#include "collect/command.h"
#include "collect/feed_state.h"
#include "collect/supervisor.h"
#include "store/database.h"

enum { MEMORY_MIB = 1024 }; /* twice what is used at most */

/* All of one `run`. */
struct collector {
    int argc;
    char **argv;
    struct collect_config config;
    struct directory directory;
    struct listener *listeners[COLLECT_LISTENERS_MAX];
    size_t listeners_count; /* that are open */
    struct role_context context;
    char control[4096]; /* path of seal_fd */
    struct unix_socket_id http_socket;
    int pid_fd, ready_fd;
};

static atomic_bool stop, report, reload;

static void note_signal(int number)
{
    if (number == SIGTERM || number == SIGINT)
        atomic_store(&stop, true);
    else if (number == SIGUSR1)
        atomic_store(&report, true);
    else if (number == SIGHUP)
        atomic_store(&reload, true);
}

/* Signals come only while the supervisor waits. */
static void catch_signals(sigset_t *unblocked)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1, SIGCHLD, SIGHUP};
    struct sigaction action;
    sigset_t blocked;
    size_t i;
    memset(&action, 0, sizeof(action));
    action.sa_handler = note_signal;
    sigemptyset(&blocked);
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sigaddset(&blocked, numbers[i]);
        sigaction(numbers[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &blocked, unblocked);
}

/* ---- while it runs ---- */

static void tell_ready(void *context)
{
    const struct collector *c = context;
    log_tell_started(&c->config.log);
    if (c->ready_fd >= 0)
        daemon_ready(c->ready_fd);
}

/* Who looks out for something later begins with what comes then. */
static void forget_place(const struct collector *c)
{
    (void)unlinkat(c->directory.fd, WATCH_PLACE, 0);
}

static int make_folder(const struct collector *c, const char *name, struct error *err)
{
    if (mkdirat(c->directory.fd, name, 0750) == 0 || errno == EEXIST)
        return 0;
    return error_errno(err, "%s/%s", c->config.directory, name);
}

/* What other stores than the embedded one take: where they write down how far they are, and where questions to them
 * have what they need. */
static int make_folders(const struct collector *c, struct error *err)
{
    return (c->config.feeds_count > 0 && make_folder(c, FEEDS_FOLDER, err) != 0) ||
                   (c->config.has_source && make_folder(c, ASKING_FOLDER, err) != 0)
               ? -1
               : 0;
}

/* On the board: those that there were, and are not any more, have no name. */
static void name_feeds(const struct collector *c)
{
    size_t i;
    feed_state_keep(c->config.directory, c->config.feeds, c->config.feeds_count);
    for (i = 0; i < FEEDS_MAX; i++)
        snprintf(c->context.board->feeds[i].name, FEED_NAME, "%s",
                 i < c->config.feeds_count ? c->config.feeds[i].name : "");
}

/* What is wrong leaves in force what was. */
static bool read_again(void *context)
{
    struct collector *c = context;
    struct collect_config *now = malloc(sizeof(*now));
    struct error why;
    char stays[200];
    if (!now)
        return false;
    bool is_good = collect_config_parse(now, c->argc, c->argv, &why) == 0 &&
                   collect_config_may_renew(&c->config, now, &why) == 0 &&
                   directory_max_size(&c->directory, now->max_size, &c->context.max_size, &why) == 0;
    if (is_good) {
        collect_config_renew(&c->config, now, stays, sizeof(stays));
        if (!c->config.watch)
            forget_place(c);
        name_feeds(c);
        if (make_folders(c, &why) != 0)
            log_line("error: %s", why.text);
        log_line("the configuration has been read again");
        if (stays[0])
            log_line("warning: what has changed of %s comes with the next start", stays);
    } else {
        log_line("error: %s; the configuration stays as it was", why.text);
    }
    collect_config_free(now);
    free(now);
    return is_good;
}

/* ---- opening ---- */

/* Listens everywhere. */
static int open_listeners(struct collector *c, struct error *err)
{
    char name[LISTENER_NAME];
    for (; c->listeners_count < c->config.listeners_count; c->listeners_count++) {
        struct listener **listener = &c->listeners[c->listeners_count];
        if (listener_open(&c->config.listeners[c->listeners_count], listener, err) != 0)
            return -1;
        listener_name(*listener, name);
        log_line("listening on %s, room for %d KiB", name, listener_buffer(*listener) >> 10);
    }
    return 0;
}

/* The socket of who ask for a seal. */
static int open_control(struct collector *c, struct error *err)
{
    if (snprintf(c->control, sizeof(c->control), "%s/control", c->config.directory) >= (int)sizeof(c->control))
        return error_set(err, "%s: the path is too long", c->config.directory);
    c->context.seal_fd = unix_socket_listen(c->control, 0660, 64, err);
    return c->context.seal_fd < 0 ? -1 : 0;
}

/* Where nothing was told and the port is in use, it goes without. */
static int open_http(struct collector *c, struct error *err)
{
    const struct collect_config *config = &c->config;
    struct error why;
    if (config->has_no_http)
        return 0;
    c->context.ask_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->context.http_fd = c->context.ask_fd >= 0 ? answer_listen(config, &why) : error_errno(&why, "eventfd");
    if (c->context.http_fd < 0 && config->has_http)
        return error_set(err, "option --http: %s", why.text);
    if (c->context.http_fd < 0)
        log_line("warning: no page and no API: %s; --http ADDRESS:PORT takes another one, --http off does without",
                 why.text);
    if (c->context.http_fd >= 0 && config->http_path)
        unix_socket_find(config->http_path, &c->http_socket);
    return 0;
}

/* Of the process that passes lines on. */
static void give_up_all(const void *context)
{
    struct error why;
    if (directory_become_owner(context, &why) != 0)
        log_line("warning: %s", why.text);
}

static int run_opened(struct collector *c, struct error *err)
{
    const struct supervisor_owner owner = {&stop, &report, &reload, c, read_again, tell_ready};
    sigset_t unblocked;
    catch_signals(&unblocked);
    if (log_process_start(&c->config.log, "dnsflow_collect", give_up_all, &c->directory, err) != 0 ||
        directory_max_size(&c->directory, c->config.max_size, &c->context.max_size, err) != 0 ||
        open_listeners(c, err) != 0 || (!c->config.http_path && open_http(c, err) != 0) ||
        directory_become_owner(&c->directory, err) != 0 || database_check_version(c->config.directory, err) != 0 ||
        make_folders(c, err) != 0 || open_control(c, err) != 0 || (c->config.http_path && open_http(c, err) != 0) ||
        !(c->context.board = board_make(err)))
        return EXIT_FAILURE;
    struct database_position known = database_look(c->config.directory);
    feed_state_raise(c->config.directory, &known);
    if (!c->config.watch)
        forget_place(c);
    c->context.least_file = known.at.file;
    c->context.least_block = known.block;
    name_feeds(c);
    log_line("%s: keeps up to %" PRIu64 " MiB", c->config.directory, c->context.max_size >> 20);
    if (c->ready_fd >= 0)
        process_leave_terminal();
    return supervisor_run(&c->context, &owner, &unblocked);
}

static int run_configured(struct collector *c, struct error *err)
{
    struct collect_config *config = &c->config;
    if (config->is_daemon && daemon_start(&c->ready_fd, err) != 0)
        return EXIT_FAILURE;
    process_limit_memory((size_t)MEMORY_MIB << 20);
    if (config->pid_path && (c->pid_fd = pid_file_lock(config->pid_path, err)) < 0)
        return EXIT_FAILURE;
    if (directory_open(config->directory, config->user, &c->directory, err) != 0) {
        pid_file_remove(config->pid_path, c->pid_fd);
        return EXIT_FAILURE;
    }
    c->context = (struct role_context){.config = config,
                                       .directory = &c->directory,
                                       .listeners = c->listeners,
                                       .seal_fd = -1,
                                       .control_fd = -1,
                                       .ask_fd = -1,
                                       .http_fd = -1};
    int status = run_opened(c, err);
    if (c->context.seal_fd >= 0) {
        close(c->context.seal_fd);
        (void)unlink(c->control);
    }
    if (config->http_path)
        unix_socket_remove(config->http_path, &c->http_socket);
    while (c->listeners_count > 0)
        listener_close(c->listeners[--c->listeners_count]);
    directory_close(&c->directory);
    if (c->pid_fd >= 0)
        close(c->pid_fd);
    return status;
}

int command_run_collector(int argc, char **argv, struct error *err)
{
    struct collector *c = calloc(1, sizeof(*c));
    int status = 2;
    if (!c) {
        error_set(err, "out of memory");
        return EXIT_FAILURE;
    }
    *c = (struct collector){.argc = argc, .argv = argv, .pid_fd = -1, .ready_fd = -1};
    bool is_good = collect_config_parse(&c->config, argc, argv, err) == 0;
    if (is_good && c->config.show_help) {
        collect_config_help(stdout);
        status = EXIT_SUCCESS;
    } else if (is_good) {
        status = run_configured(c, err);
    }
    collect_config_free(&c->config);
    free(c);
    return status;
}
