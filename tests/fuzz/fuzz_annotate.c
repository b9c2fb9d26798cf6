/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lists of flows: the first byte is the format, the rest is what is read. Every line is accounted for, and what is
 * written is what was read with something added. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "annotate/annotate.h"
#include "annotate/json_walk.h"
#include "tests/fuzz/fuzz.h"

static int prepare(void *self, struct lookups *lookups, const struct seen_flow *flows, size_t count, struct error *err)
{
    size_t i;
    (void)self;
    (void)lookups;
    (void)err;
    require(count > 0);
    for (i = 0; i < count; i++)
        require((flows[i].client_len == 4 || flows[i].client_len == 16) &&
                (flows[i].server_len == 4 || flows[i].server_len == 16));
    return 0;
}

/* One that gives 192.0.2.1 to 10.0.0.1, by a name with what formats have to escape. */
static struct lookups *made_lookups(void)
{
    static const uint8_t client[] = {10, 0, 0, 1}, address[] = {192, 0, 2, 1};
    static const uint8_t name[] = "\6=\",\r\n\\\7example", via[] = "\1a\4test";
    static const struct lookups_options options = {.slack_s = 300, .ttl_s = 300};
    const struct lookup lookup = {.client = client,
                                  .address = address,
                                  .client_len = 4,
                                  .address_len = 4,
                                  .name = name,
                                  .via = via,
                                  .first_us = INT64_C(1790000000) * 1000000,
                                  .last_us = INT64_C(1790000000) * 1000000,
                                  .count = 1,
                                  .ttl = 60};
    struct lookups *lookups = lookups_create(&options);
    require(lookups && lookups_add(lookups, &lookup) == 0);
    return lookups;
}

static size_t count_bytes(const char *text, size_t len, char c)
{
    size_t count = 0;
    while (len > 0)
        count += text[--len] == c;
    return count;
}

static void check(const struct annotate_counts *counts, const char *in, size_t in_len, const char *out, size_t out_len,
                  const struct flow_format *format)
{
    uint64_t sum = counts->unreadable + counts->beside, named = 0;
    size_t i;
    for (i = 0; i < METHODS; i++) {
        sum += counts->by_method[i];
        named += i < METHODS_NAMED ? counts->by_method[i] : 0;
    }
    require(sum == counts->lines);
    require(out_len >= in_len);
    require(format->are_objects || count_bytes(in, in_len, '\n') == count_bytes(out, out_len, '\n'));
    require(counts->lines > counts->unreadable + counts->beside || named == 0);
    if (format == &flow_format_ndjson && counts->lines == 1 && counts->unreadable + counts->beside == 0) {
        struct json_walk walk = json_walk_over(out, out_len - (out[out_len - 1] == '\n'));
        const char *text;
        size_t len;
        bool is_text;
        while (json_next(&walk, &text, &len, &is_text))
            ;
        require(!walk.is_broken);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lookups *lookups;
    static const struct origin origin = {NULL, prepare, NULL};
    struct confidence counted = {.cell = {{{0, 0}}}};
    struct annotate_counts counts;
    struct error why = {""};
    struct origin at = origin;
    struct flow_fields fields = {.name = {{{0}}}};
    char *text = NULL;
    size_t len = 0;
    if (size < 1 || size > 4000)
        return 0;
    if (!lookups)
        lookups = made_lookups();
    const struct flow_format *format = flow_format_of(data[0] % flow_formats_count);
    require(flow_fields_parse(&fields, "name=sni", &why) == 0);
    const struct annotate_options options = {.format = format,
                                             .fields = &fields,
                                             .prefix = data[0] & 0x40 ? "x_" : NULL,
                                             .table = &confidence_usual,
                                             .calibrate = data[0] & 0x80 ? &counted : NULL,
                                             .name = "fuzz"};
    int fd = memfd_create("flows", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)size - 1 && lseek(fd, 0, SEEK_SET) == 0);
    FILE *out = open_memstream(&text, &len);
    int result = annotate(fd, lookups, &at, &options, out, &counts, &why);
    fclose(out);
    close(fd);
    require(result == ANNOTATE_DONE || (result == ANNOTATE_UNFIT && why.text[0]));
    if (result == ANNOTATE_DONE)
        check(&counts, (const char *)data + 1, size - 1, text, len, format);
    free(text);
    return 0;
}
