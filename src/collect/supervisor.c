/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "collect/pulse.h"

/* In the order in which they work on the data; who only reads is the last one. */
const struct role *const roles[BOARD_ROLES] = {&role_receive, &role_store, &role_tidy, &role_watch,   &role_feed,
                                               &role_feed,    &role_feed,  &role_feed, &role_consume, &role_query};

_Static_assert(FEEDS_MAX == 4, "there is a role for each store");

enum {
    ROLES = BOARD_ROLES,
    PAUSE_US = 100000, /* before a role that ended soon is started again; doubled each time */
    PAUSE_MAX_US = 30 * SECOND_US,
    SOON_US = 10 * SECOND_US,
    WAIT_MS = 1000,
    STOP_US = 60 * SECOND_US,   /* for a role to end; then it is killed */
    STANDS_US = 60 * SECOND_US, /* without a sign of life; then it is killed and replaced */
    STOOD_US = 5 * SECOND_US,   /* since the last look at these: the supervisor has stood itself */
    SIGNS = 3                   /* of life, for each time that the service manager waits for one */
};

struct running {
    pid_t pid;   /* 0 = not running */
    pid_t ended; /* the last one that did */
    int status;  /* with which it ended */
    int fd;      /* -1 = none */
    bool is_ready;
    bool was_ready;   /* once, or in a process before this one */
    bool is_replaced; /* told to end, for another to begin */
    bool has_passed;  /* the last one did so */
    bool is_absent;   /* not wanted, or gone without */
    bool is_killed;   /* as it gave no sign of life */
    struct pulse pulse;
    int64_t started_us, next_start_us, pause_us;
};

struct supervisor {
    const struct role_context *context;
    const struct supervisor_owner *owner;
    const sigset_t *unblocked;
    int notify_fd;
    int64_t watchdog_us, next_sign_us; /* the service manager's; 0 = none */
    int64_t looked_us;                 /* at signs of life */
    bool is_told_ready, has_failed;
    struct running each[ROLES];
};

/* ---- the roles ---- */

/* What the role works with. */
static struct role_context context_of(const struct supervisor *s, size_t index)
{
    struct role_context context = *s->context;
    size_t i;
    context.index = index;
    context.nth = 0;
    for (i = 0; i < index; i++)
        context.nth += roles[i] == roles[index];
    return context;
}

static const char *name_of(const struct supervisor *s, size_t index)
{
    const struct role_context context = context_of(s, index);
    return roles[index]->name_of ? roles[index]->name_of(&context) : roles[index]->name;
}

static bool is_absent(const struct supervisor *s, size_t index)
{
    const struct role_context context = context_of(s, index);
    return roles[index]->is_wanted && !roles[index]->is_wanted(&context);
}

/* ---- starting ---- */

/* In the new process. What ends the program as a whole is the supervisor's to see. */
_Noreturn static void become_role(struct supervisor *s, size_t index, int control_fd)
{
    struct role_context context = context_of(s, index);
    size_t i;
    context.control_fd = control_fd;
    context.is_passed_on = s->each[index].has_passed;
    for (i = 0; i < ROLES; i++)
        if (s->each[i].fd >= 0)
            close(s->each[i].fd);
    if (s->notify_fd >= 0)
        close(s->notify_fd);
    (void)prctl(PR_SET_NAME, name_of(s, index));
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    sigprocmask(SIG_SETMASK, s->unblocked, NULL);
    exit(roles[index]->run(&context));
}

static void start_role(struct supervisor *s, size_t index)
{
    struct running *r = &s->each[index];
    int pair[2];
    r->started_us = clock_monotonic_us();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        log_line("error: role %s cannot be started: %s", name_of(s, index), strerror(errno));
        r->next_start_us = r->started_us + PAUSE_MAX_US;
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        become_role(s, index, pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        log_line("error: role %s cannot be started: %s", name_of(s, index), strerror(errno));
        r->next_start_us = r->started_us + PAUSE_MAX_US;
        close(pair[0]);
        return;
    }
    r->pid = pid;
    r->fd = pair[0];
    r->is_ready = r->is_replaced = r->has_passed = r->is_killed = false;
    pulse_begin(&r->pulse, r->started_us);
    atomic_fetch_add(&s->context->board->starts[index], 1);
}

/* The first time, one after the other: what the one makes the next one finds. */
static bool may_begin(const struct supervisor *s, size_t index)
{
    size_t i;
    for (i = 0; !s->is_told_ready && i < index; i++)
        if (!s->each[i].is_absent && !s->each[i].was_ready)
            return false;
    return true;
}

/* ---- watching ---- */

