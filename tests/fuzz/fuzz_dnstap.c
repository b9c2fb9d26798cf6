/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frame Streams from a client of a dnstap socket, and the messages in its frames. The first byte says in what pieces
 * the bytes come. */
#include <string.h>

#include "capture/format.h"
#include "capture/frame_stream.h"
#include "tests/fuzz/fuzz.h"

static void take(const struct packet *packet)
{
    struct net_payload p;
    enum drop_reason why = net_decode(packet, NULL, &p);
    if (why != DROP_NONE) {
        require(why == DROP_DNSTAP_MALFORMED || why == DROP_DNSTAP_OTHER);
        return;
    }
    require(p.ip_vers == 4 || p.ip_vers == 6);
    require(p.bytes >= packet->bytes && p.bytes + p.len <= packet->bytes + packet->captured_len);
    require(p.dst >= packet->bytes && p.dst + (p.ip_vers == 4 ? 4 : 16) <= packet->bytes + packet->captured_len);
    fuzz_message(p.bytes, p.len, p.complete);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_stream stream = {0};
    struct packet packets[4];
    struct error err;
    uint8_t answer[FRAME_STREAM_REPLY_MAX];
    size_t start = 1, end = 1, len;
    if (size < 1)
        return 0;
    while (end < size) {
        int count;
        end = size - end > data[0] ? end + data[0] + 1 : size;
        end = end > size ? size : end;
        do {
            uint64_t used = 0;
            uint8_t *copy = malloc(end - start ? end - start : 1);
            require(copy != NULL);
            memcpy(copy, data + start, end - start);
            count = frame_stream_lend(&stream, copy, end - start, packets, 4, &used, &err);
            for (int i = 0; i < count; i++)
                take(&packets[i]);
            require(count == LEND_BROKEN || used <= end - start);
            while ((len = frame_stream_answer(&stream, answer)) > 0)
                require(len <= sizeof(answer));
            free(copy);
            if (count == LEND_BROKEN)
                return 0;
            start += (size_t)used;
        } while (count > 0);
    }
    return 0;
}
