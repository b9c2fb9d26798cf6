/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Answers as records keep them: whose they are, and their rdata without compression. */
#include "dns/wire.h"

/* Of work: for a name or rdata that leads nowhere, and for a name beside its bytes and those it may be. */
enum { BAD_COSTS = 64, NAME_COSTS = 24 };

/* ---- whose ---- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* Letters have this bit in one case only; what else it makes equal is compared then. */
static uint32_t hash_name(const uint8_t *name, size_t len)
{
    const uint64_t either_case = 0x2020202020202020u, odd = 0x9e3779b97f4a7c15u;
    uint64_t hash = len, word;
    for (; len >= sizeof(word); name += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, name, sizeof(word));
        hash = (hash ^ (word | either_case)) * odd;
        hash ^= hash >> 32;
    }
    for (word = 0; len > 0; len--)
        word = word << 8 | *name++;
    hash = (hash ^ (word | either_case)) * odd;
    return (uint32_t)(hash >> 32);
}

static size_t name_len(const uint8_t *name)
{
    size_t len = 0;
    while (name[len] != 0)
        len += name[len] + 1u;
    return len + 1;
}

/* Length bytes are below 64 and so never letters. */
static bool is_same_name(const uint8_t *a, const uint8_t *b, size_t len)
{
    size_t i;
    if (memcmp(a, b, len) == 0)
        return true;
    for (i = 0; i < len && (a[i] == b[i] || lower(a[i]) == lower(b[i])); i++)
        ;
    return i == len;
}

static void learn_names(struct dns_answers *answers, const struct writer *names, unsigned names_count)
{
    const uint8_t *at = answers->names_at;
    for (answers->names_known = 0; answers->names_known < names_count && at < names->at; answers->names_known++) {
        size_t len = name_len(at);
        answers->name[answers->names_known] = at;
        answers->name_len[answers->names_known] = (uint8_t)len;
        answers->name_hash[answers->names_known] = hash_name(at, len);
        at += len;
    }
}

/* Names may be as long as they like, by pointers, and as many. */
static bool spend(struct dns_answers *answers, size_t bytes)
{
    if (bytes > answers->work_left)
        return false;
    answers->work_left -= bytes;
    return true;
}

/* Which of the names that are known it is. False: that takes more work than there is left. */
static bool find_name(struct dns_answers *answers, const uint8_t *name, size_t len, uint8_t *owner)
{
    uint32_t hash = hash_name(name, len);
    unsigned i;
    for (i = 0; i < answers->names_known && i < DNS_OWNER_NONE; i++) {
        if (answers->name_hash[i] != hash || answers->name_len[i] != len)
            continue;
        if (!spend(answers, len))
            return false;
        if (is_same_name(answers->name[i], name, len)) {
            *owner = (uint8_t)i;
            return true;
        }
    }
    *owner = DNS_OWNER_NONE;
    return true;
}

/* Whose the name at msg[*at] is; *at is moved behind it, if it is one. False: that takes more work than there is left.
 */
static bool find_owner(struct dns_answers *answers, const uint8_t *msg, size_t len, size_t *at,
                       const struct writer *names, unsigned names_count, uint8_t *owner)
{
    uint8_t name[DNS_NAME_MAX + DNS_NAME_SLACK];
    struct writer out = writer_over(name, sizeof(name));
    *owner = DNS_OWNER_NONE;
    if (dns_name_copy(msg, len, at, &answers->pointers_left, &out) != NAME_OK)
        return spend(answers, BAD_COSTS);
    if (answers->names_known == 0)
        learn_names(answers, names, names_count);
    return spend(answers, NAME_COSTS + answers->names_known + writer_len(&out)) &&
           find_name(answers, name, writer_len(&out), owner);
}

/* From this one on. */
static void leave_out(struct dns_answers *answers, unsigned from)
{
    answers->cut = true;
    while (answers->count > from)
        answers->bytes -= DNS_ANSWER_HEAD + answers->list[--answers->count].rdata_len;
}