static void describe_end(const char *name, pid_t pid, int status, int64_t pause_us)
{
    char why[64];
    if (WIFSIGNALED(status))
        snprintf(why, sizeof(why), "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(why, sizeof(why), "ended with status %d", WEXITSTATUS(status));
    log_line("error: role %s (process %d) %s; it is started again %s", name, (int)pid, why,
             pause_us > 0 ? "after a pause" : "at once");
}

/* One that has lasted is replaced at once, others after a pause that grows. */
static void plan_start(struct running *r, int64_t now_us)
{
    bool has_lasted = r->is_ready && now_us - r->started_us >= SOON_US;
    if (has_lasted || (r->is_ready && r->pause_us == 0)) {
        r->next_start_us = now_us;
        r->pause_us = has_lasted ? 0 : PAUSE_US;
        return;
    }
    r->pause_us = r->pause_us == 0 ? PAUSE_US : r->pause_us;
    r->next_start_us = now_us + r->pause_us;
    r->pause_us = 2 * r->pause_us < PAUSE_MAX_US ? 2 * r->pause_us : PAUSE_MAX_US;
}

static struct running *find_running(struct supervisor *s, pid_t pid, size_t *index)
{
    for (*index = 0; *index < ROLES; ++*index)
        if (s->each[*index].pid == pid)
            return &s->each[*index];
    return NULL;
}

static void tell_when_ready(struct supervisor *s)
{
    size_t i;
    for (i = 0; i < ROLES; i++)
        if (!s->each[i].is_ready && !s->each[i].is_absent)
            return;
    if (s->is_told_ready)
        return;
    s->is_told_ready = true;
    log_line("ready");
    notify_send(s->notify_fd, "READY=1");
    s->owner->tell_ready(s->owner->context);
}

/* One that has ended though it was not to stop. */
static void replace(struct supervisor *s, size_t index)
{
    struct running *r = &s->each[index];
    int64_t now_us = clock_monotonic_us();
    if (r->is_absent) {
        r->was_ready = false;
    } else if (r->is_replaced && WIFEXITED(r->status) && WEXITSTATUS(r->status) == EXIT_SUCCESS) {
        r->next_start_us = now_us;
        r->has_passed = true;
    } else if (r->was_ready || (s->is_told_ready && roles[index]->is_wanted)) { /* the others work on */
        plan_start(r, now_us);
        describe_end(name_of(s, index), r->ended, r->status, r->next_start_us - now_us);
    } else if (roles[index]->only_reads && !s->context->config->has_http) { /* nobody asked for it */
        log_line("warning: no page and no API; --http off does without");
        r->is_absent = true;
        tell_when_ready(s);
    } else { /* it has said why, if it could */
        if (WIFSIGNALED(r->status))
            log_line("error: role %s was ended by signal %d (%s) before it was ready", name_of(s, index),
                     WTERMSIG(r->status), strsignal(WTERMSIG(r->status)));
        s->has_failed = true;
    }
    r->is_ready = false;
}

/* Takes notice of roles that have ended. */
static void reap(struct supervisor *s, bool is_stopping)
{
    size_t index;
    pid_t pid;
    int status;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct running *r = find_running(s, pid, &index);
        if (!r)
            continue;
        close(r->fd);
        r->fd = -1;
        r->pid = 0;
        r->ended = pid;
        r->status = status;
        if (!is_stopping && !s->has_failed)
            replace(s, index);
    }
}

static void take_words(struct supervisor *s)
{
    char words[16];
    size_t i;
    for (i = 0; i < ROLES; i++)
        if (s->each[i].fd >= 0 && recv(s->each[i].fd, words, sizeof(words), MSG_DONTWAIT) > 0)
            s->each[i].is_ready = s->each[i].was_ready = true;
    tell_when_ready(s);
}

static void wait_for_news(struct supervisor *s)
{
    struct pollfd waits[ROLES];
    const struct timespec most = {.tv_sec = WAIT_MS / 1000};
    size_t i;
    for (i = 0; i < ROLES; i++)
        waits[i] = (struct pollfd){.fd = s->each[i].is_ready ? -1 : s->each[i].fd, .events = POLLIN};
    (void)ppoll(waits, ROLES, &most, s->unblocked);
}

