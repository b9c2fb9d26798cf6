/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Answers that come later, or are held back for a while. */
#include "serving.h"

static const char asks_later[] = "GET /later HTTP/1.0\r\n\r\n", asks_delayed[] = "GET /delayed HTTP/1.0\r\n\r\n",
                  asks_page[] = "GET / HTTP/1.0\r\n\r\n";

/* Reads until the connection ends, or so long. Returns whether it has ended. */
static bool read_all(int fd, int ms)
{
    size_t used = 0;
    int64_t until = clock_monotonic_us() + ms * INT64_C(1000);
    answer[0] = '\0';
    while (hear(fd, answer, sizeof(answer), &used)) {
        if (clock_monotonic_us() >= until)
            return false;
        turn();
    }
    return true;
}

static int ask_and_wait(const char *request, size_t handled)
{
    int fd = connect_from(1);
    int64_t until = clock_monotonic_us() + 10 * SECOND_US;
    say(fd, request, strlen(request));
    while (live.handled < handled && clock_monotonic_us() < until)
        turn();
    assert_int_equal(live.handled, handled);
    return fd;
}

static void give(uint64_t to, const char *text)
{
    struct http_reply reply = {
        .status = 200, .content_type = "text/x", .body = evbuffer_new(), .lines = evbuffer_new()};
    evbuffer_add_printf(reply.body, "%s", text);
    evbuffer_add_printf(reply.lines, "X-Line: 1\r\n");
    http_answer(live.server, to, &reply);
    evbuffer_free(reply.body);
    evbuffer_free(reply.lines);
}

static void later_answers(void **state)
{
    (void)state;
    start(false, (struct http_options){0});
    int first = ask_and_wait(asks_later, 1);
    uint64_t of_first = ticket;
    int second = ask_and_wait("HEAD /later HTTP/1.0\r\n\r\n", 2);
    uint64_t of_second = ticket;
    assert_true(of_first != of_second);
    assert_false(read_all(first, 20));
    give(of_second, "second");
    assert_true(read_all(second, 5000));
    assert_true(has_line("Content-Length: 6") && has_line("X-Line: 1") && has_line("Content-Type: text/x"));
    assert_string_equal(body(), "");
    give(of_second, "again"); /* to nobody */
    give(of_first, "first");
    assert_true(read_all(first, 5000));
    assert_string_equal(body(), "first");
    close(first);
    close(second);
    stop();
}

/* Its place has another client by then. */
static void answers_to_who_is_gone(void **state)
{
    (void)state;
    start(false, (struct http_options){.connections = 1, .total_ms = 100});
    int first = ask_and_wait(asks_later, 1);
    uint64_t of_first = ticket;
    assert_true(read_all(first, 5000)); /* cut off at the deadline */
    assert_string_equal(answer, "");
    assert_int_equal(counted().late, 1);
    close(first);
    int second = ask_and_wait(asks_later, 2);
    give(of_first, "first");
    assert_int_equal(counted().open, 1);
    give(ticket, "second");
    assert_true(read_all(second, 5000));
    assert_string_equal(body(), "second");
    close(second);
    stop();
}

/* Who waits gets his answer; nobody else is let in, and who only has not hung up yet is not waited for. */
static void finishing(void **state)
{
    (void)state;
    start(false, (struct http_options){0});
    assert_true(http_is_idle(live.server));
    int first = ask_and_wait(asks_later, 1);
    assert_false(http_is_idle(live.server));
    http_finish(live.server);
    int second = connect_from(1);
    say(second, asks_page, strlen(asks_page));
    assert_false(read_all(second, 50));
    assert_int_equal(live.handled, 1);
    assert_false(http_is_idle(live.server));
    give(ticket, "first");
    assert_true(read_all(first, 5000));
    assert_string_equal(body(), "first");
    assert_int_equal(counted().open, 1);
    assert_true(http_is_idle(live.server));
    close(first);
    close(second);
    stop();
}

/* Who waits for an answer is not put out for a newer client. */
static void waiting_keeps_its_place(void **state)
{
    (void)state;
    start(false, (struct http_options){.connections = 1});
    int first = ask_and_wait(asks_later, 1), second = connect_from(1);
    say(second, asks_page, strlen(asks_page));
    assert_true(read_all(second, 5000));
    assert_string_equal(answer, "");
    assert_int_equal(counted().full, 1);
    give(ticket, "first");
    assert_true(read_all(first, 5000));
    assert_string_equal(body(), "first");
    close(first);
    close(second);
    stop();
}

static void held_back(void **state)
{
    (void)state;
    start(false, (struct http_options){0});
    int64_t before = clock_monotonic_us();
    assert_int_equal(ask(asks_delayed, strlen(asks_delayed)), 401);
    assert_true(clock_monotonic_us() - before >= 250000);
    assert_true(has_line("X-More: a") && has_line("X-Most: b"));
    stop();
}

/* Guessing holds nobody off. */
static void held_back_gives_way(void **state)
{
    (void)state;
    start(false, (struct http_options){.connections = 1});
    int first = ask_and_wait(asks_delayed, 1), second = ask_and_wait(asks_page, 2);
    assert_true(read_all(second, 5000));
    assert_string_equal(body(), "page GET / ");
    assert_true(read_all(first, 5000));
    assert_string_equal(answer, "");
    close(first);
    close(second);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(later_answers),
                                       cmocka_unit_test(finishing),
                                       cmocka_unit_test(answers_to_who_is_gone),
                                       cmocka_unit_test(waiting_keeps_its_place),
                                       cmocka_unit_test(held_back),
                                       cmocka_unit_test(held_back_gives_way)};
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
