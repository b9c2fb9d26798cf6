/* SPDX-License-Identifier: BSD-3-Clause
 *
 * L2TP version 2 (RFC 2661) and 3 (RFC 3931), data messages. */
#include "net/layers.h"

/* A session of version 3 has a cookie of 0, 4 or 8 bytes and may have a sublayer of 4, and carries frames of some kind;
 * only its ends know. What stands at one of these places shows what it is. */
static enum drop_reason guess_session(struct walk *walk)
{
    static const uint8_t places[] = {0, 4, 8, 12};
    size_t i, left = reader_left(&walk->in);
    for (i = 0; i < sizeof(places) && places[i] + 20u <= left; i++) {
        const uint8_t *at = walk->in.at + places[i];
        size_t len = left - places[i];
        walk->next = LAYER_NONE;
        if (net_looks_like_ethernet(at, len))
            walk->next = LAYER_ETHERNET;
        else if (net_looks_like_ip(at, len, true))
            walk->next = LAYER_IP;
        else if (at[0] == 0xff && at[1] == 0x03)
            walk->next = LAYER_PPP;
        if (walk->next != LAYER_NONE) {
            read_skip(&walk->in, places[i]);
            return DROP_NONE;
        }
    }
    return DROP_NOT_IP;
}

/* Over UDP. Version 2: flags, version 2 [| length 2] | tunnel 2 | session 2 [| sent 2 | received 2] [| offset 2,
 * padding] | PPP. Version 3: flags, version 2 | reserved 2 | session 4 | the session's own. Control messages carry
 * nothing, and with other bits set it is something else. */
enum drop_reason net_l2tp(struct walk *walk)
{
    enum { LENGTH = 0x4000, SEQUENCE = 0x0800, OFFSET = 0x0200, PRIORITY = 0x0100, VERSION_2 = 2, VERSION_3 = 3 };
    uint16_t flags = read_be16(&walk->in);
    uint16_t fields = flags & (LENGTH | SEQUENCE | OFFSET | PRIORITY);
    size_t whole = reader_left(&walk->in) + 2;
    if (flags == VERSION_3) {
        if (read_be16(&walk->in) != 0)
            return net_no_tunnel(walk);
        read_skip(&walk->in, 4);
        return walk->in.failed ? DROP_LINK_SHORT : guess_session(walk);
    }
    if (flags - fields != VERSION_2 || ((flags & LENGTH) && read_be16(&walk->in) > whole && walk->out->complete))
        return net_no_tunnel(walk);
    read_skip(&walk->in, 4u + (flags & SEQUENCE ? 4 : 0));
    if (flags & OFFSET)
        read_skip(&walk->in, read_be16(&walk->in));
    walk->next = LAYER_PPP;
    return walk->in.failed ? DROP_LINK_SHORT : DROP_NONE;
}

/* Over IP: session 4, 0 for control messages | the session's own */
enum drop_reason net_l2tp_ip(struct walk *walk)
{
    uint32_t session = read_be32(&walk->in);
    if (walk->in.failed)
        return DROP_LINK_SHORT;
    return session == 0 ? DROP_LINK_CONTROL : guess_session(walk);
}
