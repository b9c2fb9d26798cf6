/* SPDX-License-Identifier: BSD-3-Clause */
#include "guard/helper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    REQUEST_S = 60,  /* a request that takes longer is ended */
    AGAIN_MS = 1000, /* between two attempts to replace a process */
    LOOK_S = 1       /* between looks at what has ended, should a signal have been missed */
};

struct server {
    const struct helper_work *work;
    int fd;
    pid_t working[HELPER_TASKS_MAX]; /* processes that answer, by task; 0 = none */
    uint32_t waiting;                /* tasks, a bit each, asked for again while their process was still ending */
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

static void send_failure(const struct server *s, unsigned task, const char *what)
{
    struct helper_answer answer = {.task = (uint8_t)task, .fd = -1};
    snprintf(answer.cause, sizeof(answer.cause), "the helper process that %s %s",
             s->work->describe(s->work->context, task), what);
    send_answer(s->fd, &answer);
}

static void answer_in_child(const struct helper_work *work, unsigned task, int fd)
{
    struct helper_answer answer = {.task = (uint8_t)task, .fd = -1};
    work->serve(work->context, task, &answer);
    send_answer(fd, &answer);
}

/* ---- the process that takes requests ---- */

static void start_child(struct server *s, unsigned task)
{
    pid_t server = getpid();
    pid_t process = fork();
    if (process == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != server)
            _exit(EXIT_FAILURE);
        (void)alarm(REQUEST_S);
        answer_in_child(s->work, task, s->fd);
        _exit(EXIT_SUCCESS);
    }
    if (process < 0)
        send_failure(s, task, "cannot be started");
    else
        s->working[task] = process;
}

/* Only what was answered is asked for again: a process that is still there has nothing left to do but end. */
static void take_request(struct server *s, const struct helper_request *request)
{
    if (request->task >= s->work->tasks_count)
        return;
    if (s->working[request->task] == 0)
        start_child(s, request->task);
    else
        s->waiting |= UINT32_C(1) << request->task;
}

static void start_waiting(struct server *s)
{
    unsigned i;
    for (i = 0; s->waiting != 0 && i < HELPER_TASKS_MAX; i++)
        if ((s->waiting >> i & 1) && s->working[i] == 0) {
            s->waiting &= ~(UINT32_C(1) << i);
            start_child(s, i);
        }
}

/* One that did not come to its end has not answered. */
static void take_ended(struct server *s)
{
    int status;
    pid_t process;
    unsigned i;
    while ((process = waitpid(-1, &status, WNOHANG)) > 0)
        for (i = 0; i < HELPER_TASKS_MAX; i++)
            if (s->working[i] == process) {
                s->working[i] = 0;
                if (WIFSIGNALED(status))
                    send_failure(s, i, WTERMSIG(status) == SIGALRM ? "had no answer within 60 s" : "was killed");
                else if (WEXITSTATUS(status) != 0)
                    send_failure(s, i, "has failed");
            }
}

/* Returns when the process that watches this one, `keeper`, has died. */
static void run_server(const struct helper_work *work, int fd, pid_t keeper)
{
    struct server s = {.work = work, .fd = fd};
    const struct timeval wait = {.tv_sec = LOOK_S};
    struct helper_request request;
    (void)prctl(PR_SET_PDEATHSIG, SIGUSR2);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    while (keeper == 0 || getppid() == keeper) {
        ssize_t len = recv(fd, &request, sizeof(request), 0);
        int cause = errno;
        take_ended(&s);
        start_waiting(&s);
        if (len == (ssize_t)sizeof(request)) {
            take_request(&s, &request);
        } else if (len == 0 || (len < 0 && cause != EAGAIN && cause != EINTR)) {
            work->leave(work->context);
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

/* Lets the program know that all it has asked for is to be asked for again. */
static void tell_again(int fd)
{
    const struct helper_answer answer = {.task = HELPER_AGAIN, .fd = -1};
    send_answer(fd, &answer);
}

/* Waits for the server to end. Returns when it did so before its time. */
static void watch(const struct helper_work *work, int fd, pid_t server)
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
        work->leave(work->context);
        _exit(EXIT_SUCCESS);
    }
}

/* The server that outlives its keeper becomes the keeper of a new one. */
_Noreturn void helper_process_run(const struct helper_work *work, int fd)
{
    set_signals();
    for (;;) {
        pid_t keeper = getpid(), server = fork();
        if (server > 0)
            watch(work, fd, server);
        else
            run_server(work, fd, server == 0 ? keeper : 0);
        tell_again(fd);
    }
}
