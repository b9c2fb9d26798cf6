/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a dnstap socket tells of its clients. */
#include <sys/socket.h>
#include <sys/un.h>

#include "testing.h"

#include "base/clock.h"
#include "capture/capture.h"

enum { CLIENTS = 64, WAIT_US = 10000000 };

static const uint8_t start[] = {0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 2}, stop[] = {0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3};
static const uint8_t frame[] = {0, 0, 0, 1, 7};

static char path[256];
static struct capture *capture;
static uint64_t seen;

static int open_socket(void **state)
{
    (void)state;
    struct error err;
    struct capture_dnstap_options options = {.path = path, .mode = 0600};
    temp_file(path, NULL, 0);
    unlink(path);
    seen = 0;
    return capture_open_dnstap(&options, &capture, &err);
}

static int close_socket(void **state)
{
    (void)state;
    capture_close(capture);
    assert_int_equal(access(path, F_OK), -1);
    return 0;
}

static int come(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0 && strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void say(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void step(void)
{
    struct packet packets[4];
    struct error err;
    int count = capture_borrow(capture, packets, LEN(packets), &err);
    assert_in_range(count, 0, LEN(packets));
    seen += (uint64_t)count;
}

/* Goes on until the numbers are these. */
static void expect(unsigned clients, uint64_t ever, uint64_t refused, uint64_t evicted, uint64_t cut, uint64_t frames)
{
    int64_t end = clock_monotonic_us() + WAIT_US;
    struct capture_stats s;
    do {
        step();
        capture_stats(capture, &s);
        if (s.clients == clients && s.clients_ever == ever && s.clients_refused == refused &&
            s.clients_evicted == evicted && s.frames_cut == cut && s.received == frames && seen == frames)
            return;
    } while (clock_monotonic_us() < end);
    fail_msg("%u clients, %u ever, %u refused, %u evicted, %u cut, %u frames", s.clients, (unsigned)s.clients_ever,
             (unsigned)s.clients_refused, (unsigned)s.clients_evicted, (unsigned)s.frames_cut, (unsigned)s.received);
}

static void clients_are_counted(void **state)
{
    (void)state;
    expect(0, 0, 0, 0, 0, 0);
    int a = come(), b = come();
    expect(2, 2, 0, 0, 0, 0);
    say(a, start, sizeof(start));
    say(a, frame, sizeof(frame));
    say(a, frame, sizeof(frame) - 1);
    say(a, frame + sizeof(frame) - 1, 1);
    expect(2, 2, 0, 0, 0, 2);
    close(a);
    expect(1, 2, 0, 0, 0, 2);
    say(b, start, sizeof(start));
    say(b, frame, sizeof(frame) - 1);
    close(b);
    expect(0, 2, 0, 0, 1, 2);
    int c = come();
    say(c, "something else", 14);
    expect(0, 3, 1, 0, 1, 3); /* it counts as a frame that is none */
    close(c);
}

/* Who was heard last stays longest. */
static void the_most_silent_gives_way(void **state)
{
    (void)state;
    int fds[CLIENTS + 3];
    uint8_t byte;
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = come();
        say(fds[i], start, sizeof(start));
        step();
    }
    expect(CLIENTS, CLIENTS, 0, 0, 0, 0);
    say(fds[0], frame, sizeof(frame));
    say(fds[1], frame, sizeof(frame) - 1); /* not a message yet */
    expect(CLIENTS, CLIENTS, 0, 0, 0, 1);
    for (unsigned i = 0; i < 3; i++) {
        fds[CLIENTS + i] = come();
        expect(CLIENTS, CLIENTS + i + 1, 0, i + 1, 1, 1);
        assert_int_equal(recv(fds[i + 1], &byte, 1, MSG_DONTWAIT), 0);
    }
    say(fds[0], stop, sizeof(stop));
    for (int i = 0; i < CLIENTS + 3; i++)
        close(fds[i]);
    expect(0, CLIENTS + 3, 0, 3, 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_are_counted, open_socket, close_socket),
        cmocka_unit_test_setup_teardown(the_most_silent_gives_way, open_socket, close_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
