/* SPDX-License-Identifier: BSD-3-Clause */
#include "receive/target.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "dnsflow.h"

/* Names are not resolved: one can have several addresses, of which a socket has one. IPv6 may have a scope. */
static bool is_address(const char *host)
{
    struct addrinfo hints = {.ai_family = AF_INET6, .ai_flags = AI_NUMERICHOST}, *found;
    struct in_addr ip4;
    if (!strchr(host, ':'))
        return inet_pton(AF_INET, host, &ip4) == 1;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    freeaddrinfo(found);
    return true;
}

/* Whether the text ends with port 0, and not with a group of an IPv6 address. */
static bool is_any_port(const char *text)
{
    size_t len = strlen(text);
    return len > 2 && strcmp(text + len - 2, ":0") == 0 && (text[0] == '[' || strchr(text, ':') == text + len - 2);
}

/* Port 0 is no target, so that another one stands for it while the text is taken apart. */
int listener_parse(const char *text, struct address_name *target, struct listener_options *out, struct error *err)
{
    char whole[sizeof(target->text)];
    const char *port = *text == ':' ? text + 1 : text;
    bool is_any = strspn(port, "0123456789") == strlen(port) && strcmp(text, ":") != 0;
    int len = is_any ? snprintf(whole, sizeof(whole), "[::]%s%s", *port ? ":" : "", port)
                     : snprintf(whole, sizeof(whole), "%s", text);
    bool is_free = len < (int)sizeof(whole) && is_any_port(whole);
    if (is_free)
        whole[len - 1] = '1';
    if (len >= (int)sizeof(whole) || address_parse(whole, DNSFLOW_PORT, target, NULL) != 0 || !is_address(target->host))
        return error_set(err, "expected ADDR:PORT, [IPv6]:PORT, ADDR, :PORT or PORT, in numbers");
    if (is_free) {
        target->port[0] = '0';
        target->text[strlen(target->text) - 1] = '0';
    }
    out->host = is_any ? NULL : target->host;
    out->port = target->port;
    out->text = target->text;
    return 0;
}
