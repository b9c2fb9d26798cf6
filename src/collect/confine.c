/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/confine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guard/landlock.h"
#include "store/sql.h"

static void close_one(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* The lock is held as long as anybody writes. */
static void close_others(const struct role_context *context, const struct confinement *to)
{
    size_t i;
    for (i = 0; !(to->holds & HOLDS_LISTENERS) && i < context->config->listeners_count; i++)
        listener_close(context->listeners[i]);
    if (!(to->holds & HOLDS_SEALS))
        close_one(context->seal_fd);
    if (!(to->holds & HOLDS_QUESTIONS))
        close_one(context->http_fd);
    if (!(to->holds & HOLDS_JOURNAL))
        close_one(context->directory->journal_fd);
    if (!(to->holds & HOLDS_WISHES))
        close_one(context->ask_fd);
    if (!to->writes && !(to->holds & HOLDS_LOCK))
        close_one(context->directory->lock_fd);
    close_one(context->directory->fd);
}

/* The nearest one that is there: what is in it may be made, or mounted, later. */
static void folder_around(const char *path, char *folder, size_t size)
{
    char *slash;
    snprintf(folder, size, "%s", path);
    do {
        slash = strrchr(folder, '/');
        if (!slash || slash == folder)
            snprintf(folder, size, slash ? "/" : ".");
        else
            *slash = '\0';
    } while (slash && slash != folder && access(folder, F_OK) != 0);
}

int confine(const struct role_context *context, const struct confinement *to, struct error *err)
{
    static const char *const read[] = {"/usr/share/publicsuffix", /* with "connects" all of them */
                                       "/etc/resolv.conf",
                                       "/etc/hosts",
                                       "/etc/nsswitch.conf",
                                       "/etc/host.conf",
                                       "/etc/gai.conf",
                                       "/etc/ssl",
                                       "/etc/pki",
                                       "/usr/lib/ssl",
                                       "/usr/share/ca-certificates",
                                       "/usr/local/share/ca-certificates"};
    const char *directory = context->config->directory;
    char inside[512], outside[512] = "", below[512];
    const char *const kept[] = {inside, to->writes_there, outside};
    struct landlock_rules rules = {.read_below = to->reads ? below : NULL,
                                   .read = read,
                                   .read_count = to->connects               ? sizeof(read) / sizeof(read[0])
                                                 : to->reads && !*to->reads ? 1
                                                                            : 0,
                                   .connects = to->connects,
                                   .kept = kept,
                                   .kept_count = !to->writes ? 0 : 1};
    if ((to->writes && snprintf(inside, sizeof(inside), "%s/%s", directory, to->writes) >= (int)sizeof(inside)) ||
        (to->reads && snprintf(below, sizeof(below), "%s/%s", directory, to->reads) >= (int)sizeof(below)))
        return error_set(err, "%s: the path is too long", directory);
    if (to->writes) /* what sorting takes that finds no room in memory */
        sql_use_folder(inside);
    if (to->writes_there && !(to->only_there && access(to->writes_there, F_OK) == 0))
        folder_around(to->writes_there, outside, sizeof(outside));
    if (to->writes && to->writes_there)
        rules.kept_count = outside[0] ? 3 : 2;
    close_others(context, to);
    landlock_enter(&rules);
    return sandbox_enter(to->needs, context->config->seccomp, err);
}
