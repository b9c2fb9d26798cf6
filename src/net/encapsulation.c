/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/encapsulation.h"

#include <string.h>

#include "net/layers.h"
#include "net/numbers.h"

const struct net_encapsulation net_encapsulations[ENCAP_COUNT] = {
#define X(name, token, text) [ENCAP_##name] = {token, text},
    NET_ENCAPSULATIONS(X)
#undef X
};

/* Ports: https://www.iana.org/assignments/service-names-port-numbers; 8472 is VXLAN on Linux before its port was
 * assigned, 37008 is what TZSP has come to use. */
static const struct net_carriage carriages[] = {
    {ENCAP_MPLS, CARRIER_ETHERTYPE, ETHERTYPE_MPLS, LAYER_MPLS, TRUST_NONE},
    {ENCAP_MPLS, CARRIER_ETHERTYPE, ETHERTYPE_MPLS_UPSTREAM, LAYER_MPLS, TRUST_NONE},
    {ENCAP_PPPOE, CARRIER_ETHERTYPE, ETHERTYPE_PPPOE, LAYER_PPPOE, TRUST_NONE},
    {ENCAP_TAGS, CARRIER_ETHERTYPE, ETHERTYPE_PBB, LAYER_PBB, TRUST_NONE},
    {ENCAP_TAGS, CARRIER_ETHERTYPE, ETHERTYPE_VNTAG, LAYER_VNTAG, TRUST_NONE},
    {ENCAP_TAGS, CARRIER_ETHERTYPE, ETHERTYPE_HSR, LAYER_HSR, TRUST_NONE},
    {ENCAP_TAGS, CARRIER_ETHERTYPE, ETHERTYPE_MACSEC, LAYER_MACSEC, TRUST_NONE},
    {ENCAP_TAGS, CARRIER_ETHERTYPE, ETHERTYPE_NSH, LAYER_NSH, TRUST_NONE},
    {ENCAP_TAGS, CARRIER_ETHERTYPE, ETHERTYPE_FABRICPATH, LAYER_FABRICPATH, TRUST_NONE},
    {ENCAP_TAGS, CARRIER_ETHERTYPE, ETHERTYPE_CMD, LAYER_CMD, TRUST_NONE},
    {ENCAP_TAGS, CARRIER_ETHERTYPE, ETHERTYPE_ETAG, LAYER_ETAG, TRUST_NONE},
    {ENCAP_TAGS, CARRIER_ETHERTYPE, ETHERTYPE_TTAG, LAYER_TTAG, TRUST_NONE},
    {ENCAP_IPIP, CARRIER_PROTOCOL, PROTO_IPV4, LAYER_IPV4, TRUST_NONE},
    {ENCAP_IPIP, CARRIER_PROTOCOL, PROTO_IPV6, LAYER_IPV6, TRUST_NONE},
    {ENCAP_GRE, CARRIER_PROTOCOL, PROTO_GRE, LAYER_GRE, TRUST_NONE},
    {ENCAP_GRE, CARRIER_PORT, 4754, LAYER_GRE, TRUST_CONTENT},
    {ENCAP_AH, CARRIER_PROTOCOL, PROTO_AH, LAYER_UPPER, TRUST_NONE},
    {ENCAP_ETHERIP, CARRIER_PROTOCOL, PROTO_ETHERIP, LAYER_ETHERIP, TRUST_NONE},
    {ENCAP_L2TP, CARRIER_PROTOCOL, PROTO_L2TP, LAYER_L2TP_IP, TRUST_NONE},
    {ENCAP_L2TP, CARRIER_PORT, 1701, LAYER_L2TP, TRUST_BOTH},
    {ENCAP_MPLS, CARRIER_PROTOCOL, PROTO_MPLS, LAYER_MPLS, TRUST_NONE},
    {ENCAP_MPLS, CARRIER_PORT, 6635, LAYER_MPLS, TRUST_CONTENT},
    {ENCAP_VXLAN, CARRIER_PORT, 4789, LAYER_VXLAN, TRUST_DESTINATION},
    {ENCAP_VXLAN, CARRIER_PORT, 8472, LAYER_VXLAN, TRUST_DESTINATION},
    {ENCAP_VXLAN, CARRIER_PORT, 4790, LAYER_VXLAN, TRUST_DESTINATION},
    {ENCAP_GENEVE, CARRIER_PORT, 6081, LAYER_GENEVE, TRUST_SOUND},
    {ENCAP_GTP, CARRIER_PORT, 2152, LAYER_GTP, TRUST_SOUND},
    {ENCAP_TZSP, CARRIER_PORT, 37008, LAYER_TZSP, TRUST_DESTINATION},
    {ENCAP_TEREDO, CARRIER_PORT, 3544, LAYER_TEREDO, TRUST_BOTH},
    /* their ports are named on the command line */
    {ENCAP_JMIRROR, CARRIER_PORT, 0, LAYER_JMIRROR, TRUST_DESTINATION},
    {ENCAP_PCAP_RECORD, CARRIER_PORT, 0, LAYER_PCAP_RECORD, TRUST_DESTINATION},
};

