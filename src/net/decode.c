/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The walk from the link layer to UDP, and the tables it runs by. */
#include "net/dnstap.h"
#include "net/layers.h"
#include "net/numbers.h"
#include "net/plain.h"

/* Headers a frame may have one inside the other; an encapsulation brings up to 6 along, as VXLAN does. */
enum { MAX_LAYERS = 24 + 6 * NET_ENCAPSULATIONS_MAX };

static layer_decode *const layers[LAYER_COUNT] = {
#define X(name, function) [LAYER_##name] = function,
    NET_LAYERS(X)
#undef X
};

struct link_row {
    const char *name;
    enum layer layer;
};

/* Indexed by LINKTYPE_ number, https://www.tcpdump.org/linktypes.html. Rows without a layer are only named, for the
 * sentence that says why nothing comes out. */
static const struct link_row links[] = {
    [LINKTYPE_NULL] = {"BSD loopback", LAYER_NULL},
    [LINKTYPE_ETHERNET] = {"Ethernet", LAYER_ETHERNET},
    [LINKTYPE_TOKEN_RING] = {"IEEE 802.5 token ring", LAYER_TOKEN_RING},
    [LINKTYPE_ARCNET_BSD] = {"ARCNET (BSD)", LAYER_NONE},
    [LINKTYPE_SLIP] = {"SLIP", LAYER_SLIP},
    [LINKTYPE_PPP] = {"PPP", LAYER_PPP},
    [LINKTYPE_FDDI] = {"FDDI", LAYER_FDDI},
    [LINKTYPE_RAW_12] = {"raw IP", LAYER_IP},
    [LINKTYPE_RAW_14] = {"raw IP", LAYER_IP},
    [LINKTYPE_PPP_HDLC] = {"PPP in HDLC framing", LAYER_PPP},
    [LINKTYPE_PPPOE] = {"PPPoE", LAYER_PPPOE},
    [LINKTYPE_ATM_RFC1483] = {"ATM RFC 1483", LAYER_ATM},
    [LINKTYPE_RAW] = {"raw IP", LAYER_IP},
    [LINKTYPE_CISCO_HDLC] = {"Cisco HDLC", LAYER_CISCO_HDLC},
    [LINKTYPE_WIFI] = {"802.11", LAYER_WIFI},
    [LINKTYPE_ATM_CLIP] = {"Linux classical IP over ATM", LAYER_ATM},
    [LINKTYPE_FRAME_RELAY] = {"frame relay", LAYER_NONE},
    [LINKTYPE_LOOP] = {"OpenBSD loopback", LAYER_NULL},
    [LINKTYPE_ENC] = {"OpenBSD ENC", LAYER_ENC},
    [LINKTYPE_LINUX_SLL] = {"Linux cooked", LAYER_SLL},
    [LINKTYPE_PFLOG] = {"pflog", LAYER_PFLOG},
    [LINKTYPE_WIFI_PRISM] = {"802.11 with Prism header", LAYER_NONE},
    [LINKTYPE_SUNATM] = {"SunATM", LAYER_NONE},
    [LINKTYPE_WIFI_RADIOTAP] = {"802.11 with radiotap header", LAYER_RADIOTAP},
    [LINKTYPE_ARCNET_LINUX] = {"ARCNET (Linux)", LAYER_ARCNET},
    [LINKTYPE_IEEE1394] = {"IP over IEEE 1394", LAYER_NONE},
    [LINKTYPE_DOCSIS] = {"DOCSIS", LAYER_NONE},
    [LINKTYPE_USER2] = {"USER2", LAYER_USER2},
    [LINKTYPE_WIFI_AVS] = {"802.11 with AVS header", LAYER_NONE},
    [LINKTYPE_PPP_PPPD] = {"PPP from pppd", LAYER_PPP_DIRECTION},
    [LINKTYPE_BLUETOOTH_HCI] = {"Bluetooth HCI", LAYER_NONE},
    [LINKTYPE_USB_LINUX] = {"USB (Linux)", LAYER_NONE},
    [LINKTYPE_PPI] = {"PPI", LAYER_PPI},
    [LINKTYPE_IEEE802_15_4] = {"IEEE 802.15.4", LAYER_NONE},
    [LINKTYPE_ERF] = {"ERF", LAYER_ERF},
    [LINKTYPE_PPP_WITH_DIRECTION] = {"PPP with direction", LAYER_PPP_DIRECTION},
    [LINKTYPE_USB_LINUX_PADDED] = {"USB (Linux, padded)", LAYER_NONE},
    [LINKTYPE_IPV4] = {"raw IPv4", LAYER_IPV4},
    [LINKTYPE_IPV6] = {"raw IPv6", LAYER_IPV6},
    [LINKTYPE_DBUS] = {"D-Bus", LAYER_NONE},
    [LINKTYPE_NFLOG] = {"NFLOG", LAYER_NFLOG},
    [LINKTYPE_NETLINK] = {"netlink", LAYER_NONE},
    [LINKTYPE_PKTAP] = {"Apple PKTAP", LAYER_PKTAP},
    [LINKTYPE_LINUX_SLL2] = {"Linux cooked v2", LAYER_SLL2},
};

