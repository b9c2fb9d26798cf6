/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The kernel filter of a live capture, as a classic BPF program: UDP from the DNS ports with QR set, over IPv4 with
 * options and IPv6 with extension headers, behind up to two VLAN tags beside the one the kernel has taken off. As asked
 * for: TCP from the DNS ports; every fragment of UDP and TCP, else only first ones by their ports; and all that is
 * tunnelled, whose inside is not looked at. */
#ifndef DNSFLOW_CAPTURE_DNS_FILTER_H
#define DNSFLOW_CAPTURE_DNS_FILTER_H

#include <stdint.h>

#include "capture/bpf_build.h"

struct dns_filter {
    bool is_raw_ip; /* frames begin with the IP header, not with an Ethernet one */
    const uint16_t *ports;
    size_t ports_count;
    bool tcp, fragments;
    uint32_t encapsulations;      /* a bit for each enum encapsulation */
    const uint16_t *tunnel_ports; /* UDP destination ports that the user named for tunnels: they win over DNS ports */
    size_t tunnel_ports_count;
    /* Only share number `share` of `shares`, 0 = all: the arithmetic of --share. What is tunnelled passes whole. */
    uint32_t share, shares;
    bool balance_checksum;
};

/* Returns false when the program would be too long. */
bool dns_filter_build(const struct dns_filter *filter, struct bpf_build *out);

/* A program that spreads packets over the sockets of a fanout group by client address, or by UDP checksum. It runs on
 * received packets with the data at the network header, so that all its offsets are relative to that. */
void dns_fanout_build(bool by_checksum, struct bpf_build *out);

#endif
