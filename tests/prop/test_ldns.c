/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The parser of responses against ldns, a resolver library that reads whole messages. Both must accept or refuse the
 * same messages and find the same names and addresses. Where they differ, a slow walk over the message, which asks
 * ldns about one record at a time, must name the reason; each reason is tested, counted and bounded. */
#include "found.h"
#include "random_message.h"
#include "real_messages.h"

#include <ldns/ldns.h>

enum { RANDOM_MESSAGES = 20000, MUTATIONS = 50000, LENGTHS_KNOWN = 64, POOL_MAX = 8192 };

static bool is_wanted(uint16_t qtype)
{
    return qtype == TYPE_A || qtype == TYPE_AAAA || qtype == TYPE_ANY;
}

static void find_ours(const uint8_t *msg, size_t len, struct found *f)
{
    static struct dns_response response;
    struct writer out = writer_over(f->names, sizeof(f->names));
    found_reset(f);
    f->accepted = dns_parse_response(msg, len, true, 0, &out, &response) == DROP_NONE;
    if (!f->accepted)
        return;
    f->names_count = response.names_count;
    f->names_len = writer_len(&out);
    f->ip4_len = 4 * response.ip4_count;
    f->ip6_len = 16 * response.ip6_count;
    memcpy(f->ip4, response.ip4, f->ip4_len);
    memcpy(f->ip6, response.ip6, f->ip6_len);
}

static void take_from_packet(const ldns_pkt *packet, struct found *f)
{
    if (!ldns_pkt_qr(packet) || !ldns_pkt_rd(packet) || !ldns_pkt_ra(packet) ||
        ldns_pkt_get_rcode(packet) != LDNS_RCODE_NOERROR || ldns_pkt_qdcount(packet) != 1)
        return;
    const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(packet), 0);
    const ldns_rdf *name = ldns_rr_owner(question);
    const ldns_rr_list *answers = ldns_pkt_answer(packet);
    if (!is_wanted((uint16_t)ldns_rr_get_type(question)))
        return;
    found_name(f, ldns_rdf_data(name), ldns_rdf_size(name));
    for (size_t i = 0; i < ldns_rr_list_rr_count(answers); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(answers, i);
        const ldns_rdf *first = ldns_rr_rd_count(rr) > 0 ? ldns_rr_rdf(rr, 0) : NULL;
        if (first && ldns_rr_get_type(rr) == LDNS_RR_TYPE_CNAME)
            found_name(f, ldns_rdf_data(first), ldns_rdf_size(first));
        else if (first)
            found_address(f, (uint16_t)ldns_rr_get_type(rr), ldns_rdf_data(first), ldns_rdf_size(first));
    }
    f->accepted = f->ip4_len + f->ip6_len > 0;
}

static void find_ldns(const uint8_t *msg, size_t len, struct found *f)
{
    ldns_pkt *packet = NULL;
    found_reset(f);
    if (ldns_wire2pkt(&packet, msg, len) == LDNS_STATUS_OK) {
        take_from_packet(packet, f);
        ldns_pkt_free(packet);
    }
}

/* ---- the slow walk ---- */

enum kind {
    SAME_ACCEPTED,
    SAME_REFUSED,
    BEHIND_ANSWERS,   /* ldns refuses what stands behind the answer section */
    NOT_FOLLOWED,     /* ldns refuses a name that is not followed here: an owner, a CNAME target too many */
    RDATA_REFUSED,    /* ldns refuses the rdata of a type not looked into, or of an address of a wrong length */
    OUT_OF_STEP,      /* rdata longer than the type takes: ldns reads the next record from inside of it */
    POINTER_AHEAD,    /* a pointer that does not lead backwards is refused here */
    POINTER_TO_START, /* ldns refuses a pointer to offset 0 */
    TARGET_LENGTH,    /* a CNAME target that does not end where its rdata does is refused here */
    KINDS
};

static const char *const kind_names[KINDS] = {"same, accepted",    "same, refused",         "behind the answers",
                                              "name not followed", "rdata refused by ldns", "ldns out of step",
                                              "pointer ahead",     "pointer to offset 0",   "CNAME target length"};

