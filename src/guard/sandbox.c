/* SPDX-License-Identifier: BSD-3-Clause */
#include "guard/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/process.h"

const char *const sandbox_mode_names[SANDBOX_MODES] = {
    [SANDBOX_ON] = "on", [SANDBOX_LOG] = "log", [SANDBOX_OFF] = "off"};

static const int allowed[] = {
    /* input and output on what is open */
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pwrite64),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(lseek),
    SCMP_SYS(fcntl),
    SCMP_SYS(ftruncate),
    SCMP_SYS(pipe2),
    SCMP_SYS(pipe),
    /* sockets that are open */
    SCMP_SYS(accept4),
    SCMP_SYS(accept),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    /* waiting and time */
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(eventfd2),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    /* memory, threads, signals */
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(membarrier),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(wait4),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrandom),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrusage),
};

/* With SANDBOX_SOCKETS, also for an interface that comes back. */
static const int sends[] = {SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg)};

/* Libraries may try: for them these files are not there. socketpair and epoll_create libevent takes when there are no
 * descriptors for what it takes else; the last ones SQLite does to files of a database that it makes, as root. */
static const int refused[] = {SCMP_SYS(openat2),      SCMP_SYS(access),     SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
                              SCMP_SYS(readlink),     SCMP_SYS(readlinkat), SCMP_SYS(stat),      SCMP_SYS(lstat),
                              SCMP_SYS(statx),        SCMP_SYS(unlink),     SCMP_SYS(unlinkat),  SCMP_SYS(socketpair),
                              SCMP_SYS(epoll_create), SCMP_SYS(fchown),     SCMP_SYS(fchmod)};

/* What is asked of interfaces, and of the terminal by stdio. */
static const unsigned requests[] = {SIOCGIFHWADDR, SIOCGIFMTU, SIOCGIFFLAGS, SIOCGIFINDEX,
                                    SIOCGIFNAME,   FIONREAD,   TCGETS};

static const unsigned terminal_requests[] = {TCSETS,     TCSETSW, TCSETSF,   TCSBRK,   TCXONC,
                                             TIOCGWINSZ, TCFLSH,  TIOCGPGRP, TIOCSPGRP};

struct socket_kind {
    int family, type, protocol; /* protocol -1: any */
};

static const struct socket_kind sockets[] = {
    {AF_PACKET, SOCK_RAW, -1},  {AF_PACKET, SOCK_DGRAM, -1},           {AF_INET, SOCK_DGRAM, -1},
    {AF_INET6, SOCK_DGRAM, -1}, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE},
};

/* With SANDBOX_CONNECTS: by TCP, and what asking name servers takes. libcurl's thread that does so says by a pair of
 * sockets that it has. */
static const struct socket_kind connected[] = {
    {AF_INET, SOCK_STREAM, -1}, {AF_INET6, SOCK_STREAM, -1},           {AF_INET, SOCK_DGRAM, -1},
    {AF_INET6, SOCK_DGRAM, -1}, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE},
};

/* What the helper is allowed beyond these: to read files, load libraries, ask over TCP and local sockets, and have
 * processes of its own. */
static const int helper_allowed[] = {
    SCMP_SYS(open),       SCMP_SYS(openat),    SCMP_SYS(access),          SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(readlink),  SCMP_SYS(readlinkat),      SCMP_SYS(stat),
    SCMP_SYS(lstat),      SCMP_SYS(statx),     SCMP_SYS(statfs),          SCMP_SYS(fstatfs),
    SCMP_SYS(getdents64), SCMP_SYS(unlink),    SCMP_SYS(unlinkat),        SCMP_SYS(mmap),
    SCMP_SYS(mprotect),   SCMP_SYS(socket),    SCMP_SYS(ioctl),           SCMP_SYS(clone),
    SCMP_SYS(fork),       SCMP_SYS(vfork),     SCMP_SYS(alarm),           SCMP_SYS(setitimer),
    SCMP_SYS(prctl),      SCMP_SYS(getppid),   SCMP_SYS(set_tid_address), SCMP_SYS(dup),
    SCMP_SYS(dup2),       SCMP_SYS(dup3),      SCMP_SYS(inotify_init1),   SCMP_SYS(getcwd),
    SCMP_SYS(flock),      SCMP_SYS(prlimit64), SCMP_SYS(arch_prctl),      SCMP_SYS(getpgrp),
    SCMP_SYS(tgkill),     SCMP_SYS(eventfd),   SCMP_SYS(getresuid),       SCMP_SYS(getresgid),
    SCMP_SYS(getgroups),  SCMP_SYS(umask),     SCMP_SYS(times),           SCMP_SYS(inotify_add_watch),
};

