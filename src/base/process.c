/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/options.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

void process_open_standard_files(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

void process_leave_terminal(void)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0)
        return;
    (void)dup2(nowhere, STDIN_FILENO);
    (void)dup2(nowhere, STDOUT_FILENO);
    close(nowhere);
}

/* By their names where the kernel has no close_range (before 5.9) or somebody forbids it, else each that there can be.
 */
void process_close_from(int first)
{
    enum { AT_MOST = 65536 };
    struct rlimit limit;
    if (close_range((unsigned)first, ~0u, 0) == 0)
        return;
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    uint64_t fd;
    while (folder && (entry = readdir(folder)))
        if (parse_number(entry->d_name, (uint64_t)first, INT_MAX, &fd, NULL) == 0 && (int)fd != dirfd(folder))
            close((int)fd);
    if (folder) {
        closedir(folder);
        return;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > AT_MOST)
        limit.rlim_cur = AT_MOST;
    for (; first < (int)limit.rlim_cur; first++)
        close(first);
}

bool process_has_sanitizer(void)
{
    return HAS_SANITIZER;
}

void process_raise_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

void process_limit_memory(size_t bytes)
{
    struct rlimit limit;
    if (HAS_SANITIZER || getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur < bytes)
        return; /* or somebody has set a lower one */
    limit.rlim_cur = bytes;
    (void)setrlimit(RLIMIT_DATA, &limit);
}

int process_start_thread(pthread_t *thread, void *(*run)(void *), void *context)
{
    enum { STACK = 256 << 10, SANITIZER_STACK = 4 << 20 };
    pthread_attr_t attributes;
    sigset_t all, before;
    int result = pthread_attr_init(&attributes);
    if (result != 0)
        return result;
    (void)pthread_attr_setstacksize(&attributes, HAS_SANITIZER ? SANITIZER_STACK : STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(thread, &attributes, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return result;
}

bool process_pin_thread(unsigned index)
{
    cpu_set_t allowed, one;
    size_t cpu;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) == 0)
        return false;
    index %= (unsigned)CPU_COUNT(&allowed);
    for (cpu = 0; !CPU_ISSET(cpu, &allowed) || index > 0; cpu++)
        index -= CPU_ISSET(cpu, &allowed) != 0;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof(one), &one) == 0;
}
