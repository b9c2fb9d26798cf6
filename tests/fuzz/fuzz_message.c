/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A DNS message, whole and cut; and with the kinds of record that its first byte, which is the number's, asks for. */
#include "tests/fuzz/fuzz.h"

enum { KINDS = 31 };

static bool is_within(const uint8_t *at, size_t len, const uint8_t *start, size_t size)
{
    return at >= start && at <= start + size && (size_t)(start + size - at) >= len;
}

static void any_message(const uint8_t *data, size_t size, bool complete, unsigned options)
{
    static struct dns_response response;
    static struct dns_answers answers;
    static uint8_t names[DNS_NAMES_MAX * 255 + 64];
    struct writer out = writer_over(names, sizeof(names));
    size_t used, bytes = 0;
    enum drop_reason why = dns_parse_any(data, size, complete, options, &out, &response, &answers);
    if (why != DROP_NONE) {
        require(drop_table[why].ledger == LEDGER_MESSAGE);
        return;
    }
    require(wire_names_valid(names, writer_len(&out), response.names_count, &used) && used == writer_len(&out));
    require(answers.kind < DNS_KINDS && answers.rcode < 4096 && answers.count <= DNS_ANSWERS_MAX);
    require(answers.kind != DNS_ADDRESS || response.ip4_count + response.ip6_count > 0);
    require(answers.kind != DNS_NODATA || (!response.incomplete && answers.rcode == 0));
    for (unsigned i = 0; i < answers.count; i++) {
        const struct dns_answer *a = &answers.list[i];
        require(a->owner == DNS_OWNER_NONE || a->owner < response.names_count);
        require(is_within(a->rdata, a->rdata_len, data, size) ||
                is_within(a->rdata, a->rdata_len, answers.rewritten, sizeof(answers.rewritten)));
        bytes += DNS_ANSWER_HEAD + a->rdata_len;
    }
    require(bytes == answers.bytes && bytes <= DNS_ANSWERS_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_message(data, size, true);
    fuzz_message(data, size, false);
    any_message(data, size, true, size > 0 ? data[0] & KINDS : 0);
    any_message(data, size, false, size > 0 ? data[0] & KINDS : 0);
    return 0;
}
