/* SPDX-License-Identifier: BSD-3-Clause */
#include "collect/source.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feed/ch_source.h"

int source_parse(const char *text, struct feed_spec *spec, struct error *err)
{
    if (feed_parse(text, spec, err) != 0)
        return -1;
#ifdef HAVE_LIBCURL
    return ch_source_check(spec, err);
#else
    return error_set(err, "this program was built without libcurl");
#endif
}

int source_open(const struct feed_spec *spec, const struct question *question, const struct ask *ask,
                uint64_t most_rows, const char *base, char folder[SOURCE_FOLDER], struct kept *kept, bool *is_cut,
                struct error *err)
{
    const char *usual = getenv("TMPDIR");
    char path[SOURCE_FOLDER];
    folder[0] = '\0';
    base = base ? base : usual && *usual ? usual : "/tmp";
    if (snprintf(path, sizeof(path), "%s/dnsflow-XXXXXX", base) >= (int)sizeof(path))
        return error_set(err, "%s: the path is too long", base);
    if (!mkdtemp(path))
        return error_errno(err, "%s", path);
    memcpy(folder, path, sizeof(path));
#ifdef HAVE_LIBCURL
    if (ch_source_load(spec, question, ask, most_rows, folder, is_cut, err) != 0)
        return -1;
#else
    (void)spec, (void)question, (void)ask, (void)most_rows, (void)is_cut;
#endif
    if (kept_open(folder, kept, err) != 0)
        return -1;
    kept->is_part = true;
    return 0;
}

static void remove_files(int folder)
{
    struct dirent *entry;
    DIR *dir = fdopendir(folder);
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    else
        close(folder);
}

void source_close(const char *folder, struct kept *kept)
{
    kept_close(kept);
    int fd = folder[0] ? open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    int lookups = openat(fd, "lookups", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (lookups >= 0)
        remove_files(lookups);
    (void)unlinkat(fd, "lookups", AT_REMOVEDIR);
    remove_files(fd);
    (void)rmdir(folder);
}
