/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The HTTP server: what it answers, each limit and one more, and clients that hold on. */
#include "serving.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

#include "requests.h"

static void what_is_answered(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *body;
        int status;
    } rows[] = {
        {"GET", "/", "page GET / ", 200},
        {"GET", "/?", "page GET / ", 200},
        {"GET", "/?a=b%20", "page GET / a=b%20", 200},
        {"GET", "/api/", "api GET /api/ ", 200},
        {"GET", "/api/x/y", "api GET /api/x/y ", 200},
        {"GET", "/api/v1/x?y", "v1 GET /api/v1/x y", 200},
        {"GET", "/api/v1/me", "me GET /api/v1/me ", 200},
        {"GET", "/api", "404 Not Found\n", 404},
        {"GET", "/x", "404 Not Found\n", 404},
        {"GET", "//", "404 Not Found\n", 404},
        {"GET", "/%61pi/", "404 Not Found\n", 404},
        {"GET", "/unwell", "", 503},
        {"HEAD", "/", "", 200},
        {"HEAD", "/x", "", 404},
        {"POST", "/", "405 Method Not Allowed\n", 405},
    };
    start(false, (struct http_options){0});
    for (size_t i = 0; i < LEN(rows); i++) {
        char bytes[256];
        int len = snprintf(bytes, sizeof(bytes), "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", rows[i].method, rows[i].target);
        int got = ask(bytes, (size_t)len);
        if (got != rows[i].status || strcmp(body(), rows[i].body) != 0)
            fail_msg("%s %s: %d %s", rows[i].method, rows[i].target, got, answer);
        assert_true(has_line("Connection: close") && has_line("Cache-Control: no-store"));
        assert_true(has_line("X-Content-Type-Options: nosniff") && has_line("Content-Type: text/plain; charset=utf-8"));
        assert_true(strstr(answer, "\r\nDate: ") && strstr(answer, " GMT\r\n"));
        assert_int_equal(has_line("Allow: GET, HEAD"), rows[i].status == 405);
    }
    assert_int_equal(ask("HEAD / HTTP/1.0\r\n\r\n", 19), 200);
    assert_true(has_line("Content-Length: 12"));
    assert_int_equal(ask("GET /big HTTP/1.0\r\n\r\n", 21), 200);
    assert_true(has_line("Content-Length: 8388608") && has_line("Content-Type: application/octet-stream"));
    assert_int_equal(strlen(answer) - (size_t)(body() - answer), 0); /* zeros */
    assert_int_equal(counted().bad, 6);
    assert_int_equal(counted().requests, LEN(rows) - 6 + 2);
    stop();
}

/* Every header of the table as a client sends it, with more behind it, which takes nothing from the answer. */
static void what_is_refused(void **state)
{
    (void)state;
    start(false, (struct http_options){.header_ms = 200});
    for (size_t i = 0; i < LEN(headers); i++) {
        static char bytes[40000];
        memcpy(bytes, headers[i].bytes, headers[i].len);
        memset(bytes + headers[i].len, 'x', sizeof(bytes) - headers[i].len);
        int got = ask(bytes, sizeof(bytes)), wanted = headers[i].status ? headers[i].status : 200;
        if (wanted == 200 && strncmp(headers[i].bytes, "GET /a", 6) == 0)
            wanted = 404;
        if (got != wanted)
            fail_msg("row %zu: %d: %s", i, got, headers[i].bytes);
    }
    stop();
}

static void bytes_at_most(void **state)
{
    (void)state;
    static const size_t lengths[] = {HTTP_HEADER_MAX - 1, HTTP_HEADER_MAX, HTTP_HEADER_MAX + 1, 3 * HTTP_HEADER_MAX};
    static char bytes[3 * HTTP_HEADER_MAX + 1];
    start(false, (struct http_options){0});
    for (size_t i = 0; i < LEN(lengths); i++) {
        int used = snprintf(bytes, sizeof(bytes), "GET /?");
        memset(bytes + used, 'q', lengths[i] - (size_t)used);
        memcpy(bytes + lengths[i] - 13, " HTTP/1.0\r\n\r\n", 13);
        assert_int_equal(ask(bytes, lengths[i]), lengths[i] <= HTTP_HEADER_MAX ? 200 : 431);
        used = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.0\r\nA: ");
        memset(bytes + used, 'v', lengths[i] - (size_t)used);
        memcpy(bytes + lengths[i] - 4, "\r\n\r\n", 4);
        assert_int_equal(ask(bytes, lengths[i]), lengths[i] <= HTTP_HEADER_MAX ? 200 : 431);
    }
    stop();
}

