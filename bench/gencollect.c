/* SPDX-License-Identifier: BSD-3-Clause
 *
 * gencollect OUT.pcap N [SEED]: writes N records as a sensor of an Internet provider sends them, as a capture of
 * datagrams with the trailer. 50000 clients (Zipf 0.8) look up 300000 names (Zipf 0.95): 77 % of the lookups are of the
 * client's own 48 names, 20 % of any, 3 % of names that are asked for once, below 30 domains. 1000 records a second of
 * the records' time for each 100 asked for, so that the time is N / 100000 s. The same N and SEED give the same bytes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "dnsflow.h"

enum { NAMES = 300000, CLIENTS = 50000, OWN = 48, TRACKERS = 30, RATE = 100000, NAME = 96 };

static const int64_t begin_us = INT64_C(1760000000) * 1000000;

struct state {
    uint64_t random;
    FILE *out;
    double names[NAMES], clients[CLIENTS]; /* running sums of weights */
};

static uint64_t next(struct state *s)
{
    uint64_t z = (s->random += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void weigh(double *sums, uint32_t count, double exponent)
{
    double sum = 0;
    uint32_t i;
    for (i = 0; i < count; i++)
        sums[i] = sum += 1 / pow(i + 1, exponent);
}

static uint32_t choose(struct state *s, const double *sums, uint32_t count)
{
    double at = (double)(next(s) >> 11) / 9007199254740992.0 * sums[count - 1];
    uint32_t low = 0, high = count - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (sums[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void put_labels(struct writer *out, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, ".");
        write_u8(out, len);
        write_bytes(out, text, len);
        text += len + (text[len] == '.');
    }
    write_u8(out, 0);
}

/* The name's text; those that are asked for once have a number of their own. */
static void make_name(struct state *s, uint32_t client, uint64_t number, char text[NAME], uint32_t *seed)
{
    static const char *const hosts[] = {"www", "api", "cdn", "img", "mail", "static", "login", "edge-7"};
    uint32_t percent = (uint32_t)(next(s) % 100);
    if (percent < 3) {
        *seed = (uint32_t)number;
        snprintf(text, NAME, "%016llx.t.tracker%u.example", (unsigned long long)(number * 0x9e3779b97f4a7c15u),
                 (unsigned)(number % TRACKERS));
        return;
    }
    *seed = percent < 80 ? (client * 2654435761u + (uint32_t)(next(s) % OWN) * 40503u) % NAMES
                         : choose(s, s->names, NAMES);
    snprintf(text, NAME, "%s.domain-%u.example", hosts[*seed % 8], *seed / 8);
}

static void make_record(struct state *s, uint64_t number, struct dnsflow_record *r, uint8_t *bytes, size_t size)
{
    struct writer out = writer_over(bytes, size);
    uint32_t client = choose(s, s->clients, CLIENTS), seed, i;
    char text[NAME], alias[NAME];
    memset(r, 0, sizeof(*r));
    r->ip_vers = 4;
    r->client = out.at;
    write_be32(&out, 0x0a000000 + client);
    r->resolver = out.at;
    write_be32(&out, 0x0aff0001 + (client & 3));
    make_name(s, client, number, text, &seed);
    r->names = out.at;
    put_labels(&out, text);
    r->names_count = 1;
    if (seed % 3 == 0) {
        snprintf(alias, sizeof(alias), "e%u.cdn-%u.example", seed, seed % 97);
        put_labels(&out, alias);
        r->names_count = 2;
    }
    r->names_len = (size_t)(out.at - r->names);
    r->ip4s = out.at;
    r->ip4s_count = 1 + seed % 3;
    for (i = 0; i < r->ip4s_count; i++)
        write_be32(&out, 0xc6000000 + (seed * 4 + i) % 0x00ffffff);
    r->time_us = begin_us + (int64_t)(number * 1000000 / RATE);
    r->min_ttl = 300;
    r->qtype = 1;
    r->client_port = 40000;
}

static void put_le32(FILE *out, uint32_t v)
{
    const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    fwrite(bytes, 1, sizeof(bytes), out);
}

/* As dnsflow -w writes it: DLT_NULL, from 127.0.0.1:0; nobody looks at the checksums. */
static void emit(void *context, const uint8_t *datagram, size_t len, int64_t time_us)
{
    FILE *out = ((struct state *)context)->out;
    uint8_t head[28] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0x14, 0xb4};
    store_be16(head + 2, (uint16_t)(28 + len));
    store_be16(head + 24, (uint16_t)(8 + len));
    put_le32(out, (uint32_t)(time_us / 1000000));
    put_le32(out, (uint32_t)(time_us % 1000000));
    put_le32(out, (uint32_t)(32 + len));
    put_le32(out, (uint32_t)(32 + len));
    put_le32(out, 2);
    fwrite(head, 1, sizeof(head), out);
    fwrite(datagram, 1, len, out);
}

int main(int argc, char **argv)
{
    struct state *s = calloc(1, sizeof(*s));
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0, i;
    uint8_t bytes[1024];
    struct dnsflow_record record;
    if (!s || argc < 3 || !(s->out = fopen(argv[1], "wbe"))) {
        fprintf(stderr, "usage: gencollect OUT.pcap N [SEED]\n");
        return 2;
    }
    s->random = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    weigh(s->names, NAMES, 0.95);
    weigh(s->clients, CLIENTS, 0.8);
    const uint32_t head[] = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 0};
    for (i = 0; i < 6; i++)
        put_le32(s->out, head[i]);
    const struct dnsflow_encoder_options options = {
        .size = sizeof(options), .extended = 1, .sensor_id = 7, .start_time = 1760000000, .emit = emit, .context = s};
    struct dnsflow_encoder *encoder = dnsflow_encoder_create(&options);
    for (i = 0; encoder && i < count; i++) {
        make_record(s, i, &record, bytes, sizeof(bytes));
        (void)dnsflow_encoder_add(encoder, &record);
    }
    dnsflow_encoder_flush(encoder);
    dnsflow_encoder_destroy(encoder);
    int status = fclose(s->out) == 0 && encoder ? 0 : 1;
    free(s);
    return status;
}
