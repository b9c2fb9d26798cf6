/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/swap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"

enum { MODE = 0640, NUMBER_MAX = 9999, NAME = 64 };

static const char ready[] = "ready", new_ready[] = "ready.new";

/* What SQLite has beside a database; the database itself last. */
static const char *const parts[] = {"-wal", "-shm", "-journal", ""};

enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

static bool exists(int at, const char *name)
{
    return faccessat(at, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_folder(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* ---- that it is whole ---- */

/* The least number of which nothing is there. */
static unsigned find_number(int directory)
{
    char lookups[NAME], database[NAME];
    unsigned n = 0;
    do {
        snprintf(lookups, sizeof(lookups), "lookups.old-%u", ++n);
        snprintf(database, sizeof(database), "dnsflow.db.old-%u", n);
    } while (n < NUMBER_MAX && (exists(directory, lookups) || exists(directory, database)));
    return n;
}

static int write_ready(int folder, unsigned number)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%u\n", number);
    int fd = openat(folder, new_ready, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, MODE);
    bool is_good = fd >= 0 && write(fd, text, (size_t)len) == len && fsync(fd) == 0 && fsync(folder) == 0 &&
                   renameat(folder, new_ready, folder, ready) == 0 && fsync(folder) == 0;
    if (fd >= 0)
        close(fd);
    return is_good ? 0 : -1;
}

int swap_declare(int directory, struct error *err)
{
    int folder = open_folder(directory, SWAP_FOLDER);
    int result = folder >= 0 ? write_ready(folder, find_number(directory)) : -1;
    if (result != 0)
        error_errno(err, SWAP_FOLDER);
    if (folder >= 0)
        close(folder);
    return result;
}

/* 1, with the number; 0: it is not whole; -1: it cannot be read. */
static int read_ready(int folder, unsigned *number, struct error *err)
{
    char text[16];
    uint64_t value;
    int fd = openat(folder, ready, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : error_errno(err, SWAP_FOLDER "/%s", ready);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (n < 0 || parse_number(text, 1, NUMBER_MAX, &value, NULL) != 0)
        return error_set(
            err, SWAP_FOLDER "/%s: expected a number; where that file is removed, so is what was made anew", ready);
    *number = (unsigned)value;
    return 1;
}

/* ---- removing ---- */

/* Files that are ours: databases, and what SQLite has beside them. */
static bool is_ours(const char *name)
{
    const char *end = strstr(name, ".db");
    size_t i;
    for (i = 0; end && i < PARTS; i++)
        if (strcmp(end + 3, parts[i]) == 0)
            return true;
    return false;
}

/* A folder of partitions; one that holds other things stays, with these. */
static void remove_lookups(int at, const char *name)
{
    struct dirent *entry;
    int fd = open_folder(at, name);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    while (dir && (entry = readdir(dir)))
        if (is_ours(entry->d_name))
            (void)unlinkat(fd, entry->d_name, 0);
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    if (unlinkat(at, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        log_line("warning: %s stays, as it holds other things", name);
}

static void remove_database(int at, const char *name)
{
    char part[NAME];
    size_t i;
    for (i = 0; i < PARTS; i++) {
        snprintf(part, sizeof(part), "%s%s", name, parts[i]);
        (void)unlinkat(at, part, 0);
    }
}

/* The folder, with what is left in it; the file that says that it is whole goes last. */
static int remove_made(int directory, int folder, struct error *err)
{
    if (exists(folder, "lookups"))
        remove_lookups(folder, "lookups");
    remove_database(folder, "dnsflow.db");
    (void)unlinkat(folder, new_ready, 0);
    (void)unlinkat(folder, ready, 0);
    if (unlinkat(directory, SWAP_FOLDER, AT_REMOVEDIR) != 0)
        log_line("warning: %s stays, as it holds other things", SWAP_FOLDER);
    return fsync(directory) == 0 ? 0 : error_errno(err, SWAP_FOLDER);
}

/* ---- the renames ---- */

/* What is there under the name goes to its old name, as long as the new one is still to come. */
static int put_aside(int directory, const char *name, unsigned number, const char *part, struct error *err)
{
    char from[NAME], to[NAME];
    snprintf(from, sizeof(from), "%s%s", name, part);
    snprintf(to, sizeof(to), "%s.old-%u%s", name, number, part);
    if (renameat(directory, from, directory, to) != 0 && errno != ENOENT)
        return error_errno(err, "%s: cannot become %s", from, to);
    return 0;
}

static int put_in_place(int directory, int folder, const char *name, struct error *err)
{
    if (renameat(folder, name, directory, name) != 0)
        return error_errno(err, SWAP_FOLDER "/%s", name);
    return fsync(directory) == 0 && fsync(folder) == 0 ? 0 : error_errno(err, "%s", name);
}

static int complete(int directory, int folder, unsigned number, struct error *err)
{
    char lookups[NAME], database[NAME];
    size_t i;
    if (exists(folder, "lookups") &&
        (put_aside(directory, "lookups", number, "", err) != 0 || put_in_place(directory, folder, "lookups", err) != 0))
        return -1;
    if (exists(folder, "dnsflow.db")) {
        for (i = 0; i < PARTS; i++)
            if (put_aside(directory, "dnsflow.db", number, parts[i], err) != 0)
                return -1;
        if (put_in_place(directory, folder, "dnsflow.db", err) != 0)
            return -1;
    }
    snprintf(lookups, sizeof(lookups), "lookups.old-%u", number);
    snprintf(database, sizeof(database), "dnsflow.db.old-%u", number);
    if (exists(directory, lookups))
        remove_lookups(directory, lookups);
    remove_database(directory, database);
    return remove_made(directory, folder, err);
}

int swap_settle(int directory, struct error *err)
{
    unsigned number = 0;
    int folder = open_folder(directory, SWAP_FOLDER);
    if (folder < 0)
        return errno == ENOENT ? 0 : error_errno(err, SWAP_FOLDER);
    int result = read_ready(folder, &number, err);
    if (result == 0)
        result = remove_made(directory, folder, err);
    else if (result == 1)
        result = complete(directory, folder, number, err);
    close(folder);
    return result;
}
