/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/chain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"

static const char suffix[] = ".pcap.zst";

/* Files of numbers near the last one are not ours: with these the chain could not go on. */
static const uint64_t number_most = UINT64_C(8999999999);

enum { NUMBER_DIGITS = 10, TIME_LEN = 16 /* YYYYMMDDTHHMMSSZ */, NAME_LEN = NUMBER_DIGITS + 1 + TIME_LEN + 9 };

void journal_name(uint64_t number, int64_t time_us, char name[JOURNAL_NAME])
{
    time_t seconds = (time_t)(clock_clamp(time_us) / SECOND_US);
    struct tm at;
    char text[TIME_LEN + 1];
    gmtime_r(&seconds, &at);
    strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &at);
    snprintf(name, JOURNAL_NAME, "%010" PRIu64 "-%s%s", number, text, suffix);
}

/* Whether the name is one that journal_name() makes: strptime() takes more. */
static bool parse_name(const char *name, struct journal_file *out)
{
    char number[NUMBER_DIGITS + 1], again[JOURNAL_NAME];
    struct tm at = {0};
    if (strlen(name) != NAME_LEN || name[NUMBER_DIGITS] != '-' ||
        strcmp(name + NUMBER_DIGITS + 1 + TIME_LEN, suffix) != 0)
        return false;
    memcpy(number, name, NUMBER_DIGITS);
    number[NUMBER_DIGITS] = '\0';
    const char *end = strptime(name + NUMBER_DIGITS + 1, "%Y%m%dT%H%M%SZ", &at);
    if (parse_number(number, 1, UINT64_MAX, &out->number, NULL) != 0 || end != name + NAME_LEN - strlen(suffix))
        return false;
    out->time_us = (int64_t)timegm(&at) * SECOND_US;
    memcpy(out->name, name, NAME_LEN + 1);
    journal_name(out->number, out->time_us, again);
    return out->number <= number_most && strcmp(name, again) == 0;
}

/* Opens the folder anew, so that each listing has a place of its own. */
static DIR *open_folder(int folder, struct error *err)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        error_errno(err, "journal");
        if (fd >= 0)
            close(fd);
    }
    return dir;
}

/* 1: a file of the chain, 0: it is foreign, -1: it is neither, such as a folder's own entry. */
static int look_at(int folder, const char *name, struct journal_file *out)
{
    struct stat info;
    if (name[0] == '.')
        return -1;
    if (!parse_name(name, out) || fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode))
        return 0;
    out->bytes = (uint64_t)info.st_size;
    return 1;
}

static int by_number(const void *a, const void *b)
{
    const struct journal_file *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number ? 1 : strcmp(x->name, y->name);
}

/* Two of one number, as when somebody copied one: the first by name counts. */
static size_t drop_copies(struct journal_file *files, size_t count)
{
    size_t i, left = 0;
    for (i = 0; i < count; i++)
        if (left == 0 || files[left - 1].number != files[i].number)
            files[left++] = files[i];
    return left;
}

int journal_list(int folder, struct journal_file **files, size_t *count, size_t *foreign, struct error *err)
{
    size_t size = 0;
    struct dirent *entry;
    struct journal_file one;
    DIR *dir = open_folder(folder, err);
    *files = NULL;
    *count = *foreign = 0;
    if (!dir)
        return -1;
    while ((entry = readdir(dir))) {
        int found = look_at(folder, entry->d_name, &one);
        *foreign += found == 0;
        if (found != 1)
            continue;
        if (*count == size) {
            struct journal_file *grown = realloc(*files, (size = size ? 2 * size : 64) * sizeof(*grown));
            if (!grown) {
                free(*files);
                *files = NULL;
                closedir(dir);
                return error_set(err, "journal: out of memory");
            }
            *files = grown;
        }
        (*files)[(*count)++] = one;
    }
    closedir(dir);
    if (*count > 0)
        qsort(*files, *count, sizeof(**files), by_number);
    size_t all = *count;
    *count = drop_copies(*files, all);
    *foreign += all - *count;
    return 0;
}

int journal_find(int folder, uint64_t number, struct journal_file *out, struct error *err)
{
    struct dirent *entry;
    struct journal_file one;
    int result = 0;
    DIR *dir = open_folder(folder, err);
    if (!dir)
        return -1;
    while ((entry = readdir(dir)))
        if (look_at(folder, entry->d_name, &one) == 1 && one.number >= number &&
            (result == 0 || by_number(&one, out) < 0)) {
            *out = one;
            result = 1;
        }
    closedir(dir);
    return result;
}
