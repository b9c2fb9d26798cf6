/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A DNSFlow datagram: what the decoder accepts, the encoder can write again and the decoder reads the same. */
#include <string.h>

#include "tests/fuzz/fuzz.h"

static void emit(void *context, const uint8_t *datagram, size_t len, int64_t time_us)
{
    struct dnsflow_datagram d;
    unsigned *sets = context;
    (void)time_us;
    require(len <= DNSFLOW_LIMIT_IP4 && dnsflow_decode(datagram, len, &d) == DNSFLOW_OK);
    *sets += d.sets_count;
}

static void check_names(const struct dnsflow_record *r)
{
    const uint8_t *at = r->names;
    char text[1024];
    for (size_t i = 0; i < r->names_count && !r->names_text; i++) {
        int len = dnsflow_name_text(&at, r->names + r->names_len, ",|", text, sizeof(text));
        require(len > 0 && (size_t)len == strlen(text) && !strpbrk(text, ",|\t\n"));
    }
}

static void check_answers(const struct dnsflow_record *r)
{
    const uint8_t *at = r->answers, *end = at ? at + r->answers_len : NULL;
    struct dnsflow_answer answer;
    uint8_t copy[DNSFLOW_LIMIT_IP4];
    require(at || r->answers_len == 0);
    while (dnsflow_next_answer(&at, end, &answer)) {
        size_t len = dnsflow_put_answer(copy, 0, sizeof(copy), &answer);
        require(len > 0 ? memcmp(copy, at - len, len) == 0 : answer.rdata_len > sizeof(copy) - 9);
    }
    require(at == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dnsflow_datagram d;
    struct dnsflow_record r;
    unsigned written = 0, read = 0, sets = 0;
    int result = dnsflow_decode(data, size, &d);
    struct dnsflow_encoder_options options = {
        .size = sizeof(options), .extended = d.has_trailer, .emit = emit, .context = &read};
    require(result <= 0);
    struct dnsflow_encoder *encoder = dnsflow_encoder_create(&options);
    while (result == DNSFLOW_OK && dnsflow_next_record(&d, &r) == 1) {
        size_t used = 0;
        sets++;
        check_names(&r);
        check_answers(&r);
        if (r.names_text || !r.resolver || !wire_names_valid(r.names, r.names_len, r.names_count, &used))
            continue;
        r.names_len = used;
        int n = dnsflow_encoder_add(encoder, &r);
        require(n != DNSFLOW_INVALID || (!d.has_trailer && r.ip4s_count + r.ip6s_count == 0) || r.names_count == 0);
        written += n > 0 ? (unsigned)n : 0;
    }
    require(result != DNSFLOW_OK || (d.flags & DNSFLOW_FLAG_STATS) || sets == d.sets_count);
    dnsflow_encoder_flush(encoder);
    dnsflow_encoder_destroy(encoder);
    require(written == read);
    return 0;
}
