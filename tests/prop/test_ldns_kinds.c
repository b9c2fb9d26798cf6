/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Responses of every kind (--records) against ldns: RCODE, kind, and each answer that is kept, its owner and its rdata
 * without compression. A slow walk says where answers begin; ldns reads them one by one, and the whole message. */
#include "found.h"
#include "random_message.h"
#include "real_messages.h"

#include <ldns/ldns.h>

enum {
    RANDOM_MESSAGES = 20000,
    MUTATIONS = 40000,
    POOL_MAX = 4096,
    TYPE_RRSIG = 46,
    TYPE_NSEC = 47,
    WITH_ALL = DNS_WITH_NODATA | DNS_WITH_NXDOMAIN | DNS_WITH_ERROR | DNS_WITH_OTHER
};

/* Types in whose rdata ldns reads names that it would not find compressed. */
static const uint16_t with_names[] = {23, 36, 38, 39, 45, 46, 47, 55, 58, 64, 65, 107, 249, 250};

/* Those in whose rdata RFC 3597 allows compressed names come first. */
static const struct parts {
    uint16_t type;
    const char *parts; /* a digit: so many bytes; n a name, s a string, * any bytes */
} parts[] = {{2, "n"},   {3, "n"},      {4, "n"},    {6, "nn992"}, {7, "n"},   {8, "n"},     {9, "n"},     {12, "n"},
             {14, "nn"}, {15, "2n"},    {17, "nn"},  {18, "2n"},   {21, "2n"}, {24, "99n*"}, {26, "2nn"},  {30, "n*"},
             {33, "6n"}, {35, "4sssn"}, {16, "ss"},  {13, "ss"},   {99, "s"},  {39, "n"},    {46, "99n*"}, {47, "n"},
             {43, "4*"}, {48, "4*"},    {52, "3*"},  {64, "2n"},   {65, "2n"}, {44, "2*"},   {10, "*"},    {1, "4"},
             {28, "88"}, {5, "n"},      {256, "4*"}, {65280, "*"}};

enum { REWRITTEN = 18 };

static bool is_in(const uint16_t *list, size_t n, uint16_t type)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == type)
            return true;
    return false;
}

#define IS_IN(list, type) is_in(list, LEN(list), type)

static struct dns_response got;
static struct dns_answers found;
static uint8_t names[DNS_NAMES_MAX * 255 + 64];
static struct counts {
    size_t messages, records, kinds[DNS_KINDS], whole, answers, by_ldns, left_out, out_of_step, odd_name, cut, owners;
    size_t types[65536];
} counts;

static void fail_with(const uint8_t *msg, size_t len, const char *what)
{
    for (size_t i = 0; i < len; i++)
        printf("%02x", msg[i]);
    printf("\n");
    fail_msg("%s", what);
}

/* ---- what ldns makes of the whole ---- */

static bool asks_for_address(uint16_t qtype)
{
    return qtype == TYPE_A || qtype == TYPE_AAAA || qtype == TYPE_ANY;
}

/* Whether there is one OPT at most, behind the answers: ldns takes the last of several, in one section only. It takes
 * out those that count. */
static bool is_plain_edns(const uint8_t *msg, const ldns_pkt *packet)
{
    const ldns_rr_list *authority = ldns_pkt_authority(packet);
    for (size_t i = 0; i < ldns_rr_list_rr_count(authority); i++)
        if (ldns_rr_get_type(ldns_rr_list_rr(authority, i)) == LDNS_RR_TYPE_OPT)
            return false;
    return load_be16(msg + 10) <= ldns_rr_list_rr_count(ldns_pkt_additional(packet)) + 1;
}

/* Whether ldns reads each record to where the next begins: it goes on where the fields of a type end. */
static bool is_in_step(const uint8_t *msg, size_t len)
{
    size_t at = load_be16(msg + 4) == 1 ? trace_name(msg, len, 12).end + 4 : len;
    for (size_t left = (size_t)load_be16(msg + 6) + load_be16(msg + 8) + load_be16(msg + 10); left > 0; left--) {
        ldns_rr *rr = NULL;
        size_t fixed = at < len ? skip_name(msg, len, at) : 0;
        if (fixed == 0 || fixed + 10 > len || ldns_wire2rr(&rr, msg, len, &at, LDNS_SECTION_ANSWER) != LDNS_STATUS_OK)
            return false;
        ldns_rr_free(rr);
        if (at != fixed + 10 + load_be16(msg + fixed + 8))
            return false;
    }
    return true;
}

