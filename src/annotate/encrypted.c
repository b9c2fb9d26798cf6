/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotate/encrypted.h"

#include <stdlib.h>

#include "base/prefix.h"
#include "store/intern.h"

enum { PORT_TLS = 853, PORT_HTTPS = 443, CLIENTS_MAX = 1000000 };

/* Of those who publish that they answer over HTTPS at these addresses, which serve nothing else there. */
static const char *const resolvers[] = {"1.1.1.1",
                                        "1.0.0.1",
                                        "2606:4700:4700::1111",
                                        "2606:4700:4700::1001", /* Cloudflare */
                                        "1.1.1.2",
                                        "1.0.0.2",
                                        "1.1.1.3",
                                        "1.0.0.3",
                                        "8.8.8.8",
                                        "8.8.4.4",
                                        "2001:4860:4860::8888",
                                        "2001:4860:4860::8844", /* Google */
                                        "9.9.9.9",
                                        "149.112.112.112",
                                        "2620:fe::fe",
                                        "2620:fe::9", /* Quad9 */
                                        "9.9.9.10",
                                        "9.9.9.11",
                                        "94.140.14.14",
                                        "94.140.15.15", /* ..., AdGuard */
                                        "208.67.222.222",
                                        "208.67.220.220",
                                        "2620:119:35::35",
                                        "2620:119:53::53", /* OpenDNS */
                                        "194.242.2.2",
                                        "194.242.2.3",
                                        "185.228.168.9",
                                        "185.228.169.9"}; /* Mullvad, CleanBrowsing */

struct encrypted {
    struct intern *known;   /* resolvers */
    struct intern *clients; /* addresses */
};

struct encrypted *encrypted_create(void)
{
    struct encrypted *e = calloc(1, sizeof(*e));
    uint8_t address[16];
    size_t i;
    if (!e)
        return NULL;
    e->known = intern_create();
    e->clients = intern_create();
    bool is_good = e->known && e->clients;
    for (i = 0; is_good && i < sizeof(resolvers) / sizeof(resolvers[0]); i++)
        is_good = intern_add(e->known, address, parse_address(resolvers[i], address)) != INTERN_NONE;
    if (is_good)
        return e;
    encrypted_destroy(e);
    return NULL;
}

void encrypted_destroy(struct encrypted *encrypted)
{
    if (!encrypted)
        return;
    intern_destroy(encrypted->known);
    intern_destroy(encrypted->clients);
    free(encrypted);
}

static bool is_resolver(const struct encrypted *e, const uint8_t *address, size_t len, uint16_t port)
{
    return port == PORT_TLS ||
           ((port == PORT_HTTPS || port == 0) && intern_find(e->known, address, len) != INTERN_NONE);
}

static void note(struct encrypted *e, const uint8_t *client, size_t len)
{
    if (intern_size(e->clients) < CLIENTS_MAX)
        (void)intern_add(e->clients, client, len);
}

void encrypted_note(struct encrypted *encrypted, const struct seen_flow *flow)
{
    if (is_resolver(encrypted, flow->server, flow->server_len, flow->server_port))
        note(encrypted, flow->client, flow->client_len);
    else if (flow->is_either_way && is_resolver(encrypted, flow->client, flow->client_len, flow->client_port))
        note(encrypted, flow->server, flow->server_len);
}

bool encrypted_has(const struct encrypted *encrypted, const struct seen_flow *flow)
{
    if (intern_size(encrypted->clients) == 0)
        return false;
    return intern_find(encrypted->clients, flow->client, flow->client_len) != INTERN_NONE ||
           (flow->is_either_way && intern_find(encrypted->clients, flow->server, flow->server_len) != INTERN_NONE);
}
