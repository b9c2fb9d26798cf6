/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/file_names.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SAME_MAX = 10000, SAME_DIGITS = 4 /* files of one time, and digits that tell them apart */ };

static const struct {
    const char *ending;
    enum file_content content;
    bool is_packed;
} endings[] = {{".pcap", FILE_PCAP, false},      {".pcap.zst", FILE_PCAP, true}, {".ndjson", FILE_JSON, false},
               {".ndjson.zst", FILE_JSON, true}, {".csv", FILE_CSV, false},      {".csv.zst", FILE_CSV, true}};

enum { ENDINGS = sizeof(endings) / sizeof(endings[0]) };

/* ---- the pattern ---- */

/* Up to the last slash before the first '%'. */
static void cut_folder(const char *pattern, char folder[FILE_PATH])
{
    size_t len = strcspn(pattern, "%");
    while (len > 0 && pattern[len - 1] != '/')
        len--;
    snprintf(folder, FILE_PATH, "%.*s", (int)(len > 1 ? len - 1 : len), pattern);
    if (len == 0)
        snprintf(folder, FILE_PATH, ".");
}

static bool take_ending(struct file_names *names, size_t len)
{
    size_t i;
    for (i = 0; i < ENDINGS; i++) {
        size_t n = strlen(endings[i].ending);
        if (len <= n || strcmp(names->pattern + len - n, endings[i].ending) != 0)
            continue;
        names->ending = endings[i].ending;
        names->content = endings[i].content;
        names->is_packed = endings[i].is_packed;
        names->pattern[len - n] = '\0';
        return true;
    }
    return false;
}

/* The name for a time, without its ending; empty: it does not fit. */
static void name_of(const struct file_names *names, int64_t time_s, char out[FILE_PATH])
{
    time_t t = (time_t)time_s;
    struct tm tm;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* it is the user's */
    if (!gmtime_r(&t, &tm) || strftime(out, FILE_PATH, names->pattern, &tm) == 0)
        out[0] = '\0';
#pragma GCC diagnostic pop
}

void file_names_folder(const struct feed_spec *spec, char folder[FILE_PATH])
{
    const char *path = feed_option(spec, "path", 0);
    cut_folder(path ? path : "", folder);
}

/* Whether the end of a name is the ending, or a number that tells files of one time apart, and that. */
static bool is_ending(const struct file_names *names, const char *rest)
{
    if (*rest == '-' && rest[1] != '0') {
        size_t digits = strspn(rest + 1, "0123456789");
        rest += digits > 0 && digits <= SAME_DIGITS ? 1 + digits : 0;
    }
    return strcmp(rest, names->ending) == 0;
}

bool file_names_is_of(const struct file_names *names, int64_t time_s, const char *final)
{
    char name[FILE_PATH];
    name_of(names, time_s, name);
    size_t len = strlen(name);
    return len > 0 && strncmp(final, name, len) == 0 && is_ending(names, final + len);
}

