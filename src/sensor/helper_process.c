/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/helper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unix_socket.h"

enum {
    REQUEST_S = 60,  /* a request that takes longer is ended */
    AGAIN_MS = 1000, /* between two attempts to replace a process */
    LOOK_S = 1,      /* between looks at what has ended, should a signal have been missed */
    SLOTS = SINK_COLLECTORS_MAX + 1
};

struct server {
    const struct config *config;
    int fd;
    pid_t working[SLOTS]; /* processes that answer: by collector, the last one opens the file; 0 = none */
};

/* The unix sockets that this sensor listens at. */
struct own_sockets {
    size_t count;
    const char *paths[CONFIG_DNSTAPS_MAX + 1];
    struct unix_socket_id ids[CONFIG_DNSTAPS_MAX + 1];
};

/* ---- an answer ---- */

static void send_answer(int fd, const struct helper_answer *answer)
{
    union {
        struct cmsghdr head;
        uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec slice = {(void *)(uintptr_t)answer, sizeof(*answer)};
    struct msghdr message = {.msg_iov = &slice, .msg_iovlen = 1};
    if (answer->fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &answer->fd, sizeof(int));
    }
    (void)sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void send_failure(int fd, unsigned slot, const char *what)
{
    bool is_open = slot == SINK_COLLECTORS_MAX;
    struct helper_answer answer = {
        .task = is_open ? HELPER_OPEN : HELPER_RESOLVE, .collector = is_open ? 0 : (uint8_t)slot, .fd = -1};
    snprintf(answer.cause, sizeof(answer.cause), "the helper process that %s %s",
             is_open ? "opens the file" : "resolves names", what);
    send_answer(fd, &answer);
}

/* The one who may not is often not the one who started the sensor. */
static void name_user(struct error *why)
{
    const struct passwd *user = getpwuid(geteuid());
    size_t used = strlen(why->text);
    if (user)
        snprintf(why->text + used, sizeof(why->text) - used, " for the user %s", user->pw_name);
    else
        snprintf(why->text + used, sizeof(why->text) - used, " for uid %d", (int)geteuid());
}

static void serve(const struct config *config, const struct helper_request *request, int fd)
{
    struct helper_answer answer = {.task = request->task, .collector = request->collector, .fd = -1};
    struct error why = {.text = ""};
    if (request->task == HELPER_RESOLVE) {
        answer.is_done = sink_resolve(&config->targets[request->collector], &answer.address, &why) == 0;
    } else {
        answer.fd = sink_reopen_file(config->write_path, &why);
        answer.is_done = answer.fd >= 0;
        if (!answer.is_done && errno == EACCES)
            name_user(&why);
    }
    memcpy(answer.cause, why.text, sizeof(answer.cause) - 1);
    send_answer(fd, &answer);
}

/* ---- the process that takes requests ---- */

static void begin(struct server *s, const struct helper_request *request)
{
    bool is_open = request->task == HELPER_OPEN && config_file_path(s->config);
    bool is_name = request->task == HELPER_RESOLVE && request->collector < s->config->targets_count;
    unsigned slot = is_open ? SINK_COLLECTORS_MAX : request->collector;
    pid_t server = getpid();
    if ((!is_open && !is_name) || s->working[slot] != 0)
        return;
    pid_t process = fork();
    if (process == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != server)
            _exit(EXIT_FAILURE);
        (void)alarm(REQUEST_S);
        serve(s->config, request, s->fd);
        _exit(EXIT_SUCCESS);
    }
    if (process < 0)
        send_failure(s->fd, slot, "cannot be started");
    else
        s->working[slot] = process;
}

/* One that did not come to its end has not answered. */
static void take_ended(struct server *s)
{
    int status;
    pid_t process;
    unsigned i;
    while ((process = waitpid(-1, &status, WNOHANG)) > 0)
        for (i = 0; i < SLOTS; i++)
            if (s->working[i] == process) {
                s->working[i] = 0;
                if (WIFSIGNALED(status))
                    send_failure(s->fd, i, WTERMSIG(status) == SIGALRM ? "had no answer within 60 s" : "was killed");
                else if (WEXITSTATUS(status) != 0)
                    send_failure(s->fd, i, "has failed");
            }
}

/* They are there before the helper is. */
static void find_sockets(const struct config *config, struct own_sockets *own)
{
    size_t i;
    own->count = 0;
    for (i = 0; i < config->dnstaps_count; i++)
        if (config->dnstaps[i].path)
            own->paths[own->count++] = config->dnstaps[i].path;
    if (config->metrics_path)
        own->paths[own->count++] = config->metrics_path;
    for (i = 0; i < own->count; i++)
        unix_socket_find(own->paths[i], &own->ids[i]);
}

static void remove_sockets(const struct own_sockets *own)
{
    size_t i;
    for (i = 0; i < own->count; i++)
        unix_socket_remove(own->paths[i], &own->ids[i]);
}

/* Returns when the process that watches this one, `keeper`, has died. */
static void run_server(const struct config *config, const struct own_sockets *own, int fd, pid_t keeper)
{
    struct server s = {.config = config, .fd = fd};
    const struct timeval wait = {.tv_sec = LOOK_S};
    struct helper_request request;
    (void)prctl(PR_SET_PDEATHSIG, SIGUSR2);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    while (keeper == 0 || getppid() == keeper) {
        ssize_t len = recv(fd, &request, sizeof(request), 0);
        int cause = errno;
        take_ended(&s);
        if (len == (ssize_t)sizeof(request)) {
            begin(&s, &request);
        } else if (len == 0 || (len < 0 && cause != EAGAIN && cause != EINTR)) {
            remove_sockets(own);
            _exit(EXIT_SUCCESS);
        }
    }
}

/* ---- the process that watches it ---- */

static void note_signal(int number)
{
    (void)number; /* it only ends a wait */
}

static void set_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE}, noted[] = {SIGUSR2, SIGCHLD};
    struct sigaction action;
    size_t i;
    memset(&action, 0, sizeof(action));
    for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    action.sa_handler = note_signal;
    for (i = 0; i < sizeof(noted) / sizeof(noted[0]); i++)
        sigaction(noted[i], &action, NULL);
    signal(SIGALRM, SIG_DFL);
}

/* Lets the sensor know that all it has asked for is to be asked for again. */
static void tell_again(int fd)
{
    const struct helper_answer answer = {.task = HELPER_AGAIN, .fd = -1};
    send_answer(fd, &answer);
}

/* Waits for the server to end. Returns when it did so before its time. */
static void watch(const struct own_sockets *own, int fd, pid_t server)
{
    struct pollfd gone = {.fd = fd};
    int status = 0;
    pid_t ended;
    do
        ended = waitpid(-1, &status, 0);
    while (ended != server && (ended > 0 || errno == EINTR));
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
        _exit(EXIT_SUCCESS);
    if (poll(&gone, 1, AGAIN_MS) > 0 && (gone.revents & POLLHUP)) {
        remove_sockets(own);
        _exit(EXIT_SUCCESS);
    }
}

/* The server that outlives its keeper becomes the keeper of a new one. */
_Noreturn void helper_process_run(const struct config *config, int fd)
{
    struct own_sockets own;
    find_sockets(config, &own);
    set_signals();
    for (;;) {
        pid_t keeper = getpid(), server = fork();
        if (server > 0)
            watch(&own, fd, server);
        else
            run_server(config, &own, fd, server == 0 ? keeper : 0);
        tell_again(fd);
    }
}