/* With SANDBOX_ANSWERS: what reading files by name, and databases among them, takes. */
static const int answers[] = {SCMP_SYS(access),     SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
                              SCMP_SYS(readlinkat), SCMP_SYS(stat),      SCMP_SYS(lstat),      SCMP_SYS(statx),
                              SCMP_SYS(getdents64), SCMP_SYS(fstatfs),   SCMP_SYS(getcwd),     SCMP_SYS(getppid),
                              SCMP_SYS(statfs)};

/* With SANDBOX_KEEPS, beyond these. */
static const int keeps[] = {
    SCMP_SYS(open),      SCMP_SYS(openat),    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),  SCMP_SYS(rename),    SCMP_SYS(renameat),
    SCMP_SYS(renameat2), SCMP_SYS(mkdir),     SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),     SCMP_SYS(link),      SCMP_SYS(linkat),
    SCMP_SYS(fsync),     SCMP_SYS(fdatasync), SCMP_SYS(fallocate),
    SCMP_SYS(fchmod),    SCMP_SYS(fchown),    SCMP_SYS(flock),
    SCMP_SYS(utimensat), SCMP_SYS(fadvise64), SCMP_SYS(copy_file_range),
    SCMP_SYS(sendfile),  SCMP_SYS(umask),
};

static bool is_among(const int *list, size_t count, int call)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (list[i] == call)
            return true;
    return false;
}

/* Whether what the program needs has this call, so that it is not refused. */
static bool is_needed(unsigned needs, int call)
{
    return ((needs & SANDBOX_CONNECTS) && call == SCMP_SYS(socketpair)) ||
           ((needs & (SANDBOX_ANSWERS | SANDBOX_KEEPS)) &&
            is_among(answers, sizeof(answers) / sizeof(answers[0]), call)) ||
           ((needs & SANDBOX_KEEPS) && is_among(keeps, sizeof(keeps) / sizeof(keeps[0]), call));
}

static int allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
    int result = 0;
    size_t i;
    for (i = 0; i < count; i++)
        result |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return result;
}

static int allow_sockets(scmp_filter_ctx filter, const struct socket_kind *list, size_t count)
{
    const scmp_datum_t kind = ~(scmp_datum_t)(SOCK_CLOEXEC | SOCK_NONBLOCK) & UINT32_MAX;
    int result = 0;
    size_t i;
    for (i = 0; i < count; i++) {
        struct scmp_arg_cmp family = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)list[i].family, 0);
        struct scmp_arg_cmp type = SCMP_A1(SCMP_CMP_MASKED_EQ, kind, (scmp_datum_t)list[i].type);
        if (list[i].protocol < 0)
            result |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, family, type);
        else
            result |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, family, type,
                                       SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)list[i].protocol, 0));
    }
    return result;
}

static int allow_requests(scmp_filter_ctx filter, const unsigned *list, size_t count)
{
    int result = 0;
    size_t i;
    for (i = 0; i < count; i++)
        result |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                   SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, list[i]));
    return result;
}

/* Opening a file to write fails. */
static int refuse_writing(scmp_filter_ctx filter)
{
    static const scmp_datum_t flags[] = {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC};
    int result = 0;
    size_t i;
    for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        result |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(open), 1,
                                   SCMP_A1(SCMP_CMP_MASKED_EQ, flags[i], flags[i])) |
                  seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 1,
                                   SCMP_A2(SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
    return result;
}

/* Opening by name: only to read, or it fails. */
static int allow_files(scmp_filter_ctx filter, unsigned needs)
{
    const scmp_datum_t writes = O_ACCMODE | O_CREAT | O_TRUNC;
    bool may_read = needs & (SANDBOX_FILES | SANDBOX_ANSWERS);
    if (needs & SANDBOX_KEEPS)
        return 0; /* as it likes, where Landlock lets it */
    uint32_t act = may_read ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM);
    if (!may_read)
        return seccomp_rule_add(filter, act, SCMP_SYS(open), 0) | seccomp_rule_add(filter, act, SCMP_SYS(openat), 0);
    return seccomp_rule_add(filter, act, SCMP_SYS(open), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, writes, O_RDONLY)) |
           seccomp_rule_add(filter, act, SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, writes, O_RDONLY));
}

