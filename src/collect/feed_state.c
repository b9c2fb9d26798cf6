/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/feed_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "feed/place.h"

#define ENDING ".state"

enum { TEXT = 1024, NUMBERS = 10, TOLD_MAX = 64 /* stores that there are or were */ };

void feed_state_publish(struct feed_board *board, const struct feed_state *state)
{
    atomic_store(&board->records, state->counts.records);
    atomic_store(&board->datagrams, state->counts.datagrams);
    atomic_store(&board->batches, state->counts.batches);
    atomic_store(&board->refused, state->counts.refused);
    atomic_store(&board->failures, state->failures);
    atomic_store(&board->expired, state->expired);
    atomic_store(&board->failing, state->is_failing);
    atomic_store(&board->read_s, state->read_us / SECOND_US);
}

/* The numbers of a file's second line, in their order. */
static void number_all(struct feed_state *s, uint64_t *failing, uint64_t *read_us, uint64_t *numbers[NUMBERS])
{
    uint64_t *const all[NUMBERS] = {&s->counts.records,
                                    &s->counts.datagrams,
                                    &s->counts.batches,
                                    &s->counts.refused,
                                    &s->failures,
                                    &s->expired,
                                    failing,
                                    &s->done.at.file,
                                    &s->done.at.offset,
                                    read_us};
    memcpy(numbers, all, sizeof(all));
}

void feed_state_write(const char *directory, const char *name, const char *kind, const struct feed_state *state)
{
    struct feed_state copy = *state;
    uint64_t failing = state->is_failing, read_us = (uint64_t)state->read_us, *numbers[NUMBERS];
    char path[512], fresh[520], text[TEXT];
    size_t i, len = (size_t)snprintf(text, sizeof(text), "%s\n", kind);
    number_all(&copy, &failing, &read_us, numbers);
    for (i = 0; i < NUMBERS; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%" PRIu64, i ? " " : "", *numbers[i]);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "\n%s\n", state->cause);
    if (snprintf(path, sizeof(path), "%s/" FEEDS_FOLDER "/%s" ENDING, directory, name) >= (int)sizeof(path))
        return;
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0)
        return;
    bool is_written = write(fd, text, len) == (ssize_t)len;
    if (close(fd) == 0 && is_written)
        (void)rename(fresh, path);
}

/* As names of stores and kinds are; they stand in JSON and on terminals. */
static bool is_word(const char *text)
{
    return *text && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_")] == '\0';
}

/* Returns whether it is one. */
static bool take_text(char *text, struct feed_told *out)
{
    uint64_t failing = 0, read_us = 0, *numbers[NUMBERS];
    char *next = text;
    const char *kind = strsep(&next, "\n");
    char *line = strsep(&next, "\n");
    const char *cause = strsep(&next, "\n");
    size_t i;
    if (!kind || !line || !cause || !is_word(kind))
        return false;
    snprintf(out->kind, sizeof(out->kind), "%s", kind);
    snprintf(out->state.cause, sizeof(out->state.cause), "%s", cause);
    for (char *c = out->state.cause; *c; c++)
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
    number_all(&out->state, &failing, &read_us, numbers);
    for (i = 0; i < NUMBERS; i++) {
        const char *number = strsep(&line, " ");
        if (!number || parse_number(number, 0, UINT64_MAX, numbers[i], NULL) != 0)
            return false;
    }
    out->state.is_failing = failing != 0;
    out->state.read_us = (int64_t)read_us;
    return true;
}

static bool read_one(int folder, const char *file, struct feed_told *out)
{
    char text[TEXT + 1];
    size_t len = strlen(file), ending = strlen(ENDING);
    memset(out, 0, sizeof(*out));
    if (len <= ending || strcmp(file + len - ending, ENDING) != 0 || len - ending >= sizeof(out->name))
        return false;
    memcpy(out->name, file, len - ending);
    int fd = openat(folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, TEXT) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 && is_word(out->name) && take_text(text, out);
}

static bool is_among(const char *file, const struct feed_spec *feeds, size_t count)
{
    size_t i, len;
    for (i = 0; i < count; i++) {
        len = strlen(feeds[i].name);
        if (strncmp(file, feeds[i].name, len) == 0 && strcmp(file + len, ENDING) == 0)
            return true;
    }
    return false;
}

void feed_state_keep(const char *directory, const struct feed_spec *feeds, size_t count)
{
    char path[512];
    struct dirent *entry;
    snprintf(path, sizeof(path), "%.400s/" FEEDS_FOLDER, directory);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        size_t len = strlen(entry->d_name), ending = strlen(ENDING);
        if (len > ending && strcmp(entry->d_name + len - ending, ENDING) == 0 && !is_among(entry->d_name, feeds, count))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct feed_told *)a)->name, ((const struct feed_told *)b)->name);
}

size_t feed_state_read(const char *directory, struct feed_told **out)
{
    char path[512];
    struct dirent *entry;
    size_t count = 0;
    snprintf(path, sizeof(path), "%.400s/" FEEDS_FOLDER, directory);
    DIR *dir = opendir(path);
    *out = calloc(TOLD_MAX, sizeof(**out));
    while (dir && *out && count < TOLD_MAX && (entry = readdir(dir)))
        count += read_one(dirfd(dir), entry->d_name, &(*out)[count]);
    if (dir)
        closedir(dir);
    if (count > 0)
        qsort(*out, count, sizeof(**out), by_name);
    return count;
}

/* Numbers beyond are of nobody: with these the journal could not go on. */
static void raise_to(const struct feed_point *point, struct database_position *known)
{
    const uint64_t file_most = UINT64_C(8000000000), block_most = UINT64_C(1) << 60;
    if (point->at.file > file_most || point->block > block_most)
        return;
    if (point->at.file > known->at.file)
        known->at.file = point->at.file;
    if (point->block > known->block)
        known->block = point->block;
}

void feed_state_raise(const char *directory, struct database_position *known)
{
    char path[512];
    struct feed_place place;
    struct dirent *entry;
    snprintf(path, sizeof(path), "%.400s/" FEEDS_FOLDER, directory);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        if (!is_word(entry->d_name) || snprintf(path, sizeof(path), "%.400s/" FEEDS_FOLDER "/%.60s", directory,
                                                entry->d_name) >= (int)sizeof(path))
            continue;
        if (place_look(path, &place)) {
            raise_to(&place.done, known);
            raise_to(&place.wanted, known);
        }
    }
    if (dir)
        closedir(dir);
}
