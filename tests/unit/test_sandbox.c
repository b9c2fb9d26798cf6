/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a process can still do behind the list of system calls, each in a child of its own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/process.h"
#include "guard/landlock.h"
#include "reader/rights.h"
#include "sensor/privileges.h"
#include "testing.h"

enum { MAY = 0, FAILS = 1 };

static char own_file[] = "sandbox.XXXXXX";

enum { NOT_CONFINED = 99 };

/* Exit status of what `act` does once `confine` has been called, or minus the signal that ended it. */
static int run_confined(int (*confine)(const void *config, struct error *err), const void *config, int (*act)(void))
{
    struct error err;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(confine(config, &err) == 0 ? act() : NOT_CONFINED);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int confine_sensor(const void *config, struct error *err)
{
    return privileges_confine(config, err);
}

static int behind(int (*act)(void), enum sandbox_mode mode)
{
    static struct config config;
    config.seccomp = mode;
    return run_confined(confine_sensor, &config, act);
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
        int got = behind(rows[i].act, SANDBOX_ON);
        if (got != rows[i].on)
            fail_msg("%s: %d", rows[i].what, got);
        got = behind(rows[i].act, SANDBOX_OFF);
        if (got != (rows[i].act == trace ? signals : rows[i].off) && !(rows[i].act == other_socket && got == FAILS))
            fail_msg("%s, with the file system closed only: %d", rows[i].what, got);
    }
    assert_int_equal(behind(start_process, SANDBOX_LOG), MAY);
}

/* ---- the reader ---- */

static int confine_reader(const void *config, struct error *err)
{
    return rights_give_up(config, err);
}

static int open_input(void)
{
    return open(own_file, O_RDONLY) >= 0 ? MAY : FAILS;
}

static int write_input(void)
{
    return open(own_file, O_WRONLY) >= 0 ? MAY : FAILS;
}

static int send_datagram(void)
{
    return send(STDIN_FILENO, "x", 1, 0) == 1 ? MAY : FAILS;
}

static int ask_for_size(void)
{
    struct winsize size;
    return ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 || errno == ENOTTY ? MAY : FAILS;
}

static void what_the_reader_has_left(void **state)
{
    (void)state;
    static struct reader_config configs[4]; /* a listener, files, an interface, files with --top */
    static const struct {
        const char *what;
        int (*act)(void);
        int left[LEN(configs)];
    } rows[] = {
        {"open its input", open_input, {FAILS, MAY, FAILS, MAY}},
        {"write to it", write_input, {FAILS, -SIGSYS, FAILS, -SIGSYS}},
        {"open another file", open_file, {FAILS, FAILS, FAILS, FAILS}},
        {"run a program", run_program, {-SIGSYS, -SIGSYS, -SIGSYS, -SIGSYS}},
        {"start a process", start_process, {-SIGSYS, -SIGSYS, -SIGSYS, -SIGSYS}},
        {"a UDP socket", udp_socket, {-SIGSYS, -SIGSYS, MAY, -SIGSYS}},
        {"a TCP socket", tcp_socket, {-SIGSYS, -SIGSYS, -SIGSYS, -SIGSYS}},
        {"send from its socket", send_datagram, {-SIGSYS, -SIGSYS, FAILS, -SIGSYS}},
        {"signal another process", trace, {-SIGSYS, -SIGSYS, -SIGSYS, -SIGSYS}},
        {"ask for the terminal's size", ask_for_size, {-SIGSYS, -SIGSYS, -SIGSYS, MAY}},
        {"memory", memory, {MAY, MAY, MAY, MAY}},
    };
    if (process_has_sanitizer() || landlock_version() < 1) {
        printf("skipped: a sanitizer takes other system calls, or there is no Landlock\n");
        skip();
    }
    int fd = mkstemp(own_file);
    assert_true(fd >= 0);
    close(fd);
    configs[0].is_listening = true;
    configs[1].files_count = configs[3].files_count = 1;
    configs[1].files[0] = configs[3].files[0] = own_file;
    configs[2].interface = "lo";
    configs[3].show_top = true;
    for (size_t i = 0; i < LEN(rows); i++)
        for (size_t k = 0; k < LEN(configs); k++) {
            int got = run_confined(confine_reader, &configs[k], rows[i].act);
            if (got != rows[i].left[k])
                fail_msg("%s, %zu: %d", rows[i].what, k, got);
        }
    assert_int_equal(unlink(own_file), 0);
}

/* ---- where Landlock can be had only in part ---- */

/* What may be read below, with the system call that adds a rule failing. */
static int confine_without_rules(const void *config, struct error *err)
{
    const struct landlock_rules rules = {.read_below = "/"};
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    (void)config, (void)err;
    if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(landlock_add_rule), 0) != 0 ||
        seccomp_load(filter) != 0)
        return -1;
    seccomp_release(filter);
    landlock_enter(&rules);
    return 0;
}

static void what_must_stay_allowed_does(void **state)
{
    (void)state;
    assert_int_equal(run_confined(confine_without_rules, NULL, open_file), MAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_left), cmocka_unit_test(what_the_reader_has_left),
                                       cmocka_unit_test(what_must_stay_allowed_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
