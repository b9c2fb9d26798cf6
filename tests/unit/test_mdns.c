/* SPDX-License-Identifier: BSD-3-Clause */
#include "testing.h"

#include "dns/message.h"

enum { MDNS_RESPONSE = 0x8400 };

static struct message m;
static struct dns_owners owners;
static struct dns_response got;
static uint8_t names[1024];
static char name_text[1024];

static enum drop_reason find_cut(size_t len, bool complete)
{
    uint8_t *msg = exact_copy(m.bytes, len);
    memset(&owners, 0xee, sizeof(owners));
    enum drop_reason why = dns_find_owners(msg, len, complete, &owners);
    assert_true(why == DROP_NONE || drop_table[why].ledger == LEDGER_MESSAGE);
    if (why == DROP_NONE) {
        assert_in_range(owners.count, 1, DNS_OWNERS_MAX);
        for (unsigned i = 0; i < owners.count; i++) {
            struct writer out = writer_over(names, sizeof(names));
            dns_owner_record(msg, &owners, i, &out, &got);
            assert_int_equal(got.names_count, 1);
            assert_true(got.ip4_count + got.ip6_count > 0);
        }
    }
    free(msg);
    return why;
}

static enum drop_reason find(void)
{
    return find_cut(message_len(&m), true);
}

static void record(unsigned index)
{
    struct writer out = writer_over(names, sizeof(names));
    const uint8_t *at = names;
    dns_owner_record(m.bytes, &owners, index, &out, &got);
    assert_true(dnsflow_name_text(&at, out.at, NULL, name_text, sizeof(name_text)) > 0);
    assert_ptr_equal(at, out.at);
}

static void owners_without_case_in_order_of_sight(void **state)
{
    (void)state;
    message_begin(&m, MDNS_RESPONSE);
    message_a(&m, "Printer.local", 120, 1);
    message_answer(&m, "printer.local", TYPE_TXT, 1, "\1x", 2);
    message_aaaa(&m, "other.local", 60, 2);
    message_aaaa(&m, "pRiNtEr.LOCAL", 4500, 3);
    message_a(&m, "printer.local", 10, 4);
    message_a(&m, "print.er.local", 10, 5); /* other labels */
    assert_int_equal(find(), DROP_NONE);
    assert_int_equal(owners.count, 3);
    assert_false(owners.truncated);
    assert_int_equal(owners.qtype, 0);
    record(0);
    assert_string_equal(name_text, "Printer.local");
    assert_int_equal(got.ip4_count, 2);
    assert_memory_equal(got.ip4, "\0\0\0\1\0\0\0\4", 8);
    assert_int_equal(got.ip6_count, 1);
    assert_int_equal(got.ip6[15], 3);
    assert_int_equal(got.min_ttl, 10);
    assert_int_equal(got.qtype, 0);
    record(1);
    assert_string_equal(name_text, "other.local");
    assert_int_equal(got.ip4_count, 0);
    assert_int_equal(got.ip6_count, 1);
    assert_int_equal(got.min_ttl, 60);
    record(2);
    assert_string_equal(name_text, "print.er.local");
}

/* Nothing of one message shows in the next that uses the same memory, whatever it was. */
static void after_a_longer_message(void **state)
{
    (void)state;
    static struct dns_owners used;
    message_begin(&m, MDNS_RESPONSE);
    message_question(&m, "x.local", TYPE_A);
    for (unsigned i = 0; i < 300; i++) { /* too many owners, each a line of addresses, some of a wrong length */
        char name[32];
        snprintf(name, sizeof(name), "n%u.local", i);
        message_a(&m, name, 1, i);
        message_aaaa(&m, name, 1, i);
        message_answer(&m, name, TYPE_A, 1, "", 0);
    }
    assert_int_equal(dns_find_owners(m.bytes, message_len(&m) - 20, false, &used), DROP_NONE);
    assert_true(used.truncated && used.incomplete && used.bad_lengths > 0 && used.count == DNS_OWNERS_MAX);
    message_begin(&m, MDNS_RESPONSE);
    message_a(&m, "n1.local", 5, 1);
    message_a(&m, "other.local", 6, 2);
    assert_int_equal(dns_find_owners(m.bytes, message_len(&m), true, &used), DROP_NONE);
    owners = used;
    assert_true(!owners.truncated && !owners.incomplete && owners.bad_lengths == 0 && owners.count == 2);
    assert_int_equal(owners.qtype, 0);
    for (unsigned i = 0; i < 2; i++) {
        record(i);
        assert_string_equal(name_text, i ? "other.local" : "n1.local");
        assert_int_equal(got.ip4_count, 1);
        assert_int_equal(got.ip4[3], i + 1);
        assert_int_equal(got.ip6_count, 0);
        assert_int_equal(got.min_ttl, 5 + i);
        assert_false(got.incomplete);
    }
    message_begin(&m, MDNS_RESPONSE); /* other names at the same places */
    message_a(&m, "on.local", 5, 1);
    message_a(&m, "third.local", 6, 2);
    assert_int_equal(dns_find_owners(m.bytes, message_len(&m), true, &used), DROP_NONE);
    owners = used;
    assert_int_equal(owners.count, 2);
    record(0);
    assert_string_equal(name_text, "on.local");
    record(1);
    assert_string_equal(name_text, "third.local");
}

