/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/domain.h"

#include <stdlib.h>
#include <string.h>

#include "record/name.h"

#ifdef HAVE_LIBPSL
#include <libpsl.h>
#endif

struct domains {
#ifdef HAVE_LIBPSL
    psl_ctx_t *list;
#else
    char nothing;
#endif
};

struct domains *domains_create(void)
{
    struct domains *d = calloc(1, sizeof(*d));
#ifdef HAVE_LIBPSL
    if (d && !(d->list = psl_latest(NULL))) {
        free(d);
        return NULL;
    }
#endif
    return d;
}

void domains_destroy(struct domains *domains)
{
#ifdef HAVE_LIBPSL
    if (domains)
        psl_free(domains->list);
#endif
    free(domains);
}

const char *domains_version(void)
{
#ifdef HAVE_LIBPSL
    return "libpsl " PSL_VERSION;
#else
    return "without libpsl: a domain is the last two labels";
#endif
}

/* Where the last `labels` labels begin. */
static size_t last_labels(const uint8_t *wire, size_t labels)
{
    size_t at = 0, count = 0;
    for (; wire[at]; at += wire[at] + 1u)
        count++;
    for (at = 0; count > labels; count--)
        at += wire[at] + 1u;
    return at;
}

#ifdef HAVE_LIBPSL
/* The name with dots; bytes that no list has, dots in labels among them, become '?'. */
static void plain_text(const uint8_t *wire, char text[NAME_WIRE])
{
    size_t at = 0, i;
    for (; wire[at]; at += wire[at] + 1u) {
        for (i = 1; i <= wire[at]; i++) {
            uint8_t c = wire[at + i];
            text[at + i - 1] = c > 0x20 && c < 0x7f && c != '.' ? (char)c : '?';
        }
        text[at + wire[at]] = '.';
    }
    text[at ? at - 1 : 0] = '\0';
}

size_t domain_start(const struct domains *domains, const uint8_t *wire)
{
    char text[NAME_WIRE];
    size_t labels = 1;
    plain_text(wire, text);
    const char *at = psl_registrable_domain(domains->list, text);
    if (!at)
        return 0;
    while ((at = strchr(at, '.'))) {
        labels++;
        at++;
    }
    return last_labels(wire, labels);
}
bool domain_has(const struct domains *domains, const uint8_t *wire)
{
    char text[NAME_WIRE];
    plain_text(wire, text);
    return psl_registrable_domain(domains->list, text) != NULL;
}
#else
size_t domain_start(const struct domains *domains, const uint8_t *wire)
{
    (void)domains;
    return last_labels(wire, 2);
}

bool domain_has(const struct domains *domains, const uint8_t *wire)
{
    (void)domains;
    return wire[0] && wire[wire[0] + 1];
}
#endif
