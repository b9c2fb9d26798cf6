/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/anonymize.h"

#include <arpa/inet.h>

#include "testing.h"

/* The key and addresses of the sample trace that the authors of Crypto-PAn publish with it. */
static const uint8_t sample_key[SECRET_KEY] = {21,  34,  23,  141, 51,  164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16,
                                               216, 152, 143, 131, 121, 121, 101, 39,  98, 87, 76, 45, 42, 132, 34,  2};

static struct anonymizer *create(const struct anonymize_options *options)
{
    struct anonymizer *a;
    struct error err;
    if (anonymizer_create(options, &a, &err) != 0)
        fail_msg("%s", err.text);
    return a;
}

static void expect(struct anonymizer *a, const char *from, const char *to)
{
    uint8_t ip_vers = strchr(from, ':') ? 6 : 4, address[16], wanted[16];
    char got[INET6_ADDRSTRLEN];
    assert_int_equal(inet_pton(ip_vers == 4 ? AF_INET : AF_INET6, from, address), 1);
    assert_int_equal(inet_pton(ip_vers == 4 ? AF_INET : AF_INET6, to, wanted), 1);
    const uint8_t *result = anonymizer_address(a, ip_vers, address);
    if (memcmp(result, wanted, ip_vers == 4 ? 4 : 16) != 0)
        fail_msg("%s: %s, expected %s", from,
                 inet_ntop(ip_vers == 4 ? AF_INET : AF_INET6, result, got, sizeof(got)), to);
}

static void published_vectors(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"128.11.68.132", "135.242.180.132"}, {"129.118.74.4", "134.136.186.123"}, {"130.132.252.244", "133.68.164.234"},
        {"141.223.7.43", "141.167.8.160"},    {"141.233.145.108", "141.129.237.235"}, {"152.163.225.39", "151.140.114.167"},
        {"156.29.3.236", "147.225.12.42"},    {"165.247.96.84", "162.9.99.234"},   {"166.107.77.190", "160.132.178.185"},
        {"192.102.249.13", "252.138.62.131"}, {"192.215.32.125", "252.43.47.189"},
    };
    struct anonymize_options options = {.kind = ANONYMIZE_CRYPTOPAN};
    if (!secret_is_supported()) {
        printf("skipped: built without libcrypto\n");
        skip();
    }
    memcpy(options.key, sample_key, sizeof(sample_key));
    struct anonymizer *a = create(&options);
    for (size_t i = 0; i < LEN(pairs); i++)
        expect(a, pairs[i][0], pairs[i][1]);
    anonymizer_destroy(a);
}

static unsigned common_bits(const uint8_t *a, const uint8_t *b, unsigned size)
{
    unsigned bits = 0;
    while (bits < 8 * size && !((a[bits / 8] ^ b[bits / 8]) >> (7 - bits % 8) & 1))
        bits++;
    return bits;
}

/* What two addresses share in front, their stand-ins share, no more and no less. */
static void prefixes_are_kept(void **state)
{
    (void)state;
    struct anonymize_options options = {.kind = ANONYMIZE_CRYPTOPAN};
    struct chance c = {5};
    if (!secret_is_supported())
        skip();
    memcpy(options.key, sample_key, sizeof(sample_key));
    struct anonymizer *a = create(&options);
    for (int round = 0; round < 4000; round++) {
        uint8_t ip_vers = round % 2 ? 4 : 6, one[16], two[16], first[16];
        unsigned size = ip_vers == 4 ? 4 : 16, same = (unsigned)chance_below(&c, 8 * size);
        for (unsigned i = 0; i < size; i++)
            one[i] = (uint8_t)chance_next(&c);
        memcpy(two, one, size);
        two[same / 8] ^= (uint8_t)(0x80 >> same % 8);
        for (unsigned i = same / 8 + 1; i < size; i++)
            two[i] = (uint8_t)chance_next(&c);
        memcpy(first, anonymizer_address(a, ip_vers, one), size);
        assert_int_equal(common_bits(first, anonymizer_address(a, ip_vers, two), size), same);
    }
    anonymizer_destroy(a);
}

static void truncation(void **state)
{
    (void)state;
    static const struct {
        unsigned keep4, keep6;
        const char *ip4, *ip6;
    } rows[] = {{24, 48, "203.0.113.0", "2001:db8:1::"},
                {0, 0, "0.0.0.0", "::"},
                {32, 128, "203.0.113.77", "2001:db8:1:2:3:4:5:6"},
                {17, 33, "203.0.0.0", "2001:db8::"},
                {26, 63, "203.0.113.64", "2001:db8:1:2::"}};
    for (size_t i = 0; i < LEN(rows); i++) {
        struct anonymize_options options = {
            .kind = ANONYMIZE_TRUNCATE, .keep_ip4 = rows[i].keep4, .keep_ip6 = rows[i].keep6};
        struct anonymizer *a = create(&options);
        expect(a, "203.0.113.77", rows[i].ip4);
        expect(a, "2001:db8:1:2:3:4:5:6", rows[i].ip6);
        anonymizer_destroy(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(prefixes_are_kept),
        cmocka_unit_test(truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