struct walk {
    struct found want; /* what our rules make of the message */
    enum kind event;   /* the first thing that ldns sees in another way; SAME_ACCEPTED = none */
    uint16_t type;     /* of the record where that was */
    size_t answers_end;
    size_t length_at[LENGTHS_KNOWN]; /* of rdata */
    size_t lengths;
};

static void note(struct walk *w, enum kind event, uint16_t type)
{
    if (w->event != SAME_ACCEPTED)
        return;
    w->event = event;
    w->type = type;
}

/* A name by the walk and by ldns alone. */
static struct traced read_name(const uint8_t *msg, size_t len, size_t at)
{
    struct traced t = trace_name(msg, len, at);
    ldns_rdf *name = NULL;
    size_t pos = at;
    ldns_status status = ldns_wire2dname(&name, msg, len, &pos);
    assert_int_equal(status == LDNS_STATUS_OK, t.whole && !t.to_start);
    if (status != LDNS_STATUS_OK)
        return t;
    assert_int_equal(pos, t.end);
    assert_int_equal(ldns_rdf_size(name), t.len);
    assert_memory_equal(ldns_rdf_data(name), t.bytes, t.len);
    ldns_rdf_deep_free(name);
    return t;
}

static bool note_pointers(struct walk *w, const struct traced *t, uint16_t type)
{
    if (t->whole && t->ahead)
        note(w, POINTER_AHEAD, type);
    if (t->whole && t->to_start)
        note(w, POINTER_TO_START, type);
    return t->whole && !t->ahead;
}

/* The CNAME target in msg[at..end); false if it costs the message. */
static bool walk_target(const uint8_t *msg, size_t len, size_t at, size_t end, struct walk *w)
{
    if (w->want.names_count == DNS_NAMES_MAX) {
        struct traced t = trace_name(msg, len, at);
        if (!t.whole || t.to_start)
            note(w, NOT_FOLLOWED, TYPE_CNAME);
        if (skip_name(msg, end, at) == end)
            return true;
        note(w, TARGET_LENGTH, TYPE_CNAME);
        return false;
    }
    struct traced inside = trace_name(msg, end, at);
    if (at < end) {
        struct traced t = read_name(msg, len, at);
        if (!note_pointers(w, &t, TYPE_CNAME))
            return false;
    }
    if (!inside.whole || inside.end != end) {
        note(w, TARGET_LENGTH, TYPE_CNAME);
        return false;
    }
    found_name(&w->want, inside.bytes, inside.len);
    return true;
}

/* What ldns says about the record at `at` alone, after the names in it were looked at. */
static void note_record(const uint8_t *msg, size_t len, size_t at, size_t end, uint16_t type, struct walk *w)
{
    ldns_rr *rr = NULL;
    ldns_status status = ldns_wire2rr(&rr, msg, len, &at, LDNS_SECTION_ANSWER);
    if (status != LDNS_STATUS_OK) {
        note(w, RDATA_REFUSED, type);
        return;
    }
    ldns_rr_free(rr);
    if (at != end)
        note(w, OUT_OF_STEP, type);
}

/* Moves *at behind the answer; false if it costs the message. */
static bool walk_answer(const uint8_t *msg, size_t len, size_t *at, struct walk *w)
{
    size_t start = *at, pos = skip_name(msg, len, start);
    if (pos == 0 || pos + 10 > len)
        return false;
    uint16_t type = load_be16(msg + pos);
    size_t rdata_at = pos + 10, rdata_len = load_be16(msg + pos + 8);
    if (w->lengths < LENGTHS_KNOWN)
        w->length_at[w->lengths++] = pos + 8;
    if (rdata_at + rdata_len > len)
        return false;
    struct traced owner = read_name(msg, len, start);
    if (!owner.whole)
        note(w, NOT_FOLLOWED, type);
    else if (owner.to_start)
        note(w, POINTER_TO_START, type);
    if (type == TYPE_CNAME && !walk_target(msg, len, rdata_at, rdata_at + rdata_len, w))
        return false;
    found_address(&w->want, type, msg + rdata_at, rdata_len);
    *at = rdata_at + rdata_len;
    note_record(msg, len, start, *at, type, w);
    return true;
}

