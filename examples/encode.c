/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Encodes one record and writes the datagram to standard output.
 *   cc encode.c $(pkg-config --cflags --libs libdnsflow) -o encode */
#include <dnsflow.h>
#include <stdio.h>

static void emit(void *context, const uint8_t *datagram, size_t len, int64_t time_us)
{
    (void)time_us;
    fwrite(datagram, 1, len, context);
}

int main(void)
{
    static const uint8_t client[] = {192, 0, 2, 7}, resolver[] = {192, 0, 2, 53}, address[] = {198, 51, 100, 1};
    static const uint8_t names[] = "\3www\7example\3com"; /* the string's NUL is the root label */
    struct dnsflow_encoder_options options = {.size = sizeof(options), .emit = emit, .context = stdout};
    struct dnsflow_record record = {
        .ip_vers = 4,
        .client = client,
        .resolver = resolver,
        .names = names,
        .names_len = sizeof(names),
        .names_count = 1,
        .ip4s = address,
        .ip4s_count = 1,
    };
    struct dnsflow_encoder *encoder = dnsflow_encoder_create(&options);
    int sets = encoder ? dnsflow_encoder_add(encoder, &record) : DNSFLOW_INVALID;
    if (sets > 0)
        dnsflow_encoder_flush(encoder);
    else
        fprintf(stderr, "encode: %s\n", dnsflow_result_text(sets));
    dnsflow_encoder_destroy(encoder);
    return sets > 0 ? 0 : 1;
}