/* The time in the name of a file, if it is one of these. */
static bool is_ours(const struct file_names *names, const char *path, int64_t *time_s)
{
    struct tm tm = {.tm_mday = 1, .tm_year = 70};
    const char *rest = strptime(path, names->pattern, &tm);
    if (!rest || !is_ending(names, rest))
        return false;
    *time_s = (int64_t)timegm(&tm);
    return file_names_is_of(names, *time_s, path);
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

int file_names_parse(const struct feed_spec *spec, struct file_names *out, struct error *err)
{
    const char *path = feed_option(spec, "path", 0);
    char now[FILE_PATH], later[FILE_PATH + 16];
    int64_t time_s;
    memset(out, 0, sizeof(*out));
    if (!path)
        return error_set(err, "expected path=PATTERN, such as path=/srv/dns/%%Y%%m%%d/%%H%%M.pcap.zst");
    if (feed_size(spec, "max-size", 0, &out->max_size, err) != 0 ||
        feed_span(spec, "max-age", 0, &out->max_age_s, err) != 0)
        return -1;
    if (snprintf(out->pattern, sizeof(out->pattern), "%s", path) >= (int)sizeof(out->pattern) - 40)
        return error_set(err, "path=: is too long");
    cut_folder(path, out->folder);
    if (!take_ending(out, strlen(path)))
        return error_set(err, "path=%.200s: expected it to end with .pcap, .ndjson or .csv, and .zst for compression",
                         path);
    name_of(out, 0, now);
    name_of(out, 400 * 86400 + 86399, later);
    if (!now[0] || !later[0] || strcmp(now, later) == 0)
        return error_set(err, "path=%.200s: expected a time in it, such as %%Y%%m%%d-%%H%%M", path);
    if (has_control(now))
        return error_set(err, "path=: expected no control characters in it");
    snprintf(later + strlen(later), sizeof(later) - strlen(later), "%s", out->ending);
    if ((out->max_size > 0 || out->max_age_s > 0) && !is_ours(out, later, &time_s))
        return error_set(err, "path=%.200s: expected with max-size and max-age a time as %%Y%%m%%d-%%H%%M has it",
                         path);
    return 0;
}

/* ---- making ---- */

static int make_folders(const char *path, struct error *err)
{
    char folder[FILE_PATH];
    char *slash = folder;
    snprintf(folder, sizeof(folder), "%s", path);
    while ((slash = strchr(slash + 1, '/'))) {
        *slash = '\0';
        if (mkdir(folder, 0750) != 0 && errno != EEXIST)
            return error_errno(err, "%s", folder);
        *slash = '/';
    }
    return 0;
}

/* The n-th of one time. Returns 0, or -1. */
static int number_name(const struct file_names *names, const char *name, int n, char final[FILE_PATH],
                       struct error *err)
{
    int len = n == 0 ? snprintf(final, FILE_PATH, "%s%s", name, names->ending)
                     : snprintf(final, FILE_PATH, "%s-%d%s", name, n, names->ending);
    return len < FILE_PATH ? 0 : error_set(err, "%s: the path is too long", name);
}

static int refuse_more(const char *name, struct error *err)
{
    return error_set(err, "%s: has more than %d files of that name", name, SAME_MAX);
}

int file_names_begin(const struct file_names *names, int64_t time_s, char final[FILE_PATH], char part[FILE_PATH + 8],
                     struct error *err)
{
    char name[FILE_PATH];
    int i, fd = -1;
    name_of(names, time_s, name);
    if (!name[0])
        return error_set(err, "%s: no name for this time", names->pattern);
    if (make_folders(name, err) != 0)
        return -1;
    for (i = 0; fd < 0 && i < SAME_MAX; i++) {
        if (number_name(names, name, i, final, err) != 0)
            return -1;
        snprintf(part, FILE_PATH + 8, "%s" FILE_PART, final);
        if (access(final, F_OK) == 0)
            continue;
        fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
        if (fd < 0 && errno != EEXIST)
            return error_errno(err, "%s", part);
    }
    return fd >= 0 ? fd : refuse_more(name, err);
}

/* What stands before the number in a name. */
static void cut_number(const struct file_names *names, const char *final, char name[FILE_PATH])
{
    int64_t time_s;
    if (is_ours(names, final, &time_s)) {
        name_of(names, time_s, name);
        return;
    }
    size_t len = strlen(final), ending = strlen(names->ending);
    snprintf(name, FILE_PATH, "%.*s", (int)(len > ending ? len - ending : len), final);
}

int file_names_publish(const struct file_names *names, const char *part, char final[FILE_PATH], struct error *err)
{
    char folder[FILE_PATH], name[FILE_PATH];
    int i = 0, result;
    cut_number(names, final, name);
    while ((result = renameat2(AT_FDCWD, part, AT_FDCWD, final, RENAME_NOREPLACE)) != 0 && errno == EEXIST &&
           ++i < SAME_MAX)
        if (number_name(names, name, i, final, err) != 0)
            return -1;
    if (result != 0)
        return i < SAME_MAX ? error_errno(err, "%s", final) : refuse_more(name, err);
    snprintf(folder, sizeof(folder), "%s", final);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        (void)error_errno(err, "%s", folder);
    if (fd >= 0)
        close(fd);
    return 0;
}

/* ---- bounds ---- */

enum { YEAR_S = 366 * 86400 };

struct kept_file {
    char *path;
    int64_t time_s;
    uint64_t bytes;
};

struct kept_files {
    struct kept_file *list;
    size_t count;
    uint64_t bytes;
};

static int by_time(const void *a, const void *b)
{
    const struct kept_file *x = a, *y = b;
    size_t x_len = strlen(x->path), y_len = strlen(y->path); /* the number is longer where there are more */
    if (x->time_s != y->time_s)
        return x->time_s < y->time_s ? -1 : 1;
    return x_len != y_len ? (x_len < y_len ? -1 : 1) : strcmp(x->path, y->path);
}

static int add(struct kept_files *all, const char *path, int64_t time_s, uint64_t bytes, struct error *err)
{
    if ((all->count & (all->count - 1)) == 0) {
        struct kept_file *list = realloc(all->list, (all->count > 0 ? 2 * all->count : 1) * sizeof(*list));
        if (!list)
            return error_set(err, "out of memory");
        all->list = list;
    }
    char *copy = strdup(path);
    if (!copy)
        return error_set(err, "out of memory");
    all->list[all->count++] = (struct kept_file){copy, time_s, bytes};
    all->bytes += bytes;
    return 0;
}

static int list_files(const struct file_names *names, struct kept_files *all, struct error *err)
{
    char folder[FILE_PATH];
    char *const roots[] = {folder, NULL};
    int64_t time_s;
    int result = 0;
    FTSENT *entry;
    snprintf(folder, sizeof(folder), "%s", names->folder);
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk)
        return error_errno(err, "%s", folder);
    while (result == 0 && (entry = fts_read(walk))) {
        const char *path = entry->fts_path;
        if (strncmp(path, "./", 2) == 0 && strncmp(names->pattern, "./", 2) != 0)
            path += 2;
        if (entry->fts_info != FTS_F || !is_ours(names, path, &time_s))
            continue;
        if (time_s < YEAR_S) /* there is no year in the name */
            time_s = (int64_t)entry->fts_statp->st_mtime;
        result = add(all, path, time_s, (uint64_t)entry->fts_statp->st_size, err);
    }
    fts_close(walk);
    return result;
}

