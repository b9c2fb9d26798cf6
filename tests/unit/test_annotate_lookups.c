/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lookups in memory: which one a flow gets, to the microsecond, and what goes when there is no room. */
#include "annotate/encrypted.h"
#include "annotate/lookups.h"
#include "base/clock.h"
#include "base/prefix.h"
#include "record/name.h"
#include "testing.h"

enum { SLACK_S = 10 };

static const int64_t begin_us = INT64_C(1790000000) * SECOND_US;

static struct lookups *made(size_t bytes)
{
    const struct lookups_options options = {.slack_s = SLACK_S, .ttl_s = 5, .bytes = bytes};
    struct lookups *lookups = lookups_create(&options);
    assert_non_null(lookups);
    return lookups;
}

static void add_of(struct lookups *lookups, const char *client, const char *address, const char *name, int64_t time_us,
                   uint32_t ttl)
{
    uint8_t from[16], to[16], wire[NAME_WIRE];
    struct lookup lookup = {
        .client = from, .address = to, .name = wire, .first_us = time_us, .last_us = time_us, .count = 1, .ttl = ttl};
    lookup.client_len = parse_address(client, from);
    lookup.address_len = parse_address(address, to);
    assert_true(name_parse(name, wire) > 0);
    assert_int_equal(lookups_add(lookups, &lookup), 0);
}

static void add(struct lookups *lookups, const char *client, const char *name, int64_t time_us, uint32_t ttl)
{
    add_of(lookups, client, "192.0.2.1", name, time_us, ttl);
}

/* "name method candidates age" */
static const char *found_for(const struct lookups *lookups, struct seen_flow flow, const char *client,
                             const char *server)
{
    static char text[NAME_TEXT + 100];
    char name[NAME_TEXT] = "-";
    struct annotation a;
    flow.client_len = (uint8_t)parse_address(client, flow.client);
    flow.server_len = (uint8_t)parse_address(server, flow.server);
    lookups_match(lookups, &flow, &a);
    if (a.name)
        name_text(a.name, name_size(a.name), name);
    snprintf(text, sizeof(text), "%s %s %u %lld", name, method_names[a.method], a.candidates, (long long)a.age_us);
    return text;
}

static const char *found(const struct lookups *lookups, int64_t time_us, bool is_whole_second)
{
    struct seen_flow flow = {.time_us = time_us, .is_whole_second = is_whole_second};
    return found_for(lookups, flow, "10.0.0.1", "192.0.2.1");
}

static void edges_of_time(void **state)
{
    struct lookups *l = made(0);
    const int64_t good_us = (int64_t)(60 + SLACK_S) * SECOND_US;
    (void)state;
    add(l, "10.0.0.1", "www.example.com", begin_us, 60);
    assert_string_equal(found(l, begin_us + good_us, false), "www.example.com client-unique 1 70000000");
    assert_string_equal(found(l, begin_us + good_us + 1, false), "- expired 0 0");
    assert_string_equal(found(l, begin_us - LOOKUPS_SKEW_US, false), "www.example.com client-unique 1 0");
    assert_string_equal(found(l, begin_us - LOOKUPS_SKEW_US - 1, false), "- no-lookup 0 0");
    assert_string_equal(found(l, INT64_MAX, false), "- expired 0 0");
    assert_string_equal(found(l, 0, false), "- no-lookup 0 0");
    lookups_clear(l);
    assert_string_equal(found(l, begin_us, false), "- no-lookup 0 0");
    add(l, "10.0.0.1", "www.example.com", begin_us, LOOKUPS_TTL_UNKNOWN);
    assert_string_equal(found(l, begin_us + 15 * SECOND_US, false), "www.example.com client-unique 1 15000000");
    assert_string_equal(found(l, begin_us + 15 * SECOND_US + 1, false), "- expired 0 0");
    lookups_destroy(l);
}

