/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames one after the other through tunnels, reassembly and TCP streams to messages. Each is a length of two bytes, a
 * byte of which the lowest bits choose the link type and the rest the time that passes, and the frame. */
#include "base/bytes.h"
#include "base/clock.h"
#include "sensor/input.h"
#include "tests/fuzz/fuzz.h"

static void take(void *context, const struct net_payload *message, int64_t time_us)
{
    (void)context, (void)time_us;
    require(message->ip_vers == 4 || message->ip_vers == 6);
    require(message->src[0] + message->dst[0] >= 0);
    fuzz_message(message->bytes, message->len, message->complete);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t links[] = {1, 101, 113, 276};
    static struct config config;
    static struct counters counters;
    struct reader in = reader_over(data, size);
    static struct input *input;
    static int64_t now;
    struct error err;
    if (config.files_count == 0) {
        config.files_count = 1;
        config.tunnel_ports_count = 2;
        config.tunnel_ports[0] = 30030;
        config.tunnel_encapsulation[0] = ENCAP_JMIRROR;
        config.tunnel_ports[1] = 30001;
        config.tunnel_encapsulation[1] = ENCAP_PCAP_RECORD;
        config_complete(&config);
        require(input_create(&config, &counters, take, NULL, &input, &err) == 0);
    }
    while (reader_left(&in) > 3) {
        size_t len = read_be16(&in);
        uint8_t kind = read_u8(&in);
        len = len < reader_left(&in) ? len : reader_left(&in);
        uint8_t *copy = malloc(len ? len : 1);
        require(copy != NULL);
        memcpy(copy, read_bytes(&in, len), len);
        now += (int64_t)(kind >> 2) * SECOND_US / 4;
        struct packet packet = {.bytes = copy,
                                .captured_len = (uint32_t)len,
                                .wire_len = (uint32_t)len,
                                .time_us = now,
                                .link_type = links[kind & 3]};
        enum drop_reason why = input_frame(input, &packet);
        require(why == DROP_NONE || drop_table[why].ledger == LEDGER_FRAME || why == DROP_ABSORBED);
        free(copy);
    }
    input_expire(input, INT64_MAX);
    now += 60 * SECOND_US;
    return 0;
}
