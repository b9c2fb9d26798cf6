/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/prefix.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/bytes.h"
#include "base/options.h"

static void to_words(uint8_t ip_vers, const uint8_t *address, uint64_t words[2])
{
    words[0] = ip_vers == 6 ? load_be64(address) : (uint64_t)load_be32(address) << 32;
    words[1] = ip_vers == 6 ? load_be64(address + 8) : 0;
}

/* `bits` ones from the top, 0 to 64. */
static uint64_t top_bits(uint64_t bits)
{
    return bits == 0 ? 0 : UINT64_MAX << (64 - bits);
}

int prefixes_add(struct prefixes *prefixes, const char *text, struct error *err)
{
    static const char expected[] =
        "expected an IPv4 or IPv6 address, or a prefix such as 192.0.2.0/24 or 2001:db8::/32";
    char address[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    struct prefix p = {.ip_vers = strchr(text, ':') ? 6 : 4};
    uint64_t most = p.ip_vers == 6 ? 128 : 32, bits = most;
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (prefixes->count == PREFIXES_MAX)
        return error_set(err, "expected at most %d of them", PREFIXES_MAX);
    if (len >= sizeof(address))
        return error_set(err, "%s", expected);
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(p.ip_vers == 6 ? AF_INET6 : AF_INET, address, bytes) != 1 ||
        (slash && parse_number(slash + 1, 0, most, &bits, NULL) != 0))
        return error_set(err, "%s", expected);
    to_words(p.ip_vers, bytes, p.address);
    p.mask[0] = top_bits(bits < 64 ? bits : 64);
    p.mask[1] = top_bits(bits < 64 ? 0 : bits - 64);
    prefixes->list[prefixes->count++] = p;
    return 0;
}

bool prefixes_have(const struct prefixes *prefixes, uint8_t ip_vers, const uint8_t *addresses, size_t count)
{
    size_t i, size = ip_vers == 6 ? 16 : 4;
    for (; count > 0; count--, addresses += size) {
        uint64_t words[2];
        to_words(ip_vers, addresses, words);
        for (i = 0; i < prefixes->count; i++) {
            const struct prefix *p = &prefixes->list[i];
            if (p->ip_vers == ip_vers &&
                (((p->address[0] ^ words[0]) & p->mask[0]) | ((p->address[1] ^ words[1]) & p->mask[1])) == 0)
                return true;
        }
    }
    return false;
}

size_t prefix_range(const struct prefix *prefix, uint8_t least[16], uint8_t most[16])
{
    size_t i;
    for (i = 0; i < 2; i++) {
        store_be64(least + 8 * i, prefix->address[i] & prefix->mask[i]);
        store_be64(most + 8 * i, prefix->address[i] | ~prefix->mask[i]);
    }
    return prefix->ip_vers == 6 ? 16 : 4;
}

size_t parse_address(const char *text, uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_ip6 = strchr(text, ':') != NULL;
    if (inet_pton(is_ip6 ? AF_INET6 : AF_INET, text, address) != 1)
        return 0;
    if (!is_ip6 || memcmp(address, mapped, sizeof(mapped)) != 0)
        return is_ip6 ? 16 : 4;
    memmove(address, address + sizeof(mapped), 4);
    return 4;
}
