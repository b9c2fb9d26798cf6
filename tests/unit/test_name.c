/* SPDX-License-Identifier: BSD-3-Clause */
#include "testing.h"

#include "dns/name.h"

enum { ROOM = DNS_NAME_MAX + DNS_NAME_SLACK, POINTERS = 16 };

static const char *status_text(enum name_status status)
{
    return status == NAME_OK ? "ok" : status == NAME_CUT ? "cut" : "broken";
}

/* Copies the name at `at` of msg[0..len), which is put into an allocation of its size. */
static enum name_status copy(const uint8_t *bytes, size_t len, size_t *at, uint8_t *name, size_t *name_len)
{
    uint8_t *msg = exact_copy(bytes, len);
    uint8_t *room = malloc(ROOM);
    struct writer out = writer_over(room, ROOM);
    size_t before = *at;
    unsigned pointers = POINTERS;
    enum name_status status = dns_name_copy(msg, len, at, &pointers, &out);
    *name_len = writer_len(&out);
    if (status == NAME_OK) {
        memcpy(name, room, *name_len);
    } else {
        assert_int_equal(*at, before);
        assert_int_equal(*name_len, 0);
    }
    assert_false(out.failed);
    free(room);
    free(msg);
    return status;
}

struct row {
    const char *why;
    uint8_t len, at;
    uint8_t bytes[32];
    enum name_status status, skip_status;
    uint8_t end, name_len;
    uint8_t name[16];
};

static const struct row rows[] = {
    {"root", 1, 0, {0}, NAME_OK, NAME_OK, 1, 1, {0}},
    {"one label", 3, 0, {1, 'a', 0}, NAME_OK, NAME_OK, 3, 3, {1, 'a', 0}},
    {"case and bytes kept", 5, 0, {3, 'A', 0, 0xff, 0}, NAME_OK, NAME_OK, 5, 5, {3, 'A', 0, 0xff, 0}},
    {"behind other bytes", 5, 2, {9, 9, 1, 'a', 0}, NAME_OK, NAME_OK, 5, 3, {1, 'a', 0}},
    {"pointer back", 5, 3, {1, 'a', 0, 0xc0, 0}, NAME_OK, NAME_OK, 5, 3, {1, 'a', 0}},
    {"label then pointer", 7, 3, {1, 'a', 0, 1, 'b', 0xc0, 0}, NAME_OK, NAME_OK, 7, 5, {1, 'b', 1, 'a', 0}},
    {"pointer to a pointer", 7, 5, {1, 'a', 0, 0xc0, 0, 0xc0, 3}, NAME_OK, NAME_OK, 7, 3, {1, 'a', 0}},
    {"pointer to the root", 3, 1, {0, 0xc0, 0}, NAME_OK, NAME_OK, 3, 1, {0}},
    {"pointer into a label", 6, 4, {3, 1, 'a', 0, 0xc0, 1}, NAME_OK, NAME_OK, 6, 3, {1, 'a', 0}},
    {"pointer to itself", 2, 0, {0xc0, 0}, NAME_BROKEN, NAME_OK, 2, 0, {0}},
    {"pointer to itself later", 3, 1, {0, 0xc0, 1}, NAME_BROKEN, NAME_OK, 3, 0, {0}},
    {"pointer forward", 5, 0, {0xc0, 2, 1, 'a', 0}, NAME_BROKEN, NAME_OK, 2, 0, {0}},
    {"pointer behind the end", 2, 0, {0xff, 0xff}, NAME_BROKEN, NAME_OK, 2, 0, {0}},
    {"pointer to its own label", 4, 0, {1, 'a', 0xc0, 0}, NAME_BROKEN, NAME_OK, 4, 0, {0}},
    {"two pointers in a circle", 4, 2, {0xc0, 2, 0xc0, 0}, NAME_BROKEN, NAME_OK, 4, 0, {0}},
    {"back, then to where it came from", 6, 4, {1, 'a', 0xc0, 4, 0xc0, 0}, NAME_BROKEN, NAME_OK, 6, 0, {0}},
    {"back, then to its own start", 6, 4, {1, 'a', 0xc0, 0, 0xc0, 0}, NAME_BROKEN, NAME_OK, 6, 0, {0}},
    {"label type 01", 3, 0, {0x40, 'a', 0}, NAME_BROKEN, NAME_BROKEN, 0, 0, {0}},
    {"label type 10", 3, 0, {0x80, 'a', 0}, NAME_BROKEN, NAME_BROKEN, 0, 0, {0}},
    {"empty message", 0, 0, {0}, NAME_CUT, NAME_CUT, 0, 0, {0}},
    {"starts at the end", 1, 1, {0}, NAME_CUT, NAME_CUT, 0, 0, {0}},
    {"half a pointer", 1, 0, {0xc0}, NAME_CUT, NAME_CUT, 0, 0, {0}},
    {"no root", 2, 0, {1, 'a'}, NAME_CUT, NAME_CUT, 0, 0, {0}},
    {"label cut", 3, 0, {3, 'a', 'b'}, NAME_CUT, NAME_CUT, 0, 0, {0}},
    {"label behind a good one cut", 4, 0, {1, 'a', 2, 'b'}, NAME_CUT, NAME_CUT, 0, 0, {0}},
};

