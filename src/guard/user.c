/* SPDX-License-Identifier: BSD-3-Clause */
#include "guard/user.h"

#include <cap-ng.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/process.h"

int user_find(const char *name, uid_t *uid, gid_t *gid, struct error *err)
{
    static const char *const names[] = {"dnsflow", "nobody"};
    const struct passwd *user = name ? getpwnam(name) : NULL;
    size_t i;
    if (name && !user)
        return error_set(err, "option --user %s: there is no such user", name);
    for (i = 0; !user && i < sizeof(names) / sizeof(names[0]); i++)
        user = getpwnam(names[i]);
    if (!user)
        return error_set(err, "there is neither a user dnsflow nor nobody to run as; name one with --user");
    *uid = user->pw_uid;
    *gid = user->pw_gid;
    return 0;
}

static bool has(capng_type_t kind, unsigned capability)
{
    return capng_have_capability(kind, capability) != 0;
}

/* Whom to become: as root the user of that name, else who it is already. */
static int choose_user(const char *name, uid_t *uid, gid_t *gid, struct error *err)
{
    *uid = geteuid();
    *gid = getegid();
    if (*uid == 0 || name) {
        if (user_find(name, uid, gid, err) != 0)
            return -1;
        if (geteuid() != 0 && *uid != geteuid())
            return error_set(err, "option --user %s: only root can become another user", name);
    }
    if (geteuid() != *uid && !(has(CAPNG_EFFECTIVE, CAP_SETUID) && has(CAPNG_EFFECTIVE, CAP_SETGID))) {
        if (name)
            return error_set(err, "option --user %s: becoming another user takes the capabilities SETUID and SETGID",
                             name);
        *uid = geteuid(); /* as in a container that gives root no more than capturing takes */
    }
    return 0;
}

int user_drop(const char *name, enum user_keeps keeps, struct error *err)
{
    static const int kept[] = {[USER_KEEPS_RAW] = CAP_NET_RAW, [USER_KEEPS_FILES] = CAP_DAC_READ_SEARCH};
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (keeps != USER_KEEPS_FILES && choose_user(name, &uid, &gid, err) != 0)
        return -1;
    bool can_bound = has(CAPNG_EFFECTIVE, CAP_SETPCAP);
    bool keeps_one = keeps != USER_KEEPS_NOTHING && has(CAPNG_PERMITTED, (unsigned)kept[keeps]);
    capng_select_t which = can_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS;
    int result = 0;
    capng_clear(which);
    if (keeps_one)
        result = capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, (unsigned)kept[keeps]);
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
