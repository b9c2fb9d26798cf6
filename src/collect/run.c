/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `run`: opens everything that takes rights, gives these up, and lets the supervisor go. */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pid_file.h"
#include "base/process.h"
#include "base/unix_socket.h"
#include "collect/command.h"
#include "collect/supervisor.h"
#include "store/database.h"

enum { MEMORY_MIB = 1024 }; /* twice what is used at most */

static atomic_bool stop, report;

static void note_signal(int number)
{
    if (number == SIGTERM || number == SIGINT)
        atomic_store(&stop, true);
    else if (number == SIGUSR1)
        atomic_store(&report, true);
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
    signal(SIGXFSZ, SIG_IGN);
    sigprocmask(SIG_BLOCK, &blocked, unblocked);
}

/* Listens everywhere. *count is how many are open, also on failure. */
static int open_listeners(const struct collect_config *config, struct listener **listeners, size_t *count,
                          struct error *err)
{
    char name[LISTENER_NAME];
    for (*count = 0; *count < config->listeners_count; ++*count) {
        if (listener_open(&config->listeners[*count], &listeners[*count], err) != 0)
            return -1;
        listener_name(listeners[*count], name);
        log_line("listening on %s, room for %d KiB", name, listener_buffer(listeners[*count]) >> 10);
    }
    return 0;
}

/* The socket of who ask for a seal; *path gets where it is. */
static int open_control(const char *directory, char *path, size_t size, struct error *err)
{
    if (snprintf(path, size, "%s/control", directory) >= (int)size)
        return error_set(err, "%s: the path is too long", directory);
    return unix_socket_listen(path, 0660, 16, err);
}

static int run_opened(const struct collect_config *config, struct directory *directory, struct error *err)
{
    struct listener *listeners[COLLECT_LISTENERS_MAX];
    struct role_context context = {
        .config = config, .directory = directory, .listeners = listeners, .seal_fd = -1, .control_fd = -1};
    char control[4096];
    const struct supervisor_signals signals = {&stop, &report};
    sigset_t unblocked;
    size_t count = 0;
    int status = EXIT_FAILURE;
    catch_signals(&unblocked);
    if (directory_max_size(directory, config->max_size, &context.max_size, err) == 0 &&
        open_listeners(config, listeners, &count, err) == 0 && directory_become_owner(directory, err) == 0 &&
        (context.seal_fd = open_control(config->directory, control, sizeof(control), err)) >= 0) {
        const struct database_position known = database_look(config->directory);
        context.least_file = known.at.file;
        context.least_block = known.block;
        log_line("%s: keeps up to %" PRIu64 " MiB", config->directory, context.max_size >> 20);
        status = supervisor_run(&context, &signals, &unblocked);
    }
    if (context.seal_fd >= 0) {
        close(context.seal_fd);
        (void)unlink(control);
    }
    while (count > 0)
        listener_close(listeners[--count]);
    return status;
}

int command_run_collector(int argc, char **argv, struct error *err)
{
    struct collect_config config;
    struct directory directory;
    int pid_fd = -1;
    if (collect_config_parse(&config, argc, argv, err) != 0)
        return 2;
    if (config.show_help) {
        collect_config_help(stdout);
        return EXIT_SUCCESS;
    }
    process_limit_memory((size_t)MEMORY_MIB << 20);
    if (config.pid_path && (pid_fd = pid_file_lock(config.pid_path, err)) < 0)
        return EXIT_FAILURE;
    if (directory_open(config.directory, config.user, &directory, err) != 0) {
        pid_file_remove(config.pid_path, pid_fd);
        return EXIT_FAILURE;
    }
    int status = run_opened(&config, &directory, err);
    directory_close(&directory);
    if (pid_fd >= 0)
        close(pid_fd);
    return status;
}
