/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/place.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/options.h"

enum { TEXT = 1024 };

static const char head[] = "dnsflow place 1";

/* The numbers of the file's lines, in their order. */
enum {
    INSTANCE,
    DONE_FILE,
    DONE_OFFSET,
    DONE_BLOCK,
    DONE_DATAGRAMS,
    WANTED_FILE,
    WANTED_OFFSET,
    WANTED_BLOCK,
    WANTED_DATAGRAMS,
    NUMBERS
};

static const char *const words[NUMBERS] = {"instance",      "done file",      "done offset",
                                           "done block",    "done datagrams", "wanted file",
                                           "wanted offset", "wanted block",   "wanted datagrams"};

static void number_places(struct feed_place *place, uint64_t *numbers[NUMBERS])
{
    numbers[INSTANCE] = &place->instance;
    numbers[DONE_FILE] = &place->done.at.file;
    numbers[DONE_OFFSET] = &place->done.at.offset;
    numbers[DONE_BLOCK] = &place->done.block;
    numbers[DONE_DATAGRAMS] = &place->done.datagrams;
    numbers[WANTED_FILE] = &place->wanted.at.file;
    numbers[WANTED_OFFSET] = &place->wanted.at.offset;
    numbers[WANTED_BLOCK] = &place->wanted.block;
    numbers[WANTED_DATAGRAMS] = &place->wanted.datagrams;
}

/* Returns 0, or -1: this is none. */
static int take_text(struct feed_place *place, char *text)
{
    uint64_t *numbers[NUMBERS];
    char *next = text;
    const char *line = strsep(&next, "\n");
    size_t i;
    number_places(place, numbers);
    if (!line || strcmp(line, head) != 0)
        return -1;
    for (i = 0; i < NUMBERS; i++) {
        size_t len = strlen(words[i]);
        line = strsep(&next, "\n");
        if (!line || strncmp(line, words[i], len) != 0 || line[len] != ' ' ||
            parse_number(line + len + 1, 0, UINT64_MAX, numbers[i], NULL) != 0)
            return -1;
    }
    line = strsep(&next, "\n");
    if (!line || strncmp(line, "note ", 5) != 0 || !next || *next)
        return -1;
    snprintf(place->note, sizeof(place->note), "%s", line + 5);
    return 0;
}

int place_begin(struct feed_place *place, struct error *err)
{
    place->done = place->wanted = (struct feed_point){.block = 0};
    place->note[0] = '\0';
    if (getrandom(&place->instance, sizeof(place->instance), 0) != (ssize_t)sizeof(place->instance))
        return error_errno(err, "getrandom");
    return place_save(place, err);
}

int place_open(struct feed_place *place, const char *path, struct error *err)
{
    char text[TEXT + 1];
    memset(place, 0, sizeof(*place));
    if (snprintf(place->path, sizeof(place->path), "%s", path) >= (int)sizeof(place->path))
        return error_set(err, "%.200s: the path is too long", path);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); /* whatever it is, it is not waited for */
    if (fd < 0 && errno == ENOENT)
        return place_begin(place, err);
    ssize_t len = fd >= 0 ? read(fd, text, TEXT) : -1;
    int cause = errno;
    if (fd >= 0)
        close(fd);
    errno = cause;
    if (len < 0)
        return error_errno(err, "%s", path);
    text[len] = '\0';
    return take_text(place, text) == 0
               ? 0
               : error_set(err, "%s: is damaged; removed, the store begins with the oldest of the journal", path);
}

bool place_look(const char *path, struct feed_place *out)
{
    char text[TEXT + 1];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, TEXT) : -1;
    if (fd >= 0)
        close(fd);
    memset(out, 0, sizeof(*out));
    text[len > 0 ? len : 0] = '\0';
    return len > 0 && take_text(out, text) == 0;
}

static int write_all(int fd, const char *text, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = write(fd, text + done, len - done);
        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
    }
    return fdatasync(fd);
}

/* The folder too, so that the new name stays. */
static int sync_folder(const char *path)
{
    char folder[512];
    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd >= 0 ? fsync(fd) : -1;
    if (fd >= 0)
        close(fd);
    return result;
}

int place_save(const struct feed_place *place, struct error *err)
{
    struct feed_place copy = *place;
    uint64_t *numbers[NUMBERS];
    char text[TEXT], path[sizeof(place->path) + 4];
    size_t i, len = (size_t)snprintf(text, sizeof(text), "%s\n", head);
    number_places(&copy, numbers);
    for (i = 0; i < NUMBERS; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %" PRIu64 "\n", words[i], *numbers[i]);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "note %s\n", place->note);
    snprintf(path, sizeof(path), "%s.new", place->path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
    int result = fd >= 0 && len < sizeof(text) ? write_all(fd, text, len) : -1;
    if (fd >= 0 && close(fd) != 0)
        result = -1;
    if (result != 0 || rename(path, place->path) != 0 || sync_folder(place->path) != 0)
        return error_errno(err, "%s", place->path);
    return 0;
}
