/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/match.h"

#include <arpa/inet.h>

#include "record/idn.h"
#include "testing.h"

enum { AT_US = 1000000 };

/* A record whose names are `text`, one behind the other, separated by blanks. */
struct made {
    struct dnsflow_record record;
    uint8_t names[600];
};

static void make(struct made *made, const char *text)
{
    static const uint8_t client[16] = {192, 0, 2, 9}, resolver[16] = {198, 51, 100, 1}, ip4s[] = {203, 0, 113, 1};
    static const uint8_t ip6s[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1};
    size_t used = 0;
    memset(made, 0, sizeof(*made));
    made->record = (struct dnsflow_record){.ip_vers = 4,
                                           .client = client,
                                           .resolver = resolver,
                                           .names = made->names,
                                           .ip4s = ip4s,
                                           .ip4s_count = 1,
                                           .ip6s = ip6s,
                                           .ip6s_count = 1};
    while (*text) {
        char one[256];
        size_t len = strcspn(text, " ");
        snprintf(one, sizeof(one), "%.*s", (int)len, text);
        size_t start = used;
        used += name_parse(one, made->names + used);
        /* name_parse() gives lower case; names come in any */
        for (size_t i = start; i < used; i++)
            if (made->names[i] >= 'a' && made->names[i] <= 'z' && i % 2)
                made->names[i] = (uint8_t)(made->names[i] - 'a' + 'A');
        made->record.names_count++;
        text += len + (text[len] == ' ');
    }
    made->record.names_len = used;
}

static bool matches(const char *pattern, const char *names)
{
    struct match match = {0};
    struct made made;
    make(&made, names);
    assert_int_equal(match_add_name(&match, pattern, NULL), 0);
    return match_record(&match, &made.record, AT_US);
}

static void names(void **state)
{
    static const struct {
        const char *pattern, *names;
        bool is_match;
    } rows[] = {
        {"www.example.com", "www.example.com", true},
        {"WWW.Example.COM.", "www.example.com", true},
        {"example.com", "www.example.com", false},
        {"www.example.com", "example.com", false},
        {"www.example.com", "a.example www.example.com", true},
        {"*.example.com", "www.example.com", true},
        {"*.example.com", "a.b.example.com", true},
        {"*.example.com", "example.com", false},
        {"*.example.com", "notexample.com", false},
        {"*.example.com", "a.example.com.org", false},
        {"*.example.com", "com", false},
        {"*.b.example", "a\\.b.example", false},
        {"*.a\\.b.example", "x.a\\.b.example", true},
        {"*.a\\.b.example", "x.a.b.example", false},
        {"*.com", "a.net b.com", true},
        {".", ".", true},
        {".", "com", false},
        {"*ample.c*", "www.example.com", true},
        {"*AMPLE*", "www.example.com", true},
        {"*amples*", "www.example.com", false},
        {"*www.*", "www.example.com", true},
        {"*\\.b*", "a\\.b.example", true},
        {"*a.b*", "a\\.b.example", false},
        {"*\\032*", "a\\032b.example", true},
        {"*\\044*", "a\\044b.example", true},
        {"a\\044b.example", "a\\044b.example", true},
        /* a text is brought into the form in which names are printed */
        {"*\\046*", "a\\.b.example", true},
        {"*\\065\\.\\b*", "a\\.b.example", true},
        {"*a\\ b*", "a\\032b.example", true},
        {"*a\\,b*", "a\\044b.example", true},
        {"*\\034*", "a\\\"b.example", true},
        {"*a\\\"b*", "a\\\"b.example", true},
        {"*\\042*", "a\\*b.example", true},
        {"*\\255*", "\\255.example", true},
        {"*\\\\b*", "a\\\\b.example", true},
        {"*.*", ".", true},
        {"*cdn*", "www.example x.cdn.example", true},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++)
        if (matches(rows[i].pattern, rows[i].names) != rows[i].is_match)
            fail_msg("%s on %s: expected %d", rows[i].pattern, rows[i].names, rows[i].is_match);
}