static void order(const struct running *r, char what)
{
    if (r->fd >= 0)
        (void)send(r->fd, &what, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- signs of life ---- */

/* One that stands is replaced; a manager that waits for signs of life gets them as long as all roles move. */
static void look_at_pulses(struct supervisor *s, int64_t now_us)
{
    int64_t patience_us = s->watchdog_us > 0 && s->watchdog_us / SIGNS < STANDS_US ? s->watchdog_us / SIGNS : STANDS_US;
    bool has_stood = s->looked_us > 0 && now_us - s->looked_us > STOOD_US, all_move = true;
    size_t i;
    s->looked_us = now_us;
    for (i = 0; i < ROLES; i++) {
        struct running *r = &s->each[i];
        if (has_stood) /* with all of them, as a machine that was put to sleep: that is nobody's time */
            pulse_begin(&r->pulse, now_us);
        if (r->pid == 0 || pulse_moves(&r->pulse, r->pid, s->context->board->beats[i], now_us, patience_us))
            continue;
        all_move = false;
        if (r->is_killed) /* it waits for a disk, which nothing ends */
            continue;
        r->is_killed = true;
        log_line("error: role %s (process %d) has given no sign of life for %" PRId64 " s and is killed", name_of(s, i),
                 (int)r->pid, (now_us - r->pulse.beaten_us) / SECOND_US);
        (void)kill(r->pid, SIGKILL);
    }
    if (!all_move || !s->is_told_ready || s->watchdog_us == 0 || now_us < s->next_sign_us)
        return;
    s->next_sign_us = now_us + s->watchdog_us / (2 * SIGNS);
    notify_send(s->notify_fd, "WATCHDOG=1");
}

/* ---- ending ---- */

/* Each role gets its time; one that does not use it is killed. Returns whether it ended well; *has_died: something else
 * has ended it. */
static bool end_role(struct supervisor *s, size_t index, bool *has_died)
{
    struct running *r = &s->each[index];
    int64_t until_us = clock_monotonic_us() + STOP_US;
    pid_t pid = r->pid;
    bool is_killed = false;
    *has_died = false;
    if (pid == 0)
        return true;
    order(r, ROLE_STOP);
    while (r->pid == pid) {
        wait_for_news(s);
        take_words(s);
        reap(s, true);
        if (r->pid == pid && !is_killed && clock_monotonic_us() > until_us) {
            log_line("error: role %s does not end; it is killed", name_of(s, index));
            is_killed = kill(pid, SIGKILL) == 0;
        }
    }
    *has_died = WIFSIGNALED(r->status) && !is_killed;
    return WIFEXITED(r->status) && WEXITSTATUS(r->status) == EXIT_SUCCESS;
}

/* One that is not there, has died just now, or has passed on its work, is started once more for what waits in sockets
 * and journal. */
static bool stop_role(struct supervisor *s, size_t index)
{
    const struct running *r = &s->each[index];
    bool may_have_work = r->was_ready && !r->is_absent && !s->has_failed && !roles[index]->only_reads, has_died;
    bool has_work = r->pid == 0 || r->is_replaced, is_good = end_role(s, index, &has_died);
    if (!may_have_work || !(has_work || has_died))
        return is_good;
    if (has_died)
        describe_end(name_of(s, index), r->ended, r->status, 0);
    start_role(s, index);
    return end_role(s, index, &has_died);
}

/* Each role does what it has left to do and ends; the sockets are open all the while. */
static void reload(struct supervisor *s)
{
    size_t i;
    if (!s->owner->read_again(s->owner->context))
        return;
    for (i = 0; i < ROLES; i++) {
        s->each[i].is_absent = is_absent(s, i);
        s->each[i].is_replaced = true;
        order(&s->each[i], ROLE_STOP | ROLE_PASS);
    }
}

static void work(struct supervisor *s)
{
    size_t i;
    for (i = 0; i < ROLES; i++)
        if (s->each[i].pid == 0 && !s->each[i].is_absent && clock_monotonic_us() >= s->each[i].next_start_us &&
            may_begin(s, i))
            start_role(s, i);
    wait_for_news(s);
    take_words(s);
    reap(s, false);
    look_at_pulses(s, clock_monotonic_us());
    if (atomic_exchange(s->owner->reload, false))
        reload(s);
    if (atomic_exchange(s->owner->report, false))
        for (i = 0; i < ROLES; i++)
            order(&s->each[i], ROLE_REPORT);
}

int supervisor_run(const struct role_context *context, const struct supervisor_owner *owner, const sigset_t *unblocked)
{
    struct supervisor s = {.context = context,
                           .owner = owner,
                           .unblocked = unblocked,
                           .notify_fd = notify_open(),
                           .watchdog_us = notify_watchdog_us()};
    bool is_good = true;
    size_t i;
    for (i = 0; i < ROLES; i++) {
        s.each[i].fd = -1;
        s.each[i].is_absent = is_absent(&s, i);
    }
    while (!atomic_load(owner->stop) && !s.has_failed)
        work(&s);
    notify_send(s.notify_fd, "STOPPING=1");
    for (i = 0; i < ROLES; i++) /* who only reads is the last and ends first */
        is_good &= stop_role(&s, (i + ROLES - 1) % ROLES);
    if (s.notify_fd >= 0)
        close(s.notify_fd);
    return is_good && !s.has_failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
