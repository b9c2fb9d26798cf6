/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A list of what is looked out for: what it takes it finds. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/prefix.h"
#include "record/name.h"
#include "tests/fuzz/fuzz.h"
#include "watch/list.h"

/* An address that was taken is found. */
static void look(const struct watch_list *list, const char *line)
{
    struct watch_entry entry;
    uint8_t bytes[16];
    size_t len = parse_address(line, bytes);
    require(len == 0 || (watch_list_has_address(list, len == 4 ? 4 : 6, bytes, &entry) && *entry.text));
}

/* Names of any bytes are no trouble. */
static void look_at_names(const struct watch_list *list, const uint8_t *data, size_t size)
{
    struct watch_entry entry;
    uint8_t *name = malloc(size + 1);
    size_t len = name ? name_size_within(data, size < NAME_WIRE ? size : NAME_WIRE) : 0;
    if (len > 0) {
        memcpy(name, data, len);
        (void)watch_list_has_name(list, name, len, &entry);
    }
    free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct watch_list *list;
    struct error why = {""};
    char path[64], line[300];
    int fd = memfd_create("list", MFD_CLOEXEC);
    size_t begin, end;
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (watch_list_read(path, &list, &why) != 0) {
        require(why.text[0] != '\0' && strlen(why.text) < sizeof(why.text));
        close(fd);
        return 0;
    }
    for (begin = 0; begin < size; begin = end + 1) {
        for (end = begin; end < size && data[end] != '\n'; end++)
            ;
        if (end - begin < sizeof(line)) {
            memcpy(line, data + begin, end - begin);
            line[end - begin] = '\0';
            look(list, line);
        }
    }
    look_at_names(list, data, size);
    watch_list_free(list);
    close(fd);
    return 0;
}
