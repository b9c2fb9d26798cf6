/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The collector's configuration file. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collect/config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct collect_config config, other;
    char path[64], verb[] = "run", option[] = "--config", text[100];
    char *argv[] = {verb, option, path, NULL};
    struct error why = {""};
    int fd = memfd_create("config", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (collect_config_parse(&config, 3, argv, &why) == 0) {
        require(config.show_help || (config.listeners_count > 0 && config.directory));
        require(config.max_size == 0 || config.max_size >= 256u << 20);
        require(collect_config_parse(&other, 3, argv, &why) == 0);
        collect_config_renew(&config, &other, text, sizeof(text));
        require(text[0] == '\0');
        collect_config_free(&other);
    } else {
        require(why.text[0] != '\0' && strlen(why.text) < sizeof(why.text));
    }
    collect_config_free(&config);
    close(fd);
    return 0;
}
