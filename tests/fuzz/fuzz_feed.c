/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What stores beside the embedded one read: the first byte says which. A place's file, --store with its values, and
 * rows of a ClickHouse server, which may be anything. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "feed/feed.h"
#include "feed/file_names.h"
#include "feed/rowbinary.h"
#include "tests/fuzz/fuzz.h"

#ifdef HAVE_LIBCURL
#include "feed/ch_fill.h"
#include "store/schema.h"
#endif

static char folder[100];

static void remove_folder(void)
{
    static const char *const made[] = {"place", "place.new"};
    char path[120];
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, made[i]);
        (void)unlink(path);
    }
    snprintf(path, sizeof(path), "%s/lookups", folder);
    (void)rmdir(path);
    (void)rmdir(folder);
}

static const char *folder_of_its_own(void)
{
    const char *dir = getenv("TMPDIR");
    if (!folder[0]) {
        require(snprintf(folder, sizeof(folder), "%s/dnsflow-fuzz-XXXXXX", dir ? dir : "/tmp") < (int)sizeof(folder));
        require(mkdtemp(folder) && atexit(remove_folder) == 0);
    }
    return folder;
}

/* ---- a place ---- */

/* What is taken is written as it was. */
static void look_at_place(const uint8_t *data, size_t size)
{
    struct feed_place place, again;
    struct error why = {""};
    char path[120];
    snprintf(path, sizeof(path), "%s/place", folder_of_its_own());
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
    if (place_open(&place, path, &why) != 0) {
        require(strstr(why.text, "is damaged"));
        return;
    }
    require(place_save(&place, &why) == 0 && place_open(&again, path, &why) == 0);
    require(again.instance == place.instance && strcmp(again.note, place.note) == 0);
    require(again.done.block == place.done.block && again.wanted.at.offset == place.wanted.at.offset);
}

/* ---- options ---- */

static void look_at_files(const struct feed_spec *spec)
{
    struct file_names names;
    struct error why = {""};
    if (file_names_parse(spec, &names, &why) != 0) {
        require(why.text[0] != '\0');
        return;
    }
    require(names.ending && strlen(names.folder) > 0);
    (void)file_names_is_of(&names, 1790000000, names.pattern);
}

static void look_at_spec(const uint8_t *data, size_t size)
{
    struct feed_spec spec;
    struct error why = {""};
    char *text = strndup((const char *)data, size);
    if (feed_parse(text, &spec, &why) != 0) {
        require(why.text[0] != '\0');
    } else {
        require(spec.kind && spec.name[0] && strlen(spec.name) < FEED_NAME);
        if (spec.kind == &feed_file)
            look_at_files(&spec);
#ifdef HAVE_LIBCURL
        else if (spec.kind == &feed_clickhouse && !feed_option(&spec, "password-file", 0) && /* which may be any */
                 spec.kind->check(&spec, &why) != 0)
            require(why.text[0] != '\0');
#endif
    }
    feed_spec_free(&spec);
    free(text);
}

/* ---- rows ---- */

static void look_at_strings(const uint8_t *data, size_t size)
{
    struct rowbinary_reader rows = {data, data + size, false};
    while (rows.at < rows.end && !rows.failed) {
        size_t len;
        const uint8_t *text = rowbinary_read_string(&rows, &len);
        require(text ? text >= data && len <= size && text + len <= data + size : len == 0 && rows.failed);
    }
}

#ifdef HAVE_LIBCURL

/* An empty one in memory, which is a copy, as making the tables takes long. */
static sqlite3 *database_of_its_own(void)
{
    static sqlite3 *empty;
    sqlite3 *db;
    struct error why = {""};
    if (!empty)
        require(sql_open(":memory:", SQL_WRITE, &empty, &why) == 0 && schema_bring(empty, &why) == 0);
    require(sqlite3_open(":memory:", &db) == SQLITE_OK);
    sqlite3_backup *copy = sqlite3_backup_init(db, "main", empty, "main");
    require(copy && sqlite3_backup_step(copy, -1) == SQLITE_DONE && sqlite3_backup_finish(copy) == SQLITE_OK);
    require(sql_run(db, "BEGIN", &why) == 0);
    return db;
}

static void empty_folder(const char *path)
{
    struct dirent *entry;
    DIR *dir = opendir(path);
    require(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            require(unlinkat(dirfd(dir), entry->d_name, 0) == 0);
    closedir(dir);
}

typedef int take(struct ch_fill *fill, struct rowbinary_reader *rows, struct error *err);

/* Whatever it is, it is taken or refused with a line. */
static void look_at_rows(take *take_rows, const uint8_t *data, size_t size)
{
    struct ch_fill fill = {.rows = 0};
    struct error why = {""};
    char lookups[120];
    struct rowbinary_reader rows = {data, data + size, false};
    snprintf(fill.folder, sizeof(fill.folder), "%s", folder_of_its_own());
    snprintf(lookups, sizeof(lookups), "%s/lookups", folder_of_its_own());
    require(mkdir(lookups, 0700) == 0 || errno == EEXIST);
    fill.db = database_of_its_own();
    require(tally_open(&fill.tally) == 0);
    require(sql_prepare(fill.db, "INSERT OR REPLACE INTO answers VALUES(?, ?, ?, ?, ?, ?, ?)", &fill.answer, &why) ==
            0);
    int result = take_rows(&fill, &rows, &why);
    if (result == 0)
        result = ch_fill_news(&fill, &why);
    if (result == 0)
        result = ch_fill_end(&fill, &why);
    require(result == 0 || why.text[0] != '\0');
    ch_fill_close(&fill);
    empty_folder(lookups);
}

#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    switch (data[0] % 6) {
    case 0:
        look_at_place(data + 1, size - 1);
        break;
    case 1:
        look_at_spec(data + 1, size - 1);
        break;
    case 2:
        look_at_strings(data + 1, size - 1);
        break;
#ifdef HAVE_LIBCURL
    case 3:
        look_at_rows(ch_fill_answers, data + 1, size - 1);
        break;
    case 4:
        look_at_rows(ch_fill_lookups, data + 1, size - 1);
        break;
    case 5:
        look_at_rows(ch_fill_accounts, data + 1, size - 1);
        break;
#endif
    default:
        break;
    }
    return 0;
}
