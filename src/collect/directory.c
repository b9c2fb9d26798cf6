/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/options.h"
#include "collect/feed_state.h"
#include "collect/swap.h"
#include "guard/user.h"

enum { FOLDER_MODE = 0750, FILE_MODE = 0640, SMALLEST = 16 << 20 /* that is kept, whatever is free */ };

/* Whose a new directory becomes, as root: the first there is. */
static const char *const service_users[] = {"dnsflow-collect", "dnsflow"};

static const uint64_t usual_size = UINT64_C(20) << 30;

void directory_close(struct directory *directory)
{
    const int fds[] = {directory->lock_fd, directory->journal_fd, directory->fd};
    size_t i;
    for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] > 0)
            close(fds[i]);
    memset(directory, 0, sizeof(*directory));
}

/* ---- whose it is ---- */

/* A folder made by root becomes the user's. */
static int give_folder(const struct directory *d, int at, const char *name, struct error *err)
{
    const struct passwd *user = d->user[0] ? getpwnam(d->user) : NULL;
    if (mkdirat(at, name, FOLDER_MODE) != 0)
        return errno == EEXIST ? 0 : error_errno(err, "%s: cannot be made", at == AT_FDCWD ? name : d->path);
    if (user && fchownat(at, name, user->pw_uid, user->pw_gid, AT_SYMLINK_NOFOLLOW) != 0)
        return error_errno(err, "%s: cannot be given to %s", d->path, d->user);
    return 0;
}

/* Whom root becomes: the one that is named, else the owner, for a new one the service's user. */
static int find_user(struct directory *d, const char *user, struct error *err)
{
    struct stat info;
    bool exists = stat(d->path, &info) == 0;
    const struct passwd *owner = user ? getpwnam(user) : exists ? getpwuid(info.st_uid) : NULL;
    size_t i;
    if (geteuid() != 0)
        return !user || (owner && owner->pw_uid == geteuid())
                   ? 0
                   : error_set(err, "option --user %s: only root can become another user", user);
    for (i = 0; !owner && !user && !exists && i < sizeof(service_users) / sizeof(service_users[0]); i++)
        owner = getpwnam(service_users[i]);
    if (!owner && exists && !user)
        return error_set(err, "%s: belongs to uid %u, which is no user; name one with --user", d->path, info.st_uid);
    if (!owner || (owner->pw_uid == 0 && !user))
        return error_set(err, "%s: %s; name with --user whose it is to be", d->path,
                         exists ? "belongs to root" : "is not there, and neither is a user dnsflow-collect");
    if (exists && info.st_uid != owner->pw_uid)
        return error_set(err, "%s: does not belong to %s; chown -R %s %s makes it theirs", d->path, owner->pw_name,
                         owner->pw_name, d->path);
    snprintf(d->user, sizeof(d->user), "%s", owner->pw_name);
    return 0;
}

int directory_become_owner(const struct directory *directory, struct error *err)
{
    return user_drop(directory->user[0] ? directory->user : NULL, USER_KEEPS_NOTHING, err);
}

/* ---- opening ---- */

static int open_folder(int at, const char *name, const char *path, struct error *err)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : error_errno(err, "%s%s%s", path, at == AT_FDCWD ? "" : "/", at == AT_FDCWD ? "" : name);
}

/* A file that belongs to the user as the folder does. */
static int open_file(const struct directory *d, const char *name, int flags, struct error *err)
{
    const struct passwd *user = d->user[0] ? getpwnam(d->user) : NULL;
    int fd = openat(d->fd, name, flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, FILE_MODE);
    struct stat info;
    if (fd >= 0 && fstat(fd, &info) == 0 && !S_ISREG(info.st_mode)) {
        close(fd);
        return error_set(err, "%s/%s: is not a file", d->path, name);
    }
    if (fd >= 0 && (!user || fchown(fd, user->pw_uid, user->pw_gid) == 0))
        return fd;
    error_errno(err, "%s/%s", d->path, name);
    if (fd >= 0)
        close(fd);
    return -1;
}

static int lock(struct directory *d, struct error *err)
{
    char text[32] = "";
    d->lock_fd = open_file(d, "lock", O_RDWR, err);
    if (d->lock_fd < 0)
        return -1;
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        bool is_taken = errno == EWOULDBLOCK;
        ssize_t n = pread(d->lock_fd, text, sizeof(text) - 1, 0);
        text[n > 0 ? strspn(text, "0123456789") : 0] = '\0';
        return is_taken ? error_set(err, "%s: in use by process %s", d->path, text[0] ? text : "?")
                        : error_errno(err, "%s/lock", d->path);
    }
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(d->lock_fd, 0) != 0 || pwrite(d->lock_fd, text, (size_t)len, 0) != len) {
        if (errno != ENOSPC) /* a full disk is no reason not to start: the number only helps */
            return error_errno(err, "%s/lock", d->path);
    }
    return 0;
}

/* A new one is empty, but for what a collector makes, or a file system. */
static int check_foreign(const struct directory *d, struct error *err)
{
    static const char *const own[] = {"journal",        "lookups",        "settings",  "control",    "dnsflow.db",
                                      "dnsflow.db-wal", "dnsflow.db-shm", "backup",    "lost+found", "replay",
                                      WATCH_PLACE,      ASKING_FOLDER,    FEEDS_FOLDER};
    struct dirent *entry;
    char foreign[256] = "";
    size_t i;
    int fd = faccessat(d->fd, "lock", F_OK, 0) == 0 ? -1 : openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    while (dir && !foreign[0] && (entry = readdir(dir))) {
        for (i = 0; i < sizeof(own) / sizeof(own[0]) && strcmp(entry->d_name, own[i]) != 0; i++)
            ;
        if (entry->d_name[0] != '.' && i == sizeof(own) / sizeof(own[0]))
            snprintf(foreign, sizeof(foreign), "%s", entry->d_name);
    }
    if (dir)
        closedir(dir);
    return foreign[0]
               ? error_set(err, "%s: holds other things (%.60s); expected a new directory, or one of a collector",
                           d->path, foreign)
               : 0;
}

