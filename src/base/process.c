/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

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

bool process_has_sanitizer(void)
{
    return HAS_SANITIZER;
}

void process_limit_memory(size_t bytes)
{
    struct rlimit limit;
    if (HAS_SANITIZER || getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur < bytes)
        return; /* or somebody has set a lower one */
    limit.rlim_cur = bytes;
    (void)setrlimit(RLIMIT_DATA, &limit);
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
