/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Records with what is looked out for: which thing of a record is told, in which words, and lines that a pipe has room
 * for in part. */
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "watch/hit.h"
#include "watch/out.h"

static struct error err;
static struct made made;

static struct watch_list *list_of(const char *text)
{
    struct watch_list *list = NULL;
    char path[256];
    temp_file(path, text, strlen(text));
    assert_int_equal(watch_list_read(path, &list, &err), 0);
    unlink(path);
    return list;
}

/* www.example with a chain over edge.example: one client, 192.0.2.1 and up, 2001:db8::1 and up. */
static struct dnsflow_record *record_of(size_t ip4s, size_t ip6s)
{
    struct writer out = writer_over(made.names, sizeof(made.names));
    made_rest(&made, 4, ip4s, ip6s, 0);
    put_name(&out, "www.example");
    put_name(&out, "edge.example");
    made.record.names = made.names;
    made.record.names_len = writer_len(&out);
    made.record.names_count = 2;
    memcpy(made.client, "\x0a\0\0\x07", 4);
    memcpy(made.resolver, "\x0a\0\0\x35", 4);
    for (size_t i = 0; i < ip4s; i++)
        store_be32(made.ip4s + 4 * i, 0xc0000201 + (uint32_t)i);
    for (size_t i = 0; i < ip6s; i++) {
        memcpy(made.ip6s + 16 * i, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0", 12);
        store_be32(made.ip6s + 16 * i + 12, 1 + (uint32_t)i);
    }
    made.record.qtype = TYPE_A;
    made.record.rcode = 0;
    made.record.transport = DNSFLOW_OVER_UDP;
    return &made.record;
}

static void the_first_thing_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *list, *told; /* NULL: nothing */
    } cases[] = {
        {"www.example\n", "www.example: 10.0.0.7 asked 10.0.0.53 for www.example"},
        {"www.example n\n", "www.example (n): 10.0.0.7 asked 10.0.0.53 for www.example"},
        {"www.example of a feed\n", "www.example (of a feed): 10.0.0.7 asked 10.0.0.53 for www.example"},
        {"edge.example\n192.0.2.1\n",
         "edge.example: 10.0.0.7 asked 10.0.0.53 for www.example, whose chain has edge.example"},
        {"*.example\n", "*.example: 10.0.0.7 asked 10.0.0.53 for www.example"},
        {"192.0.2.2\n2001:db8::1\n", "192.0.2.2: 10.0.0.7 asked 10.0.0.53 for www.example, answered with 192.0.2.2"},
        {"2001:db8::2\n", "2001:db8::2: 10.0.0.7 asked 10.0.0.53 for www.example, answered with 2001:db8::2"},
        {"2001:db8::/127\n", "2001:db8::/127: 10.0.0.7 asked 10.0.0.53 for www.example, answered with 2001:db8::1"},
        {"192.0.2.3\n2001:db8::3\n10.0.0.7\n10.0.0.53\nexample\n", NULL},
    };
    struct dnsflow_record *record = record_of(2, 2);
    for (size_t i = 0; i < LEN(cases); i++) {
        struct watch_list *list = list_of(cases[i].list);
        struct watch_hit hit;
        char text[2000];
        assert_int_equal(watch_look(list, record, &hit), cases[i].told != NULL);
        if (cases[i].told) {
            watch_describe(&hit, record, text, sizeof(text));
            assert_string_equal(text, cases[i].told);
        }
        watch_list_free(list);
    }
}

static void without_a_resolver(void **state)
{
    (void)state;
    struct watch_list *list = list_of("www.example\n");
    struct dnsflow_record *record = record_of(1, 0);
    struct watch_hit hit;
    char text[2000];
    record->resolver = NULL;
    assert_true(watch_look(list, record, &hit));
    watch_describe(&hit, record, text, sizeof(text));
    assert_string_equal(text, "www.example: 10.0.0.7 asked a resolver for www.example");
    watch_list_free(list);
}

static void the_root_is_asked_for(void **state)
{
    (void)state;
    struct watch_list *list = list_of("192.0.2.1\n.\n");
    struct dnsflow_record *record = record_of(1, 0);
    struct watch_hit hit;
    made.names[0] = 0;
    record->names_len = record->names_count = 1;
    assert_true(watch_look(list, record, &hit));
    assert_int_equal(hit.what, WATCH_QUESTION);
    assert_string_equal(hit.match, ".");
    watch_list_free(list);
}

/* The object of a hit on `entry`; the caller frees it. */
static char *printed(const char *entry, const struct received *from, const struct dnsflow_record *record)
{
    struct watch_list *list = list_of(entry);
    struct watch_hit hit;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_true(watch_look(list, record, &hit));
    watch_print(&hit, from, record, out);
    fclose(out);
    watch_list_free(list);
    return text;
}