static void walk_message(const uint8_t *msg, size_t len, struct walk *w)
{
    found_reset(&w->want);
    w->event = SAME_ACCEPTED;
    w->lengths = 0;
    if (len < 12 || (msg[2] & 0x81) != 0x81 || (msg[3] & 0x8f) != 0x80 || load_be16(msg + 4) != 1)
        return;
    struct traced question = read_name(msg, len, 12);
    size_t at = question.end;
    if (!note_pointers(w, &question, 0) || at + 4 > len || !is_wanted(load_be16(msg + at)))
        return;
    found_name(&w->want, question.bytes, question.len);
    at += 4;
    for (size_t left = load_be16(msg + 6); left > 0; left--)
        if (!walk_answer(msg, len, &at, w))
            return;
    w->answers_end = at;
    w->want.accepted = w->want.ip4_len + w->want.ip6_len > 0;
}

/* ---- judgement ---- */

static struct found ours, theirs;
static struct walk walk;
static size_t refused_types[65536], out_of_step_types[65536];

static void fail_with(const uint8_t *msg, size_t len, const char *what)
{
    for (size_t i = 0; i < len; i++)
        printf("%02x", msg[i]);
    printf("\n");
    fail_msg("%s: %s here, %s by ldns, %s by the walk (%s)", what, ours.accepted ? "accepted" : "refused",
             theirs.accepted ? "accepted" : "refused", walk.want.accepted ? "accepted" : "refused",
             kind_names[walk.event]);
}

/* ldns, which took every answer, refuses one of the records behind them. */
static bool is_rest_refused(const uint8_t *msg, size_t len)
{
    size_t pos = walk.answers_end;
    assert_in_range(pos, 12, len);
    for (size_t left = (size_t)load_be16(msg + 8) + load_be16(msg + 10); left > 0; left--) {
        ldns_rr *rr = NULL;
        if (ldns_wire2rr(&rr, msg, len, &pos, LDNS_SECTION_ADDITIONAL) != LDNS_STATUS_OK)
            return true;
        ldns_rr_free(rr);
    }
    return false;
}

static bool is_explained(const uint8_t *msg, size_t len, enum kind kind)
{
    switch (kind) {
    case BEHIND_ANSWERS:
        return ours.accepted && !theirs.accepted && is_rest_refused(msg, len);
    case NOT_FOLLOWED:
    case RDATA_REFUSED:
    case POINTER_TO_START:
        return ours.accepted && !theirs.accepted;
    case POINTER_AHEAD:
    case TARGET_LENGTH:
        return !ours.accepted && theirs.accepted;
    default:
        return kind == OUT_OF_STEP;
    }
}

static enum kind judge(const uint8_t *bytes, size_t len)
{
    uint8_t *msg = exact_copy(bytes, len);
    find_ours(msg, len, &ours);
    find_ldns(msg, len, &theirs);
    walk_message(msg, len, &walk);
    if (!same(&ours, &walk.want))
        fail_with(msg, len, "not what the rules say");
    enum kind kind = SAME_REFUSED;
    if (!same(&ours, &theirs)) {
        kind = walk.event == SAME_ACCEPTED ? BEHIND_ANSWERS : walk.event;
        if (!is_explained(msg, len, kind))
            fail_with(msg, len, "not explained");
        refused_types[walk.type] += kind == RDATA_REFUSED;
        out_of_step_types[walk.type] += kind == OUT_OF_STEP;
    } else if (ours.accepted) {
        kind = SAME_ACCEPTED;
    }
    free(msg);
    return kind;
}

/* ---- messages ---- */

/* How many of a thousand messages must be accepted, and may differ for each reason. */
struct shares {
    const char *name;
    size_t accepted_min;
    size_t max[KINDS];
};

/* clang-format off */
static const struct shares real_shares = {"real messages", 100,
    {[SAME_ACCEPTED] = 1000, [SAME_REFUSED] = 1000, [BEHIND_ANSWERS] = 4, [NOT_FOLLOWED] = 2, [RDATA_REFUSED] = 4,
     [OUT_OF_STEP] = 4, [POINTER_AHEAD] = 2, [POINTER_TO_START] = 2, [TARGET_LENGTH] = 2}};