static size_t count_addresses(const ldns_rr_list *answers)
{
    size_t n = 0;
    for (size_t i = 0; i < ldns_rr_list_rr_count(answers); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(answers, i);
        ldns_rr_type type = ldns_rr_get_type(rr);
        n += (type == LDNS_RR_TYPE_A || type == LDNS_RR_TYPE_AAAA) && ldns_rr_rd_count(rr) > 0;
    }
    return n;
}

/* What the rules make of ldns's packet. */
static enum drop_reason expect(const ldns_pkt *packet, unsigned rcode, enum dns_kind *kind)
{
    unsigned low = rcode & 15;
    if (!ldns_pkt_qr(packet))
        return DROP_DNS_QUERY;
    if (!ldns_pkt_rd(packet))
        return DROP_DNS_NOT_RD;
    if (!ldns_pkt_ra(packet) && (low == 0 || ldns_pkt_get_opcode(packet) != 0 || ldns_pkt_qdcount(packet) != 1))
        return DROP_DNS_NOT_RA;
    if (ldns_pkt_qdcount(packet) != 1)
        return low == 3 ? DROP_DNS_NXDOMAIN : low ? DROP_DNS_RCODE : DROP_DNS_QDCOUNT;
    uint16_t qtype = (uint16_t)ldns_rr_get_type(ldns_rr_list_rr(ldns_pkt_question(packet), 0));
    size_t addresses = count_addresses(ldns_pkt_answer(packet));
    *kind = low == 0 && asks_for_address(qtype) && addresses > 0 ? DNS_ADDRESS
            : rcode == 3                                         ? DNS_NXDOMAIN
            : rcode                                              ? DNS_ERROR
            : asks_for_address(qtype)                            ? DNS_NODATA
                                                                 : DNS_OTHER;
    if (*kind == DNS_ADDRESS)
        return DROP_NONE;
    if (ldns_pkt_get_opcode(packet) != 0)
        return low == 3                  ? DROP_DNS_NXDOMAIN
               : low                     ? DROP_DNS_RCODE
               : asks_for_address(qtype) ? DROP_DNS_NO_ADDRESS
                                         : DROP_DNS_QTYPE;
    return ldns_pkt_tc(packet) && addresses == 0 ? DROP_DNS_TRUNCATED : DROP_NONE;
}

static void compare_whole(const uint8_t *msg, size_t len, enum drop_reason why)
{
    ldns_pkt *packet = NULL;
    if (ldns_wire2pkt(&packet, msg, len) != LDNS_STATUS_OK)
        return;
    unsigned rcode = (unsigned)ldns_pkt_get_rcode(packet) | (unsigned)ldns_pkt_edns_extended_rcode(packet) << 4;
    enum dns_kind kind = DNS_ADDRESS;
    enum drop_reason want = expect(packet, rcode, &kind);
    if (why == DROP_DNS_MALFORMED || !is_plain_edns(msg, packet) ||
        (load_be16(msg + 4) == 1 && !is_in_step(msg, len))) {
        counts.out_of_step++; /* malformed: test_ldns.c says where ldns takes more */
    } else if (want != why || (why == DROP_NONE && (kind != found.kind || rcode != found.rcode))) {
        printf("%d of kind %d, RCODE %u here; %d of kind %d, RCODE %u by ldns\n", (int)why, (int)found.kind,
               found.rcode, (int)want, (int)kind, rcode);
        fail_with(msg, len, "another RCODE or kind");
    } else {
        counts.whole++;
    }
    ldns_pkt_free(packet);
}

/* ---- one answer after the other ---- */

