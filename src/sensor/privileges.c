/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/process.h"
#include "sensor/landlock.h"
#include "sensor/sandbox.h"

enum { PORT_DNS = 53 /* of name servers, over TCP */ };

/* The user to become. */
static int find_user(const struct config *config, uid_t *uid, gid_t *gid, struct error *err)
{
    static const char *const names[] = {"dnsflow", "nobody"};
    const struct passwd *user = config->user ? getpwnam(config->user) : NULL;
    size_t i;
    if (config->user && !user)
        return error_set(err, "option --user %s: there is no such user", config->user);
    for (i = 0; !user && i < sizeof(names) / sizeof(names[0]); i++)
        user = getpwnam(names[i]);
    if (!user)
        return error_set(err, "there is neither a user dnsflow nor nobody to run as; name one with --user");
    *uid = user->pw_uid;
    *gid = user->pw_gid;
    return 0;
}

bool privileges_owner(const struct config *config, struct sink_owner *out)
{
    return geteuid() == 0 && find_user(config, &out->uid, &out->gid, NULL) == 0;
}

static bool has(capng_type_t kind, unsigned capability)
{
    return capng_have_capability(kind, capability) != 0;
}

/* Whom to become: as root the user of the configuration, else who it is already. */
static int choose_user(const struct config *config, uid_t *uid, gid_t *gid, struct error *err)
{
    *uid = geteuid();
    *gid = getegid();
    if (*uid == 0 || config->user) {
        if (find_user(config, uid, gid, err) != 0)
            return -1;
        if (geteuid() != 0 && *uid != geteuid())
            return error_set(err, "option --user %s: only root can become another user", config->user);
    }
    if (geteuid() != *uid && !(has(CAPNG_EFFECTIVE, CAP_SETUID) && has(CAPNG_EFFECTIVE, CAP_SETGID))) {
        if (config->user)
            return error_set(err, "option --user %s: becoming another user takes the capabilities SETUID and SETGID",
                             config->user);
        *uid = geteuid(); /* as in a container that gives root no more than capturing takes */
    }
    return 0;
}

/* An ordinary user who was given a file capability keeps it, root becomes somebody else. */
static int drop(const struct config *config, bool keeps_raw, struct error *err)
{
    uid_t uid;
    gid_t gid;
    if (choose_user(config, &uid, &gid, err) != 0)
        return -1;
    bool has_raw = has(CAPNG_PERMITTED, CAP_NET_RAW), can_bound = has(CAPNG_EFFECTIVE, CAP_SETPCAP);
    capng_select_t which = can_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS;
    int result = 0;
    capng_clear(which);
    if (keeps_raw && has_raw)
        result = capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_RAW);
    if (geteuid() != uid)
        result |= capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP | (can_bound ? CAPNG_CLEAR_BOUNDING : 0));
    else
        result |= capng_apply(which);
    if (result != 0)
        return error_set(err, "cannot give up the rights of uid %d (error %d of libcap-ng)", (int)geteuid(), result);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return error_errno(err, "cannot set no_new_privs");
    if (process_has_sanitizer())
        (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* the leak checker traces the process */
    return 0;
}

int privileges_drop(const struct config *config, struct error *err)
{
    return drop(config, config->interfaces_count > 0 || config->dnstaps_count == 0, err);
}

int privileges_drop_all(const struct config *config, struct error *err)
{
    return drop(config, false, err);
}

int privileges_drop_helper(const struct config *config, struct error *err)
{
    const char *sockets[CONFIG_DNSTAPS_MAX + 1];
    struct landlock_rules rules = {
        .read_below = "/", .make_in = config_file_path(config), .removed = sockets, .tcp_port = PORT_DNS};
    size_t i;
    for (i = 0; i < config->dnstaps_count; i++)
        if (config->dnstaps[i].path)
            sockets[rules.removed_count++] = config->dnstaps[i].path;
    if (config->metrics_path)
        sockets[rules.removed_count++] = config->metrics_path;
    if (drop(config, false, err) != 0)
        return -1;
    if (!process_has_sanitizer())
        landlock_enter(&rules);
    return config->seccomp == CONFIG_SECCOMP_OFF ? 0 : sandbox_enter_helper(err);
}

int privileges_confine(const struct config *config, struct error *err)
{
    const struct landlock_rules nothing = {0};
    if (!process_has_sanitizer()) /* the leak checker reads /proc */
        landlock_enter(&nothing);
    return config->seccomp == CONFIG_SECCOMP_OFF ? 0 : sandbox_enter(config->seccomp == CONFIG_SECCOMP_LOG, err);
}
