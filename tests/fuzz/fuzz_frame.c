/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A frame of any link type, tunnels included, through the whole path to records: the first two bytes choose the link
 * type. */
#include "base/bytes.h"
#include "net/encapsulation.h"
#include "net/layers.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t port = 53;
    static uint8_t tunnels[65536];
    struct net_options options = {
        .dns_ports = &port, .dns_ports_count = 1, .encapsulations = ENCAP_ALL, .tunnels = tunnels};
    struct net_payload udp, walked;
    if (size < 2)
        return 0;
    if (tunnels[4789] == 0) {
        net_tunnels_fill(tunnels, ENCAP_ALL);
        net_tunnels_add(tunnels, ENCAP_JMIRROR, 30030);
        net_tunnels_add(tunnels, ENCAP_PCAP_RECORD, 30001);
    }
    options.whole_only = data[0] & 0x80;
    struct packet packet = {.bytes = data + 2,
                            .captured_len = (uint32_t)size - 2,
                            .wire_len = (uint32_t)size - 2,
                            .link_type = (uint16_t)((load_be16(data) & 0x7fff) % 300)};
    enum drop_reason why = net_decode(&packet, &options, &udp);
    require(why == net_walk(&packet, &options, &walked));
    if (why != DROP_NONE) {
        require(drop_table[why].ledger == LEDGER_FRAME);
        return 0;
    }
    require(udp.bytes >= packet.bytes && udp.bytes + udp.len <= packet.bytes + packet.captured_len);
    require(udp.bytes == walked.bytes && udp.len == walked.len && udp.complete == walked.complete);
    fuzz_message(udp.bytes, udp.len, udp.complete);
    return 0;
}
