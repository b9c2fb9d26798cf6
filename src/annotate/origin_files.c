/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lookups of datagrams, read along with the flows: as far as their time, and a moment more. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "annotate/origin.h"
#include "base/clock.h"
#include "base/log.h"
#include "journal/capture_file.h"
#include "receive/intake.h"
#include "record/name.h"

enum { LATE_US = 5 * SECOND_US /* a record comes no more behind its time */ };

struct files {
    char **paths;
    size_t count, at;
    struct capture *capture; /* of paths[at]; NULL: it is not open */
    struct intake intake;
    struct lookups *lookups; /* while it is read */
    int64_t read_us;         /* of the last datagram */
    bool is_out_of_memory, is_broken;
    atomic_bool stop;
};

static const uint8_t *last_name(struct name_walk *walk, uint8_t wire[NAME_WIRE])
{
    bool has_any = false;
    while (name_next(walk, wire) > 0)
        has_any = true;
    return has_any && !walk->has_skipped ? wire : NULL;
}

static void take_record(void *context, const struct received *from, const struct dnsflow_record *record)
{
    struct files *f = context;
    struct name_walk walk = name_walk_over(record);
    uint8_t name[NAME_WIRE], via[NAME_WIRE];
    size_t i, client_len = record->ip_vers == 6 ? 16 : 4;
    if (record->ip4s_count + record->ip6s_count == 0 || name_next(&walk, name) == 0)
        return;
    int64_t time_us = received_record_time(from, record);
    struct lookup lookup = {.client = record->client,
                            .client_len = client_len,
                            .name = name,
                            .via = last_name(&walk, via),
                            .first_us = time_us,
                            .last_us = time_us,
                            .count = 1,
                            .ttl = from->datagram.has_trailer ? record->min_ttl : LOOKUPS_TTL_UNKNOWN};
    for (i = 0; i < record->ip4s_count + record->ip6s_count && !f->is_out_of_memory; i++) {
        bool is_ip4 = i < record->ip4s_count;
        lookup.address = is_ip4 ? record->ip4s + 4 * i : record->ip6s + 16 * (i - record->ip4s_count);
        lookup.address_len = is_ip4 ? 4 : 16;
        f->is_out_of_memory = lookups_add(f->lookups, &lookup) != 0;
    }
}

static void take_datagram(void *context, const struct received *from, const struct source *source)
{
    struct files *f = context;
    (void)source;
    f->read_us = from->time_us;
}

static void pass_malformed(void *context, const struct source *source, int result)
{
    (void)context;
    (void)source;
    (void)result;
}

/* ---- files ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_path(struct files *f, const char *folder, const char *name)
{
    char **longer = realloc(f->paths, (f->count + 1) * sizeof(*longer));
    if (!longer)
        return -1;
    f->paths = longer;
    if (asprintf(&f->paths[f->count], "%s%s%s", folder, *folder ? "/" : "", name) < 0)
        return -1;
    f->count++;
    return 0;
}

/* The files of a journal in the folder, whose names are in the order of their time. */
static int add_folder(struct files *f, const char *path, struct error *err)
{
    size_t from = f->count;
    const struct dirent *entry;
    int result = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return error_errno(err, "%s", path);
    while (result == 0 && (entry = readdir(folder))) {
        size_t len = strlen(entry->d_name), end = sizeof(".pcap.zst") - 1;
        if (len > end && strcmp(entry->d_name + len - end, ".pcap.zst") == 0)
            result = add_path(f, path, entry->d_name);
    }
    closedir(folder);
    if (result != 0)
        return error_set(err, "out of memory");
    if (f->count == from)
        return error_set(err, "%s: there are no files of a journal in it; for what is kept take --directory", path);
    qsort(f->paths + from, f->count - from, sizeof(*f->paths), by_name);
    return 0;
}

static int open_next(struct files *f, struct error *err)
{
    const char *path = f->paths[f->at];
    sources_resume(f->intake.sources);
    if (strcmp(path, "-") != 0 && journal_is_file(path))
        return journal_open_capture(path, &f->capture, err);
    return capture_open_file(path, &f->stop, &f->capture, err);
}

static void end_file(struct files *f, const struct error *why)
{
    if (why) {
        log_line("error: %s", why->text);
        f->is_broken = true;
    }
    capture_close(f->capture);
    f->capture = NULL;
    f->at++;
}

/* Some packets more. Files that are broken give what stands before the damage. */
static void read_on(struct files *f)
{
    struct packet packets[CAPTURE_BATCH];
    struct error why;
    int i;
    if (!f->capture && open_next(f, &why) != 0) {
        end_file(f, &why);
        return;
    }
    int count = capture_borrow(f->capture, packets, CAPTURE_BATCH, &why);
    for (i = 0; i < count; i++) {
        packets[i].time_us = clock_clamp(packets[i].time_us);
        intake_packet(&f->intake, &packets[i]);
    }
    if (count < 0)
        end_file(f, count == CAPTURE_FAILED ? &why : NULL);
}

static int prepare(void *self, struct lookups *lookups, const struct seen_flow *flows, size_t count, struct error *err)
{
    struct files *f = self;
    int64_t until = INT64_MIN;
    size_t i;
    for (i = 0; i < count; i++)
        until = flows[i].time_us > until ? flows[i].time_us : until;
    f->lookups = lookups;
    while (f->at < f->count && !f->is_out_of_memory && f->read_us - LATE_US - LOOKUPS_SKEW_US <= until)
        read_on(f);
    return f->is_out_of_memory ? error_set(err, "out of memory") : 0;
}

static void close_files(void *self)
{
    struct files *f = self;
    size_t i;
    capture_close(f->capture);
    intake_close(&f->intake);
    for (i = 0; i < f->count; i++)
        free(f->paths[i]);
    free(f->paths);
    free(f);
}

int origin_open_files(const char *const *paths, size_t count, struct origin *out, struct error *err)
{
    struct files *f = calloc(1, sizeof(*f));
    struct stat info;
    size_t i;
    int result = 0;
    if (!f)
        return error_set(err, "out of memory");
    const struct intake_options options = {.only_once = true,
                                           .in_order = true,
                                           .whose = SOURCE_IS_STREAM,
                                           .calls = {f, take_datagram, take_record, pass_malformed}};
    if (intake_open(&f->intake, &options, err) != 0)
        result = -1;
    for (i = 0; result == 0 && i < count; i++) {
        if (stat(paths[i], &info) == 0 && S_ISDIR(info.st_mode))
            result = add_folder(f, paths[i], err);
        else if (add_path(f, "", paths[i]) != 0)
            result = error_set(err, "out of memory");
    }
    if (result == 0) /* what cannot be opened at all is told before anything is written */
        result = open_next(f, err);
    if (result != 0) {
        close_files(f);
        return -1;
    }
    *out = (struct origin){f, prepare, close_files};
    return 0;
}

uint64_t origin_datagrams(const struct origin *origin)
{
    return ((const struct files *)origin->self)->intake.datagrams;
}

bool origin_is_broken(const struct origin *origin)
{
    return ((const struct files *)origin->self)->is_broken;
}

void origin_close(struct origin *origin)
{
    if (origin->close)
        origin->close(origin->self);
    *origin = (struct origin){NULL, NULL, NULL};
}
