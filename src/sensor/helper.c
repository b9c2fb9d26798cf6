/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"

struct request {
    uint8_t task, collector;
};

struct helper {
    int fd;
    pid_t process;
    uint32_t resolving; /* a bit for each collector that has been asked for */
    bool opening;
};

/* ---- the process ---- */

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
    if (answer->fd >= 0)
        close(answer->fd);
}

static void serve(const struct config *config, const struct request *request, int fd)
{
    struct helper_answer answer = {.task = request->task, .collector = request->collector, .fd = -1};
    struct error why = {.text = ""};
    if (request->task == HELPER_RESOLVE && request->collector < config->targets_count) {
        answer.is_done = sink_resolve(&config->targets[request->collector], &answer.address, &why) == 0;
    } else if (request->task == HELPER_OPEN && config->write_path) {
        answer.fd = open(config->write_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        answer.is_done = answer.fd >= 0;
        if (!answer.is_done)
            error_errno(&why, "%s", config->write_path);
    } else {
        return;
    }
    memcpy(answer.cause, why.text, sizeof(answer.cause) - 1);
    send_answer(fd, &answer);
}

/* Signals of the terminal are for the sensor: this one ends when the sensor's end of the socket pair closes. */
static void run(const struct config *config, int fd)
{
    struct request request;
    size_t i;
    ssize_t len;
    while ((len = recv(fd, &request, sizeof(request), 0)) != 0)
        if (len == (ssize_t)sizeof(request))
            serve(config, &request, fd);
        else if (len < 0 && errno != EINTR)
            break;
    for (i = 0; i < config->dnstaps_count; i++)
        if (config->dnstaps[i].path)
            (void)unlink(config->dnstaps[i].path);
    if (config->metrics_path)
        (void)unlink(config->metrics_path);
}

static void become_helper(const struct config *config, int (*drop)(const struct config *, struct error *), int fd)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE};
    struct error why;
    size_t i;
    for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    process_leave_terminal();
    if (fd != STDERR_FILENO + 1)
        (void)dup2(fd, STDERR_FILENO + 1);
    (void)close_range(STDERR_FILENO + 2, ~0u, 0);
    (void)prctl(PR_SET_NAME, "dnsflow-helper");
    if (drop(config, &why) != 0) {
        log_failure("dnsflow", &why);
        _exit(EXIT_FAILURE);
    }
    run(config, STDERR_FILENO + 1);
    _exit(EXIT_SUCCESS);
}

int helper_start(const struct config *config, int (*drop)(const struct config *, struct error *), struct helper **out,
                 struct error *err)
{
    int pair[2];
    struct helper *helper = calloc(1, sizeof(*helper));
    if (!helper || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        free(helper);
        return error_errno(err, "cannot start the helper process");
    }
    helper->process = fork();
    if (helper->process == 0)
        become_helper(config, drop, pair[1]);
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

/* ---- the sensor's side ---- */

int helper_fd(const struct helper *helper)
{
    return helper->fd;
}

void helper_ask(struct helper *helper, enum helper_task task, unsigned collector)
{
    const struct request request = {.task = (uint8_t)task, .collector = (uint8_t)collector};
    bool is_asked = task == HELPER_OPEN ? helper->opening : helper->resolving >> collector & 1;
    if (is_asked || send(helper->fd, &request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(request))
        return;
    if (task == HELPER_OPEN)
        helper->opening = true;
    else
        helper->resolving |= 1u << collector;
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
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    out->fd = -1;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
        memcpy(&out->fd, CMSG_DATA(head), sizeof(int));
    out->cause[sizeof(out->cause) - 1] = '\0';
    if (out->task == HELPER_OPEN)
        helper->opening = false;
    else if (out->collector < SINK_COLLECTORS_MAX)
        helper->resolving &= ~(1u << out->collector);
    return 1;
}

void helper_stop(struct helper *helper)
{
    if (!helper)
        return;
    close(helper->fd);
    while (waitpid(helper->process, NULL, 0) < 0 && errno == EINTR)
        continue;
    free(helper);
}