static const struct shares made_shares = {"made messages", 400,
    {[SAME_ACCEPTED] = 1000, [SAME_REFUSED] = 1000, [BEHIND_ANSWERS] = 80, [NOT_FOLLOWED] = 10, [RDATA_REFUSED] = 40,
     [OUT_OF_STEP] = 40, [POINTER_AHEAD] = 6, [POINTER_TO_START] = 5, [TARGET_LENGTH] = 4}};
static const struct shares damaged_shares = {"damaged messages", 200,
    {[SAME_ACCEPTED] = 1000, [SAME_REFUSED] = 1000, [BEHIND_ANSWERS] = 180, [NOT_FOLLOWED] = 35, [RDATA_REFUSED] = 50,
     [OUT_OF_STEP] = 100, [POINTER_AHEAD] = 4, [POINTER_TO_START] = 5, [TARGET_LENGTH] = 40}};
/* clang-format on */

static void print_types(const char *what, const size_t *counts)
{
    printf("  %s, by type:", what);
    for (size_t type = 0; type < 65536; type++)
        if (counts[type] > 0)
            printf(" %zu: %zu", type, counts[type]);
    printf("\n");
}

static void check_shares(const struct shares *shares, const size_t counts[KINDS])
{
    size_t all = 0;
    for (size_t kind = 0; kind < KINDS; kind++)
        all += counts[kind];
    printf("%s: %zu\n", shares->name, all);
    for (size_t kind = 0; kind < KINDS; kind++)
        printf("  %s: %zu\n", kind_names[kind], counts[kind]);
    print_types(kind_names[RDATA_REFUSED], refused_types);
    print_types(kind_names[OUT_OF_STEP], out_of_step_types);
    memset(refused_types, 0, sizeof(refused_types));
    memset(out_of_step_types, 0, sizeof(out_of_step_types));
    assert_true(counts[SAME_ACCEPTED] * 1000 >= all * shares->accepted_min);
    for (size_t kind = 0; kind < KINDS; kind++)
        if (counts[kind] * 1000 > all * shares->max[kind])
            fail_msg("%s: %zu of %zu are \"%s\"", shares->name, counts[kind], all, kind_names[kind]);
}

/* Messages that are damaged afterwards: the accepted ones and some of the others. */
static struct pool {
    size_t offered, count;
    size_t len[POOL_MAX];
    uint8_t *bytes[POOL_MAX];
} pool;

static void keep(const uint8_t *msg, size_t len)
{
    if (pool.count == POOL_MAX || (!ours.accepted && pool.offered++ % 8 > 0))
        return;
    pool.bytes[pool.count] = exact_copy(msg, len);
    pool.len[pool.count++] = len;
}

static void judge_real(const uint8_t *msg, size_t len, void *counts)
{
    ((size_t *)counts)[judge(msg, len)]++;
    keep(msg, len);
}

static void real_messages(void **state)
{
    (void)state;
    size_t counts[KINDS] = {0};
    each_real_message(judge_real, counts);
    check_shares(&real_shares, counts);
}

static void made_messages(void **state)
{
    (void)state;
    static struct random_message r;
    size_t counts[KINDS] = {0};
    struct chance c = {1};
    for (int round = 0; round < RANDOM_MESSAGES; round++) {
        size_t len = random_message(&c, &r);
        counts[judge(r.m.bytes, len)]++;
        if (round % 5 == 0)
            keep(r.m.bytes, len);
    }
    check_shares(&made_shares, counts);
    for (size_t kind = 0; kind < KINDS; kind++)
        assert_true(counts[kind] > 0);
}

static void damaged_messages(void **state)
{
    (void)state;
    static uint8_t bytes[DNS_MESSAGE_MAX];
    size_t counts[KINDS] = {0};
    struct chance c = {2};
    assert_true(pool.count > 0);
    for (int round = 0; round < MUTATIONS; round++) {
        size_t from = chance_below(&c, pool.count), len = pool.len[from];
        if (len)
            memcpy(bytes, pool.bytes[from], len);
        walk_message(bytes, len, &walk);
        len = damage_message(&c, bytes, len, walk.length_at, walk.lengths);
        counts[judge(bytes, len)]++;
    }
    check_shares(&damaged_shares, counts);
    for (; pool.count > 0; pool.count--)
        free(pool.bytes[pool.count - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_messages),
        cmocka_unit_test(made_messages),
        cmocka_unit_test(damaged_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
