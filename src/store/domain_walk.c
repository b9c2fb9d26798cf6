/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/domain_walk.h"

#include <stdio.h>
#include <string.h>

enum { SUFFIX_LABELS = 6 /* no public suffix has more */ };

static void read_labels(struct domain_walk *walk, const struct domains *domains, const char *rname)
{
    size_t at = 0, room = sizeof(walk->text) - 1, count = 0;
    while (count < walk->count) {
        size_t end = walk->labels[count].end;
        if (strncmp(rname, walk->rname, end) != 0 || (rname[end] != '.' && rname[end] != '\0'))
            break;
        at = end + (rname[end] == '.');
        room = walk->labels[count++].start;
    }
    while (rname[at] && count < WALK_LABELS) {
        size_t len = strcspn(rname + at, "."), take = len + (count > 0);
        if (take > room)
            break;
        room -= take;
        memcpy(walk->text + room, rname + at, len);
        if (count > 0)
            walk->text[room + len] = '.';
        bool is_suffix = count < SUFFIX_LABELS && domain_is_suffix(domains, walk->text + room);
        walk->labels[count++] = (struct walk_label){at + len, room, is_suffix};
        at += len + (rname[at + len] == '.');
    }
    walk->count = count;
    snprintf(walk->rname, sizeof(walk->rname), "%s", rname);
}

size_t domain_walk_len(struct domain_walk *walk, const struct domains *domains, const char *rname, bool *has_domain)
{
    size_t i, len = strlen(rname);
    read_labels(walk, domains, rname);
    for (i = walk->count < SUFFIX_LABELS ? walk->count : SUFFIX_LABELS; i > 0; i--)
        if (walk->labels[i - 1].is_suffix)
            break;
    bool has = i > 0 && i < walk->count;
    if (has_domain)
        *has_domain = has;
    return has ? walk->labels[i].end : len;
}
