/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/why.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "net/packet.h"

/* What stands behind "N packets", '@' for the ports that are watched. A reason that is common on every link says
 * something only when there is no other. */
static const struct {
    enum drop_reason reason;
    bool is_common;
    const char *text;
} sentences[] = {
    {DROP_LINK_ENCRYPTED, false, "are encrypted 802.11 frames: capture behind the access point"},
    {DROP_LINK_SHORT, false, "are cut short by the snap length, inside their link header: capture with a larger one"},
    {DROP_IP_SHORT, false, "are cut short by the snap length, before the DNS message: capture with a larger one"},
    {DROP_DNS_CUT, false, "are cut short before the first address: capture with a larger snap length"},
    {DROP_VLAN_DEPTH, false, "have more than 3 VLAN tags"},
    {DROP_TUNNEL, false, "are in tunnels, which are not looked into: try --decap all"},
    {DROP_TUNNEL_DEPTH, false, "are in more than 8 tunnels, one inside the other"},
    {DROP_IP_ENCRYPTED, false, "are IPsec ESP: capture inside of the tunnel"},
    {DROP_FRAGMENT, false, "are IP fragments, of which the others are missing"},
    {DROP_ABSORBED, false, "are parts of IP packets or TCP streams, of which the rest is missing"},
    {DROP_TCP_NO_START, false, "are the middle of TCP streams, of which the beginning is missing"},
    {DROP_QUERY_PORT, false, "are queries, and none is a response: one direction only is mirrored"},
    {DROP_OTHER_SHARE, false, "belong to other shares (-m)"},
    {DROP_FILTERED, false, "are refused by the filter (-f): frames with VLAN tags need the word vlan in it"},
    {DROP_DNS_QUERY, false, "are queries, and none is a response: one direction only is mirrored"},
    {DROP_DNS_NOT_RA, false, "are responses of authoritative servers: capture between the clients and their resolver"},
    {DROP_DNS_NOT_RD, false, "are responses to servers that ask without recursion: capture at the resolver's clients"},
    {DROP_DNS_NXDOMAIN, false, "are responses that the name does not exist"},
    {DROP_DNS_RCODE, false, "are responses with an error"},
    {DROP_DNS_QTYPE, false, "are responses to questions of types other than A, AAAA and ANY"},
    {DROP_DNS_NO_ADDRESS, false, "are responses without an address"},
    {DROP_DNS_TRUNCATED, false, "are responses that were truncated: the answers come over TCP, try --tcp"},
    {DROP_DNS_MALFORMED, false, "are from a DNS port, but no DNS messages that make sense"},
    {DROP_SAMPLED, false, "were left out by sampling (-s)"},
    {DROP_OVERSIZE, false, "are responses whose names fill a datagram"},
    {DROP_DNSTAP_OTHER, false, "are dnstap of other kinds: let the server send CLIENT_RESPONSE"},
    {DROP_DNSTAP_MALFORMED, false, "are no dnstap messages that make sense"},
    {DROP_ENCRYPTED_PORT, true,
     "are of port 853 or 443: encrypted DNS cannot be read here, let the resolver send dnstap"},
    {DROP_OTHER_PORT, true,
     "are UDP, but none is from port @: name the port with -d, that of a tunnel with --tunnel-port"},
    {DROP_TCP, true, "are TCP, which is not looked into, or not from port @: try --tcp, name the port with -d"},
    {DROP_NOT_IP, true, "are neither IPv4 nor IPv6"},
    {DROP_LINK_CONTROL, true, "are of the link layer alone, without IP"},
    {DROP_ICMP, true, "are ICMP"},
    {DROP_NOT_UDP, true, "are of other IP protocols"},
};

/* Digits in groups of three: 1 200 */
static void write_number(uint64_t n, char *out, size_t size)
{
    char digits[32];
    size_t used = 0;
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), i;
    for (i = 0; i < len && used + 2 < size; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[used++] = ' ';
        out[used++] = digits[i];
    }
    out[used] = '\0';
}

