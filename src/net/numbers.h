/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Numbers that others have given out. UDP ports of tunnels are in the table of net/encapsulation.c. */
#ifndef DNSFLOW_NET_NUMBERS_H
#define DNSFLOW_NET_NUMBERS_H

/* Link types of capture files, https://www.tcpdump.org/linktypes.html */
enum {
    LINKTYPE_NULL = 0,
    LINKTYPE_ETHERNET = 1,
    LINKTYPE_TOKEN_RING = 6,
    LINKTYPE_ARCNET_BSD = 7,
    LINKTYPE_SLIP = 8,
    LINKTYPE_PPP = 9,
    LINKTYPE_FDDI = 10,
    LINKTYPE_RAW_12 = 12, /* raw IP as some systems number it */
    LINKTYPE_RAW_14 = 14,
    LINKTYPE_PPP_HDLC = 50,
    LINKTYPE_PPPOE = 51,
    LINKTYPE_ATM_RFC1483 = 100,
    LINKTYPE_RAW = 101,
    LINKTYPE_CISCO_HDLC = 104,
    LINKTYPE_WIFI = 105,
    LINKTYPE_ATM_CLIP = 106,
    LINKTYPE_FRAME_RELAY = 107,
    LINKTYPE_LOOP = 108,
    LINKTYPE_ENC = 109,
    LINKTYPE_LINUX_SLL = 113,
    LINKTYPE_PFLOG = 117,
    LINKTYPE_WIFI_PRISM = 119,
    LINKTYPE_SUNATM = 123,
    LINKTYPE_WIFI_RADIOTAP = 127,
    LINKTYPE_ARCNET_LINUX = 129,
    LINKTYPE_IEEE1394 = 138,
    LINKTYPE_MTP2 = 140,
    LINKTYPE_DOCSIS = 143,
    LINKTYPE_USER2 = 149,
    LINKTYPE_WIFI_AVS = 163,
    LINKTYPE_PPP_PPPD = 166,
    LINKTYPE_BLUETOOTH_HCI = 187,
    LINKTYPE_USB_LINUX = 189,
    LINKTYPE_PPI = 192,
    LINKTYPE_IEEE802_15_4 = 195,
    LINKTYPE_ERF = 197,
    LINKTYPE_PPP_WITH_DIRECTION = 204,
    LINKTYPE_USB_LINUX_PADDED = 220,
    LINKTYPE_IPV4 = 228,
    LINKTYPE_IPV6 = 229,
    LINKTYPE_DBUS = 231,
    LINKTYPE_NFLOG = 239,
    LINKTYPE_NETLINK = 253,
    LINKTYPE_PKTAP = 258,
    LINKTYPE_LINUX_SLL2 = 276,
};

/* https://www.iana.org/assignments/ieee-802-numbers */
enum {
    ETHERTYPE_MIN = 0x0600, /* smaller values are IEEE 802.3 lengths */
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_ERSPAN3 = 0x22eb,
    ETHERTYPE_ROUTEROS = 0x6400, /* Ethernet in GRE */
    ETHERTYPE_BRIDGED = 0x6558,  /* transparent Ethernet bridging: Ethernet in GRE and GENEVE */
    ETHERTYPE_CTAG = 0x8100,     /* IEEE 802.1Q customer tag */
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_PPP = 0x880b,
    ETHERTYPE_WCCP = 0x883e,
    ETHERTYPE_MPLS = 0x8847,
    ETHERTYPE_MPLS_UPSTREAM = 0x8848,
    ETHERTYPE_PPPOE = 0x8864,
    ETHERTYPE_STAG = 0x88a8,   /* IEEE 802.1ad service tag */
    ETHERTYPE_ERSPAN = 0x88be, /* types I and II */
    ETHERTYPE_MACSEC = 0x88e5,
    ETHERTYPE_PBB = 0x88e7, /* IEEE 802.1ah */
    ETHERTYPE_FABRICPATH = 0x8903,
    ETHERTYPE_CMD = 0x8909, /* Cisco MetaData */
    ETHERTYPE_VNTAG = 0x8926,
    ETHERTYPE_HSR = 0x892f,
    ETHERTYPE_ETAG = 0x893f, /* IEEE 802.1BR */
    ETHERTYPE_NSH = 0x894f,
    ETHERTYPE_TTAG = 0x8988,
    ETHERTYPE_QINQ = 0x9100, /* the service tag before the standard */
};

/* https://www.iana.org/assignments/protocol-numbers */
enum {
    PROTO_HOP_BY_HOP = 0,
    PROTO_ICMP = 1,
    PROTO_IPV4 = 4,
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PROTO_IPV6 = 41,
    PROTO_ROUTING = 43,
    PROTO_FRAGMENT = 44,
    PROTO_GRE = 47,
    PROTO_ESP = 50,
    PROTO_AH = 51,
    PROTO_ICMP6 = 58,
    PROTO_DESTINATION = 60,
    PROTO_ETHERIP = 97,
    PROTO_L2TP = 115,
    PROTO_MOBILITY = 135,
    PROTO_MPLS = 137,
    PROTO_HIP = 139,
    PROTO_SHIM6 = 140,
};

#endif