/* '@' and '`', '[' and '{' differ by the bit of case, but are no letters. */
static void only_letters_have_case(void **state)
{
    (void)state;
    message_begin(&m, MDNS_RESPONSE);
    message_a(&m, "@", 1, 1);
    message_a(&m, "`", 1, 2);
    message_a(&m, "[", 1, 3);
    message_a(&m, "{", 1, 4);
    message_a(&m, "Z", 1, 5);
    message_a(&m, "z", 1, 6);
    message_a(&m, "\xc4", 1, 7);
    message_a(&m, "\xe4", 1, 8);
    assert_int_equal(find(), DROP_NONE);
    assert_int_equal(owners.count, 7);
}

static void owners_behind_pointers(void **state)
{
    (void)state;
    message_begin(&m, MDNS_RESPONSE);
    message_a(&m, "host.local", 1, 1);
    write_bytes(&m.out, "\4HOST\xc0\x11", 7); /* "local" of the first owner */
    write_be32(&m.out, 0x00010001);
    write_be32(&m.out, 9);
    write_be16(&m.out, 4);
    write_be32(&m.out, 77);
    message_count(&m, 6);
    assert_int_equal(find(), DROP_NONE);
    assert_int_equal(owners.count, 1);
    record(0);
    assert_string_equal(name_text, "host.local");
    assert_int_equal(got.ip4_count, 2);
    assert_int_equal(load_be32(got.ip4 + 4), 77);
}

static void as_many_owners_as_are_kept(void **state)
{
    (void)state;
    for (unsigned count = 31; count <= 34; count++) {
        char name[32];
        message_begin(&m, MDNS_RESPONSE);
        for (unsigned i = 0; i < count; i++) {
            snprintf(name, sizeof(name), "host%u.local", i);
            message_a(&m, name, 1, i);
        }
        message_a(&m, "HOST31.local", 1, 1000);
        message_a(&m, "host0.local", 1, 1001); /* known, though the table is full */
        assert_int_equal(find(), DROP_NONE);
        assert_int_equal(owners.count, 32);
        assert_int_equal(owners.truncated, count > 32);
        record(0);
        assert_int_equal(got.ip4_count, 2);
        record(31);
        assert_string_equal(name_text, count < 32 ? "HOST31.local" : "host31.local");
        assert_int_equal(got.ip4_count, count < 32 ? 1 : 2);
    }
}

static void header_rules(void **state)
{
    (void)state;
    static const struct {
        uint16_t flags;
        enum drop_reason reason;
    } rows[] = {
        {0x8400, DROP_NONE},      {0x8000, DROP_NONE},         {0x8180, DROP_NONE},      {0xf800, DROP_NONE},
        {0x0000, DROP_DNS_QUERY}, {0x8403, DROP_DNS_NXDOMAIN}, {0x8402, DROP_DNS_RCODE},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        message_begin(&m, rows[i].flags);
        message_a(&m, "a.local", 1, 1);
        assert_int_equal(find(), rows[i].reason);
    }
}

static void questions_are_passed_over(void **state)
{
    (void)state;
    for (unsigned count = 0; count <= 3; count++) {
        message_begin(&m, MDNS_RESPONSE);
        for (unsigned i = 0; i < count; i++)
            message_question(&m, "a.local", (uint16_t)(TYPE_ANY - i));
        message_a(&m, "b.local", 1, 1);
        assert_int_equal(find(), DROP_NONE);
        assert_int_equal(owners.qtype, count ? TYPE_ANY : 0);
        record(0);
        assert_int_equal(got.qtype, count ? TYPE_ANY : 0);
        assert_string_equal(name_text, "b.local");
    }
    store_be16(m.bytes + 4, 65535);
    assert_int_equal(find(), DROP_DNS_MALFORMED);
}

static void no_owner(void **state)
{
    (void)state;
    message_begin(&m, MDNS_RESPONSE);
    assert_int_equal(find(), DROP_DNS_NO_ADDRESS);
    message_cname(&m, "a.local", 1, "b.local");
    assert_int_equal(find(), DROP_DNS_NO_ADDRESS);
    message_answer(&m, "a.local", TYPE_A, 1, "\1\2\3\4\5", 5);
    message_answer(&m, "a.local", TYPE_AAAA, 1, "\1\2\3\4", 4);
    assert_int_equal(find(), DROP_DNS_NO_ADDRESS);
    assert_int_equal(owners.bad_lengths, 2);
}

