/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Collectors by name: the text of the command line, and the address behind it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dnsflow.h"
#include "sink/sink.h"

int sink_parse_target(const char *text, struct sink_target *out, struct error *err)
{
    const char *host = text, *colon = strrchr(text, ':'), *host_end = text + strlen(text);
    struct in_addr ip4;
    char default_port[6];
    const char *port = default_port;
    snprintf(default_port, sizeof(default_port), "%d", DNSFLOW_PORT);
    if (text[0] == '[') {
        host = text + 1;
        host_end = strchr(text, ']');
        if (!host_end || (host_end[1] != '\0' && host_end[1] != ':'))
            return error_set(err, "expected HOST, HOST:PORT, [IPv6] or [IPv6]:PORT");
        if (host_end[1] == ':')
            port = host_end + 2;
    } else if (colon && strchr(text, ':') == colon) {
        host_end = colon;
        port = colon + 1;
    }
    char *port_end;
    unsigned long number = strtoul(port, &port_end, 10);
    if (*port < '0' || *port > '9' || *port_end || number < 1 || number > 65535)
        return error_set(err, "expected a port from 1 to 65535 behind the colon");
    size_t host_len = (size_t)(host_end - host);
    if (host_len == 0 || host_len >= sizeof(out->host))
        return error_set(err, "expected HOST, HOST:PORT, [IPv6] or [IPv6]:PORT");
    memcpy(out->host, host, host_len);
    out->host[host_len] = '\0';
    if (out->host[strspn(out->host, "0123456789.")] == '\0' && inet_aton(out->host, &ip4) == 0)
        return error_set(err, "expected an IPv4 address of four numbers up to 255, or a name");
    snprintf(out->port, sizeof(out->port), "%lu", number);
    bool is_ip6 = strchr(out->host, ':') != NULL;
    snprintf(out->text, sizeof(out->text), "%s%s%s:%s", is_ip6 ? "[" : "", out->host, is_ip6 ? "]" : "", out->port);
    return 0;
}

bool sink_is_ambiguous(const char *text)
{
    const char *last = strrchr(text, ':');
    char rest[INET6_ADDRSTRLEN];
    struct in6_addr whole, before;
    if (!last || last[1] == '\0' || last[1 + strspn(last + 1, "0123456789")] != '\0' ||
        (size_t)(last - text) >= sizeof(rest))
        return false;
    snprintf(rest, sizeof(rest), "%.*s", (int)(last - text), text);
    return inet_pton(AF_INET6, text, &whole) == 1 && inet_pton(AF_INET6, rest, &before) == 1;
}

int sink_parse_address(const char *text, struct sink_target *out, struct error *err)
{
    const char *colon = strrchr(text, ':');
    if (!colon || strchr(colon, ']') || (text[0] != '[' && strchr(text, ':') != colon))
        return error_set(err, "expected HOST:PORT, an IPv6 address in brackets");
    return sink_parse_target(text, out, err);
}

/* Returns what getaddrinfo() does. */
static int find_address(const struct sink_target *target, int flags, struct sink_address *out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV | flags}, *found = NULL;
    int result = getaddrinfo(target->host, target->port, &hints, &found);
    out->len = 0;
    if (result != 0)
        return result;
    out->len = found->ai_addrlen;
    memcpy(&out->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

int sink_read_address(const struct sink_target *target, struct sink_address *out)
{
    return find_address(target, AI_NUMERICHOST, out) == 0 ? 0 : -1;
}

int sink_resolve(const struct sink_target *target, struct sink_address *out, struct error *err)
{
    int result = find_address(target, 0, out);
    if (result == 0)
        return 0;
    return error_set(err, "collector %s: %s", target->text,
                     result == EAI_SYSTEM ? strerror(errno) : gai_strerror(result));
}