/* Which of the names it is that the record has. */
static unsigned owner_of(const struct traced *owner, unsigned names_count)
{
    const uint8_t *at = names;
    for (unsigned i = 0; owner->whole && !owner->ahead && i < names_count && i < DNS_OWNER_NONE; i++) {
        size_t n = 0;
        while (at[n])
            n += at[n] + 1u;
        bool is_same = ++n == owner->len;
        for (size_t k = 0; is_same && k < n; k++)
            is_same = at[k] == owner->bytes[k] ||
                      (((at[k] ^ owner->bytes[k]) == 0x20) && (at[k] | 0x20) >= 'a' && (at[k] | 0x20) <= 'z');
        if (is_same)
            return i;
        at += n;
    }
    return DNS_OWNER_NONE;
}

static const char *parts_of(uint16_t type)
{
    for (size_t i = 0; i < REWRITTEN; i++)
        if (parts[i].type == type)
            return parts[i].parts;
    return "*";
}

struct plain {
    bool is_good, is_odd; /* the second: ldns follows other names, takes less than all, or wants more at the end */
    size_t len;
    uint8_t bytes[65536];
};

/* The rdata msg[at..end) without compression. */
static void find_plain(const uint8_t *msg, size_t at, size_t end, const char *list, struct plain *p)
{
    p->len = 0;
    p->is_good = p->is_odd = false;
    for (; *list; list++) {
        if (*list == 'n') {
            struct traced t = trace_name(msg, end, at);
            p->is_odd = p->is_odd || t.ahead || t.to_start || !t.whole;
            if (!t.whole || t.ahead)
                return;
            memcpy(p->bytes + p->len, t.bytes, t.len);
            p->len += t.len;
            at = t.end;
            continue;
        }
        size_t n = *list == '*' ? end - at : *list == 's' ? (at < end ? msg[at] + 1u : 1u) : (size_t)(*list - '0');
        p->is_odd = p->is_odd || (*list == '*' && n == 0) || at + n > end;
        if (at + n > end)
            return;
        memcpy(p->bytes + p->len, msg + at, n);
        p->len += n;
        at += n;
    }
    p->is_good = at == end;
}

/* The rdata as ldns has it; NULL: it refuses it, or reads another length. */
static ldns_buffer *rdata_by_ldns(const uint8_t *msg, size_t len, size_t at, size_t end)
{
    ldns_rr *rr = NULL;
    ldns_buffer *out = NULL;
    if (ldns_wire2rr(&rr, msg, len, &at, LDNS_SECTION_ANSWER) != LDNS_STATUS_OK)
        return NULL;
    if (at == end) {
        out = ldns_buffer_new(LDNS_MAX_PACKETLEN);
        assert_int_equal(ldns_rr_rdata2buffer_wire(out, rr), LDNS_STATUS_OK);
    }
    ldns_rr_free(rr);
    return out;
}

static bool is_equal(const struct dns_answer *a, const void *rdata, size_t len)
{
    return a->rdata_len == len && (len == 0 || memcmp(a->rdata, rdata, len) == 0);
}

/* The answer from `start` to `end`, as it should be and as ldns has it; `index` is its place among those that are kept.
 * False: it should be left out. */
static bool compare_answer(const uint8_t *msg, size_t len, size_t start, size_t fixed, size_t end, unsigned index)
{
    static struct plain plain;
    uint16_t type = load_be16(msg + fixed);
    const struct dns_answer *a = &found.list[index];
    struct traced owner = trace_name(msg, len, start);
    ldns_buffer *theirs = rdata_by_ldns(msg, len, start, end);
    find_plain(msg, fixed + 10, end, parts_of(type), &plain);
    if (plain.is_good) {
        if (index >= found.count || a->type != type || a->ttl != load_be32(msg + fixed + 4))
            fail_with(msg, len, "an answer is not where it should be");
        if (!is_equal(a, plain.bytes, plain.len))
            fail_with(msg, len, "rdata is not what it should be");
        if (a->owner != owner_of(&owner, got.names_count))
            fail_with(msg, len, "another owner");
        counts.owners += a->owner != 0 && a->owner != DNS_OWNER_NONE;
    }
    bool is_same = theirs && plain.is_good && plain.len == ldns_buffer_position(theirs) &&
                   (plain.len == 0 || memcmp(plain.bytes, ldns_buffer_begin(theirs), plain.len) == 0);
    bool is_alike = (theirs != NULL) == plain.is_good && (!theirs || is_same);
    bool may_differ = plain.is_odd || owner.to_start || !owner.whole || IS_IN(with_names, type);
    if (!is_alike && !may_differ && !(plain.is_good && strcmp(parts_of(type), "*") == 0))
        fail_with(msg, len, "ldns has other rdata");
    counts.answers++;
    counts.left_out += !plain.is_good;
    counts.by_ldns += is_same;
    counts.odd_name += !is_alike && !IS_IN(with_names, type);
    counts.types[type] += is_same;
    if (theirs)
        ldns_buffer_free(theirs);
    return plain.is_good;
}