/* A folder that is empty then goes, too, up to the one that does not change. */
static void remove_folders(const struct file_names *names, char *path)
{
    char *slash;
    while ((slash = strrchr(path, '/')) && slash != path) {
        *slash = '\0';
        if (strlen(path) <= strlen(names->folder) || rmdir(path) != 0)
            break;
    }
}

int file_names_bound(const struct file_names *names, int64_t now_s, struct error *err)
{
    struct kept_files all = {.count = 0};
    size_t i;
    if (names->max_size == 0 && names->max_age_s == 0)
        return 0;
    int result = list_files(names, &all, err);
    if (result == 0 && all.count > 0)
        qsort(all.list, all.count, sizeof(*all.list), by_time);
    for (i = 0; i < all.count; i++) {
        struct kept_file *file = &all.list[i];
        bool is_old = names->max_age_s > 0 && file->time_s < now_s - (int64_t)names->max_age_s;
        bool is_much = names->max_size > 0 && all.bytes > names->max_size && i + 1 < all.count;
        if (result == 0 && (is_old || is_much)) {
            all.bytes -= file->bytes;
            if (unlink(file->path) != 0 && errno != ENOENT)
                result = error_errno(err, "%s", file->path);
            remove_folders(names, file->path);
        }
        free(file->path);
    }
    free(all.list);
    return result;
}
