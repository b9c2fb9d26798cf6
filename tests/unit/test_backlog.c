/* SPDX-License-Identifier: BSD-3-Clause */
#include "testing.h"

#include <unistd.h>

#include "sensor/backlog.h"

/* As many lines as there are processors, each with a number of its own in the second column. */
static void sum_over_processors(void **state)
{
    (void)state;
    static const unsigned processors[] = {0, 1, 2, 37, 38, 400, 4096};
    for (size_t i = 0; i < LEN(processors); i++) {
        char path[] = "dnsflow-softnet-XXXXXX";
        int fd = mkstemp(path);
        uint64_t expected = 0;
        assert_true(fd >= 0);
        unlink(path);
        for (unsigned n = 0; n < processors[i]; n++) {
            uint32_t dropped = n * 2654435761u;
            expected += dropped;
            dprintf(fd, "%08x %08x 0000ffff 00000000 00000000 0000000%x\n", n, dropped, n & 15);
        }
        assert_true(backlog_drops(fd) == expected);
        assert_true(backlog_drops(fd) == expected); /* read anew each time */
        close(fd);
    }
    assert_true(backlog_drops(-1) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sum_over_processors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
