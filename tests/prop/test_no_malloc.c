/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The packet path allocates nothing. The allocator's functions are replaced by ones that count and pass on;
 * with a sanitizer, which replaces them itself, its hook counts. */
#include "../unit/running.h"

enum { FRAMES = 10000 };

static volatile bool counting; /* volatile: the compiler knows that malloc reads no variable */
static volatile size_t allocations;

static void count_one(void)
{
    allocations = allocations + counting;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REPLACED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REPLACED 0
#endif
#endif
#ifndef REPLACED
#define REPLACED 1
#endif

#if REPLACED

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
    count_one();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    count_one();
    return __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    count_one();
    return __libc_realloc(p, size);
}

static void install(void) {}

#else

int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));

static void on_malloc(const volatile void *p, size_t size)
{
    (void)p, (void)size;
    count_one();
}

static void on_free(const volatile void *p)
{
    (void)p;
}

static void install(void)
{
    (void)__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}

#endif

static struct message m;
static struct run run;

static size_t next_frame(struct chance *c, uint8_t *frame, size_t size)
{
    struct flow f = flow_of(chance_below(c, 2) ? 4 : 6);
    f.resolver_port = chance_below(c, 8) ? 53 : 5353;
    switch (chance_below(c, 5)) {
    case 0:
        message_begin(&m, 0x8183);
        message_question(&m, "nowhere.example", TYPE_A);
        break;
    case 1:
        message_begin(&m, MESSAGE_RESPONSE);
        message_question(&m, "many.example", TYPE_A);
        for (uint32_t i = 0; i < 100; i++)
            message_a(&m, NULL, 1, i);
        break;
    default:
        message_typical(&m);
        break;
    }
    size_t len = build_frame(frame, size, &f, m.bytes, message_len(&m));
    return chance_below(c, 10) ? len : chance_below(c, len);
}

static void no_allocation_after_the_first_packet(void **state)
{
    (void)state;
    uint8_t frame[4096];
    struct chance c = {14};
    for (int kind = 0; kind < 4; kind++) {
        run_prepare(&run);
        run.config.extended = kind & 1;
        run.config.mdns = (kind & 1) != 0;
        if (kind & 2) {
            run.config.filter = "udp";
            run.config.sample = 3;
        }
        run_start(&run, 0);
        int64_t now = INT64_C(1700000000000000);
        run_frame(&run, frame, next_frame(&c, frame, sizeof(frame)), now);
        allocations = 0;
        for (int n = 0; n < FRAMES; n++) {
            size_t len = next_frame(&c, frame, sizeof(frame));
            now += 1000;
            counting = true;
            run_frame(&run, frame, len, now);
            counting = false;
        }
        assert_int_equal(allocations, 0);
        assert_true(run_count(&run, DROP_DATAGRAMS) > 100);
        run_finish(&run);
        release_caught(&run.out);
    }
}

/* The counting itself works. */
static void an_allocation_is_counted(void **state)
{
    (void)state;
    allocations = 0;
    counting = true;
    void *volatile p = malloc(100);
    counting = false;
    free(p);
    assert_int_equal(allocations, 1);
}

int main(void)
{
    install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_is_counted),
        cmocka_unit_test(no_allocation_after_the_first_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
