/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Filters when memory runs out while an expression is compiled: a pcap_compile of our own fails when the test wants. */
#include "testing.h"

#include <errno.h>
#include <pcap/pcap.h>

#include "capture/filter.h"

static int fails_with; /* an errno; 0: all pass */

int pcap_compile(pcap_t *pcap, struct bpf_program *code, const char *expression, int optimize, bpf_u_int32 mask)
{
    (void)pcap, (void)expression, (void)optimize, (void)mask;
    errno = fails_with;
    if (fails_with != 0)
        return -1;
    code->bf_len = 1;
    code->bf_insns = malloc(sizeof(*code->bf_insns)); /* pcap_freecode frees it */
    assert_non_null(code->bf_insns);
    code->bf_insns[0] = (struct bpf_insn){.code = BPF_RET | BPF_K, .k = 65535};
    return 0;
}

/* It is no verdict on the expression: the next frame asks again. */
static void asked_again(void **state)
{
    (void)state;
    static const uint8_t bytes[64];
    struct packet p = packet_of(bytes, sizeof(bytes), 1, 0);
    struct filter *filter;
    struct error err;
    assert_int_equal(filter_create("udp", &filter, &err), 0);
    fails_with = ENOMEM;
    assert_int_equal(filter_check_link(filter, 1, &err), -1);
    assert_string_equal(err.text, "udp: out of memory");
    assert_false(filter_match(filter, &p));
    fails_with = 0;
    assert_true(filter_match(filter, &p));
    assert_int_equal(filter_check_link(filter, 1, &err), 0);
    fails_with = EINVAL; /* another failure is one */
    p.link_type = 113;
    assert_false(filter_match(filter, &p));
    fails_with = 0;
    assert_false(filter_match(filter, &p));
    filter_destroy(filter);
}

static void named_as_it_is(void **state)
{
    (void)state;
    struct filter *filter;
    struct error err;
    fails_with = ENOMEM;
    assert_int_equal(filter_create("udp", &filter, &err), -1);
    assert_non_null(strstr(err.text, "out of memory"));
    fails_with = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_again),
        cmocka_unit_test(named_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