static const struct link_row *link_row(uint16_t link_type)
{
    static const struct link_row unknown = {NULL, LAYER_NONE}, dnstap = {"dnstap", LAYER_DNSTAP};
    if (link_type == NET_LINK_DNSTAP)
        return &dnstap;
    return link_type < sizeof(links) / sizeof(links[0]) ? &links[link_type] : &unknown;
}

enum layer net_link_layer(uint16_t link_type)
{
    return link_row(link_type)->layer;
}

const char *net_link_name(uint16_t link_type)
{
    const char *name = link_row(link_type)->name;
    return name ? name : "link type";
}

/* A datagram that was opened on the word of its port, and in which there is no IP packet, is what it was. What is known
 * to be cut or left closed stays that. */
static enum drop_reason close_again(const struct walk *walk, enum drop_reason why)
{
    bool is_said = why == DROP_TUNNEL || why == DROP_TUNNEL_DEPTH || (why == DROP_FRAGMENT && walk->out->fragment);
    bool is_cut = !walk->datagram->complete && (why == DROP_LINK_SHORT || why == DROP_IP_SHORT);
    if (is_said || is_cut)
        return why;
    *walk->out = *walk->datagram;
    return DROP_NONE;
}

enum drop_reason net_walk(const struct packet *packet, const struct net_options *options, struct net_payload *out)
{
    struct net_payload datagram;
    struct walk walk = {
        .in = reader_over(packet->bytes, packet->captured_len),
        .next = net_link_layer(packet->link_type),
        .options = options,
        .datagram = &datagram,
        .out = out,
    };
    enum drop_reason why = DROP_NONE;
    int depth;

    out->ip_vers = 0;
    out->fragment = false;
    out->depth = 0;
    for (depth = 0; why == DROP_NONE && walk.next != LAYER_END; depth++) {
        enum layer layer = walk.next;
        if (layer == LAYER_NONE)
            why = DROP_LINK_UNSUPPORTED;
        else
            why = depth < MAX_LAYERS ? layers[layer](&walk) : DROP_IP_MALFORMED;
        if (why == DROP_NONE && (layer == LAYER_IPV4 || layer == LAYER_IPV6))
            walk.is_doubtful = false;
    }
    return why != DROP_NONE && walk.is_doubtful ? close_again(&walk, why) : why;
}

/* Whether neither port of a plain UDP datagram can lead into a tunnel. */
static inline bool is_no_tunnel(const struct net_options *options, const struct net_payload *udp)
{
    return !options || !options->tunnels || (options->tunnels[udp->dst_port] | options->tunnels[udp->src_port]) == 0;
}

enum drop_reason net_decode(const struct packet *packet, const struct net_options *options, struct net_payload *out)
{
    if (__builtin_expect(net_decode_plain(packet, out) && is_no_tunnel(options, out), 1))
        return DROP_NONE;
    return net_walk(packet, options, out);
}
