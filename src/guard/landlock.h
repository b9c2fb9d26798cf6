/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Landlock (landlock(7)): files that can be opened by name, TCP ports that can be connected to, other processes that
 * can be reached; as far as the kernel knows these. */
#ifndef DNSFLOW_GUARD_LANDLOCK_H
#define DNSFLOW_GUARD_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stays allowed; all zero: nothing. */
struct landlock_rules {
    const char *read_below;  /* files below this may be read; NULL = none */
    const char *const *read; /* these may be read */
    size_t read_count;
    const char *const *made; /* files in the folders of these, and below, may be made and written */
    size_t made_count;
    const char *const *removed; /* files in the folders of these, and below, may be removed */
    size_t removed_count;
    const char *const *kept; /* folders: what is below may be made, read, written, moved and removed */
    size_t kept_count;
    uint16_t tcp_port; /* may be connected to, 0 = none */
    bool connects;     /* all may */
};

/* For this thread and those that it starts. Without effect where the kernel has no Landlock, or refuses it or one of
 * the rules, and in builds with a sanitizer, whose leak checker reads /proc. */
void landlock_enter(const struct landlock_rules *rules);

#endif
