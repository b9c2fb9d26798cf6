/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char expected[] = "expected HOST, HOST:PORT, [IPv6] or [IPv6]:PORT";

static bool has_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    return colon && !strchr(colon, ']') && (text[0] == '[' || strchr(text, ':') == colon);
}

/* Splits the text; *port stays where there is none. */
static int split(const char *text, const char **host, size_t *host_len, const char **port, struct error *err)
{
    const char *end = text + strlen(text);
    *host = text;
    if (text[0] == '[') {
        *host = text + 1;
        end = strchr(text, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return error_set(err, "%s", expected);
        if (end[1] == ':')
            *port = end + 2;
    } else if (has_port(text)) {
        end = strchr(text, ':');
        *port = end + 1;
    }
    *host_len = (size_t)(end - *host);
    return 0;
}

int address_parse(const char *text, unsigned port, struct address_name *out, struct error *err)
{
    const char *host, *digits = NULL;
    struct in_addr ip4;
    char *port_end;
    size_t host_len = 0;
    if (port == 0 && !has_port(text))
        return error_set(err, "expected HOST:PORT, an IPv6 address in brackets");
    if (split(text, &host, &host_len, &digits, err) != 0)
        return -1;
    unsigned long number = digits ? strtoul(digits, &port_end, 10) : port;
    if (digits && (*digits < '0' || *digits > '9' || *port_end || number < 1 || number > 65535))
        return error_set(err, "expected a port from 1 to 65535 behind the colon");
    if (host_len == 0 || host_len >= sizeof(out->host))
        return error_set(err, "%s", expected);
    memcpy(out->host, host, host_len);
    out->host[host_len] = '\0';
    if (out->host[strspn(out->host, "0123456789.")] == '\0' && inet_aton(out->host, &ip4) == 0)
        return error_set(err, "expected an IPv4 address of four numbers up to 255, or a name");
    snprintf(out->port, sizeof(out->port), "%u", (uint16_t)number);
    bool is_ip6 = strchr(out->host, ':') != NULL;
    snprintf(out->text, sizeof(out->text), "%s%s%s:%s", is_ip6 ? "[" : "", out->host, is_ip6 ? "]" : "", out->port);
    return 0;
}

bool address_is_ambiguous(const char *text)
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

/* Returns what getaddrinfo() does. */
static int resolve(const struct address_name *name, int flags, struct address *out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV | flags}, *found = NULL;
    int result = getaddrinfo(name->host, name->port, &hints, &found);
    out->len = 0;
    if (result != 0)
        return result;
    out->len = found->ai_addrlen;
    memcpy(&out->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

int address_read(const struct address_name *name, struct address *out)
{
    return resolve(name, AI_NUMERICHOST, out) == 0 ? 0 : -1;
}

int address_resolve(const char *what, const struct address_name *name, struct address *out, struct error *err)
{
    int result = resolve(name, 0, out);
    if (result == 0)
        return 0;
    return error_set(err, "%s %s: %s", what, name->text, result == EAI_SYSTEM ? strerror(errno) : gai_strerror(result));
}

size_t address_text4(const uint8_t *address, char text[INET_ADDRSTRLEN])
{
    size_t used = 0, i;
    for (i = 0; i < 4; i++) {
        unsigned n = address[i];
        if (n >= 100)
            text[used++] = (char)('0' + n / 100);
        if (n >= 10)
            text[used++] = (char)('0' + n / 10 % 10);
        text[used++] = (char)('0' + n % 10);
        if (i < 3)
            text[used++] = '.';
    }
    return used;
}

bool address_to_ip6(const struct sockaddr_storage *from, struct in6_addr *out)
{
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    memset(out, 0, sizeof(*out));
    if (from->ss_family == AF_INET6) {
        memcpy(&ip6, from, sizeof(ip6));
        *out = ip6.sin6_addr;
    } else if (from->ss_family == AF_INET) {
        memcpy(&ip4, from, sizeof(ip4));
        out->s6_addr[10] = out->s6_addr[11] = 0xff;
        memcpy(out->s6_addr + 12, &ip4.sin_addr, 4);
    }
    return from->ss_family == AF_INET6 || from->ss_family == AF_INET;
}
