/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The numbers below are those of the kernel's interface, each right with the version of it that brought it: headers
 * of the time of the build may be older than the kernel that is run on. */
#include "sensor/landlock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { VERSION_FLAG = 1, RULE_FOLDER = 1, RULE_PORT = 2 };

enum {
    FS_WRITE = 1 << 1,
    FS_READ = 1 << 2,
    FS_READ_FOLDER = 1 << 3,
    FS_REMOVE = 1 << 5,
    FS_MAKE = 1 << 8,
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

struct folder_rule {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

struct port_rule {
    uint64_t allowed, port;
};

static void allow_folder(int ruleset, const char *path, uint64_t rights)
{
    struct folder_rule rule = {.allowed = rights, .fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.fd < 0)
        return;
    (void)syscall(SYS_landlock_add_rule, ruleset, RULE_FOLDER, &rule, 0);
    close(rule.fd);
}

static void allow_folder_of(int ruleset, const char *path, uint64_t rights)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    int len = slash ? (int)(slash - path) + 1 : 1;
    if ((size_t)len < sizeof(folder)) {
        snprintf(folder, sizeof(folder), "%.*s", len, slash ? path : ".");
        allow_folder(ruleset, folder, rights);
    }
}

static void add_rules(int ruleset, const struct landlock_rules *rules, const struct ruleset *handled)
{
    size_t i;
    if (rules->read_below)
        allow_folder(ruleset, rules->read_below, FS_READ | FS_READ_FOLDER);
    if (rules->make_in)
        allow_folder_of(ruleset, rules->make_in, (FS_WRITE | FS_MAKE | FS_TRUNCATE) & handled->fs);
    for (i = 0; i < rules->removed_count; i++)
        allow_folder_of(ruleset, rules->removed[i], FS_REMOVE);
    if (rules->tcp_port && handled->net) {
        struct port_rule rule = {.allowed = NET_CONNECT, .port = rules->tcp_port};
        (void)syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0);
    }
}

void landlock_enter(const struct landlock_rules *rules)
{
    struct ruleset handled = {.fs = FS_RIGHTS_1};
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
    if (version < 1)
        return; /* before Linux 5.13, or switched off */
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    if (version >= 2)
        handled.fs |= 1 << 13; /* moving between folders */
    if (version >= 3)
        handled.fs |= FS_TRUNCATE;
    if (version >= 5)
        handled.fs |= 1 << 15; /* ioctl on devices */
    if (version >= 4)
        handled.net = NET_RIGHTS;
    if (version >= 6)
        handled.scoped = rules->read_below ? SCOPE_SIGNALS : SCOPE_SIGNALS | SCOPE_SOCKETS;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, size, 0);
    if (ruleset < 0)
        return;
    add_rules(ruleset, rules, &handled);
    (void)syscall(SYS_landlock_restrict_self, ruleset, 0);
    close(ruleset);
}
