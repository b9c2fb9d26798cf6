/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whatever records go in: they come out, each address once and in order, in datagrams that are never over the
 * limit, never empty and not more than there is need for. */
#include "../unit/records.h"

#include "flow/encoder.h"

enum { RECORDS = 60, ROUNDS = 250 };

static struct made made[RECORDS];
static int parts[RECORDS];
static struct caught caught;

static void random_record(struct chance *c, struct made *m, uint32_t tag, bool extended)
{
    static const size_t sizes[] = {4, 40, 200, 1400, 3000};
    size_t ip4s = chance_below(c, 4) ? chance_below(c, 6) : chance_below(c, ADDRESSES + 1);
    size_t ip6s = chance_below(c, 4) ? chance_below(c, 6) : chance_below(c, ADDRESSES + 1);
    made_rest(m, chance_below(c, 2) ? 4 : 6, ip4s, ip6s + (ip4s + ip6s == 0), tag);
    if (chance_below(c, 3))
        made_names(m, 3 + chance_below(c, sizes[chance_below(c, LEN(sizes))]), tag);
    else
        made_short_names(m, 1 + chance_below(c, 255));
    if (extended && chance_below(c, 20) == 0)
        m->record.time_us += (int64_t)chance_below(c, 1000) * 1000000000;
}

/* Whether the encoder must take it whole: there is room for at least one IPv6 address behind the names. */
static bool has_room(const struct made *m, bool extended, size_t limit)
{
    size_t trailers = extended ? 40 : 0;
    return 8 + trailers + SET_HEADER + padded(m->record.names_len) + 16 <= limit;
}

/* IPv6 comes last. */
static void leave_out(struct dnsflow_record *record, size_t count)
{
    size_t ip6s = count < record->ip6s_count ? count : record->ip6s_count;
    record->ip6s_count -= ip6s;
    record->ip4s_count -= count - ip6s;
}

static void one_round(struct chance *c)
{
    bool extended = chance_below(c, 2);
    size_t limit = DNSFLOW_LIMIT_MIN + chance_below(c, DNSFLOW_LIMIT_IP4 - DNSFLOW_LIMIT_MIN + 1);
    struct dnsflow_encoder *e = encoder_into(&caught, extended, limit);
    struct sets sets = sets_over(&caught, extended, limit);
    size_t taken = 0, sets_in = 0, sets_out = 0, flushes = 0;
    for (uint32_t n = 0; n < RECORDS; n++) {
        random_record(c, &made[n], n, extended);
        struct flow_left_out left_out;
        int most = 1 + (int)chance_below(c, DNSFLOW_RECORD_SETS_MAX);
        write_bytes(flow_encoder_names(e), made[n].names, made[n].record.names_len);
        parts[n] = flow_encoder_commit(e, &made[n].record, most, &left_out);
        if (has_room(&made[n], extended, limit))
            assert_true(parts[n] > 0 && left_out.no_room == 0);
        else
            assert_true(parts[n] == DNSFLOW_OVERSIZE || left_out.no_room <= made[n].record.ip6s_count);
        assert_true(parts[n] <= most && (left_out.over_most == 0 || parts[n] == most));
        if (parts[n] > 0)
            leave_out(&made[n].record, left_out.no_room + left_out.over_most);
        sets_in += parts[n] > 0 ? (size_t)parts[n] : 0;
        taken++;
        if (chance_below(c, 10) == 0)
            flushes += (size_t)dnsflow_encoder_flush(e);
    }
    dnsflow_encoder_flush(e);
    assert_true(caught.count <= taken + sets_in + flushes + 1);
    for (size_t i = 0; i < caught.count; i++)
        sets_out += caught.bytes[i][1];
    assert_int_equal(sets_out, sets_in);
    for (uint32_t n = 0; n < RECORDS; n++)
        if (parts[n] > 0)
            expect_record(&sets, &made[n].record, (size_t)parts[n]);
    expect_no_more(&sets);
    assert_true(flow_encoder_datagrams(e) == caught.count);
    release_caught(&caught);
    dnsflow_encoder_destroy(e);
}

static void random_records(void **state)
{
    (void)state;
    struct chance c = {6};
    for (int round = 0; round < ROUNDS; round++)
        one_round(&c);
}

/* Small records share datagrams: each leaves when the next set, of 100 bytes at most, does not fit. */
static void datagrams_are_full(void **state)
{
    (void)state;
    for (int extended = 0; extended <= 1; extended++) {
        struct dnsflow_encoder *e = encoder_into(&caught, extended, 0);
        for (uint32_t n = 0; n < 2000; n++) {
            made_rest(&made[0], 4, 1 + n % 3, 0, n);
            made_names(&made[0], 10 + n % 40, n);
            assert_int_equal(dnsflow_encoder_add(e, &made[0].record), 1);
        }
        for (size_t i = 0; i < caught.count; i++)
            assert_true(caught.len[i] > DNSFLOW_LIMIT_IP4 - 100 - 16u * (unsigned)extended ||
                        caught.bytes[i][1] == 255);
        release_caught(&caught);
        dnsflow_encoder_destroy(e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_records), cmocka_unit_test(datagrams_are_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