/* One before the flow goes before one behind it, unless that is so near that it may be rounding. */
static void nearest(void **state)
{
    struct lookups *l = made(0);
    (void)state;
    add(l, "10.0.0.1", "old.example.com", begin_us - SECOND_US, 60);
    add(l, "10.0.0.1", "new.example.com", begin_us + LOOKUPS_NEAR_US, 60);
    assert_string_equal(found(l, begin_us, false), "new.example.com client-latest 2 0");
    assert_string_equal(found(l, begin_us - 1, false), "old.example.com client-latest 2 999999");
    assert_string_equal(found(l, begin_us - SECOND_US / 2, true), "new.example.com client-latest 2 0");
    add(l, "10.0.0.1", "old.example.com", begin_us + 2 * LOOKUPS_NEAR_US, 60); /* again: the same name counts once */
    assert_string_equal(found(l, begin_us + SECOND_US, false), "old.example.com client-latest 2 990000");
    lookups_destroy(l);
}

/* One that comes late stands where it belongs, and does not hide what has a longer TTL. */
static void late_ones(void **state)
{
    struct lookups *l = made(0);
    (void)state;
    add(l, "10.0.0.1", "a.example.com", begin_us + 3 * SECOND_US, 1);
    add(l, "10.0.0.1", "b.example.com", begin_us + 2 * SECOND_US, 1);
    add(l, "10.0.0.1", "c.example.com", begin_us + SECOND_US, 100);
    assert_string_equal(found(l, begin_us + 4 * SECOND_US, false), "a.example.com client-latest 3 1000000");
    assert_string_equal(found(l, begin_us + 20 * SECOND_US, false), "c.example.com client-unique 1 19000000");
    lookups_destroy(l);
}

static void shares(void **state)
{
    struct lookups *l = made(0);
    char client[20];
    (void)state;
    for (int i = 1; i <= 9; i++) {
        snprintf(client, sizeof(client), "10.0.1.%d", i);
        add(l, client, i % 2 ? "www.example.com" : "mail.example.com", begin_us + i * SECOND_US, 60);
    }
    assert_string_equal(found(l, begin_us + 10 * SECOND_US, false), "- few-lookups 0 0");
    add(l, "10.0.1.10", "www.example.org", begin_us + 10 * SECOND_US, 60);
    assert_string_equal(found(l, begin_us + 10 * SECOND_US, false), "example.com others-domain 2 1000000");
    assert_string_equal(found(l, begin_us + 7 * SECOND_US, false),
                        "- few-lookups 0 0"); /* of 9 that were there by then */
    add(l, "10.0.1.11", "www.example.org", begin_us + 10 * SECOND_US, 60);
    assert_string_equal(found(l, begin_us + 10 * SECOND_US, false), "- many-domains 0 0");
    assert_string_equal(found(l, begin_us + 90 * SECOND_US, false), "- no-lookup 0 0"); /* too long ago */
    lookups_destroy(l);
}

/* Nine of ten, to the lookup. */
static void shares_at_their_edge(void **state)
{
    static const struct {
        int of_one_domain, others;
        const char *found;
    } cases[] = {
        {89, 10, "- many-domains 0 0"},
        {90, 10, "example.com others-domain 11 0"},
        {91, 10, "example.com others-domain 11 0"},
        {9, 0, "- few-lookups 0 0"},
        {10, 0, "example.com others-domain 1 0"},
    };
    char client[20], name[40];
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct lookups *l = made(0);
        for (int k = 0; k < cases[i].of_one_domain + cases[i].others; k++) {
            snprintf(client, sizeof(client), "10.0.1.%d", k + 1);
            snprintf(name, sizeof(name), k < cases[i].of_one_domain ? "www.example.com" : "www.example%d.org", k);
            add(l, client, name, begin_us, 60);
        }
        assert_string_equal(found(l, begin_us, false), cases[i].found);
        lookups_destroy(l);
    }
}