/* "1 packet is ..." or "2 packets are ..." */
static void write_sentence(uint64_t n, const char *rest, char *text, size_t size)
{
    static const char *const verbs[][2] = {{"are queries", "is a query"},
                                           {"are responses", "is a response"},
                                           {"are ", "is "},
                                           {"have ", "has "},
                                           {"belong ", "belongs "},
                                           {"were ", "was "}};
    char number[48];
    const char *verb = "";
    size_t i;
    for (i = 0; n == 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strncmp(rest, verbs[i][0], strlen(verbs[i][0])) == 0) {
            verb = verbs[i][1];
            rest += strlen(verbs[i][0]);
            break;
        }
    write_number(n, number, sizeof(number));
    snprintf(text, size, "%s packet%s %s%s", number, n == 1 ? "" : "s", verb, rest);
}

/* Where there was a response, queries explain nothing. */
static bool is_only_query(const uint64_t counts[DROP_REASON_COUNT], enum drop_reason reason)
{
    static const enum drop_reason responses[] = {DROP_DNS_NOT_RD,    DROP_DNS_NOT_RA, DROP_DNS_NXDOMAIN,
                                                 DROP_DNS_RCODE,     DROP_DNS_QTYPE,  DROP_DNS_NO_ADDRESS,
                                                 DROP_DNS_TRUNCATED, DROP_OVERSIZE,   DROP_SAMPLED};
    size_t i;
    if (reason != DROP_QUERY_PORT && reason != DROP_DNS_QUERY)
        return false;
    for (i = 0; i < sizeof(responses) / sizeof(responses[0]); i++)
        if (counts[responses[i]] > 0)
            return true;
    return false;
}

/* Index of the sentence with the highest count, -1 when all are 0. */
static int most_frequent(const uint64_t counts[DROP_REASON_COUNT], bool is_common)
{
    size_t i;
    int best = -1;
    for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
        if (sentences[i].is_common == is_common && counts[sentences[i].reason] > 0 &&
            !is_only_query(counts, sentences[i].reason) &&
            (best < 0 || counts[sentences[i].reason] > counts[sentences[best].reason]))
            best = (int)i;
    return best;
}

/* "53, 5300 or 5353" */
static void write_ports(const struct config *config, char *out, size_t size)
{
    size_t used = 0, i, count = config->ports_count;
    out[0] = '\0';
    for (i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%u",
                                 i == 0           ? ""
                                 : i + 1 == count ? " or "
                                                  : ", ",
                                 config->ports[i]);
}

static void fill_in_ports(const char *text, const struct config *config, char *out, size_t size)
{
    char ports[96] = "";
    size_t before = strcspn(text, "@");
    if (text[before])
        write_ports(config, ports, sizeof(ports));
    snprintf(out, size, "%.*s%s%s", (int)before, text, ports, text[before] ? text + before + 1 : "");
}

bool why_describe(const struct why *why, char *text, size_t size)
{
    char rest[WHY_TEXT];
    int best = most_frequent(why->counts, false);
    uint64_t unsupported = why->counts[DROP_LINK_UNSUPPORTED], most;
    if (best < 0)
        best = most_frequent(why->counts, true);
    most = best < 0 || sentences[best].is_common ? 0 : why->counts[sentences[best].reason];
    if (unsupported > most) {
        const char *name = net_link_name(why->link_type);
        bool has_name = strcmp(name, "link type") != 0;
        snprintf(rest, sizeof(rest),
                 has_name ? "are %s (link type %u), which is not decoded" : "are of %s %u, which is not decoded", name,
                 why->link_type);
        write_sentence(unsupported, rest, text, size);
    } else if (why->llc > most) {
        write_sentence(why->llc, "are in IEEE 802.3 frames with LLC, which are read from files only", text, size);
    } else if (best >= 0) {
        fill_in_ports(sentences[best].text, why->config, rest, sizeof(rest));
        write_sentence(why->counts[sentences[best].reason], rest, text, size);
    }
    return best >= 0 || unsupported > 0 || why->llc > 0;
}
