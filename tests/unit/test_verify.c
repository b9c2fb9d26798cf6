/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Streams of signed datagrams over a long time. */
#include "receive/verify.h"

#include "base/clock.h"
#include "keys.h"
#include "testing.h"

static const uint8_t key[SECRET_KEY] = {1, 2, 3};

struct made {
    struct secret_tagger *tagger;
    uint8_t bytes[256];
    size_t len;
};

static void keep(void *context, const uint8_t *datagram, size_t len, int64_t time_us)
{
    struct made *made = context;
    (void)time_us;
    assert_true(len <= sizeof(made->bytes));
    memcpy(made->bytes, datagram, len);
    made->len = len;
}

static void sign(void *context, const uint8_t *bytes, size_t len, uint8_t tag[DNSFLOW_TAG_SIZE])
{
    secret_tag(((struct made *)context)->tagger, bytes, len, tag);
}

/* The first datagram of a sensor that started at start_time, made then. */
static void make(struct made *made, uint32_t start_time)
{
    struct dnsflow_encoder_options options = {.size = sizeof(options),
                                              .start_time = start_time,
                                              .emit = keep,
                                              .context = made,
                                              .sign = sign,
                                              .sign_context = made};
    struct dnsflow_encoder *encoder = dnsflow_encoder_create(&options);
    struct dnsflow_stats stats = {0};
    (void)dnsflow_encoder_stats(encoder, &stats, (int64_t)start_time * SECOND_US, NULL, 0);
    assert_true(made->len > 0);
    dnsflow_encoder_destroy(encoder);
}

static enum verify_result check(struct verifier *verifier, const struct made *made, uint32_t now)
{
    struct dnsflow_datagram datagram;
    assert_int_equal(dnsflow_decode(made->bytes, made->len, &datagram), DNSFLOW_OK);
    return verifier_check(verifier, made->bytes, made->len, &datagram, (int64_t)now * SECOND_US);
}

/* More restarts than there are places, an hour apart: a place is free again once what it knows is stale anyway. */
static void restarts(void **state)
{
    enum { START = 1700000000, HOUR = 3600 };
    struct made made = {.tagger = secret_tagger_create(key)};
    const struct verify_keys keys = keys_of(key);
    struct verifier *verifier = verifier_create(&keys);
    (void)state;
    if (!secret_is_supported())
        skip();
    for (uint32_t n = 0; n < 3 * VERIFY_STREAMS_MAX; n++) {
        uint32_t now = START + n * HOUR;
        make(&made, now);
        assert_int_equal(check(verifier, &made, now), VERIFY_OK);
        assert_int_equal(check(verifier, &made, now), VERIFY_REPLAYED);
        assert_int_equal(check(verifier, &made, now + VERIFY_LATE_S + 1), VERIFY_STALE);
    }
    verifier_destroy(verifier);
    secret_tagger_destroy(made.tagger);
}

/* All at once, none is stale yet, and none gives its place away. */
static void crowd(void **state)
{
    enum { START = 1700000000 };
    struct made made = {.tagger = secret_tagger_create(key)};
    const struct verify_keys keys = keys_of(key);
    struct verifier *verifier = verifier_create(&keys);
    (void)state;
    if (!secret_is_supported())
        skip();
    for (uint32_t n = 0; n <= VERIFY_STREAMS_MAX; n++) {
        make(&made, START + n % 300);
        store_be32(made.bytes + 8 + 20 + 4, n); /* sensor_id, behind header, statistics and 4 bytes of the trailer */
        secret_tag(made.tagger, made.bytes, made.len - DNSFLOW_TAG_SIZE, made.bytes + made.len - DNSFLOW_TAG_SIZE);
        assert_int_equal(check(verifier, &made, START + 150), n < VERIFY_STREAMS_MAX ? VERIFY_OK : VERIFY_CROWDED);
    }
    verifier_destroy(verifier);
    secret_tagger_destroy(made.tagger);
}

/* ---- several keys ---- */

enum { AT = 1700000000, SENSORS = 3, KEYS = 4 };