/* Of a flow whose direction is not known, either end may be what was looked up. */
static void either_way(void **state)
{
    struct lookups *l = made(0);
    struct seen_flow flow = {.time_us = begin_us};
    char client[20];
    (void)state;
    for (int i = 1; i <= 10; i++) {
        snprintf(client, sizeof(client), "10.0.1.%d", i);
        add(l, client, "www.example.com", begin_us, 60);
    }
    add_of(l, "10.0.1.1", "192.0.2.2", "www.example.net", begin_us, 60);
    add_of(l, "10.0.0.1", "192.0.2.3", "www.example.org", begin_us, 60);
    assert_string_equal(found_for(l, flow, "192.0.2.1", "192.0.2.2"), "- few-lookups 0 0");
    assert_string_equal(found_for(l, flow, "192.0.2.1", "192.0.2.9"), "- no-lookup 0 0");
    assert_string_equal(found_for(l, flow, "192.0.2.3", "10.0.0.1"), "- no-lookup 0 0");
    flow.is_either_way = true;
    assert_string_equal(found_for(l, flow, "192.0.2.1", "192.0.2.2"), "example.com others-domain 1 0");
    assert_string_equal(found_for(l, flow, "192.0.2.1", "192.0.2.9"), "example.com others-domain 1 0");
    assert_string_equal(found_for(l, flow, "192.0.2.3", "10.0.0.1"), "www.example.org client-unique 1 0");
    lookups_destroy(l);
}

/* As many as there is room for, then the older half goes; what was counted balances. */
static void room(void **state)
{
    struct lookups *l = made(1 << 20);
    char name[40];
    uint64_t i;
    (void)state;
    for (i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "n%llu.example.com", (unsigned long long)i);
        add(l, "10.0.0.1", name, begin_us + (int64_t)i * SECOND_US / 1000, 1);
        assert_int_equal(lookups_count(l) + lookups_gone(l), i + 1);
    }
    assert_true(lookups_gone(l) > 0 && lookups_count(l) > 1000);
    assert_string_equal(found(l, begin_us + 20 * SECOND_US, false), "n19999.example.com client-latest 255 1000");
    assert_string_equal(found(l, begin_us, false), "- no-lookup 0 0");
    lookups_destroy(l);
}

static void encrypted_clients(void **state)
{
    static const struct {
        const char *client, *server;
        uint16_t source_port, port;
        bool is_either_way, is_noted;
    } cases[] = {
        {"10.0.0.1", "192.0.2.1", 50000, 443, false, false}, {"10.0.0.2", "192.0.2.1", 50000, 853, false, true},
        {"10.0.0.3", "1.1.1.1", 50000, 443, false, true},    {"10.0.0.4", "1.1.1.1", 50000, 53, false, false},
        {"10.0.0.5", "1.1.1.1", 0, 0, false, true},          {"2001:db8::1", "2620:fe::fe", 1, 443, false, true},
        {"192.0.2.1", "10.0.0.6", 853, 50000, false, false}, {"192.0.2.1", "10.0.0.7", 853, 50000, true, true},
        {"9.9.9.9", "10.0.0.8", 443, 50000, true, true},
    };
    struct encrypted *e = encrypted_create();
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct seen_flow flow = {
            .client_port = cases[i].source_port, .server_port = cases[i].port, .is_either_way = cases[i].is_either_way};
        flow.client_len = (uint8_t)parse_address(cases[i].client, flow.client);
        flow.server_len = (uint8_t)parse_address(cases[i].server, flow.server);
        assert_false(encrypted_has(e, &flow));
        encrypted_note(e, &flow);
        assert_int_equal(encrypted_has(e, &flow), cases[i].is_noted);
    }
    encrypted_destroy(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(edges_of_time),
                                       cmocka_unit_test(nearest),
                                       cmocka_unit_test(late_ones),
                                       cmocka_unit_test(shares),
                                       cmocka_unit_test(shares_at_their_edge),
                                       cmocka_unit_test(either_way),
                                       cmocka_unit_test(room),
                                       cmocka_unit_test(encrypted_clients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
