/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The collectors: how they are named, and sending to loopback. */
#include "testing.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "sink/sink.h"

static struct counters counters;
static struct error err;

static uint64_t counted(enum drop_reason reason)
{
    return counter_read(&counters.drops[reason]);
}

static void targets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *port, *shown; /* host NULL: refused */
    } rows[] = {
        {"collector", "collector", "5300", "collector:5300"},
        {"collector:9", "collector", "9", "collector:9"},
        {"192.0.2.1", "192.0.2.1", "5300", "192.0.2.1:5300"},
        {"192.0.2.1:65535", "192.0.2.1", "65535", "192.0.2.1:65535"},
        {"[2001:db8::1]", "2001:db8::1", "5300", "[2001:db8::1]:5300"},
        {"[2001:db8::1]:1", "2001:db8::1", "1", "[2001:db8::1]:1"},
        {"[fe80::1%eth0]:53", "fe80::1%eth0", "53", "[fe80::1%eth0]:53"},
        {"host:0053", "host", "53", "host:53"},
        {"127.1", "127.1", "5300", "127.1:5300"},
        {"1.2.3.4.example", "1.2.3.4.example", "5300", "1.2.3.4.example:5300"},
        {"300.1.1.1", NULL, NULL, NULL},
        {"1.2.3.4.5:5300", NULL, NULL, NULL},
        {"", NULL, NULL, NULL},
        {":5300", NULL, NULL, NULL},
        {"host:", NULL, NULL, NULL},
        {"host:0", NULL, NULL, NULL},
        {"host:65536", NULL, NULL, NULL},
        {"host:99999999999999999999", NULL, NULL, NULL},
        {"host:-1", NULL, NULL, NULL},
        {"host:+1", NULL, NULL, NULL},
        {"host: 1", NULL, NULL, NULL},
        {"host:1x", NULL, NULL, NULL},
        {"host:domain", NULL, NULL, NULL},
        {"[::1", NULL, NULL, NULL},
        {"[::1]x", NULL, NULL, NULL},
        {"[::1]:", NULL, NULL, NULL},
        {"[::1]:5:3", NULL, NULL, NULL},
        {"[]", NULL, NULL, NULL},
        {"[]:53", NULL, NULL, NULL},
        {"[", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        struct address_name target;
        char *text = (char *)exact_copy((const uint8_t *)rows[i].text, strlen(rows[i].text) + 1);
        int result = address_parse(text, DNSFLOW_PORT, &target, &err);
        if ((result == 0) != (rows[i].host != NULL))
            fail_msg("\"%s\"", rows[i].text);
        if (result == 0) {
            assert_string_equal(target.host, rows[i].host);
            assert_string_equal(target.port, rows[i].port);
            assert_string_equal(target.text, rows[i].shown);
        } else {
            assert_non_null(strstr(err.text, "expected"));
        }
        free(text);
    }
}

static void targets_that_may_have_been_meant_otherwise(void **state)
{
    (void)state;
    assert_true(address_is_ambiguous("2001:db8::9:5300"));
    assert_true(address_is_ambiguous("::1:53"));
    assert_false(address_is_ambiguous("[2001:db8::9]:5300"));
    assert_false(address_is_ambiguous("2001:db8::9"));
    assert_false(address_is_ambiguous("2001:db8::abcd"));
    assert_false(address_is_ambiguous("2001:db8::1:abcd"));
    assert_false(address_is_ambiguous("2001:db8::1:"));
    assert_false(address_is_ambiguous("2001:db8:1:2:3:4:5:5300")); /* all of it is needed */
    assert_false(address_is_ambiguous("192.0.2.1:5300"));
    assert_false(address_is_ambiguous("host:5300"));
    assert_false(address_is_ambiguous("host"));
}

static void addresses_with_a_port(void **state)
{
    (void)state;
    static const char *const good[] = {"host:53", "192.0.2.1:53", "[2001:db8::1]:53", "[::]:1"};
    static const char *const bad[] = {"host", "192.0.2.1", "[2001:db8::1]", "2001:db8::1:53",
                                      "::1",  "a:b:1",     ":53",           ""};
    struct address_name target;
    for (size_t i = 0; i < LEN(good); i++)
        if (address_parse(good[i], 0, &target, &err) != 0)
            fail_msg("%s: %s", good[i], err.text);
    for (size_t i = 0; i < LEN(bad); i++)
        if (address_parse(bad[i], 0, &target, &err) == 0)
            fail_msg("%s", bad[i]);
}