/* An owner in the bytes of the one before costs nothing: most are a pointer to the question, some are written out. */
void dns_answers_own(struct dns_answers *answers, const uint8_t *msg, size_t len, const struct writer *names,
                     unsigned names_count)
{
    static const uint8_t question[2] = {DNS_POINTER, DNS_HEADER};
    const uint8_t *last_name = question;
    size_t last_len = sizeof(question);
    uint8_t last = 0;
    unsigned i;
    for (i = 0; i < answers->count; i++) {
        struct dns_answer *a = &answers->list[i];
        size_t at = a->owner_at;
        if (len - at >= last_len && memcmp(msg + at, last_name, last_len) == 0) {
            a->owner = last;
            continue;
        }
        if (!find_owner(answers, msg, len, &at, names, names_count, &a->owner)) {
            leave_out(answers, i);
            return;
        }
        if (at > a->owner_at) {
            last_name = msg + a->owner_at;
            last_len = at - a->owner_at;
            last = a->owner;
        }
    }
}

/* ---- rdata ---- */

/* By type, of those in whose rdata names may be compressed (RFC 1035, RFC 3597 section 4): digits are bytes, n a name,
 * s a character-string, * all that follows. */
static const char shapes[][6] = {[2] = "n",   [3] = "n",     [4] = "n",    [6] = "nn992", [7] = "n",   [8] = "n",
                                 [9] = "n",   [12] = "n",    [14] = "nn",  [15] = "2n",   [17] = "nn", [18] = "2n",
                                 [21] = "2n", [24] = "99n*", [26] = "2nn", [30] = "n*",   [33] = "6n", [35] = "4sssn"};

/* Empty where the rdata is taken as it is. */
static const char *find_shape(uint16_t type)
{
    return type < sizeof(shapes) / sizeof(shapes[0]) ? shapes[type] : "";
}

/* Copies the rdata to `out`, part by part. False: it does not have this shape. */
static bool rewrite(const char *shape, const uint8_t *msg, const struct dns_rr *rr, unsigned *pointers,
                    struct writer *out)
{
    size_t at = rr->rdata_at, end = at + rr->rdata_len, i;
    for (i = 0; i < sizeof(shapes[0]) && shape[i]; i++) {
        char part = shape[i];
        if (part == 'n') {
            if (dns_name_copy(msg, end, &at, pointers, out) != NAME_OK)
                return false;
            continue;
        }
        size_t len = part == '*' ? end - at : part == 's' ? (at < end ? msg[at] + 1u : 1u) : (size_t)(part - '0');
        if (end - at < len)
            return false;
        write_bytes(out, msg + at, len);
        at += len;
    }
    return at == end && !out->failed;
}

void dns_answer_add(struct dns_answers *answers, const uint8_t *msg, size_t owner_at, const struct dns_rr *rr)
{
    if (answers->cut)
        return;
    const char *shape = find_shape(rr->type);
    struct dns_answer answer = {.type = rr->type,
                                .rdata_len = rr->rdata_len,
                                .owner_at = (uint16_t)owner_at,
                                .ttl = rr->ttl,
                                .rdata = msg + rr->rdata_at};
    struct writer out =
        writer_over(answers->rewritten + answers->rewritten_len, sizeof(answers->rewritten) - answers->rewritten_len);
    if (shape[0] && answers->bytes + rr->rdata_len <= DNS_ANSWERS_BYTES) {
        if (!rewrite(shape, msg, rr, &answers->pointers_left, &out)) {
            answers->bad++;
            answers->cut = !spend(answers, BAD_COSTS + writer_len(&out));
            return;
        }
        answer.rdata = out.start;
        answer.rdata_len = (uint16_t)writer_len(&out);
    }
    if (answers->bytes + DNS_ANSWER_HEAD + answer.rdata_len > DNS_ANSWERS_BYTES) {
        answers->cut = true;
        return;
    }
    answers->list[answers->count++] = answer;
    answers->bytes += DNS_ANSWER_HEAD + answer.rdata_len;
    answers->rewritten_len += shape[0] ? answer.rdata_len : 0u;
}
