/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/privileges.h"

#include <unistd.h>

#include "guard/landlock.h"
#include "guard/sandbox.h"
#include "guard/user.h"

enum { PORT_DNS = 53 /* of name servers, over TCP */ };

bool privileges_owner(const struct config *config, struct sink_owner *out)
{
    return geteuid() == 0 && user_find(config->user, &out->uid, &out->gid, NULL) == 0;
}

int privileges_drop(const struct config *config, struct error *err)
{
    bool has_interface = config->interfaces_count > 0 || config->dnstaps_count == 0;
    return user_drop(config->user, has_interface ? USER_KEEPS_RAW : USER_KEEPS_NOTHING, err);
}

int privileges_drop_all(const struct config *config, struct error *err)
{
    return user_drop(config->user, USER_KEEPS_NOTHING, err);
}

int privileges_drop_helper(const struct config *config, struct error *err)
{
    const char *sockets[CONFIG_DNSTAPS_MAX + 1], *files[SINKS_MAX];
    struct landlock_rules rules = {.read_below = "/", .made = files, .removed = sockets, .tcp_port = PORT_DNS};
    size_t i;
    for (i = 0; i < config->sinks_count; i++)
        if (config->sinks[i].kind->is_file && config->sinks[i].is_renewable)
            files[rules.made_count++] = config->sinks[i].value;
    for (i = 0; i < config->dnstaps_count; i++)
        if (config->dnstaps[i].path)
            sockets[rules.removed_count++] = config->dnstaps[i].path;
    if (config->metrics_path)
        sockets[rules.removed_count++] = config->metrics_path;
    if (user_drop(config->user, USER_KEEPS_NOTHING, err) != 0)
        return -1;
    landlock_enter(&rules);
    return sandbox_enter_helper(config->seccomp, err);
}

int privileges_confine(const struct config *config, struct error *err)
{
    const struct landlock_rules nothing = {0};
    landlock_enter(&nothing);
    return sandbox_enter(SANDBOX_SOCKETS, config->seccomp, err);
}
