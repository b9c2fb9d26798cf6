/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the fuzz targets share. */
#ifndef DNSFLOW_TESTS_FUZZ_H
#define DNSFLOW_TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "dns/message.h"
#include "dnsflow.h"
#include "flow/wire.h"

/* Does not go away in any build. */
#define require(condition)                                                          \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Parses the message both ways and holds what comes out against what it promises. */
static inline void fuzz_message(const uint8_t *data, size_t size, bool complete)
{
    static struct dns_response response;
    static struct dns_owners owners;
    static uint8_t names[DNS_NAMES_MAX * 255 + 64];
    struct writer out = writer_over(names, sizeof(names));
    size_t used;
    enum drop_reason why = dns_parse_response(data, size, complete, DNS_WITH_SVCB, &out, &response);
    if (why == DROP_NONE) {
        require(response.ip4_count + response.ip6_count > 0);
        require(wire_names_valid(names, writer_len(&out), response.names_count, &used) && used == writer_len(&out));
    } else {
        require(drop_table[why].ledger == LEDGER_MESSAGE);
    }
    why = dns_find_owners(data, size, complete, &owners);
    require(why != DROP_NONE || (owners.count > 0 && owners.count <= DNS_OWNERS_MAX));
    for (unsigned i = 0; why == DROP_NONE && i < owners.count; i++) {
        out = writer_over(names, sizeof(names));
        dns_owner_record(data, &owners, i, &out, &response);
        require(response.names_count == 1 && response.ip4_count + response.ip6_count > 0);
    }
}

#endif
