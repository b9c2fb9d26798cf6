/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/process.h"
#include "sensor/sandbox.h"

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

/* An ordinary user who was given a file capability keeps it, root becomes somebody else. */
static int drop(const struct config *config, bool keeps_raw, struct error *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int result;
    if (uid != 0 && config->user)
        return error_set(err, "option --user %s: only root can become another user", config->user);
    if (uid == 0 && find_user(config, &uid, &gid, err) != 0)
        return -1;
    bool has_raw = capng_have_capability(CAPNG_PERMITTED, CAP_NET_RAW);
    bool can_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    capng_clear(can_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
    if (keeps_raw && has_raw)
        result = capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_RAW);
    else
        result = 0;
    if (geteuid() == 0 && uid != 0)
        result |= capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
    else
        result |= capng_apply(can_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
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

/* A ruleset that handles every right of the file system and allows none. */
static void forbid_files(void)
{
    struct landlock_ruleset_attr all = {.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
    if (ruleset < 0)
        return; /* older than Linux 5.13, or switched off: seccomp refuses the same */
    (void)syscall(SYS_landlock_restrict_self, ruleset, 0);
    close(ruleset);
}

int privileges_confine(const struct config *config, struct error *err)
{
    if (!process_has_sanitizer()) /* the leak checker reads /proc */
        forbid_files();
    return config->seccomp == CONFIG_SECCOMP_OFF ? 0 : sandbox_enter(config->seccomp == CONFIG_SECCOMP_LOG, err);
}
