/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/rnames.h"

#include <stdlib.h>

#include "store/rname.h"

int rnames_make(struct rnames *rnames, const struct tally *tally)
{
    uint32_t i, count = intern_size(tally->names);
    char one[RNAME_TEXT];
    size_t len, all = 0;
    for (i = 0; i < count; i++) {
        const uint8_t *wire = intern_key(tally->names, i, &len);
        all += rname_of(wire, len, one) + 1;
    }
    rnames->texts = malloc(all + 1);
    rnames->list = malloc((count + (size_t)1) * sizeof(*rnames->list));
    char *at = rnames->texts;
    if (!rnames->texts || !rnames->list)
        return -1;
    for (i = 0; i < count; i++) {
        const uint8_t *wire = intern_key(tally->names, i, &len);
        rnames->list[i] = at;
        at += rname_of(wire, len, at) + 1;
    }
    return 0;
}

void rnames_free(struct rnames *rnames)
{
    free(rnames->texts);
    free(rnames->list);
}