static void host_over_tcp(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int tcp, path; /* status */
    } rows[] = {{"127.0.0.1", 200, 200},    {"localhost", 200, 200}, {"own.example:1", 200, 200},
                {"evil.example", 421, 200}, {"", 421, 200},          {"a b", 400, 400}};
    for (int is_tcp = 0; is_tcp <= 1; is_tcp++) {
        start(is_tcp, (struct http_options){0});
        for (size_t i = 0; i < LEN(rows); i++) {
            char bytes[256];
            int len = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i].host);
            assert_int_equal(ask(bytes, (size_t)len), is_tcp ? rows[i].tcp : rows[i].path);
        }
        assert_int_equal(ask("GET / HTTP/1.0\r\n\r\n", 18), 200);
        stop();
    }
}

/* ---- clients that hold on ---- */

static void header_in_drips(void **state)
{
    (void)state;
    static const char bytes[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    size_t used = 0;
    start(false, (struct http_options){0});
    int fd = connect_from(1);
    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        say(fd, bytes + i, 1);
        turn();
        assert_int_equal(live.handled, i == sizeof(bytes) - 2);
    }
    while (hear(fd, answer, sizeof(answer), &used))
        turn();
    assert_string_equal(body(), "page GET / ");
    close(fd);
    stop();
}

/* No byte pushes the deadline on. */
static void header_too_slow(void **state)
{
    (void)state;
    start(false, (struct http_options){.header_ms = 150});
    int fds[] = {connect_from(1), connect_from(1)};
    int64_t began = clock_monotonic_us(), until = began + 5 * SECOND_US;
    while (still_there(fds, 2) > 0 && clock_monotonic_us() < until) {
        if (fds[1] >= 0)
            (void)!send(fds[1], "x", 1, MSG_NOSIGNAL);
        turn();
    }
    assert_in_range(clock_monotonic_us() - began, 140000, 1000000);
    assert_int_equal(counted().slow, 2);
    assert_int_equal(counted().open, 0);
    stop();
}

static void reader_too_slow(void **state)
{
    (void)state;
    char byte;
    start(false, (struct http_options){.header_ms = 100, .total_ms = 300});
    int fd = connect_from(1);
    int64_t began = clock_monotonic_us(), until = began + 5 * SECOND_US;
    say(fd, "GET /big HTTP/1.0\r\n\r\n", 21);
    do {
        (void)!recv(fd, &byte, 1, 0);
        turn();
    } while ((counted().open > 0 || live.handled == 0) && clock_monotonic_us() < until);
    assert_in_range(clock_monotonic_us() - began, 290000, 1500000);
    assert_int_equal(counted().slow_read, 1);
    assert_int_equal(counted().requests, 1);
    close(fd);
    stop();
}

/* Who does not close is closed, and cannot have the server read for ever. */
static void client_that_stays(void **state)
{
    (void)state;
    static char more[70000];
    start(false, (struct http_options){0});
    int fds[] = {connect_from(1), connect_from(1)};
    int64_t began = clock_monotonic_us(), until = began + 5 * SECOND_US;
    say(fds[0], "GET / HTTP/1.0\r\n\r\n", 18);
    say(fds[1], "GET / HTTP/1.0\r\n\r\n", 18);
    while ((live.handled < 2 || counted().open > 1) && clock_monotonic_us() < until) {
        (void)!send(fds[1], more, sizeof(more), MSG_NOSIGNAL);
        turn();
    }
    assert_true(clock_monotonic_us() - began < 900000);
    while (counted().open > 0 && clock_monotonic_us() < until)
        turn();
    assert_in_range(clock_monotonic_us() - began, 900000, 3000000);
    assert_int_equal(counted().requests, 2);
    assert_int_equal(counted().slow_read, 0);
    close_all(fds, 2);
    stop();
}

static void places_in_all(void **state)
{
    (void)state;
    int fds[CLIENTS_MAX];
    start(false, (struct http_options){0});
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        fds[i] = connect_from(1);
        turn();
        assert_true(counted().open <= HTTP_CONNECTIONS);
    }
    assert_int_equal(wait_there(fds, CLIENTS_MAX, HTTP_CONNECTIONS, 2000), HTTP_CONNECTIONS);
    assert_true(fds[CLIENTS_MAX - 1] >= 0 && fds[0] < 0);
    assert_int_equal(counted().crowded, CLIENTS_MAX - HTTP_CONNECTIONS);
    /* another one is served beside them */
    int fd = connect_from(1);
    size_t used = 0;
    int64_t until = clock_monotonic_us() + 2 * SECOND_US;
    say(fd, "GET / HTTP/1.0\r\n\r\n", 18);
    while (hear(fd, answer, sizeof(answer), &used) && clock_monotonic_us() < until)
        turn();
    assert_string_equal(body(), "page GET / ");
    close(fd);
    close_all(fds, CLIENTS_MAX);
    while (counted().open > 0 && clock_monotonic_us() < until)
        turn();
    assert_int_equal(counted().left, HTTP_CONNECTIONS - 1);
    stop();
}