/* Signs anew what it holds, as this sensor and with this key. */
static void sign_as(struct made *made, uint8_t number, uint32_t sensor_id, uint32_t sequence)
{
    const uint8_t bytes[SECRET_KEY] = {number, 9, 9};
    struct secret_tagger *tagger = secret_tagger_create(bytes);
    store_be32(made->bytes + 4, sequence);
    store_be32(made->bytes + 8 + 20 + 4, sensor_id); /* behind header, statistics and 4 bytes of the trailer */
    secret_tag(tagger, made->bytes, made->len - DNSFLOW_TAG_SIZE, made->bytes + made->len - DNSFLOW_TAG_SIZE);
    secret_tagger_destroy(tagger);
}

/* Which key is good for which sensor: its own, both of its own during a change, and what is for all. */
static void keys_of_sensors(void **state)
{
    static const struct {
        const char *keys;          /* "12" is key 1 for sensor 2, "1*" for all */
        const char *good[SENSORS]; /* keys that sensors 1, 2 and 3 may sign with */
    } rows[] = {
        {"11 22", {"1", "2", ""}},         {"11 21", {"12", "", ""}},           {"11 12", {"1", "1", ""}},
        {"1*", {"1", "1", "1"}},           {"11 2*", {"12", "2", "2"}},         {"1* 2*", {"12", "12", "12"}},
        {"11 22 33", {"1", "2", "3"}},     {"33 22 11 4*", {"14", "24", "34"}}, {"13 23 33 43", {"", "", "1234"}},
        {"11 22 31 42", {"13", "24", ""}},
    };
    struct made made = {.tagger = secret_tagger_create(key)};
    (void)state;
    if (!secret_is_supported())
        skip();
    make(&made, AT);
    for (size_t i = 0; i < LEN(rows); i++) {
        struct verify_keys keys = {0};
        for (const char *at = rows[i].keys; *at; at += at[2] ? 3 : 2) {
            struct verify_key *k = &keys.list[keys.count++];
            *k = (struct verify_key){{(uint8_t)(at[0] - '0'), 9, 9}, (uint32_t)(at[1] - '0'), at[1] == '*'};
        }
        struct verifier *verifier = verifier_create(&keys);
        for (uint32_t sensor = 1; sensor <= SENSORS; sensor++)
            for (uint8_t number = 1; number <= KEYS; number++) {
                bool is_good = strchr(rows[i].good[sensor - 1], '0' + number) != NULL;
                sign_as(&made, number, sensor, number);
                if (check(verifier, &made, AT) != (is_good ? VERIFY_OK : VERIFY_FORGED))
                    fail_msg("row %zu, sensor %u, key %u", i, sensor, number);
                assert_int_equal(check(verifier, &made, AT), is_good ? VERIFY_REPLAYED : VERIFY_FORGED);
            }
        verifier_destroy(verifier);
    }
    secret_tagger_destroy(made.tagger);
}

/* A number that came under the old key has come, whichever key it is signed with then. */
static void change_of_keys(void **state)
{
    const struct verify_keys keys = {2, {{{1, 9, 9}, 7, false}, {{2, 9, 9}, 7, false}}};
    struct made made = {.tagger = secret_tagger_create(key)};
    struct verifier *verifier = verifier_create(&keys);
    (void)state;
    if (!secret_is_supported())
        skip();
    make(&made, AT);
    for (uint32_t sequence = 1; sequence < 100; sequence++) {
        sign_as(&made, sequence < 50 ? 1 : 2, 7, sequence);
        assert_int_equal(check(verifier, &made, AT), VERIFY_OK);
        sign_as(&made, sequence < 50 ? 2 : 1, 7, sequence);
        assert_int_equal(check(verifier, &made, AT), VERIFY_REPLAYED);
        sign_as(&made, 3, 7, sequence + 1);
        assert_int_equal(check(verifier, &made, AT), VERIFY_FORGED);
        sign_as(&made, 1, 6, sequence + 1);
        assert_int_equal(check(verifier, &made, AT), VERIFY_FORGED);
    }
    verifier_destroy(verifier);
    secret_tagger_destroy(made.tagger);
}

