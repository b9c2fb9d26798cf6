/* SPDX-License-Identifier: BSD-3-Clause
 *
 * codec N: encodes N records of a typical shape and decodes the datagrams again. Prints "encode" and "decode" with
 * millions of records per second of CPU time; fails when a record is lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dnsflow.h"

struct sum {
    unsigned long records, addresses;
    double decode_seconds;
};

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void emit(void *context, const uint8_t *datagram, size_t len, int64_t time_us)
{
    struct sum *sum = context;
    struct dnsflow_datagram d;
    struct dnsflow_record r;
    double start = cpu_seconds();
    (void)time_us;
    if (dnsflow_decode(datagram, len, &d) == DNSFLOW_OK)
        while (dnsflow_next_record(&d, &r) == 1) {
            sum->records++;
            sum->addresses += r.ip4s_count + r.ip6s_count;
        }
    sum->decode_seconds += cpu_seconds() - start;
}

int main(int argc, char **argv)
{
    static const uint8_t names[] = "\3www\7example\3com\0\5cache\3cdn\7example\3net"; /* the NUL ends the last name */
    uint8_t ip4s[8] = {192, 0, 2, 1, 192, 0, 2, 2}, client[4] = {10, 0, 0, 1}, resolver[4] = {10, 0, 0, 53};
    struct sum sum = {0};
    struct dnsflow_encoder_options options = {.size = sizeof(options), .emit = emit, .context = &sum};
    struct dnsflow_encoder *encoder = dnsflow_encoder_create(&options);
    unsigned long i, count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    double start = cpu_seconds();
    for (i = 0; encoder && i < count; i++) {
        struct dnsflow_record r = {.ip_vers = 4,
                                   .client = client,
                                   .resolver = resolver,
                                   .names = names,
                                   .names_len = sizeof(names),
                                   .names_count = 2,
                                   .ip4s = ip4s,
                                   .ip4s_count = 1 + i % 2};
        memcpy(client, &i, sizeof(client));
        if (dnsflow_encoder_add(encoder, &r) != 1)
            return 1;
    }
    if (!encoder || count == 0)
        return 1;
    dnsflow_encoder_flush(encoder);
    double encode = cpu_seconds() - start - sum.decode_seconds;
    dnsflow_encoder_destroy(encoder);
    printf("encode %.2f\ndecode %.2f\n", (double)count / encode / 1e6, (double)count / sum.decode_seconds / 1e6);
    return sum.records == count && sum.addresses == count + count / 2 ? 0 : 1;
}