const struct net_carriage *net_carriage(size_t index)
{
    return index < sizeof(carriages) / sizeof(carriages[0]) ? &carriages[index] : NULL;
}

static const struct net_carriage *find_carriage(enum net_carrier carrier, uint16_t number)
{
    const struct net_carriage *row;
    size_t i;
    for (i = 0; (row = net_carriage(i)); i++)
        if (row->carrier == carrier && row->number == number)
            break;
    return row;
}

/* A port's entry is the index of its row plus 1, with NET_TUNNEL_NAMED or without. */
_Static_assert(sizeof(carriages) / sizeof(carriages[0]) < NET_TUNNEL_NAMED, "an entry holds a row and a bit");
_Static_assert(LAYER_COUNT <= UINT8_MAX && ENCAP_COUNT <= UINT8_MAX, "a row holds them as bytes");

void net_tunnels_fill(uint8_t *tunnels, uint32_t encapsulations)
{
    const struct net_carriage *row;
    size_t i;
    memset(tunnels, 0, 65536);
    for (i = 0; (row = net_carriage(i)); i++)
        if (row->carrier == CARRIER_PORT && row->number != 0 && (encapsulations >> row->encapsulation & 1))
            tunnels[row->number] = (uint8_t)(i + 1);
}

void net_tunnels_add(uint8_t *tunnels, enum encapsulation encapsulation, uint16_t port)
{
    const struct net_carriage *row;
    size_t i;
    for (i = 0; (row = net_carriage(i)); i++)
        if (row->carrier == CARRIER_PORT && row->encapsulation == encapsulation)
            tunnels[port] = (uint8_t)((i + 1) | NET_TUNNEL_NAMED);
}

enum drop_reason net_enter(struct walk *walk, enum encapsulation encapsulation)
{
    if (!walk->options || !(walk->options->encapsulations >> encapsulation & 1))
        return DROP_TUNNEL;
    if (walk->out->depth == NET_ENCAPSULATIONS_MAX)
        return DROP_TUNNEL_DEPTH;
    walk->out->depth++;
    return DROP_NONE;
}

enum drop_reason net_no_tunnel(struct walk *walk)
{
    walk->out->depth--;
    walk->next = LAYER_END;
    return DROP_NONE;
}

enum drop_reason net_unwrap(struct walk *walk, enum net_carrier carrier, uint16_t number, enum drop_reason otherwise)
{
    const struct net_carriage *row = find_carriage(carrier, number);
    if (!row)
        return otherwise;
    walk->next = row->layer;
    return net_enter(walk, row->encapsulation);
}

bool net_looks_like_ip(const uint8_t *bytes, size_t len, bool exact)
{
    size_t total;
    if (len >= 20 && bytes[0] >> 4 == 4 && (bytes[0] & 15) >= 5)
        total = load_be16(bytes + 2);
    else if (len >= 40 && bytes[0] >> 4 == 6)
        total = 40u + load_be16(bytes + 4);
    else
        return false;
    return exact ? total == len : total >= 20 && total <= len;
}

bool net_knows_ethertype(uint16_t ethertype)
{
    switch (ethertype) {
    case ETHERTYPE_IPV4:
    case ETHERTYPE_IPV6:
    case ETHERTYPE_CTAG:
    case ETHERTYPE_STAG:
    case ETHERTYPE_QINQ:
        return true;
    default:
        return find_carriage(CARRIER_ETHERTYPE, ethertype) != NULL;
    }
}

bool net_looks_like_ethernet(const uint8_t *bytes, size_t len)
{
    if (len < 14 + 20)
        return false;
    uint16_t ethertype = load_be16(bytes + 12);
    if (ethertype == ETHERTYPE_IPV4 || ethertype == ETHERTYPE_IPV6)
        return bytes[14] >> 4 == (ethertype == ETHERTYPE_IPV4 ? 4 : 6);
    return net_knows_ethertype(ethertype);
}
