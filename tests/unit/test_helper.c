/* SPDX-License-Identifier: BSD-3-Clause */
#include "testing.h"

#include <poll.h>

#include "guard/helper.h"

enum { TASKS = 2, WAIT_MS = 20000, TIMES = 500 };

static int keep_rights(const void *context, struct error *err)
{
    (void)context, (void)err;
    return 0;
}

static void serve(const void *context, unsigned task, struct helper_answer *answer)
{
    (void)context;
    answer->is_done = true;
    answer->data[0] = (uint8_t)(task + 7);
}

static const char *describe(const void *context, unsigned task)
{
    (void)context, (void)task;
    return "does nothing";
}

static void leave(const void *context)
{
    (void)context;
}

static struct helper *start(void)
{
    static const struct helper_work work = {"test", "test-helper", TASKS, NULL, keep_rights, serve, describe, leave};
    struct helper *helper = NULL;
    struct error err;
    assert_int_equal(helper_start(&work, &helper, &err), 0);
    return helper;
}

static void take(struct helper *helper, struct helper_answer *answer)
{
    struct pollfd ready = {.fd = helper_fd(helper), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
    assert_int_equal(helper_take(helper, answer), 1);
}

/* The process that has answered may not have ended when the next request for the same comes. */
static void asked_again_at_once(void **state)
{
    struct helper *helper = start();
    struct helper_answer answer;
    unsigned i;
    (void)state;
    for (i = 0; i < TIMES; i++) {
        helper_ask(helper, i % 7 == 0);
        take(helper, &answer);
        assert_true(answer.is_done);
        assert_int_equal(answer.task, i % 7 == 0);
        assert_int_equal(answer.data[0], answer.task + 7);
    }
    helper_stop(helper);
}

static void asked_twice_is_answered_once(void **state)
{
    struct helper *helper = start();
    struct helper_answer answer;
    (void)state;
    helper_ask(helper, 0);
    helper_ask(helper, 0);
    take(helper, &answer);
    helper_ask(helper, 1);
    take(helper, &answer);
    assert_int_equal(answer.task, 1);
    helper_stop(helper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_again_at_once),
        cmocka_unit_test(asked_twice_is_answered_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
