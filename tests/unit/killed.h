/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ending a process between two of its system calls. */
#ifndef DNSFLOW_TESTING_KILLED_H
#define DNSFLOW_TESTING_KILLED_H

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing.h"

/* Runs it in a process that is killed at its system call number `at`, each counted when it begins and when it ends.
 * True: it has ended before. */
static inline bool killed_at(int (*run)(void *), void *context, long at)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
        _exit(run(context) == 0 ? 0 : 1);
    }
    assert_true(pid > 0);
    for (long calls = 0;; calls++) {
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            if (WEXITSTATUS(status) == 77)
                skip();
            assert_int_equal(WEXITSTATUS(status), 0);
            return true;
        }
        if (calls == at || ptrace(PTRACE_SYSCALL, pid, NULL, NULL) != 0) {
            kill(pid, SIGKILL);
            assert_int_equal(waitpid(pid, &status, 0), pid);
            return false;
        }
    }
}

#endif