static void rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        const struct row *r = &rows[i];
        uint8_t name[ROOM];
        size_t at = r->at, name_len;
        enum name_status status = copy(r->bytes, r->len, &at, name, &name_len);
        if (status != r->status)
            fail_msg("%s: %s, expected %s", r->why, status_text(status), status_text(r->status));
        if (status == NAME_OK) {
            assert_int_equal(at, r->end);
            assert_int_equal(name_len, r->name_len);
            assert_memory_equal(name, r->name, name_len);
        }
        uint8_t *msg = exact_copy(r->bytes, r->len);
        at = r->at;
        status = dns_name_skip(msg, r->len, &at);
        if (status != r->skip_status)
            fail_msg("%s: skipped: %s, expected %s", r->why, status_text(status), status_text(r->skip_status));
        assert_int_equal(at, status == NAME_OK ? r->end : r->at);
        free(msg);
    }
}

static void label_of_63_but_not_64(void **state)
{
    (void)state;
    for (uint8_t len = 62; len <= 64; len++) {
        uint8_t bytes[70] = {len}, name[ROOM];
        size_t at = 0, skip_at = 0, name_len;
        memset(bytes + 1, 'a', len);
        enum name_status expect = len <= 63 ? NAME_OK : NAME_BROKEN;
        assert_int_equal(copy(bytes, (size_t)len + 2, &at, name, &name_len), expect);
        assert_int_equal(dns_name_skip(bytes, (size_t)len + 2, &skip_at), expect);
        assert_int_equal(at, expect == NAME_OK ? len + 2 : 0);
        assert_int_equal(skip_at, at);
    }
}

static void name_of_255_octets_but_not_256(void **state)
{
    (void)state;
    for (size_t octets = 250; octets <= 260; octets++) {
        uint8_t bytes[300], name[ROOM];
        struct writer out = writer_over(bytes, sizeof(bytes));
        size_t at = 0, skip_at = 0, name_len;
        put_name_of(&out, octets, 1);
        assert_int_equal(writer_len(&out), octets);
        enum name_status expect = octets <= 255 ? NAME_OK : NAME_BROKEN;
        assert_int_equal(copy(bytes, octets, &at, name, &name_len), expect);
        assert_int_equal(dns_name_skip(bytes, octets, &skip_at), expect);
        if (expect == NAME_OK)
            assert_memory_equal(name, bytes, octets);
    }
}

/* The same limit when pointers put the name together: a name of `first` octets, in front of it a label. */
static void limit_holds_across_pointers(void **state)
{
    (void)state;
    for (size_t octets = 250; octets <= 258; octets++) {
        uint8_t bytes[400], name[ROOM];
        struct writer out = writer_over(bytes, sizeof(bytes));
        size_t name_len, first = octets - 11;
        put_name_of(&out, first, 7);
        size_t at = first, start = first;
        write_u8(&out, 10);
        write_bytes(&out, "abcdefghij", 10);
        write_be16(&out, 0xc000);
        enum name_status expect = octets <= 255 ? NAME_OK : NAME_BROKEN;
        assert_int_equal(copy(bytes, writer_len(&out), &at, name, &name_len), expect);
        assert_int_equal(at, expect == NAME_OK ? start + 13 : start);
        if (expect == NAME_OK)
            assert_int_equal(name_len, octets);
    }
}

