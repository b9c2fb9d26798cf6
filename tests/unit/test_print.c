/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows of each format: names of one byte, none, and more than one. */
#include "print/column.h"
#include "records.h"

static struct output out;
static struct made made;

static const char *printed(const struct printer *printer, const char *columns, bool has_trailer)
{
    struct layout layout = {.count = 0};
    struct received from = {.ip_vers = 4, .address = (const uint8_t *)"\xcb\0\x71\x05", .port = 4000};
    struct error err = {""};
    from.datagram.has_trailer = has_trailer;
    if (layout_parse(columns, &layout, &err) != 0)
        fail_msg("%s", err.text);
    out.used = 0;
    printer->record(&out, &layout, &from, &made.record);
    output_char(&out, '\0');
    return out.buffer;
}

static void make_names(const char *const *names, size_t count)
{
    struct writer wire = writer_over(made.names, sizeof(made.names));
    made_rest(&made, 4, 1, 0, 0);
    for (size_t i = 0; i < count; i++)
        put_name(&wire, names[i]);
    memcpy(made.client, "\x0a\0\0\x07", 4);
    memcpy(made.ip4s, "\xc0\0\2\1", 4);
    made.record.names = made.names;
    made.record.names_len = writer_len(&wire);
    made.record.names_count = count;
}

static void short_names(void **state)
{
    static const struct {
        const char *names[3];
        size_t count;
        const char *plain, *json;
    } rows[] = {
        {{""}, 1, ".", "\".\""},
        {{"a"}, 1, "a", "\"a\""},
        {{"", "a", ""}, 3, ".,a,.", "\".\",\"a\",\".\""},
        {{"a.b", "c"}, 2, "a.b,c", "\"a.b\",\"c\""},
    };
    char want[200];
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        make_names(rows[i].names, rows[i].count);
        snprintf(want, sizeof(want), "10.0.0.7|%s|192.0.2.1\n", rows[i].plain);
        assert_string_equal(printed(&printer_text, "client,names,ipv4", false), want);
        snprintf(want, sizeof(want), "10.0.0.7\t%s\t192.0.2.1\n", rows[i].plain);
        assert_string_equal(printed(&printer_tsv, "client,names,ipv4", false), want);
        snprintf(want, sizeof(want), "\"names\":[%s]", rows[i].json);
        assert_non_null(strstr(printed(&printer_json, "client,names,ipv4", false), want));
        snprintf(want, sizeof(want), ",\"%s\",", rows[i].plain);
        assert_non_null(strstr(printed(&printer_csv, "client,names,ipv4", false), want));
    }
}

static void what_columns_need(void **state)
{
    static const struct {
        const char *columns, *trailer, *result;
    } rows[] = {
        {"client,names", "", ""},
        {"qtype", "qtype", ""},
        {"client,qtype,rcode,names,min_ttl,transport", "qtype, min_ttl", "rcode, transport"},
    };
    char text[200], *room;
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct layout layout = {.count = 0};
        assert_int_equal(layout_parse(rows[i].columns, &layout, NULL), 0);
        assert_int_equal(layout_needing(&layout, NEEDS_TRAILER, text, sizeof(text)), strlen(rows[i].trailer));
        assert_string_equal(text, rows[i].trailer);
        (void)layout_needing(&layout, NEEDS_RESULT, text, sizeof(text));
        assert_string_equal(text, rows[i].result);
        for (size_t size = 1; size <= strlen(rows[i].trailer) + 1; size++) { /* nothing is written behind its room */
            room = malloc(size);
            (void)layout_needing(&layout, NEEDS_TRAILER, room, size);
            assert_memory_equal(room, rows[i].trailer, size - 1);
            assert_int_equal(room[size - 1], '\0');
            free(room);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(short_names), cmocka_unit_test(what_columns_need)};
    output_init(&out, STDOUT_FILENO, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