/* Reads the whole answer of a client. */
static void hear_all(int fd)
{
    size_t used = 0;
    answer[0] = 0;
    int64_t until = clock_monotonic_us() + 2 * SECOND_US;
    while (hear(fd, answer, sizeof(answer), &used) && clock_monotonic_us() < until)
        turn();
}

/* A request that has come is read before its client could be taken for one that holds on. */
static void place_of_one_that_has_asked(void **state)
{
    (void)state;
    int fds[9];
    start(false, (struct http_options){.connections = 4});
    for (size_t i = 0; i < LEN(fds); i++) {
        fds[i] = connect_from(1);
        if (i == 0)
            say(fds[0], "GET / HTTP/1.0\r\n\r\n", 18);
    }
    hear_all(fds[0]);
    assert_string_equal(body(), "page GET / ");
    close_all(fds, LEN(fds));
    stop();
}

/* Addresses with many places give them before one with few. */
static void place_of_one_among_many(void **state)
{
    (void)state;
    int fds[80];
    start(true, (struct http_options){0});
    int fd = connect_from(1);
    for (size_t i = 0; i < LEN(fds); i++) {
        fds[i] = connect_from(2 + (unsigned)i % 8);
        turn();
    }
    say(fd, "GET / HTTP/1.0\r\n\r\n", 18);
    hear_all(fd);
    assert_string_equal(body(), "page GET / ");
    close(fd);
    close_all(fds, LEN(fds));
    stop();
}

/* Who is being answered keeps the place. */
static void places_of_readers(void **state)
{
    (void)state;
    int fds[6];
    start(false, (struct http_options){.connections = 4});
    for (size_t i = 0; i < 4; i++) {
        fds[i] = connect_from(1);
        say(fds[i], "GET /big HTTP/1.0\r\n\r\n", 21);
    }
    int64_t until = clock_monotonic_us() + 2 * SECOND_US;
    while (live.handled < 4 && clock_monotonic_us() < until)
        turn();
    fds[4] = connect_from(1);
    fds[5] = connect_from(1);
    assert_int_equal(wait_there(fds + 4, 2, 0, 2000), 0);
    assert_int_equal(counted().full, 2);
    assert_int_equal(counted().open, 4);
    close_all(fds, 4);
    stop();
}

static void places_of_an_address(void **state)
{
    (void)state;
    int fds[30];
    start(true, (struct http_options){0});
    for (size_t i = 0; i < 30; i++)
        fds[i] = connect_from(1 + (unsigned)i / 10);
    assert_int_equal(wait_there(fds, 30, 3 * HTTP_OF_A_PEER, 2000), 3 * HTTP_OF_A_PEER);
    for (size_t i = 0; i < 30; i++)
        assert_int_equal(fds[i] >= 0, i % 10 < HTTP_OF_A_PEER);
    assert_int_equal(counted().peer_full, 6);
    close(fds[0]);
    fds[0] = -1;
    int64_t until = clock_monotonic_us() + 2 * SECOND_US;
    while (counted().left == 0 && clock_monotonic_us() < until)
        turn();
    fds[8] = connect_from(1);
    fds[9] = connect_from(1);
    assert_int_equal(wait_there(fds + 8, 2, 1, 2000), 1);
    close_all(fds, 30);
    stop();
}

/* A short answer leaves at once: no client of ours sets the option itself. */
static void nothing_is_held_back(void **state)
{
    (void)state;
    int is_set, found = 0;
    start(true, (struct http_options){0});
    int client = connect_from(1);
    int64_t until = clock_monotonic_us() + 2 * SECOND_US;
    while (counted().open == 0 && clock_monotonic_us() < until)
        turn();
    for (int fd = 0; fd < 256; fd++) {
        socklen_t len = sizeof(is_set);
        found += getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &is_set, &len) == 0 && is_set;
    }
    assert_int_equal(found, 1);
    close(client);
    stop();
}

