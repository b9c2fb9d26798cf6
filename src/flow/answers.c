/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The answers of a record, one behind the other:
 *   owner 1 | type 2 | TTL 4 | rdata length 2 | rdata */
#include "base/bytes.h"
#include "dnsflow.h"
#include "flow/wire.h"

int dnsflow_next_answer(const uint8_t **at, const uint8_t *end, struct dnsflow_answer *out)
{
    const uint8_t *a = *at;
    if (!a || end - a < WIRE_ANSWER || end - a - WIRE_ANSWER < load_be16(a + 7))
        return 0;
    out->owner = a[0];
    out->type = load_be16(a + 1);
    out->ttl = load_be32(a + 3);
    out->rdata_len = load_be16(a + 7);
    out->rdata = a + WIRE_ANSWER;
    *at = out->rdata + out->rdata_len;
    return 1;
}

size_t dnsflow_put_answer(uint8_t *answers, size_t used, size_t size, const struct dnsflow_answer *answer)
{
    uint8_t *a = answers + used;
    if (used > size || size - used < WIRE_ANSWER || size - used - WIRE_ANSWER < answer->rdata_len)
        return 0;
    a[0] = answer->owner;
    store_be16(a + 1, answer->type);
    store_be32(a + 3, answer->ttl);
    store_be16(a + 7, answer->rdata_len);
    if (answer->rdata_len > 0)
        memcpy(a + WIRE_ANSWER, answer->rdata, answer->rdata_len);
    return used + WIRE_ANSWER + answer->rdata_len;
}

bool wire_answers_valid(const uint8_t *answers, size_t len)
{
    if (!answers)
        return len == 0;
    const uint8_t *at = answers, *end = answers + len;
    struct dnsflow_answer answer;
    while (dnsflow_next_answer(&at, end, &answer))
        ;
    return at == end;
}
