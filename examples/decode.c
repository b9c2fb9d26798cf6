/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads one datagram from standard input and prints its records.
 *   cc decode.c $(pkg-config --cflags --libs libdnsflow) -o decode */
#include <dnsflow.h>
#include <stdio.h>

int main(void)
{
    uint8_t bytes[65536];
    size_t len = fread(bytes, 1, sizeof(bytes), stdin);
    struct dnsflow_datagram datagram;
    struct dnsflow_record record;
    int result = dnsflow_decode(bytes, len, &datagram);
    if (result != DNSFLOW_OK) {
        fprintf(stderr, "decode: %s\n", dnsflow_result_text(result));
        return 1;
    }
    while (dnsflow_next_record(&datagram, &record)) {
        const uint8_t *at = record.names;
        char name[1024];
        for (size_t i = 0; i < record.names_count && !record.names_text; i++)
            if (dnsflow_name_text(&at, record.names + record.names_len, NULL, name, sizeof(name)) >= 0)
                printf("%s%s", i ? "," : "", name);
        for (size_t i = 0; i < record.ip4s_count; i++) {
            const uint8_t *a = record.ip4s + 4 * i;
            printf(" %u.%u.%u.%u", a[0], a[1], a[2], a[3]);
        }
        struct dnsflow_answer answer;
        at = record.answers;
        while (dnsflow_next_answer(&at, record.answers + record.answers_len, &answer))
            printf(" TYPE%u:%u", answer.type, answer.rdata_len);
        printf("\n");
    }
    return 0;
}