/* Without descriptors clients that wait are sent away, the loop rests, and afterwards all is well. */
static void no_descriptors(void **state)
{
    (void)state;
    struct rlimit before, none;
    int fds[40], rounds = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    start(false, (struct http_options){0});
    for (size_t i = 0; i < LEN(fds); i++)
        fds[i] = connect_from(1);
    none = before;
    none.rlim_cur = (rlim_t)fds[LEN(fds) - 1] + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int64_t until = clock_monotonic_us() + 5 * SECOND_US;
    while (still_there(fds, LEN(fds)) == LEN(fds) && clock_monotonic_us() < until)
        turn();
    int more = fds[0];
    assert_int_equal(more, -1);
    while (counted().no_file < 16 && clock_monotonic_us() < until)
        turn();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(counted().no_file >= 16);
    /* one more that it cannot take: the loop rests */
    int64_t end = clock_monotonic_us() + 300000;
    none.rlim_cur = 3;
    int waiting = connect_from(1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (; clock_monotonic_us() < end; rounds++) {
        const struct timeval span = {.tv_usec = 50000};
        (void)event_base_loopexit(live.base, &span);
        (void)event_base_loop(live.base, EVLOOP_ONCE);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(rounds < 40);
    close(waiting);
    close_all(fds, LEN(fds));
    while (counted().open > 0 && clock_monotonic_us() < until)
        turn();
    assert_int_equal(ask("GET / HTTP/1.0\r\n\r\n", 18), 200);
    stop();
}

/* ---- what is said of it ---- */

static int said_before = -1;
static char said[65536];

static void catch_lines(char path[256])
{
    temp_file(path, NULL, 0);
    int fd = open(path, O_WRONLY);
    said_before = dup(STDERR_FILENO);
    assert_true(fd >= 0 && said_before >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    close(fd);
}

static size_t lines_of(char path[256])
{
    size_t len, count = 0;
    assert_true(dup2(said_before, STDERR_FILENO) >= 0);
    close(said_before);
    uint8_t *bytes = read_whole(path, &len);
    snprintf(said, sizeof(said), "%.*s", (int)len, (const char *)bytes);
    for (size_t i = 0; i < len; i++)
        count += bytes[i] == '\n';
    free(bytes);
    unlink(path);
    return count;
}

static void one_line_a_minute(void **state)
{
    (void)state;
    char path[256];
    int fds[CLIENTS_MAX];
    catch_lines(path);
    start(true, (struct http_options){0});
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        fds[i] = connect_from(1 + (unsigned)i % 20);
        turn();
    }
    size_t left = wait_there(fds, CLIENTS_MAX, HTTP_CONNECTIONS, 2000);
    size_t lines = lines_of(path);
    assert_int_equal(left, HTTP_CONNECTIONS);
    assert_int_equal(lines, 1);
    assert_non_null(strstr(said, "]: warning: test: 1 connection turned away, the last one "));
    close_all(fds, CLIENTS_MAX);
    stop();
}

static void loop_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    (void)event_base_loop(context, 0); /* of which libevent complains */
}

static void lines_of_libevent(void **state)
{
    (void)state;
    const struct timeval at_once = {0};
    char path[256];
    catch_lines(path);
    live.base = event_base_new();
    for (int i = 0; i < 6; i++) {
        if (i % 3 == 0)
            http_take_libevent_line();
        assert_int_equal(event_base_once(live.base, -1, EV_TIMEOUT, loop_again, live.base, &at_once), 0);
        (void)event_base_loop(live.base, EVLOOP_ONCE);
    }
    event_base_free(live.base);
    event_set_log_callback(NULL);
    assert_int_equal(lines_of(path), 2);
    assert_non_null(strstr(said, "]: warning: libevent: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {

        cmocka_unit_test(what_is_answered),     cmocka_unit_test(what_is_refused),
        cmocka_unit_test(bytes_at_most),        cmocka_unit_test(host_over_tcp),
        cmocka_unit_test(header_in_drips),      cmocka_unit_test(header_too_slow),
        cmocka_unit_test(reader_too_slow),      cmocka_unit_test(client_that_stays),
        cmocka_unit_test(places_in_all),        cmocka_unit_test(places_of_readers),
        cmocka_unit_test(places_of_an_address), cmocka_unit_test(nothing_is_held_back),
        cmocka_unit_test(no_descriptors),       cmocka_unit_test(one_line_a_minute),
        cmocka_unit_test(lines_of_libevent),    cmocka_unit_test(place_of_one_that_has_asked),
        cmocka_unit_test(place_of_one_among_many),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