static void cut_at_every_length(void **state)
{
    (void)state;
    message_begin(&m, MDNS_RESPONSE);
    message_question(&m, "q.local", TYPE_A);
    message_a(&m, "a.local", 1, 1);
    size_t first = message_len(&m);
    message_aaaa(&m, "b.local", 1, 2);
    size_t whole = message_len(&m);
    for (size_t len = 0; len <= whole; len++) {
        assert_int_equal(find_cut(len, true), len < 12 ? DROP_DNS_SHORT : len < whole ? DROP_DNS_MALFORMED : DROP_NONE);
        enum drop_reason why = find_cut(len, false);
        assert_int_equal(why, len < first ? DROP_DNS_CUT : DROP_NONE);
        if (why == DROP_NONE) {
            assert_int_equal(owners.count, len < whole ? 1 : 2);
            assert_int_equal(owners.incomplete, len < whole);
        }
    }
}

static void broken_owner_of_an_address(void **state)
{
    (void)state;
    message_begin(&m, MDNS_RESPONSE);
    message_a(&m, "a.local", 1, 1);
    size_t at = message_len(&m);
    message_a(&m, NULL, 1, 2);
    store_be16(m.bytes + at, (uint16_t)(0xc000 | at)); /* to itself */
    assert_int_equal(find(), DROP_DNS_MALFORMED);
    assert_int_equal(find_cut(message_len(&m), false), DROP_DNS_MALFORMED);
}

/* As many answers as a message can hold. What points to names that are known takes them all; names that are spelled out
 * anew each time, as no honest message of this size has them, are too much. */
static void thousands_of_answers(void **state)
{
    (void)state;
    for (int spelled = 0; spelled <= 1; spelled++) {
        size_t places[40];
        message_begin(&m, MDNS_RESPONSE);
        for (unsigned i = 0; i < 40; i++) {
            char name[16];
            snprintf(name, sizeof(name), "n%u", i);
            places[i] = message_len(&m);
            message_a(&m, name, 1, i);
        }
        for (unsigned i = 0; message_len(&m) + 16 <= 65535; i++) {
            size_t at = message_len(&m);
            message_a(&m, spelled ? "" : NULL, 1, i);
            if (!spelled)
                store_be16(m.bytes + at, (uint16_t)(0xc000 | places[i % 40]));
        }
        assert_int_equal(find(), spelled ? DROP_DNS_MALFORMED : DROP_NONE);
        if (spelled)
            continue;
        assert_int_equal(owners.count, 32);
        assert_true(owners.truncated);
        size_t addresses = 0;
        for (unsigned i = 0; i < 32; i++) {
            record(i);
            addresses += got.ip4_count;
        }
        assert_int_equal(addresses, owners.addresses_count);
        assert_in_range(addresses, 3000, 4096);
    }
    message_begin(&m, MDNS_RESPONSE);
    while (message_len(&m) + 11 <= 65535)
        message_answer(&m, "", TYPE_TXT, 1, "", 0);
    assert_int_equal(find(), DROP_DNS_NO_ADDRESS);
}

/* Messages whose every answer spells its owner out, with and without a pointer to the rest of it: no size is too much.
 */
static void names_spelled_out(void **state)
{
    (void)state;
    static const size_t sizes[] = {200, 512, 1232, 1472, 4096, 9000};
    for (size_t size = 0; size < LEN(sizes); size++) {
        for (unsigned kind = 0; kind < 4; kind++) {
            char name[64];
            message_begin(&m, MDNS_RESPONSE);
            message_a(&m, "host.office.example.local", 1, 0);
            for (unsigned i = 0; message_len(&m) + 60 <= sizes[size]; i++) {
                size_t at = message_len(&m);
                snprintf(name, sizeof(name), kind & 1 ? "printer-%u.Office.example.local" : "p%u.local", i % 40);
                if (kind & 2) {
                    size_t label = strcspn(name, ".");
                    name[label] = '\0';
                    message_a(&m, name, 1, i); /* the root is where the pointer goes */
                    uint8_t rest[14];
                    memcpy(rest, m.bytes + at + label + 2, sizeof(rest));
                    store_be16(m.bytes + at + label + 1, 0xc000 | (12 + 5));
                    memcpy(m.bytes + at + label + 3, rest, sizeof(rest));
                    m.out.at++;
                } else {
                    message_a(&m, name, 1, i);
                }
            }
            assert_int_equal(find(), DROP_NONE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owners_without_case_in_order_of_sight),
        cmocka_unit_test(after_a_longer_message),
        cmocka_unit_test(only_letters_have_case),
        cmocka_unit_test(owners_behind_pointers),
        cmocka_unit_test(as_many_owners_as_are_kept),
        cmocka_unit_test(header_rules),
        cmocka_unit_test(questions_are_passed_over),
        cmocka_unit_test(no_owner),
        cmocka_unit_test(cut_at_every_length),
        cmocka_unit_test(broken_owner_of_an_address),
        cmocka_unit_test(thousands_of_answers),
        cmocka_unit_test(names_spelled_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
