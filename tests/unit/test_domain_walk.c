/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Domains of names in order are those of each name alone. */
#include "store/domain_walk.h"

#include <stdio.h>
#include <stdlib.h>

#include "testing.h"

enum { NAMES = 4000 };

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The domain by the name alone. */
static size_t alone(const struct domains *domains, const char *rname, bool *has_domain)
{
    uint8_t wire[NAME_WIRE];
    char domain[RNAME_TEXT];
    size_t len = rname_to_wire(rname, wire), start = domain_start(domains, wire);
    *has_domain = start > 0 || domain_has(domains, wire);
    return rname_of(wire + start, len - start, domain);
}

static void as_alone(void **state)
{
    static const char *const labels[] = {
        "com", "uk", "co",  "example",  "example-x", "www",     "a", "amazonaws", "s3", "compute",
        "jp",  "ck", "www", "kawasaki", "city",      "b\\046c", "x", "github",    "io", "nosuchtld"};
    struct domains *domains = domains_create();
    struct domain_walk *walk = calloc(1, sizeof(*walk));
    char(*names)[RNAME_TEXT] = calloc(NAMES, sizeof(*names));
    (void)state;
    srand(5);
    for (size_t i = 0; i < NAMES; i++) {
        size_t used = 0, count = (size_t)rand() % 9;
        for (size_t k = 0; k < count; k++)
            used += (size_t)snprintf(names[i] + used, RNAME_TEXT - used, "%s%s", k ? "." : "",
                                     labels[(size_t)rand() % (sizeof(labels) / sizeof(labels[0]))]);
    }
    qsort(names, NAMES, sizeof(*names), by_text);
    for (size_t i = 0; i < NAMES; i++) {
        bool has_one, has_other;
        size_t one = domain_walk_len(walk, domains, names[i], &has_one), other = alone(domains, names[i], &has_other);
        if (one != other || has_one != has_other)
            fail_msg("%s: %zu, not %zu", names[i], one, other);
    }
    free(names);
    free(walk);
    domains_destroy(domains);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
