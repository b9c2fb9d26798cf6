/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a process can still do behind the list of system calls, each in a child of its own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/process.h"
#include "sensor/privileges.h"
#include "sensor/sandbox.h"
#include "testing.h"

enum { MAY = 0, FAILS = 1 };

/* Exit status of what `act` does behind the sandbox, or minus the signal that ended it. */
static int behind(int (*act)(void), enum config_seccomp mode)
{
    static struct config config;
    struct error err;
    int status;
    config.seccomp = mode;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(privileges_confine(&config, &err) == 0 ? act() : 99);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int open_file(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0 ? MAY : FAILS;
}

static int make_file(void)
{
    return open("/tmp/dnsflow-sandbox", O_WRONLY | O_CREAT, 0600) >= 0 ? MAY : FAILS;
}

static int run_program(void)
{
    char *const argv[] = {(char *)"/bin/true", NULL};
    execv(argv[0], argv);
    return FAILS;
}

static int start_process(void)
{
    return fork() >= 0 ? MAY : FAILS;
}

static int executable_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ? MAY : FAILS;
}

static int other_socket(void)
{
    return socket(AF_ALG, SOCK_SEQPACKET, 0) >= 0 ? MAY : FAILS;
}

static int trace(void)
{
    return kill(getppid(), 0) == 0 ? MAY : FAILS;
}

static int socket_pair(void)
{
    int pair[2];
    return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 ? MAY : FAILS;
}

static int local_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? MAY : FAILS;
}

static int tcp_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? MAY : FAILS;
}

static int netlink_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT) >= 0 ? MAY : FAILS;
}

static int other_request(void)
{
    return ioctl(STDERR_FILENO, TIOCSTI, "x") == 0 ? MAY : FAILS;
}

static int other_limits(void)
{
    struct rlimit limit;
    return prlimit(getppid(), RLIMIT_CORE, NULL, &limit) == 0 ? MAY : FAILS;
}

static int own_limit(void)
{
    struct rlimit limit = {0, 0};
    return setrlimit(RLIMIT_CORE, &limit) == 0 ? MAY : FAILS;
}

static int signal_itself(void)
{
    signal(SIGUSR2, SIG_IGN);
    return pthread_kill(pthread_self(), SIGUSR2) == 0 ? MAY : FAILS;
}

static int udp_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return fd >= 0 && close(fd) == 0 ? MAY : FAILS;
}

static void *nothing(void *context)
{
    return context;
}

static int thread(void)
{
    pthread_t t;
    return pthread_create(&t, NULL, nothing, NULL) == 0 && pthread_join(t, NULL) == 0 ? MAY : FAILS;
}

static int memory(void)
{
    char *p = malloc(64 << 20);
    if (!p)
        return FAILS;
    memset(p, 1, 64 << 20);
    free(p);
    return MAY;
}

static long landlock_version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
}

static void what_is_left(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int (*act)(void);
        int on, off; /* with and without the list of system calls */
    } rows[] = {
        {"open a file", open_file, FAILS, FAILS},
        {"make a file", make_file, FAILS, FAILS},
        {"run a program", run_program, -SIGSYS, FAILS},
        {"start a process", start_process, -SIGSYS, MAY},
        {"executable memory", executable_memory, -SIGSYS, MAY},
        {"a socket of another family", other_socket, -SIGSYS, MAY},
        {"signal another process", trace, -SIGSYS, MAY},
        {"a pair of sockets", socket_pair, FAILS, MAY},
        {"a local socket", local_socket, FAILS, MAY},
        {"a TCP socket", tcp_socket, -SIGSYS, MAY},
        {"another kind of netlink", netlink_socket, -SIGSYS, MAY},
        {"an unknown request", other_request, -SIGSYS, FAILS},
        {"the limits of another process", other_limits, -SIGSYS, MAY},
        {"a limit of its own", own_limit, -SIGSYS, MAY},
        {"a signal to a thread of its own", signal_itself, MAY, MAY},
        {"a UDP socket", udp_socket, MAY, MAY},
        {"a thread", thread, MAY, MAY},
        {"memory", memory, MAY, MAY},
    };
    const int signals = landlock_version() >= 6 ? FAILS : MAY; /* to others; nothing else forbids them */
    if (process_has_sanitizer()) {
        printf("skipped: a sanitizer takes other system calls\n");
        skip();
    }
    for (size_t i = 0; i < LEN(rows); i++) {
        int got = behind(rows[i].act, CONFIG_SECCOMP_ON);
        if (got != rows[i].on)
            fail_msg("%s: %d", rows[i].what, got);
        got = behind(rows[i].act, CONFIG_SECCOMP_OFF);
        if (got != (rows[i].act == trace ? signals : rows[i].off) && !(rows[i].act == other_socket && got == FAILS))
            fail_msg("%s, with the file system closed only: %d", rows[i].what, got);
    }
    assert_int_equal(behind(start_process, CONFIG_SECCOMP_LOG), MAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_left)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
