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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(restarts), cmocka_unit_test(crowd)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