static void compare_answers(const uint8_t *msg, size_t len)
{
    size_t at = trace_name(msg, len, 12).end + 4;
    unsigned index = 0, bad = 0;
    for (size_t left = load_be16(msg + 6); left > 0; left--) {
        size_t start = at, fixed = skip_name(msg, len, at);
        assert_true(fixed > 0 && fixed + 10 <= len);
        uint16_t type = load_be16(msg + fixed), qtype = got.qtype;
        at = fixed + 10 + load_be16(msg + fixed + 8);
        assert_true(at <= len);
        if (qtype == TYPE_A || qtype == TYPE_AAAA || type == TYPE_A || type == TYPE_AAAA || type == TYPE_CNAME ||
            load_be16(msg + fixed + 2) != 1 || ((type == TYPE_RRSIG || type == TYPE_NSEC) && type != qtype))
            continue;
        if (found.cut && index == found.count) {
            counts.cut++;
            return;
        }
        if (compare_answer(msg, len, start, fixed, at, index))
            index++;
        else
            bad++;
    }
    if (index != found.count || bad != found.bad)
        fail_with(msg, len, "more or less answers than there are");
}

static void judge(const uint8_t *bytes, size_t len, void *context)
{
    uint8_t *msg = exact_copy(bytes, len);
    struct writer out = writer_over(names, sizeof(names));
    enum drop_reason why = dns_parse_any(msg, len, true, WITH_ALL, &out, &got, &found);
    (void)context;
    counts.messages++;
    if (why == DROP_NONE) {
        counts.records++;
        counts.kinds[found.kind]++;
        if (found.pointers_left > 0)
            compare_answers(msg, len);
    }
    compare_whole(msg, len, why);
    free(msg);
}

/* ---- random messages of all types ---- */

static void put_parts(struct chance *c, struct random_message *r, const char *list)
{
    for (; *list; list++) {
        if (*list == 'n')
            random_name(c, r);
        else if (*list == 's')
            random_label(c, &r->m.out, chance_below(c, 30));
        else
            random_bytes(c, &r->m.out, *list == '*' ? 1 + chance_below(c, 30) : (size_t)(*list - '0'));
    }
}

static void put_record(struct chance *c, struct random_message *r, const struct parts *p)
{
    struct writer *out = &r->m.out;
    if (one_in(c, 3))
        random_name(c, r);
    else
        write_be16(out, 0xc00c);
    write_be16(out, p->type);
    write_be16(out, one_in(c, 20) ? 3 : 1);
    write_be32(out, (uint32_t)chance_next(c));
    size_t len_at = writer_len(out);
    write_be16(out, 0);
    put_parts(c, r, p->parts);
    if (one_in(c, 30))
        random_bytes(c, out, 1 + chance_below(c, 3));
    size_t len = writer_len(out) - len_at - 2;
    if (one_in(c, 30) && len > 0)
        len--, out->at--;
    store_be16(r->m.bytes + len_at, (uint16_t)len);
}