/* The resolver's own words, or the system's where it points there. */
static void why_a_name_has_no_address(void **state)
{
    (void)state;
    struct address_name target = {.port = "5300", .text = "long:5300"};
    struct address found;
    struct addrinfo *none = NULL;
    char want[300];
    memset(target.host, 'x', 80);
    int cause = getaddrinfo(target.host, "5300", NULL, &none);
    assert_true(cause != 0 && cause != EAI_SYSTEM);
    assert_int_equal(address_resolve("collector", &target, &found, &err), -1);
    snprintf(want, sizeof(want), "collector long:5300: %s", gai_strerror(cause));
    assert_string_equal(err.text, want);
}

static void longest_target(void **state)
{
    (void)state;
    for (size_t len = 250; len <= 260; len++) {
        struct address_name target;
        char text[300];
        memset(text, 'h', len);
        snprintf(text + len, sizeof(text) - len, ":65535");
        assert_int_equal(address_parse(text, DNSFLOW_PORT, &target, &err), len <= 255 ? 0 : -1);
        if (len <= 255) {
            assert_int_equal(strlen(target.host), len);
            assert_string_equal(target.text, text);
        }
    }
}

/* A receiver on loopback; -1 when there is none of this family. */
static int receiver(int family, struct address_name *target)
{
    struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
    socklen_t len = sizeof(address);
    char text[64];
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 4 << 20;
    if (family == AF_INET)
        ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        ((struct sockaddr_in6 *)&address)->sin6_addr = in6addr_loopback;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, family == AF_INET ? 16 : 28) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 5}, sizeof(struct timeval));
    unsigned port = ntohs(family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                            : ((struct sockaddr_in6 *)&address)->sin6_port);
    snprintf(text, sizeof(text), family == AF_INET ? "127.0.0.1:%u" : "[::1]:%u", port);
    assert_int_equal(address_parse(text, DNSFLOW_PORT, target, &err), 0);
    return fd;
}

static struct sink *open_sink(const struct address_name *target, bool is_live)
{
    const struct sink_plan plan = {.kind = &sink_udp, .target = *target};
    const struct sink_start start = {.is_live = is_live};
    struct sink *sink;
    assert_int_equal(sink_udp.open(&plan, &start, &counters, &sink, &err), 0);
    return sink;
}

static int forget(void **state)
{
    (void)state;
    memset(&counters, 0, sizeof(counters));
    return 0;
}

static void what_is_sent_arrives(void **state)
{
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2 * LEN(families); i++) {
        enum { COUNT = 100 };
        struct address_name target;
        int family = families[i / 2], fd = receiver(family, &target);
        if (fd < 0) {
            printf("skipped: no loopback of family %d\n", family);
            continue;
        }
        forget(NULL);
        struct sink *sink = open_sink(&target, i % 2);
        assert_int_equal(sink_limit(sink), family == AF_INET ? DNSFLOW_LIMIT_IP4 : DNSFLOW_LIMIT_IP6);
        for (size_t n = 0; n < COUNT; n++) {
            uint8_t bytes[DNSFLOW_LIMIT_IP4];
            memset(bytes, (int)n, sizeof(bytes));
            sink_write(sink, bytes, n == 50 ? DNSFLOW_LIMIT_IP6 : n + 1, 0);
        }
        sink_close(sink);
        struct sockaddr_storage first, from;
        for (size_t n = 0; n < COUNT; n++) {
            uint8_t bytes[2000];
            socklen_t len = sizeof(from);
            memset(&from, 0, sizeof(from));
            ssize_t got = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len);
            assert_int_equal(got, n == 50 ? DNSFLOW_LIMIT_IP6 : (int)n + 1);
            assert_int_equal(bytes[0], n);
            assert_int_equal(bytes[got - 1], n);
            if (n == 0)
                first = from;
            assert_memory_equal(&from, &first, len); /* one source port */
        }
        assert_true(counted(DROP_SENT) == COUNT && counted(DROP_SEND_LOST) == 0 && counted(DROP_SEND_REFUSED) == 0);
        close(fd);
    }
}