static void what_is_printed(void **state)
{
    (void)state;
    static const struct {
        int64_t time_us;
        bool has_trailer;
        const char *time, *rest;
    } cases[] = {
        {1700000000000001, true, "2023-11-14T22:13:20.000001Z", "\"sensor\":7"},
        {1699999999999999, true, "2023-11-14T22:13:19.999999Z", "\"sensor\":7"},
        {-1, true, "1969-12-31T23:59:59.999999Z", "\"sensor\":7"},
        {1700000000000001, false, "1970-01-01T00:00:02.000000Z", "\"sensor\":null"},
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        struct dnsflow_record *record = record_of(1, 1);
        struct received from = {.ip_vers = 4, .address = (const uint8_t *)"\xcb\0\x71\x05", .time_us = 2000000};
        char want[1000];
        from.datagram.has_trailer = cases[i].has_trailer;
        from.datagram.trailer = (struct dnsflow_trailer){.ext_version = 1, .sensor_id = 7};
        record->time_us = cases[i].time_us;
        if (!cases[i].has_trailer) {
            record->qtype = 0;
            record->transport = 0;
        }
        char *text = printed("edge.example a \"note\"\n", &from, record);
        snprintf(want, sizeof(want),
                 "{\"time\":\"%s\",\"entry\":\"edge.example\",\"note\":\"a \\\"note\\\"\",\"what\":\"chain\","
                 "\"match\":\"edge.example\",\"client\":\"10.0.0.7\",\"resolver\":\"10.0.0.53\","
                 "\"server\":\"203.0.113.5\",%s,\"names\":[\"www.example\",\"edge.example\"],"
                 "\"addresses\":[\"192.0.2.1\",\"2001:db8::1\"],\"qtype\":%s,\"rcode\":%s}\n",
                 cases[i].time, cases[i].rest, cases[i].has_trailer ? "\"A\"" : "null",
                 cases[i].has_trailer ? "\"NOERROR\"" : "null");
        assert_string_equal(text, want);
        free(text);
    }
}

/* How often it stands in there. */
static size_t occurs(const char *text, const char *word)
{
    size_t count = 0;
    for (; (text = strstr(text, word)); text += strlen(word))
        count++;
    return count;
}

/* 8 names, 16 addresses of both kinds. */
static void what_is_too_much(void **state)
{
    (void)state;
    static const struct {
        size_t names, ip4s, ip6s, names_told, ip4s_told, ip6s_told;
    } cases[] = {
        {1, 0, 0, 1, 0, 0},   {8, 10, 6, 8, 10, 6}, {9, 10, 7, 8, 10, 6},
        {9, 16, 1, 8, 16, 0}, {9, 17, 9, 8, 16, 0}, {9, 0, 17, 8, 0, 16},
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        struct dnsflow_record *record = record_of(cases[i].ip4s, cases[i].ip6s);
        struct received from = {.ip_vers = 4, .address = (const uint8_t *)"\xcb\0\x71\x05"};
        struct writer out = writer_over(made.names, sizeof(made.names));
        for (size_t k = 0; k < cases[i].names; k++)
            put_name(&out, "n.example");
        record->names_len = writer_len(&out);
        record->names_count = cases[i].names;
        char *text = printed("*.example\n", &from, record);
        assert_int_equal(occurs(strstr(text, "\"names\""), "\"n.example\""), cases[i].names_told);
        assert_int_equal(occurs(text, "\"192.0.2."), cases[i].ip4s_told);
        assert_int_equal(occurs(text, "\"2001:db8::"), cases[i].ip6s_told);
        assert_int_equal(occurs(text, ",]") + occurs(text, "[,") + occurs(text, "\"\""), 1); /* "note":"" */
        free(text);
    }
}

/* ---- lines out ---- */

static void fill(char *line, size_t len, char with)
{
    memset(line, with, len - 1);
    line[len - 1] = '\n';
}

/* A pipe that holds a page: the rest of a line waits for room and comes in front of the next one; what comes meanwhile
 * is lost. */
