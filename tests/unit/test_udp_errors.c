/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the kernel says when it does not send: a sendmmsg of our own says it here, as each test wants. */
#include "testing.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "sink/sink.h"

/* For each call what it returns: how many datagrams it took, or an errno as a negative number. */
static struct {
    int results[32];
    size_t count, at;
    unsigned offered[32]; /* how many datagrams it was given */
    uint8_t first[32];    /* the first byte of the first */
} script;

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    (void)fd, (void)flags;
    assert_true(script.at < script.count);
    int result = script.results[script.at];
    script.offered[script.at] = count;
    script.first[script.at++] = *(const uint8_t *)messages->msg_hdr.msg_iov->iov_base;
    errno = result < 0 ? -result : 0;
    return result < 0 ? -1 : result;
}

static int mtu; /* of the route; 0: not known */

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    (void)fd;
    if (level != IPPROTO_IP || name != IP_MTU || mtu == 0 || *len != sizeof(mtu))
        return -1;
    memcpy(value, &mtu, sizeof(mtu));
    return 0;
}

static struct counters counters;

static struct sink *open_udp(const char *name, bool is_live)
{
    const struct sink_start start = {.is_live = is_live};
    struct sink_plan plan = {.kind = &sink_udp, .value = name};
    struct sink *sink;
    struct error err;
    assert_int_equal(sink_udp.parse(&plan, &err), 0);
    assert_int_equal(sink_udp.open(&plan, &start, &counters, &sink, &err), 0);
    return sink;
}

/* Sends `datagrams` at once, with the results given, all of which are used. What is counted for the collector. */
static struct sink_output send_with(unsigned datagrams, const int *results, size_t count)
{
    struct sink_output out;
    memset(&counters, 0, sizeof(counters));
    struct sink *sink = open_udp("127.0.0.1:9", false);
    memcpy(script.results, results, count * sizeof(*results));
    script.count = count;
    script.at = 0;
    for (uint8_t i = 0; i < datagrams; i++)
        sink_write(sink, &i, 1, 0);
    sink_flush(sink);
    assert_int_equal(script.at, count);
    sink_output(sink, &out);
    assert_int_equal(counter_read(&counters.drops[DROP_SENT]), out.sent);
    sink_close(sink);
    out.name = NULL;
    return out;
}