static void wrong_names(void **state)
{
    static const char *const patterns[] = {"", "*", "**", "a*", "*a", "a*b", "*a*b*", "*.", "a..b", "..", ".a", "*..a",
                                           "a\\", "\\256.a", "\\25", "*.a*.com",
                                           /* in no name that is printed */
                                           "*a b*", "*a,b*", "*a|b*", "*a\"b*", "*a\tb*", "*a\177*", "*a..b*", "*..*",
                                           "*\\256*", "*\\999*", "*\\25*", "*a\\*"};
    struct error why;
    char label[70], name[300];
    (void)state;
    for (size_t i = 0; i < LEN(patterns); i++) {
        struct match match = {0};
        int result = match_add_name(&match, patterns[i], &why);
        if (result != -1)
            fail_msg("%s was taken", patterns[i]);
    }
    struct match match = {0};
    memset(label, 'a', sizeof(label));
    label[64] = '\0';
    assert_int_equal(match_add_name(&match, label, &why), -1);
    label[63] = '\0';
    assert_int_equal(match_add_name(&match, label, &why), 0);
    snprintf(name, sizeof(name), "%s.%s.%s.%.61s", label, label, label, label);
    assert_int_equal(match_add_name(&match, name, &why), 0);
    snprintf(name, sizeof(name), "%s.%s.%s.%.62s", label, label, label, label);
    assert_int_equal(match_add_name(&match, name, &why), -1);
    memset(label, 'a', sizeof(label));
    for (int stars = 0; stars < 2; stars++) {
        const char *star = stars ? "*" : "";
        snprintf(name, sizeof(name), "%s%.63s.%.63s%s", star, label, label, star);
        assert_int_equal(match_add_name(&match, name, &why), 0);
        snprintf(name, sizeof(name), "%s%.63s.%.64s%s", star, label, label, star);
        assert_int_equal(match_add_name(&match, name, &why), -1);
    }
    label[63] = '\0';
    snprintf(name, sizeof(name), "*%s.%s.%s.%.61s*", label, label, label, label);
    assert_int_equal(match_add_name(&match, name, &why), 0);
    snprintf(name, sizeof(name), "*%s.%s.%s.%.62s*", label, label, label, label);
    assert_int_equal(match_add_name(&match, name, &why), -1);
    while (match.keys_count < MATCH_MAX)
        assert_int_equal(match_add_name(&match, "a", &why), 0);
    assert_int_equal(match_add_name(&match, "a", &why), -1);
}

static void prefixes(void **state)
{
    static const struct {
        const char *prefix, *address;
        bool is_match;
    } rows[] = {
        {"192.0.2.9", "192.0.2.9", true},
        {"192.0.2.9", "192.0.2.8", false},
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.77/24", "192.0.2.1", true},
        {"0.0.0.0/0", "255.1.2.3", true},
        {"128.0.0.0/1", "127.0.0.1", false},
        {"128.0.0.0/1", "128.0.0.1", true},
        {"192.0.2.8/31", "192.0.2.9", true},
        {"192.0.2.8/31", "192.0.2.10", false},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "1.2.3.4", false},
        {"::/0", "2001:db8::1", true},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1/127", "2001:db8::", true},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct match match = {0};
        struct made made;
        uint8_t address[16];
        make(&made, "a");
        assert_int_equal(match_add_prefix(&match, MATCH_CLIENT, rows[i].prefix, NULL), 0);
        made.record.ip_vers = strchr(rows[i].address, ':') ? 6 : 4;
        made.record.client = address;
        assert_int_equal(inet_pton(made.record.ip_vers == 6 ? AF_INET6 : AF_INET, rows[i].address, address), 1);
        if (match_record(&match, &made.record, AT_US) != rows[i].is_match)
            fail_msg("%s on %s: expected %d", rows[i].prefix, rows[i].address, rows[i].is_match);
    }
}

static void wrong_prefixes(void **state)
{
    static const char *const texts[] = {"",           "1.2.3",      "1.2.3.4/33", "1.2.3.4/",   "::1/129",
                                        "1.2.3.4/-1", "1.2.3.4/ 8", "host",       "1.2.3.4/8x", "/8",
                                        ":::",        "1.2.3.4.5",  "::1/",       "1.2.3.4//8"};
    struct match match = {0};
    struct error why;
    (void)state;
    for (size_t i = 0; i < LEN(texts); i++)
        if (match_add_prefix(&match, MATCH_CLIENT, texts[i], &why) != -1 || !strstr(why.text, "expected"))
            fail_msg("%s was taken", texts[i]);
    assert_int_equal(match.lists[MATCH_CLIENT].count, 0);
    assert_false(match.has_conditions);
}

/* Different kinds must all hold, of one kind one is enough. */
static void combined(void **state)
{
    struct match match = {0};
    struct made made;
    (void)state;
    make(&made, "www.example.com");
    assert_true(match_record(&match, &made.record, AT_US));
    assert_int_equal(match_add_prefix(&match, MATCH_CLIENT, "10.0.0.0/8", NULL), 0);
    assert_false(match_record(&match, &made.record, AT_US));
    assert_int_equal(match_add_prefix(&match, MATCH_CLIENT, "192.0.2.0/24", NULL), 0);
    assert_true(match_record(&match, &made.record, AT_US));
    assert_int_equal(match_add_prefix(&match, MATCH_RESOLVER, "198.51.100.1", NULL), 0);
    assert_int_equal(match_add_prefix(&match, MATCH_ANSWER, "2001:db8:1::/48", NULL), 0);
    assert_int_equal(match_add_name(&match, "*.com", NULL), 0);
    assert_true(match_record(&match, &made.record, AT_US));
    made.record.resolver = NULL; /* below version 4 */
    assert_false(match_record(&match, &made.record, AT_US));
    match.lists[MATCH_RESOLVER].count = 0;
    assert_true(match_record(&match, &made.record, AT_US));
    made.record.ip6s_count = 0;
    assert_false(match_record(&match, &made.record, AT_US));
}