static void a_line_in_part(void **state)
{
    (void)state;
    enum { ROOM = 4096, FIRST = 3000, LONG = 6000 };
    static struct watch_out out;
    static char line[WATCH_LINE + 1], got[2 * ROOM];
    int fds[2];
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, ROOM), ROOM);
    out.fd = fds[1];
    fill(line, LONG, 'a');
    char *copy = (char *)exact_copy((const uint8_t *)line, LONG);
    assert_int_equal(watch_out_put(&out, copy, LONG), 0);
    free(copy);
    assert_int_equal(out.rest_len, LONG - ROOM);
    fill(line, FIRST, 'b');
    assert_int_equal(watch_out_put(&out, line, FIRST), EAGAIN);
    assert_int_equal(out.rest_len, LONG - ROOM);
    assert_int_equal(read(fds[0], got, ROOM), ROOM);
    fill(line, 10, 'c');
    assert_int_equal(watch_out_put(&out, line, 10), 0);
    assert_int_equal(out.rest_len, 0);
    assert_int_equal(read(fds[0], got + ROOM, ROOM), LONG - ROOM + 10);
    fill(line, LONG, 'a');
    assert_memory_equal(got, line, LONG);
    assert_memory_equal(got + LONG, "ccccccccc\n", 10);
    assert_int_equal(read(fds[0], got, ROOM), -1);
    close(fds[0]);
    watch_out_close(&out);
    assert_int_equal(out.fd, -1);
    assert_int_equal(fcntl(fds[1], F_GETFD), -1);
    watch_out_close(&out);
}

/* None of it is kept. */
static void no_room_for_a_line(void **state)
{
    (void)state;
    enum { ROOM = 4096 };
    static struct watch_out out;
    static char line[ROOM];
    int fds[2];
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, ROOM), ROOM);
    out.fd = fds[1];
    fill(line, ROOM, 'a');
    assert_int_equal(watch_out_put(&out, line, ROOM), 0);
    assert_int_equal(watch_out_put(&out, "lost\n", 5), EAGAIN);
    assert_int_equal(read(fds[0], line, ROOM), ROOM);
    assert_int_equal(watch_out_put(&out, "next\n", 5), 0);
    assert_int_equal(read(fds[0], line, ROOM), 5);
    assert_memory_equal(line, "next\n", 5);
    close(fds[0]);
    watch_out_close(&out);
}

static void a_rest_at_the_end(void **state)
{
    (void)state;
    enum { ROOM = 4096, LONG = 6000 };
    static struct watch_out out;
    static char line[LONG], got[2 * ROOM];
    int fds[2];
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, ROOM), ROOM);
    out.fd = fds[1];
    fill(line, LONG, 'a');
    assert_int_equal(watch_out_put(&out, line, LONG), 0);
    assert_int_equal(read(fds[0], got, ROOM), ROOM);
    watch_out_close(&out);
    assert_int_equal(read(fds[0], got + ROOM, ROOM), LONG - ROOM);
    assert_memory_equal(got, line, LONG);
    close(fds[0]);
}

static void lines_into_a_file(void **state)
{
    (void)state;
    static struct watch_out out;
    static char line[WATCH_LINE + 1];
    char path[256];
    size_t len;
    temp_file(path, "old\n", 4);
    assert_int_equal(watch_out_open(&out, path, &err), 0);
    fill(line, WATCH_LINE + 1, 'a');
    assert_int_equal(watch_out_put(&out, line, WATCH_LINE + 1), EMSGSIZE);
    assert_int_equal(watch_out_put(&out, line + 1, WATCH_LINE), 0);
    watch_out_close(&out);
    uint8_t *bytes = read_whole(path, &len);
    assert_int_equal(len, 4 + WATCH_LINE);
    assert_memory_equal(bytes, "old\naaaa", 8);
    free(bytes);
    unlink(path);
    assert_int_equal(watch_out_open(&out, "/nosuch/out", &err), -1);
    assert_string_equal(err.text, "/nosuch/out: No such file or directory");
    watch_out_close(&out);
}

/* Nobody reads it, or writes to it: it is opened, and refused as a list, at once. */
static void a_named_pipe(void **state)
{
    (void)state;
    static struct watch_out out;
    struct watch_list *list;
    char path[256];
    temp_file(path, "", 0);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20);
    assert_int_equal(watch_list_read(path, &list, &err), -1);
    assert_non_null(strstr(err.text, "expected a file"));
    assert_int_equal(watch_out_open(&out, path, &err), 0);
    assert_int_equal(watch_out_put(&out, "line\n", 5), 0);
    watch_out_close(&out);
    alarm(0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_thing_is_told), cmocka_unit_test(without_a_resolver),
        cmocka_unit_test(the_root_is_asked_for),   cmocka_unit_test(what_is_printed),
        cmocka_unit_test(what_is_too_much),        cmocka_unit_test(a_line_in_part),
        cmocka_unit_test(no_room_for_a_line),      cmocka_unit_test(a_rest_at_the_end),
        cmocka_unit_test(lines_into_a_file),       cmocka_unit_test(a_named_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
