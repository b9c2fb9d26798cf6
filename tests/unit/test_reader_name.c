/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keys of names, and the domains they belong to. */
#include "record/domain.h"
#include "record/name.h"

#include "testing.h"

/* What is printed is read back as the same key. */
static void round_trip(void **state)
{
    struct chance chance = {1};
    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint8_t name[NAME_WIRE], key[NAME_WIRE], again[NAME_WIRE];
        char text[NAME_TEXT];
        size_t used = 0, labels = chance_below(&chance, 6);
        while (labels-- > 0) {
            size_t len = 1 + chance_below(&chance, chance_below(&chance, 10) ? 12 : 63);
            if (used + len + 2 > NAME_WIRE)
                break;
            name[used++] = (uint8_t)len;
            while (len-- > 0)
                name[used++] =
                    (uint8_t)(chance_below(&chance, 3) ? 'A' + chance_below(&chance, 58) : chance_next(&chance));
        }
        name[used++] = 0;
        uint8_t *exact = exact_copy(name, used);
        struct dnsflow_record record = {.names = exact, .names_len = used, .names_count = 1};
        struct name_walk walk = name_walk_over(&record);
        assert_int_equal(name_next(&walk, key), used);
        assert_int_equal(name_next(&walk, again), 0);
        for (size_t i = 0; i < used; i++)
            assert_int_equal(key[i], name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
        size_t len = name_text(key, used, text);
        assert_int_equal(len, strlen(text));
        assert_int_equal(name_parse(text, again), used);
        assert_memory_equal(again, key, used);
        free(exact);
    }
}

static void longest(void **state)
{
    uint8_t wire[NAME_WIRE];
    char text[NAME_TEXT];
    (void)state;
    for (size_t len = 248; len < 260; len++) {
        for (size_t i = 0; i < len; i++)
            text[i] = i % 63 == 62 ? '.' : 'a';
        text[len] = '\0';
        size_t want = text[len - 1] == '.' ? len + 1 : len + 2;
        assert_int_equal(name_parse(text, wire), want <= NAME_WIRE ? want : 0);
    }
}

static void domains(void **state)
{
    static const struct {
        const char *name, *domain;
        bool needs_list;
    } rows[] = {
        {"www.example.com", "example.com", false},
        {"example.com", "example.com", false},
        {"a.b.c.example.org", "example.org", false},
        {"com", "com", false},
        {".", ".", false},
        {"www.example.co.uk", "example.co.uk", true},
        {"co.uk", "co.uk", false},
        {"a\\.b.example.com", "example.com", false},
        {"_dmarc.example.net", "example.net", false},
        {"host.internal", "host.internal", false},
    };
    struct domains *list = domains_create();
    bool has_list = strncmp(domains_version(), "libpsl", 6) == 0;
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        uint8_t wire[NAME_WIRE];
        char text[NAME_TEXT];
        size_t len = name_parse(rows[i].name, wire);
        size_t start = domain_start(list, wire);
        name_text(wire + start, len - start, text);
        if (has_list || !rows[i].needs_list)
            assert_string_equal(text, rows[i].domain);
    }
    domains_destroy(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(longest),
                                       cmocka_unit_test(domains)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