#define SEND(datagrams, ...) \
    send_with(datagrams, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static uint64_t refused(void)
{
    return counter_read(&counters.drops[DROP_SEND_REFUSED]);
}

/* Each error has its own account and costs one datagram; what keeps others from going too is shown until one goes. */
static void each_error_by_its_kind(void **state)
{
    (void)state;
    static const struct {
        int error;
        enum sink_loss loss;
        int cause;
    } rows[] = {
        {ENOBUFS, SINK_LOST_FULL, 0}, {EAGAIN, SINK_LOST_FULL, 0},       {EMSGSIZE, SINK_LOST_SIZE, 0},
        {EIO, SINK_LOST_OTHER, EIO},  {ENOMEM, SINK_LOST_OTHER, ENOMEM},
    };
    for (size_t i = 0; i < LEN(rows); i++)
        for (int is_last = 0; is_last <= 1; is_last++) {
            struct sink_output out = is_last ? SEND(3, 2, -rows[i].error) : SEND(3, 1, -rows[i].error, 1);
            assert_int_equal(out.sent, 2);
            for (int loss = 0; loss < SINK_LOSSES; loss++)
                if (out.lost[loss] != (loss == (int)rows[i].loss))
                    fail_msg("%s: %s", strerror(rows[i].error), sink_loss_names[loss]);
            assert_int_equal(counter_read(&counters.drops[DROP_SEND_LOST]), 1);
            assert_int_equal(out.cause, is_last ? rows[i].cause : 0);
            assert_int_equal(refused(), 0);
        }
}

/* Only what lasts is shown as a cause, from the first datagram on. */
static void a_full_buffer_is_no_cause(void **state)
{
    (void)state;
    assert_int_equal(SEND(1, -ENOBUFS).cause, 0);
    assert_int_equal(SEND(1, -EMSGSIZE).cause, 0);
    assert_int_equal(SEND(1, -EIO).cause, EIO);
}

/* A signal costs nothing. */
static void interrupted(void **state)
{
    (void)state;
    struct sink_output out = SEND(2, -EINTR, -EINTR, 1, -EINTR, 1);
    assert_int_equal(out.sent, 2);
    assert_int_equal(counter_read(&counters.drops[DROP_SEND_LOST]), 0);
    assert_int_equal(script.offered[2], 2);
    assert_int_equal(script.first[4], 1);
}

/* A refusal is that of an earlier datagram: each one has another try, also when others of the batch had one before. */
static void refusals(void **state)
{
    (void)state;
    struct sink_output out = SEND(3, -ECONNREFUSED, 1, -ECONNREFUSED, 1, -ECONNREFUSED, 1);
    assert_int_equal(out.sent, 3);
    assert_int_equal(refused(), 3);
    out =
        SEND(3, -ECONNREFUSED, -ECONNREFUSED, -ECONNREFUSED, 2); /* twice at one: that is lost; the next has its own */
    assert_int_equal(out.sent, 2);
    assert_int_equal(out.lost[SINK_LOST_OTHER], 1);
    assert_int_equal(script.first[2], 1);
    assert_int_equal(refused(), 3);
}

/* Where sending stopped midway it says why only at the next try; when that one goes through it was a refusal. */
static void stopped_midway(void **state)
{
    (void)state;
    struct sink_output out = SEND(4, 1, 1, 2);
    assert_int_equal(out.sent, 4);
    assert_int_equal(refused(), 2);
    out = SEND(4, 1, -ENOBUFS, 2); /* it was the buffer, and the try after that was no second one */
    assert_int_equal(out.sent, 3);
    assert_int_equal(out.lost[SINK_LOST_FULL], 1);
    assert_int_equal(refused(), 0);
    (void)SEND(4, 4);
    assert_int_equal(refused(), 0);
}

/* Without a way the connection is made anew at once and the datagram tried again; the second time within a second it is
 * lost. */
static void no_way(void **state)
{
    (void)state;
    static const int errors[] = {ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EINVAL, EACCES, EPERM, ENODEV, ENETDOWN};
    for (size_t i = 0; i < LEN(errors); i++) {
        struct sink_output out = SEND(2, -errors[i], 1, -errors[i]);
        assert_int_equal(out.sent, 1);
        assert_int_equal(out.lost[SINK_LOST_UNREACHABLE], 1);
        assert_int_equal(out.cause, errors[i]);
    }
    assert_non_null(strstr(sink_cause_text(EHOSTUNREACH), "No route to host, or a firewall refuses"));
}

/* 32 datagrams go at once, and the 33rd waits for the next time. */
static void a_batch(void **state)
{
    (void)state;
    struct sink_output out = SEND(33, 32, 1);
    assert_int_equal(out.sent, 33);
    assert_int_equal(script.offered[0], 32);
    assert_int_equal(script.offered[1], 1);
    assert_int_equal(script.first[1], 32);
}

/* A route carries what it carries, between the most and the least of a datagram; with less it is said to be too narrow
 * until it is wide enough. */
static void narrow_routes(void **state)
{
    (void)state;
    static const struct {
        int mtu;
        size_t limit;
        int cause;
    } rows[] = {{0, 1472, 0},    {65536, 1472, 0},       {1500, 1472, 0},      {1499, 1471, 0},     {1261, 1233, 0},
                {1260, 1232, 0}, {1259, 1232, EMSGSIZE}, {28, 1232, EMSGSIZE}, {1, 1232, EMSGSIZE}, {1500, 1472, 0}};
    const struct address_name target = {.host = "127.0.0.1", .port = "9", .text = "127.0.0.1:9"};
    struct sink_news news = {.fd = -1};
    struct sink_output out;
    struct sink *sink = open_udp("127.0.0.1:9", true);
    assert_int_equal(address_read(&target, &news.address), 0);
    for (size_t i = 0; i < LEN(rows); i++) {
        mtu = rows[i].mtu;
        sink_renew(sink, &news);
        if (sink_limit(sink) != rows[i].limit)
            fail_msg("%d: %zu", mtu, sink_limit(sink));
        sink_output(sink, &out);
        assert_int_equal(out.cause, rows[i].cause);
    }
    mtu = 0;
    sink_close(sink);
}

/* Without an address the name is the cause, with one that cannot be reached the way. */
static void nowhere_to_send(void **state)
{
    (void)state;
    static const char *const names[] = {"collector.invalid",
                                        "255.255.255.255"}; /* to send there, a socket must ask leave */
    for (int is_known = 0; is_known <= 1; is_known++) {
        struct sink_output out;
        struct sink *sink = open_udp(names[is_known], true);
        sink_write(sink, (const uint8_t *)"x", 1, 0);
        sink_flush(sink);
        sink_output(sink, &out);
        assert_int_equal(out.lost[SINK_LOST_UNREACHABLE], is_known);
        assert_int_equal(out.lost[SINK_LOST_UNRESOLVED], !is_known);
        assert_int_equal(out.cause, is_known ? EACCES : SINK_UNRESOLVED);
        sink_close(sink);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_by_its_kind),
        cmocka_unit_test(a_full_buffer_is_no_cause),
        cmocka_unit_test(interrupted),
        cmocka_unit_test(refusals),
        cmocka_unit_test(stopped_midway),
        cmocka_unit_test(no_way),
        cmocka_unit_test(a_batch),
        cmocka_unit_test(narrow_routes),
        cmocka_unit_test(nowhere_to_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