static void family_and_time(void **state)
{
    struct match match = {0};
    struct made made;
    (void)state;
    make(&made, "a");
    assert_true(match_record(&match, &made.record, AT_US));
    match_add_family(&match, 6);
    assert_false(match_record(&match, &made.record, AT_US));
    match_add_family(&match, 4); /* either */
    assert_true(match_record(&match, &made.record, AT_US));
    memset(&match, 0, sizeof(match));
    match_set_since(&match, AT_US);
    assert_true(match_record(&match, &made.record, AT_US + 1));
    match_set_until(&match, AT_US + 1);
    assert_true(match_record(&match, &made.record, AT_US));
    assert_false(match_record(&match, &made.record, AT_US - 1));
    assert_false(match_record(&match, &made.record, AT_US + 1));
}

/* Names of version 0 are text. */
static void text_names(void **state)
{
    struct match match = {0};
    struct made made;
    (void)state;
    make(&made, "a");
    made.record.names_text = 1;
    made.record.names = (const uint8_t *)"bad..name\0WWW.example.COM";
    made.record.names_len = sizeof("bad..name\0WWW.example.COM");
    made.record.names_count = 2;
    assert_int_equal(match_add_name(&match, "*.example.com", NULL), 0);
    assert_true(match_record(&match, &made.record, AT_US));
    match.keys_count = 0;
    assert_int_equal(match_add_name(&match, "*AD.\\.na*", NULL), 0);
    assert_false(match_record(&match, &made.record, AT_US)); /* it is printed as it came */
    assert_int_equal(match_add_name(&match, "*.EXAMPLE.c*", NULL), 0);
    assert_true(match_record(&match, &made.record, AT_US));
}

/* With libidn2, names in UTF-8 are found as DNS has them. */
static void wide_names(void **state)
{
    static const struct {
        const char *pattern, *names;
        bool is_match;
    } rows[] = {
        {"b\303\274cher.example", "xn--bcher-kva.example", true},
        {"B\303\234CHER.example", "xn--bcher-kva.example", true},
        {"bu\314\210cher.example", "xn--bcher-kva.example", true},
        {"b\303\274cher.example", "b\\195\\188cher.example", true},
        {"b\303\274cher.example", "bucher.example", false},
        {"b\303\274cher.example", "www.xn--bcher-kva.example", false},
        {"*.b\303\274cher.example", "www.xn--bcher-kva.example", true},
        {"*.b\303\274cher.example", "xn--bcher-kva.example", false},
        {"*b\303\274cher*", "www.xn--bcher-kva.example", true},
        {"*b\303\274cher.exa*", "www.xn--bcher-kva.example", true},
        {"*b\303\274ch*", "b\\195\\188cher.example", true},
        {"stra\303\237e.example", "xn--strae-oqa.example", true},
        {"\344\276\213\343\201\210.\343\203\206\343\202\271\343\203\210", "xn--r8jz45g.xn--zckzah", true},
        {"a\\.b.b\303\274cher.example", "a\\.b.xn--bcher-kva.example", true},
        {"B\303\274ro 1.local", "b\\195\\188ro\\0321.local", true},
    };
    static const char *const wrong[] = {"b\374cher.example", "*b\374cher*", "b\303\274cher..example"};
    struct error why;
    (void)state;
    bool has_library = strncmp(idn_version(), "libidn2", 7) == 0;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct match match = {0};
        if (!has_library && (match_add_name(&match, rows[i].pattern, &why) != -1 || !strstr(why.text, "libidn2")))
            fail_msg("%s was taken", rows[i].pattern);
        if (has_library && matches(rows[i].pattern, rows[i].names) != rows[i].is_match)
            fail_msg("%s on %s: expected %d", rows[i].pattern, rows[i].names, rows[i].is_match);
    }
    for (size_t i = 0; i < LEN(wrong); i++) {
        struct match match = {0};
        if (match_add_name(&match, wrong[i], &why) != -1 || !strstr(why.text, "expected"))
            fail_msg("%s was taken", wrong[i]);
    }
    struct match match = {.keys_count = MATCH_MAX - 1};
    if (has_library)
        assert_int_equal(match_add_name(&match, rows[0].pattern, &why), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),          cmocka_unit_test(wrong_names), cmocka_unit_test(prefixes),
        cmocka_unit_test(wrong_prefixes), cmocka_unit_test(combined),    cmocka_unit_test(family_and_time),
        cmocka_unit_test(text_names),     cmocka_unit_test(wide_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