static int open_all(struct directory *d, const char *user, struct error *err)
{
    if (find_user(d, user, err) != 0 || give_folder(d, AT_FDCWD, d->path, err) != 0)
        return -1;
    d->fd = open_folder(AT_FDCWD, d->path, d->path, err);
    if (d->fd < 0 || check_foreign(d, err) != 0 || lock(d, err) != 0 || give_folder(d, d->fd, "journal", err) != 0 ||
        swap_settle(d->fd, err) != 0)
        return -1;
    d->journal_fd = open_folder(d->fd, "journal", d->path, err);
    return d->journal_fd < 0 ? -1 : 0;
}

int directory_open(const char *path, const char *user, struct directory *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    out->path = path;
    (void)umask(0777 & ~FOLDER_MODE); /* of what others make there too, as SQLite */
    if (open_all(out, user, err) == 0)
        return 0;
    directory_close(out);
    return -1;
}

const char *directory_to_ask(const char *told)
{
    bool has_own = access(DIRECTORY_DEFAULT, F_OK) == 0;
    if (told)
        return told;
    return !has_own && access(DIRECTORY_SERVICE, F_OK) == 0 ? DIRECTORY_SERVICE : DIRECTORY_DEFAULT;
}

/* Of one that may not be read it says who may. Returns -1. */
static int explain_rights(int cause, struct error *err)
{
    size_t used = err ? strlen(err->text) : 0;
    if (err && cause == EACCES)
        snprintf(err->text + used, sizeof(err->text) - used, "; its owner and its group may read it");
    return -1;
}

int directory_look(const char *path, struct directory *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    out->path = path;
    out->fd = open_folder(AT_FDCWD, path, path, err);
    if (out->fd >= 0)
        out->journal_fd = open_folder(out->fd, "journal", path, err);
    if (out->fd >= 0 && out->journal_fd >= 0)
        return 0;
    int cause = errno;
    directory_close(out);
    return explain_rights(cause, err);
}

int directory_look_as_owner(const char *path, const char *user, struct directory *out, struct error *err)
{
    if (directory_look(path, out, err) != 0)
        return -1;
    (void)umask(0777 & ~FOLDER_MODE);
    if (find_user(out, user, err) == 0)
        return 0;
    directory_close(out);
    return -1;
}

bool directory_is_in_use(const struct directory *directory, char process[24])
{
    int fd = openat(directory->fd, "lock", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    bool is_in_use = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ssize_t n = fd >= 0 ? pread(fd, process, 23, 0) : 0;
    process[n > 0 ? n : 0] = '\0';
    process[strspn(process, "0123456789")] = '\0';
    if (process[0] == '\0')
        memcpy(process, "?", 2);
    if (fd >= 0)
        close(fd);
    return is_in_use;
}

/* ---- settings ---- */

/* Returns 1, 0 = nothing is kept, or -1. */
static int read_size(const struct directory *d, uint64_t *out, struct error *err)
{
    char text[64];
    int fd = openat(d->fd, "settings", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : error_errno(err, "%s/settings", d->path);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n < 0)
        return error_errno(err, "%s/settings", d->path);
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (strncmp(text, "max-size ", 9) != 0 || parse_number(text + 9, SMALLEST, UINT64_MAX, out, NULL) != 0)
        return error_set(err, "%s/settings: expected \"max-size BYTES\"; --max-size writes it anew", d->path);
    return 1;
}

static int keep_size(const struct directory *d, uint64_t size, struct error *err)
{
    static const char new_name[] = "settings.new";
    char text[64];
    int len = snprintf(text, sizeof(text), "max-size %" PRIu64 "\n", size);
    int fd = open_file(d, new_name, O_WRONLY | O_TRUNC, err);
    if (fd < 0)
        return -1;
    bool is_written = write(fd, text, (size_t)len) == len && fsync(fd) == 0;
    if (!is_written || renameat(d->fd, new_name, d->fd, "settings") != 0) {
        error_errno(err, "%s/settings", d->path);
        close(fd);
        (void)unlinkat(d->fd, new_name, 0);
        return -1;
    }
    close(fd);
    return 0;
}

/* Of the disk as it is now. */
static int usual_of_disk(const struct directory *d, uint64_t *out, struct error *err)
{
    struct statvfs disk;
    if (fstatvfs(d->fd, &disk) != 0)
        return error_errno(err, "%s", d->path);
    uint64_t half = (uint64_t)disk.f_bavail * disk.f_frsize / 2;
    *out = half < usual_size ? half : usual_size;
    if (*out < SMALLEST)
        *out = SMALLEST;
    return 0;
}

int directory_look_size(const struct directory *directory, uint64_t *out, struct error *err)
{
    int result = read_size(directory, out, err);
    if (result != 0)
        return result < 0 ? -1 : 0;
    return usual_of_disk(directory, out, err);
}

int directory_max_size(const struct directory *directory, uint64_t told, uint64_t *out, struct error *err)
{
    uint64_t kept = 0;
    int result = told > 0 ? 0 : read_size(directory, &kept, err);
    *out = told > 0 ? told : kept;
    if (result != 0)
        return result < 0 ? -1 : 0;
    if (told == 0 && usual_of_disk(directory, out, err) != 0)
        return -1;
    return keep_size(directory, *out, err);
}
