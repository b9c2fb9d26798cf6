/* SPDX-License-Identifier: BSD-3-Clause
 *
 * replay FILE...: runs a fuzz target once over each file, without a fuzzer, so that every compiler and sanitizer
 * replays the corpus. */
#include <string.h>

#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX = 1 << 20 };

static int replay(const char *path)
{
    uint8_t *data = malloc(INPUT_MAX), *exact;
    FILE *file = fopen(path, "rb");
    if (!data || !file)
        return -1;
    size_t size = fread(data, 1, INPUT_MAX, file);
    fclose(file);
    exact = malloc(size ? size : 1); /* so that a sanitizer sees one byte too far */
    if (!exact)
        return -1;
    memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (replay(argv[i]) != 0) {
            fprintf(stderr, "%s: cannot be read\n", argv[i]);
            return 1;
        }
    printf("%d inputs\n", argc - 1);
    return 0;
}
