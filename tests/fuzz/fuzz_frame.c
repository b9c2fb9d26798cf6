/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A frame of any link type, through the whole path to records: the first two bytes choose the link type. */
#include "base/bytes.h"
#include "net/layers.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct net_payload udp, walked;
    if (size < 2)
        return 0;
    struct packet packet = {.bytes = data + 2,
                            .captured_len = (uint32_t)size - 2,
                            .wire_len = (uint32_t)size - 2,
                            .link_type = (uint16_t)(load_be16(data) % 300)};
    enum drop_reason why = net_decode(&packet, NULL, &udp);
    require(why == net_walk(&packet, NULL, &walked));
    if (why != DROP_NONE) {
        require(drop_table[why].ledger == LEDGER_FRAME);
        return 0;
    }
    require(udp.bytes >= packet.bytes && udp.bytes + udp.len <= packet.bytes + packet.captured_len);
    require(udp.bytes == walked.bytes && udp.len == walked.len && udp.complete == walked.complete);
    fuzz_message(udp.bytes, udp.len, udp.complete);
    return 0;
}
