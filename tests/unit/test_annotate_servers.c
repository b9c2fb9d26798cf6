/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The names of a server out of what is kept: those that have its address, and those that lead to these. */
#include "annotate/server_names.h"
#include "journals.h"
#include "base/prefix.h"
#include "query/kept.h"

struct place {
    char path[256];
    int fd;
    struct kept kept;
    struct server_names names;
};

static struct error err;

static void make_place(struct place *p, const char *answers)
{
    memset(p, 0, sizeof(*p));
    p->fd = make_folder(p->path);
    if (database_open(p->path, &p->kept.db, &err) != 0 || sql_run(p->kept.db, answers, &err) != 0 ||
        server_names_open(&p->names, &p->kept, &err) != 0)
        fail_msg("%s", err.text);
}

static void remove_place(struct place *p)
{
    server_names_close(&p->names);
    database_close(p->kept.db);
    remove_folder(p->path, p->fd);
}

/* "name>via first last count own; ..." */
static const char *found(struct place *p, const char *address)
{
    static char text[4000];
    uint8_t bytes[16];
    size_t used = 0, size = 0, len = parse_address(address, bytes);
    uint32_t number = server_names_find(&p->names, bytes, len, &err);
    assert_true(number != INTERN_NONE);
    const struct server *server = &p->names.servers[number];
    text[0] = '\0';
    for (size_t i = 0; i < server->count; i++) {
        const struct server_name *n = &p->names.names[server->from + i];
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s>%s %d %d %d %d", i > 0 ? "; " : "",
                                 (const char *)intern_key(p->names.rnames, n->rname, &size),
                                 n->via == INTERN_NONE ? "" : (const char *)intern_key(p->names.rnames, n->via, &size),
                                 (int)n->first_s, (int)n->last_s, (int)n->count, (int)n->own);
    }
    return text;
}

/* In the order in which they were first seen; of those seen together the one nearest to the address is first. What came
 * by a CNAME is taken off the name that it leads to, and never more than that has. */
static void names_and_what_leads_to_them(void **state)
{
    struct place p;
    (void)state;
    make_place(&p, "INSERT INTO answers VALUES('example.b', 1, x'c0000201', 20, 90, 7, 7), "
                   "('example.a', 1, x'c0000201', 30, 91, 5, 5),"
                   "('example.c', 1, x'c0000201', 10, 92, 3, 3),"
                   "('example.other', 1, x'c0000202', 5, 6, 1, 1),"
                   "('example.v6', 28, x'20010db8000000000000000000000001', 5, 6, 4, 4),"
                   "('example.txt', 16, x'c0000201', 1, 1, 1, 1),"
                   "('example.www', 5, 'b.example', 20, 93, 2, 2),"
                   "('example.old', 5, 'b.example', 1, 94, 9, 9),"
                   "('example.deep', 5, 'www.example', 40, 95, 1, 1),"
                   "('example.b', 5, 'deep.example', 50, 96, 1, 1);"); /* leads back: it is there already */
    assert_string_equal(found(&p, "192.0.2.1"), "example.old>example.b 1 94 9 9; "
                                                "example.c> 10 92 3 3; "
                                                "example.b> 20 90 7 0; "
                                                "example.www>example.b 20 93 2 1; "
                                                "example.a> 30 91 5 5; "
                                                "example.deep>example.b 40 95 1 0");
    assert_string_equal(found(&p, "192.0.2.2"), "example.other> 5 6 1 1");
    assert_string_equal(found(&p, "2001:db8::1"), "example.v6> 5 6 4 4");
    assert_string_equal(found(&p, "192.0.2.3"), "");
    assert_int_equal(p.names.cut, 0);
    size_t names = p.names.names_count;
    assert_string_equal(found(&p, "192.0.2.2"), "example.other> 5 6 1 1"); /* not looked for again */
    assert_int_equal(p.names.names_count, names);
    server_names_trim(&p.names); /* there is little of it */
    assert_int_equal(p.names.names_count, names);
    remove_place(&p);
}

/* Whatever number an address has, each has its own names; of one with too many the first stay. */
static void many(void **state)
{
    enum { SERVERS = 600 };
    struct place p;
    char query[700], address[32], want[64];
    (void)state;
    snprintf(query, sizeof(query),
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO answers SELECT printf('example.n%%05d', i), 1, x'c0000201', i, i, 1, 1 FROM n",
             SERVER_NAMES_MAX);
    make_place(&p, query);
    for (int i = 0; i < SERVERS; i++) {
        snprintf(query, sizeof(query), "INSERT INTO answers VALUES('example.s%d', 1, x'0b00%04x', 1, 2, 3, 3)", i, i);
        assert_int_equal(sql_run(p.kept.db, query, &err), 0);
    }
    for (int i = 0; i < SERVERS; i++) {
        snprintf(address, sizeof(address), "11.0.%d.%d", i / 256, i % 256);
        snprintf(want, sizeof(want), "example.s%d> 1 2 3 3", i);
        assert_string_equal(found(&p, address), want);
    }
    assert_int_equal(p.names.cut, 0);
    const uint8_t big[4] = {192, 0, 2, 1};
    uint32_t number = server_names_find(&p.names, big, 4, &err);
    assert_true(number != INTERN_NONE);
    assert_int_equal(p.names.servers[number].count, SERVER_NAMES_MAX);
    assert_true(p.names.cut > 0);
    remove_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_and_what_leads_to_them), cmocka_unit_test(many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