/* As many as there may be, the last one too. */
static void most_keys(void **state)
{
    struct verify_keys keys = {.count = VERIFY_KEYS_MAX};
    struct made made = {.tagger = secret_tagger_create(key)};
    (void)state;
    if (!secret_is_supported())
        skip();
    for (uint8_t n = 0; n < VERIFY_KEYS_MAX; n++)
        keys.list[n] = (struct verify_key){{n, 9, 9}, n, false};
    struct verifier *verifier = verifier_create(&keys);
    make(&made, AT);
    for (uint8_t n = 0; n < VERIFY_KEYS_MAX; n++) {
        sign_as(&made, n, n, 1);
        assert_int_equal(check(verifier, &made, AT), VERIFY_OK);
        sign_as(&made, n, (n + 1u) % VERIFY_KEYS_MAX, 2);
        assert_int_equal(check(verifier, &made, AT), VERIFY_FORGED);
    }
    verifier_destroy(verifier);
    secret_tagger_destroy(made.tagger);
}

/* ---- going on ---- */

/* As if what had come before had come here; a stream that is there already is left as it is. */
static void resumed(void **state)
{
    static const struct {
        uint32_t sequence;
        enum verify_result want;
    } rows[] = {{1000, VERIFY_REPLAYED}, {998, VERIFY_REPLAYED}, {999, VERIFY_OK},
                {999, VERIFY_REPLAYED},  {937, VERIFY_REPLAYED}, {938, VERIFY_OK},
                {936, VERIFY_REPLAYED},  {1001, VERIFY_OK},      {1000, VERIFY_REPLAYED}};
    const struct dnsflow_trailer stream = {.sensor_id = 7, .start_time = AT, .base_time_us = (int64_t)AT * SECOND_US};
    const struct verify_keys keys = {1, {{{1, 9, 9}, 0, true}}};
    struct made made = {.tagger = secret_tagger_create(key)};
    struct verifier *verifier = verifier_create(&keys);
    (void)state;
    if (!secret_is_supported())
        skip();
    verifier_resume(verifier, &stream, 1000, UINT64_C(1) << 63 | 5); /* 1000, 998 and 937 have come */
    verifier_resume(verifier, &stream, 10, 1);
    make(&made, AT);
    for (size_t i = 0; i < LEN(rows); i++) {
        sign_as(&made, 1, 7, rows[i].sequence);
        if (check(verifier, &made, AT) != rows[i].want)
            fail_msg("row %zu", i);
    }
    sign_as(&made, 1, 8, 5);
    assert_int_equal(check(verifier, &made, AT), VERIFY_OK); /* another sensor */
    verifier_destroy(verifier);
    secret_tagger_destroy(made.tagger);
}

/* A full table stays as it is, and one more stream is refused. */
static void too_many_resumed(void **state)
{
    const struct verify_keys keys = {1, {{{1, 9, 9}, 0, true}}};
    struct made made = {.tagger = secret_tagger_create(key)};
    struct verifier *verifier = verifier_create(&keys);
    (void)state;
    if (!secret_is_supported())
        skip();
    make(&made, AT);
    for (uint32_t n = 0; n <= VERIFY_STREAMS_MAX; n++) {
        const struct dnsflow_trailer stream = {
            .sensor_id = n, .start_time = AT, .base_time_us = (int64_t)AT * SECOND_US};
        verifier_resume(verifier, &stream, 100, 1);
    }
    for (uint32_t n = 0; n <= VERIFY_STREAMS_MAX; n += VERIFY_STREAMS_MAX / 8) {
        bool is_known = n < VERIFY_STREAMS_MAX;
        sign_as(&made, 1, n, 100);
        assert_int_equal(check(verifier, &made, AT), is_known ? VERIFY_REPLAYED : VERIFY_CROWDED);
        sign_as(&made, 1, n, 101);
        assert_int_equal(check(verifier, &made, AT), is_known ? VERIFY_OK : VERIFY_CROWDED);
    }
    verifier_destroy(verifier);
    secret_tagger_destroy(made.tagger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restarts),         cmocka_unit_test(crowd),     cmocka_unit_test(keys_of_sensors),
        cmocka_unit_test(change_of_keys),   cmocka_unit_test(most_keys), cmocka_unit_test(resumed),
        cmocka_unit_test(too_many_resumed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
