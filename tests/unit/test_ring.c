/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Blocks as the kernel hands them over, laid out by hand: no packet of them is lost, and none leads out of them. */
#include "testing.h"

#include "capture/ring.h"

enum { HEAD = 48, FROM = 20, MAC = 82, NET = MAC + 14, ALIGN = 8 };

/* Puts a packet of `len` bytes at `at`; the one behind it begins at the result. */
static size_t put_packet(uint8_t *block, size_t at, size_t len)
{
    struct tpacket3_hdr head = {.tp_snaplen = (uint32_t)len, .tp_len = (uint32_t)len, .tp_mac = MAC, .tp_net = NET};
    size_t end = (at + MAC + len + ALIGN - 1) / ALIGN * ALIGN;
    head.tp_next_offset = (uint32_t)(end - at);
    memcpy(block + at, &head, sizeof(head));
    memset(block + at + MAC, (int)len, len);
    return end;
}

static void close_block(uint8_t *block, unsigned count, size_t last)
{
    struct tpacket_block_desc head = {.version = 1};
    uint32_t none = 0;
    head.hdr.bh1.block_status = TP_STATUS_USER;
    head.hdr.bh1.num_pkts = count;
    head.hdr.bh1.offset_to_first_pkt = HEAD;
    memcpy(block, &head, sizeof(head));
    memcpy(block + last, &none, sizeof(none)); /* tp_next_offset, the first field */
}

static struct ring make_ring(void)
{
    struct ring r = {.fd = -1, .blocks = 1, .map_size = RING_BLOCK};
    r.map = calloc(1, RING_BLOCK);
    assert_non_null(r.map);
    return r;
}

/* Packets of `len` bytes until the block is full, the last one ending `gap` bytes before the block does. */
static unsigned fill(uint8_t *block, size_t len, size_t gap)
{
    unsigned count = 0;
    size_t at = HEAD, last = 0, step = (MAC + len + ALIGN - 1) / ALIGN * ALIGN;
    while (at + 2 * step + gap <= RING_BLOCK) {
        last = at;
        at = put_packet(block, at, len);
        count++;
    }
    size_t rest = RING_BLOCK - gap - at - MAC;
    last = at;
    (void)put_packet(block, at, rest);
    close_block(block, count + 1, last);
    return count + 1;
}

static void full_blocks_are_lent_whole(void **state)
{
    (void)state;
    for (size_t len = 60; len < 300; len += 7) {
        for (size_t gap = 0; gap < 24; gap++) {
            struct ring r = make_ring();
            struct ring_packet p;
            unsigned want = fill(r.map, len, gap), got = 0;
            assert_true(ring_take(&r));
            while (r.left > 0 && ring_next(&r, &p)) {
                assert_int_equal(p.frame[0], (uint8_t)p.head->tp_snaplen);
                got++;
            }
            assert_int_equal(got, want);
            free(r.map);
        }
    }
}

static void nothing_leads_out_of_the_block(void **state)
{
    (void)state;
    static const struct {
        uint32_t next;
        uint16_t mac;
        uint32_t len;
    } cases[] = {{8, MAC, RING_BLOCK}, {8, 0xffff, RING_BLOCK - 0xffff}, {RING_BLOCK, MAC, 60}, {UINT32_MAX, MAC, 60},
                 {8, MAC, UINT32_MAX}, {RING_BLOCK - HEAD - 47, MAC, 60}};
    for (size_t i = 0; i < LEN(cases); i++) {
        struct ring r = make_ring();
        struct ring_packet p;
        struct tpacket3_hdr head = {
            .tp_snaplen = cases[i].len, .tp_mac = cases[i].mac, .tp_next_offset = cases[i].next};
        close_block(r.map, 1000, HEAD);
        memcpy(r.map + HEAD, &head, sizeof(head));
        assert_true(ring_take(&r));
        while (r.left > 0 && ring_next(&r, &p)) {
            assert_true(p.frame >= r.map);
            assert_true(p.frame + p.head->tp_snaplen <= r.map + RING_BLOCK);
        }
        assert_int_equal(r.left, 0);
        free(r.map);
    }
}

static void blocks_are_given_back(void **state)
{
    (void)state;
    struct ring r = make_ring();
    struct ring_packet p;
    assert_false(ring_take(&r));
    (void)fill(r.map, 100, 0);
    assert_true(ring_take(&r));
    while (r.left > 0 && ring_next(&r, &p))
        continue;
    ring_release(&r);
    assert_false(ring_take(&r));
    free(r.map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_blocks_are_lent_whole),
        cmocka_unit_test(nothing_leads_out_of_the_block),
        cmocka_unit_test(blocks_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
