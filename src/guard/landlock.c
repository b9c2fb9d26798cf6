/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The numbers below are those of the kernel's interface, each right with the version of it that brought it: headers
 * of the time of the build may be older than the kernel that is run on. */
#include "guard/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/process.h"

enum { VERSION_FLAG = 1, RULE_PATH = 1, RULE_PORT = 2 };

enum {
    FS_WRITE = 1 << 1,
    FS_READ = 1 << 2,
    FS_READ_FOLDER = 1 << 3,
    FS_REMOVE_FOLDER = 1 << 4,
    FS_REMOVE = 1 << 5,
    FS_MAKE_FOLDER = 1 << 7,
    FS_MAKE = 1 << 8,
    FS_MOVE = 1 << 13, /* between folders, from version 2 */
    FS_TRUNCATE = 1 << 14,
    FS_RIGHTS_1 = (1 << 13) - 1, /* of version 1; 2 to 5 bring one more each, but the fourth */
    NET_RIGHTS = 3,              /* to bind and to connect, from version 4 */
    NET_CONNECT = 2,
    SCOPE_SIGNALS = 2, /* from version 6: processes outside cannot be sent signals ... */
    SCOPE_SOCKETS = 1, /* ... nor connected to by abstract names */
};

struct ruleset {
    uint64_t fs, net, scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

struct port_rule {
    uint64_t allowed, port;
};

/* Adds a rule. False where a filter of system calls forbids that: what is to stay allowed would not. A rule that makes
 * no sense, as for a pipe, is not needed. */
static bool add_rule(int ruleset, int kind, const void *rule)
{
    return syscall(SYS_landlock_add_rule, ruleset, kind, rule, 0) == 0 || (errno != EPERM && errno != ENOSYS);
}

static bool allow_path(int ruleset, const char *path, uint64_t rights)
{
    struct path_rule rule = {.allowed = rights, .fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.fd < 0)
        return true;
    bool is_added = add_rule(ruleset, RULE_PATH, &rule);
    close(rule.fd);
    return is_added;
}

static bool allow_folder_of(int ruleset, const char *path, uint64_t rights)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    int len = slash ? (int)(slash - path) + 1 : 1;
    if ((size_t)len >= sizeof(folder))
        return true;
    snprintf(folder, sizeof(folder), "%.*s", len, slash ? path : ".");
    return allow_path(ruleset, folder, rights);
}

static bool add_rules(int ruleset, const struct landlock_rules *rules, const struct ruleset *handled)
{
    struct port_rule port = {.allowed = NET_CONNECT, .port = rules->tcp_port};
    bool are_added = true;
    size_t i;
    if (rules->read_below)
        are_added &= allow_path(ruleset, rules->read_below, FS_READ | FS_READ_FOLDER);
    for (i = 0; i < rules->read_count; i++)
        are_added &= allow_path(ruleset, rules->read[i], FS_READ);
    for (i = 0; i < rules->made_count; i++)
        are_added &= allow_folder_of(ruleset, rules->made[i], (FS_WRITE | FS_MAKE | FS_TRUNCATE) & handled->fs);
    for (i = 0; i < rules->removed_count; i++)
        are_added &= allow_folder_of(ruleset, rules->removed[i], FS_REMOVE);
    for (i = 0; i < rules->kept_count; i++)
        are_added &= allow_path(ruleset, rules->kept[i],
                                (FS_READ | FS_READ_FOLDER | FS_WRITE | FS_MAKE | FS_MAKE_FOLDER | FS_REMOVE |
                                 FS_REMOVE_FOLDER | FS_MOVE | FS_TRUNCATE) &
                                    handled->fs);
    if (rules->tcp_port && handled->net)
        are_added &= add_rule(ruleset, RULE_PORT, &port);
    return are_added;
}

void landlock_enter(const struct landlock_rules *rules)
{
    struct ruleset handled = {.fs = FS_RIGHTS_1};
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
    if (version < 1 || process_has_sanitizer())
        return; /* before Linux 5.13, or switched off */
    if (version < 2 && rules->kept_count > 0)
        return; /* which never lets files move between folders */
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    if (version >= 2)
        handled.fs |= FS_MOVE;
    if (version >= 3)
        handled.fs |= FS_TRUNCATE;
    if (version >= 5)
        handled.fs |= 1 << 15; /* ioctl on devices */
    if (version >= 4)
        handled.net = rules->connects ? NET_RIGHTS & ~NET_CONNECT : NET_RIGHTS;
    if (version >= 6)
        handled.scoped = rules->read_below ? SCOPE_SIGNALS : SCOPE_SIGNALS | SCOPE_SOCKETS;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, size, 0);
    if (ruleset < 0)
        return;
    if (add_rules(ruleset, rules, &handled))
        (void)syscall(SYS_landlock_restrict_self, ruleset, 0);
    close(ruleset);
}