/* Held back until the flush, and kept on the same port by a reopening. */
static void flush_and_reopen(void **state)
{
    (void)state;
    struct address_name target;
    int fd = receiver(AF_INET, &target);
    assert_true(fd >= 0);
    struct sink *sink = open_sink(&target, false);
    struct sockaddr_in from[2];
    char byte;
    for (int n = 0; n < 2; n++) {
        socklen_t len = sizeof(from[n]);
        sink_write(sink, (const uint8_t *)"x", 1, 0);
        assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
        if (n == 0)
            sink_flush(sink);
        else
            sink_reopen(sink);
        assert_int_equal(recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from[n], &len), 1);
    }
    assert_int_equal(from[0].sin_port, from[1].sin_port);
    assert_int_equal(sink_report(sink), 0);
    sink_close(sink);
    assert_true(counted(DROP_SENT) == 2);
    close(fd);
}

/* Nobody listens: the refusals are counted, and the other collector gets everything. */
static void a_dead_port_stops_nothing(void **state)
{
    (void)state;
    enum { COUNT = 70 };
    struct address_name list[2];
    int dead = receiver(AF_INET, &list[0]), fd = receiver(AF_INET, &list[1]);
    assert_true(dead >= 0 && fd >= 0);
    close(dead);
    struct sink *sinks[] = {open_sink(&list[0], false), open_sink(&list[1], false)};
    for (size_t n = 0; n < 2 * COUNT; n++) {
        uint8_t byte = (uint8_t)(n / 2);
        sink_write(sinks[n % 2], &byte, 1, 0);
        if (n < 40)
            sink_flush(sinks[n % 2]);
    }
    for (size_t i = 0; i < LEN(sinks); i++) {
        assert_int_equal(sink_report(sinks[i]), 0);
        sink_close(sinks[i]);
    }
    for (size_t n = 0; n < COUNT; n++) {
        uint8_t byte;
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
        assert_int_equal(byte, n);
    }
    assert_true(counted(DROP_SEND_REFUSED) >= 10);
    assert_true(counted(DROP_SENT) + counted(DROP_SEND_LOST) == 2 * COUNT);
    assert_true(counted(DROP_SENT) >= COUNT);
    close(fd);
}

/* A name that cannot resolve, refused without asking a server: its label is too long. */
static void an_unresolvable_name_loses(void **state)
{
    (void)state;
    struct address_name target;
    struct sink_output output;
    memset(&target, 0, sizeof(target));
    memset(target.host, 'x', 80);
    snprintf(target.port, sizeof(target.port), "5300");
    snprintf(target.text, sizeof(target.text), "unresolvable:5300");
    struct sink *sink = open_sink(&target, false);
    assert_int_equal(sink_limit(sink), DNSFLOW_LIMIT_IP4);
    for (size_t n = 0; n < 40; n++)
        sink_write(sink, (const uint8_t *)"x", 1, 0);
    sink_reopen(sink);
    sink_output(sink, &output);
    assert_int_equal(output.cause, SINK_UNRESOLVED);
    assert_true(output.sent == 0 && output.lost[SINK_LOST_UNRESOLVED] == 40);
    sink_close(sink);
    assert_true(counted(DROP_SEND_LOST) == 40 && counted(DROP_SENT) == 0);
}

/* Live, a name waits for its address to be brought. */
static void an_address_is_brought(void **state)
{
    (void)state;
    struct address_name target, name;
    struct sink_news news = {.fd = -1};
    char byte;
    int fd = receiver(AF_INET, &target);
    assert_true(fd >= 0);
    assert_int_equal(address_read(&target, &news.address), 0);
    assert_int_equal(address_parse("collector.invalid", DNSFLOW_PORT, &name, &err), 0);
    struct sink *sink = open_sink(&name, true);
    sink_write(sink, (const uint8_t *)"x", 1, 0);
    sink_renew(sink, &news);
    assert_true(counted(DROP_SEND_LOST) == 1);
    sink_write(sink, (const uint8_t *)"y", 1, 0);
    sink_close(sink);
    assert_true(recv(fd, &byte, 1, 0) == 1 && byte == 'y' && counted(DROP_SENT) == 1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),
        cmocka_unit_test(targets_that_may_have_been_meant_otherwise),
        cmocka_unit_test(addresses_with_a_port),
        cmocka_unit_test(why_a_name_has_no_address),
        cmocka_unit_test(longest_target),
        cmocka_unit_test_setup(what_is_sent_arrives, forget),
        cmocka_unit_test_setup(flush_and_reopen, forget),
        cmocka_unit_test_setup(a_dead_port_stops_nothing, forget),
        cmocka_unit_test_setup(an_unresolvable_name_loses, forget),
        cmocka_unit_test_setup(an_address_is_brought, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