static int allow_terminal(scmp_filter_ctx filter)
{
    const scmp_datum_t itself = (scmp_datum_t)getpid();
    return allow_requests(filter, terminal_requests, sizeof(terminal_requests) / sizeof(terminal_requests[0])) |
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A0(SCMP_CMP_EQ, itself, 0)) |
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(getpgrp), 0) |
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(getpgid), 0) |
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(dup2), 0) |
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(dup3), 0);
}

/* Memory is never executable, what is started is a thread, signals and limits are for the program itself, and sockets
 * and requests are those in use. */
static int allow_some(scmp_filter_ctx filter)
{
    int result = 0;
    result |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    result |=
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    result |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    result |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    result |=
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
    result |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0, 0),
                               SCMP_A2(SCMP_CMP_EQ, 0, 0));
    /* what removes the path of a socket looks first whether somebody listens there; here the helper does that */
    result |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
    return result | allow_requests(filter, requests, sizeof(requests) / sizeof(requests[0]));
}

/* Takes the list into force and frees it; `result` is what making it has come to. */
static int load(scmp_filter_ctx filter, int result, struct error *err)
{
    if (result == 0)
        result = seccomp_load(filter);
    seccomp_release(filter);
    if (result != 0)
        return error_set(err, "cannot restrict system calls: %s; --seccomp off does without", strerror(-result));
    return 0;
}

int sandbox_enter(unsigned needs, enum sandbox_mode mode, struct error *err)
{
    size_t i;
    if (mode == SANDBOX_OFF || process_has_sanitizer())
        return 0;
    scmp_filter_ctx filter = seccomp_init(mode == SANDBOX_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return error_set(err, "cannot make the list of system calls; --seccomp off does without");
    int result = allow(filter, allowed, sizeof(allowed) / sizeof(allowed[0])) | allow_some(filter);
    if (needs & (SANDBOX_ANSWERS | SANDBOX_KEEPS))
        result |= allow(filter, answers, sizeof(answers) / sizeof(answers[0]));
    if (needs & SANDBOX_KEEPS)
        result |= allow(filter, keeps, sizeof(keeps) / sizeof(keeps[0]));
    else if (needs & SANDBOX_ANSWERS)
        result |= refuse_writing(filter);
    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (!is_needed(needs, refused[i]))
            result |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
    result |= allow_files(filter, needs);
    if (needs & SANDBOX_SOCKETS)
        result |= allow(filter, sends, sizeof(sends) / sizeof(sends[0])) |
                  allow_sockets(filter, sockets, sizeof(sockets) / sizeof(sockets[0]));
    else if (needs & SANDBOX_CONNECTS)
        result |= allow(filter, sends, sizeof(sends) / sizeof(sends[0])) |
                  allow_sockets(filter, connected, sizeof(connected) / sizeof(connected[0])) |
                  seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 0) |
                  seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0));
    else if (needs & (SANDBOX_ANSWERS | SANDBOX_KEEPS)) /* on what is connected */
        result |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, SCMP_A4(SCMP_CMP_EQ, 0, 0));
    else /* lines to standard error, should that be a socket */
        result |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1,
                                   SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)STDERR_FILENO, 0));
    if (needs & SANDBOX_TERMINAL)
        result |= allow_terminal(filter);
    return load(filter, result, err);
}

int sandbox_enter_helper(enum sandbox_mode mode, struct error *err)
{
    if (mode == SANDBOX_OFF || process_has_sanitizer())
        return 0;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return error_set(err, "cannot make the list of system calls; --seccomp off does without");
    int result = allow(filter, allowed, sizeof(allowed) / sizeof(allowed[0]));
    result |= allow(filter, sends, sizeof(sends) / sizeof(sends[0]));
    result |= allow(filter, helper_allowed, sizeof(helper_allowed) / sizeof(helper_allowed[0]));
    result |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return load(filter, result, err);
}