static size_t random_kind(struct chance *c, struct random_message *r)
{
    static const uint16_t qtypes[] = {TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_ANY};
    const struct parts *asked = &parts[chance_below(c, LEN(parts))];
    unsigned rcode = one_in(c, 2) ? 0 : (unsigned)chance_below(c, 16);
    uint16_t flags = (uint16_t)(MESSAGE_RESPONSE | (one_in(c, 10) ? 0x200 : 0) | (one_in(c, 30) ? 0x2800 : 0) | rcode);
    r->names = 0;
    message_begin(&r->m, one_in(c, 20) ? (uint16_t)(flags ^ 0x80) : flags);
    random_name(c, r);
    write_be16(&r->m.out, one_in(c, 2) ? asked->type : qtypes[chance_below(c, LEN(qtypes))]);
    write_be16(&r->m.out, 1);
    store_be16(r->m.bytes + 4, 1);
    size_t answers = chance_below(c, one_in(c, 10) ? 60 : 8), rest = chance_below(c, 3);
    store_be16(r->m.bytes + 6, (uint16_t)answers);
    for (; answers > 0; answers--)
        put_record(c, r, one_in(c, 2) ? asked : &parts[chance_below(c, LEN(parts))]);
    store_be16(r->m.bytes + 8, (uint16_t)rest);
    for (; rest > 0; rest--)
        put_record(c, r, &parts[chance_below(c, LEN(parts))]);
    if (one_in(c, 2)) {
        store_be16(r->m.bytes + 10, 1);
        write_bytes(&r->m.out, "\0\0\x29\4\xd0", 5);
        write_be32(&r->m.out, one_in(c, 3) ? (uint32_t)chance_below(c, 256) << 24 : 0);
        write_be16(&r->m.out, 0);
    }
    return message_len(&r->m);
}

/* ---- the tests ---- */

static void print_counts(const char *what)
{
    size_t types = 0;
    for (size_t i = 0; i < 65536; i++)
        types += counts.types[i] > 0;
    printf("%s: %zu messages, %zu records (%zu addresses, %zu nodata, %zu nxdomain, %zu error, %zu other)\n", what,
           counts.messages, counts.records, counts.kinds[0], counts.kinds[1], counts.kinds[2], counts.kinds[3],
           counts.kinds[4]);
    printf("  %zu whole as by ldns, %zu not to be compared; %zu answers, %zu with the rdata of ldns, of %zu types\n",
           counts.whole, counts.out_of_step, counts.answers, counts.by_ldns, types);
    printf("  %zu of an alias's target; %zu left out, %zu with odd names, %zu messages cut\n", counts.owners,
           counts.left_out, counts.odd_name, counts.cut);
}

static void real_messages(void **state)
{
    (void)state;
    memset(&counts, 0, sizeof(counts));
    each_real_message(judge, NULL);
    print_counts("real messages");
    assert_true(counts.whole * 20 > counts.messages * 18);
    assert_true(counts.odd_name * 30 <= counts.answers);
}

static void made_messages(void **state)
{
    (void)state;
    static struct random_message r;
    struct chance c = {1};
    memset(&counts, 0, sizeof(counts));
    for (int round = 0; round < RANDOM_MESSAGES; round++) {
        size_t len = random_kind(&c, &r);
        judge(r.m.bytes, len, NULL);
        len = random_message(&c, &r);
        judge(r.m.bytes, len, NULL);
    }
    print_counts("made messages");
    for (size_t kind = 0; kind < DNS_KINDS; kind++)
        assert_true(counts.kinds[kind] > 300);
    for (size_t i = 0; i < REWRITTEN; i++)
        assert_true(counts.types[parts[i].type] > 100);
    assert_true(counts.whole > counts.messages / 3 && counts.by_ldns > counts.answers / 3);
    assert_true(counts.left_out * 5 < counts.answers && counts.odd_name * 10 < counts.answers);
}

static void damaged_messages(void **state)
{
    (void)state;
    static struct random_message r;
    struct chance c = {2};
    memset(&counts, 0, sizeof(counts));
    for (int round = 0; round < MUTATIONS; round++) {
        size_t len = random_kind(&c, &r);
        len = damage_message(&c, r.m.bytes, len, NULL, 0);
        judge(r.m.bytes, len, NULL);
    }
    print_counts("damaged messages");
    assert_true(counts.records > counts.messages / 4);
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
