/* SPDX-License-Identifier: BSD-3-Clause
 *
 * matching LOOKUPS FLOWS: what `annotate` does in memory: that many lookups of 50000 clients, each of which has 48
 * names at 20000 addresses, and flows that follow any of them. Prints microseconds of CPU for a lookup and for a flow.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "annotate/lookups.h"
#include "base/clock.h"

enum { CLIENTS = 50000, OWN = 48, ADDRESSES = 20000, RATE = 10000 /* lookups a second */ };

static const int64_t begin_us = INT64_C(1760000000) * 1000000;

static uint64_t next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Lookup number `number`: who, where, and what; the same each time it is asked for. */
static void choose(uint64_t number, uint32_t *client, uint32_t *address, uint32_t *name)
{
    uint64_t state = number;
    *client = (uint32_t)(next(&state) % CLIENTS);
    *name = (uint32_t)((*client * 7919u + next(&state) % OWN * 104729u) % 300000);
    *address = *name % ADDRESSES;
}

static size_t put_name(uint8_t wire[64], uint32_t name)
{
    int len = snprintf((char *)wire, 64, "\3www\7name%03u\5test%u", name / 1000 % 1000, name % 10);
    char label[16];
    int label_len = snprintf(label, sizeof(label), "d%u", name);
    wire[len] = (uint8_t)label_len;
    memcpy(wire + len + 1, label, (size_t)label_len + 1);
    return (size_t)(len + label_len + 2);
}

static double cpu_us(void)
{
    return (double)clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

static bool add(struct lookups *table, uint64_t count)
{
    uint32_t client, address, name;
    uint8_t wire[64];
    uint64_t i;
    bool is_good = true;
    for (i = 0; i < count && is_good; i++) {
        int64_t time_us = begin_us + (int64_t)i * (SECOND_US / RATE);
        choose(i, &client, &address, &name);
        put_name(wire, name);
        const struct lookup lookup = {.client = (const uint8_t *)&client,
                                      .address = (const uint8_t *)&address,
                                      .client_len = 4,
                                      .address_len = 4,
                                      .name = wire,
                                      .first_us = time_us,
                                      .last_us = time_us,
                                      .count = 1,
                                      .ttl = 300};
        is_good = lookups_add(table, &lookup) == 0;
    }
    return is_good;
}

/* Returns how many have a name. */
static uint64_t match(const struct lookups *table, uint64_t lookups, uint64_t flows)
{
    uint64_t i, named = 0, state = 1;
    uint32_t client, address, name;
    struct annotation found;
    for (i = 0; i < flows; i++) {
        uint64_t which = next(&state) % lookups;
        struct seen_flow flow = {.client_len = 4, .server_len = 4};
        choose(which, &client, &address, &name);
        memcpy(flow.client, &client, 4);
        memcpy(flow.server, &address, 4);
        flow.time_us = begin_us + (int64_t)which * (SECOND_US / RATE) + SECOND_US / 2;
        lookups_match(table, &flow, &found);
        named += found.name != NULL;
    }
    return named;
}

int main(int argc, char **argv)
{
    static const struct lookups_options options = {.slack_s = 300, .ttl_s = 300, .bytes = (size_t)1 << 31};
    uint64_t lookups = argc == 3 ? strtoull(argv[1], NULL, 10) : 0, flows = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    struct lookups *table = lookups_create(&options);
    if (lookups == 0 || flows == 0 || !table) {
        fprintf(stderr, "usage: matching LOOKUPS FLOWS\n");
        return 2;
    }
    double begun = cpu_us();
    if (!add(table, lookups))
        return 1;
    double added = cpu_us();
    uint64_t named = match(table, lookups, flows);
    double matched = cpu_us();
    printf("%.3f %.3f\n", (added - begun) / (double)lookups, (matched - added) / (double)flows);
    lookups_destroy(table);
    return named == flows ? 0 : 1;
}