static void pointers_to_the_end_of_their_range(void **state)
{
    (void)state;
    static uint8_t bytes[0x4002];
    uint8_t name[ROOM];
    size_t at = 0x4000, name_len;
    bytes[0x3ffc] = 1, bytes[0x3ffd] = 'z';
    bytes[0x4000] = 0xff, bytes[0x4001] = 0xfc;
    assert_int_equal(copy(bytes, sizeof(bytes), &at, name, &name_len), NAME_OK);
    assert_int_equal(name_len, 3);
    assert_memory_equal(name, "\1z", 3);
}

/* Pointers, each to the one before: as many as are followed, and one more. */
static void a_chain_of_pointers_is_bounded(void **state)
{
    (void)state;
    static uint8_t bytes[0x4000];
    uint8_t name[ROOM];
    size_t name_len;
    bytes[0] = 0;
    for (size_t at = 2; at + 2 <= sizeof(bytes); at += 2)
        store_be16(bytes + at, (uint16_t)(0xc000 | (at == 2 ? 0 : at - 2)));
    for (size_t pointers = 1; pointers <= sizeof(bytes) / 2 - 1; pointers += pointers < 20 ? 1 : 500) {
        size_t at = 2 * pointers;
        bool is_short = pointers <= POINTERS;
        assert_int_equal(copy(bytes, sizeof(bytes), &at, name, &name_len), is_short ? NAME_OK : NAME_BROKEN);
        assert_int_equal(at, is_short ? 2 * pointers + 2 : 2 * pointers);
        if (is_short)
            assert_int_equal(name_len, 1);
    }
}

static void every_room_below_the_needed_refuses(void **state)
{
    (void)state;
    uint8_t name[256];
    struct writer made = writer_over(name, sizeof(name));
    put_name_of(&made, 255, 3);
    for (size_t room = 0; room <= ROOM; room += room < ROOM - 2 ? 30 : 1) {
        uint8_t *bytes = malloc(room);
        struct writer out = writer_over(bytes, room);
        size_t at = 0;
        unsigned pointers = POINTERS;
        enum name_status status = dns_name_copy(name, 255, &at, &pointers, &out);
        assert_int_equal(status, room < ROOM ? NAME_BROKEN : NAME_OK);
        assert_int_equal(writer_len(&out), room < ROOM ? 0 : 255);
        free(bytes);
    }
}

/* What is scribbled lies in the slack, wherever in the message the name stands. */
static void slack_is_not_exceeded(void **state)
{
    (void)state;
    for (size_t octets = 3; octets <= 255; octets++) {
        for (size_t behind = 0; behind <= 17; behind++) {
            uint8_t bytes[300] = {0}, room[ROOM + 32];
            struct writer made = writer_over(bytes, sizeof(bytes)), out = writer_over(room, sizeof(room));
            size_t at = 0;
            unsigned pointers = POINTERS;
            put_name_of(&made, octets, (unsigned)octets);
            memset(bytes + octets, 0xee, behind);
            memset(room, 0x55, sizeof(room));
            assert_int_equal(dns_name_copy(bytes, octets + behind, &at, &pointers, &out), NAME_OK);
            assert_memory_equal(room, bytes, octets);
            for (size_t i = octets + DNS_NAME_SLACK; i < sizeof(room); i++)
                assert_int_equal(room[i], 0x55);
        }
    }
}

static void a_failed_writer_refuses(void **state)
{
    (void)state;
    uint8_t room[ROOM];
    struct writer out = writer_over(room, sizeof(room));
    size_t at = 0;
    unsigned pointers = POINTERS;
    out.failed = true;
    assert_int_equal(dns_name_copy((const uint8_t *)"\0", 1, &at, &pointers, &out), NAME_BROKEN);
    assert_int_equal(writer_len(&out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),
        cmocka_unit_test(label_of_63_but_not_64),
        cmocka_unit_test(name_of_255_octets_but_not_256),
        cmocka_unit_test(limit_holds_across_pointers),
        cmocka_unit_test(pointers_to_the_end_of_their_range),
        cmocka_unit_test(a_chain_of_pointers_is_bounded),
        cmocka_unit_test(every_room_below_the_needed_refuses),
        cmocka_unit_test(slack_is_not_exceeded),
        cmocka_unit_test(a_failed_writer_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
