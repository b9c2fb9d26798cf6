/* SPDX-License-Identifier: BSD-3-Clause */
#include "guard/helper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "guard/helper_process.h"

enum { GRACE_MS = 20 };

_Static_assert((int)HELPER_TASKS_MAX <= 32 && (int)HELPER_TASKS_MAX < (int)HELPER_AGAIN,
               "a task is a bit, and no AGAIN");

struct helper {
    int fd;
    pid_t process;
    uint32_t asked; /* a bit for each task that has been asked for */
};

/* What the program holds does not live on in the helper: only the standard files and its own end, which becomes 3. */
_Noreturn static void become_helper(const struct helper_work *work, int fd)
{
    struct error why;
    process_leave_terminal();
    if (fd != STDERR_FILENO + 1)
        (void)dup2(fd, STDERR_FILENO + 1);
    process_close_from(STDERR_FILENO + 2);
    (void)prctl(PR_SET_NAME, work->name);
    if (work->drop(work->context, &why) != 0) {
        log_failure(work->program, &why);
        _exit(EXIT_FAILURE);
    }
    helper_process_run(work, STDERR_FILENO + 1);
}

int helper_start(const struct helper_work *work, struct helper **out, struct error *err)
{
    int pair[2];
    struct helper *helper = calloc(1, sizeof(*helper));
    if (!helper || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        free(helper);
        return error_errno(err, "cannot start the helper process");
    }
    helper->process = fork();
    if (helper->process == 0) {
        close(pair[0]);
        become_helper(work, pair[1]);
    }
    close(pair[1]);
    helper->fd = pair[0];
    if (helper->process < 0) {
        error_errno(err, "cannot start the helper process");
        close(pair[0]);
        free(helper);
        return -1;
    }
    *out = helper;
    return 0;
}

/* ---- the program's side ---- */

int helper_fd(const struct helper *helper)
{
    return helper->fd;
}

void helper_ask(struct helper *helper, unsigned task)
{
    const struct helper_request request = {.task = (uint8_t)task};
    uint32_t bit = UINT32_C(1) << task;
    if (!(helper->asked & bit) &&
        send(helper->fd, &request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(request))
        helper->asked |= bit;
}

/* What had been asked for died with a process of the helper. */
static void ask_again(struct helper *helper)
{
    uint32_t asked = helper->asked;
    unsigned task;
    helper->asked = 0;
    (void)waitpid(helper->process, NULL, WNOHANG);
    for (task = 0; task < HELPER_TASKS_MAX; task++)
        if (asked >> task & 1)
            helper_ask(helper, task);
}

/* The kernel passes no descriptor on where there is no room for one: `fd` says whether there was one. */
static void take_descriptor(struct msghdr *message, struct helper_answer *answer)
{
    const struct cmsghdr *head = CMSG_FIRSTHDR(message);
    bool has_one = answer->fd >= 0;
    answer->fd = -1;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
        memcpy(&answer->fd, CMSG_DATA(head), sizeof(int));
    if (!has_one || answer->fd >= 0)
        return;
    answer->is_done = false;
    snprintf(answer->cause, sizeof(answer->cause), "what was opened cannot be taken over: %s (ulimit -n)",
             strerror(EMFILE));
}

int helper_take(struct helper *helper, struct helper_answer *out)
{
    union {
        struct cmsghdr head;
        uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec slice = {out, sizeof(*out)};
    struct msghdr message = {
        .msg_iov = &slice, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    ssize_t len = recvmsg(helper->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (len != (ssize_t)sizeof(*out))
        return -1;
    out->cause[sizeof(out->cause) - 1] = '\0';
    take_descriptor(&message, out);
    if (out->task == HELPER_AGAIN)
        ask_again(helper);
    else if (out->task < HELPER_TASKS_MAX)
        helper->asked &= ~(UINT32_C(1) << out->task);
    return 1;
}

void helper_dismiss(struct helper *helper)
{
    if (helper)
        (void)shutdown(helper->fd, SHUT_RDWR);
}

/* It ends by itself, now that its end of the pair hangs; should it not do so soon, nobody waits for it. */
void helper_stop(struct helper *helper)
{
    int ms;
    if (!helper)
        return;
    close(helper->fd);
    for (ms = 0; ms < GRACE_MS && waitpid(helper->process, NULL, WNOHANG) == 0; ms++)
        (void)poll(NULL, 0, 1);
    free(helper);
}
