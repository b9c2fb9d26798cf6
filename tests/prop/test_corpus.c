/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Raw DNS messages, one a file, from the folder DNSFLOW_DNSMSG names, else from ../shared/dnsmsg beside the
 * project. Each is parsed whole and cut at every length, in an allocation of exactly that size. */
#include "../unit/testing.h"

#include <dirent.h>
#include <sys/stat.h>

#include "dns/message.h"

static struct dns_response response;
static struct dns_owners owners;
static uint8_t names[DNS_NAMES_MAX * 255 + 64];

static void check_response(const uint8_t *msg, size_t len, bool complete)
{
    struct writer out = writer_over(names, sizeof(names));
    enum drop_reason why = dns_parse_response(msg, len, complete, 0, &out, &response);
    assert_true(why < DROP_REASON_COUNT);
    if (why != DROP_NONE) {
        assert_int_equal(drop_table[why].ledger, LEDGER_MESSAGE);
        return;
    }
    assert_false(out.failed);
    assert_in_range(response.names_count, 1, DNS_NAMES_MAX);
    assert_true(response.ip4_count + response.ip6_count > 0);
    assert_true(response.ip4_count <= DNS_IP4_MAX && response.ip6_count <= DNS_IP6_MAX);
    assert_true(response.min_ttl <= INT32_MAX);
    assert_true(!complete || !response.incomplete);
    const uint8_t *at = names;
    char text[1024];
    for (unsigned i = 0; i < response.names_count; i++)
        assert_true(dnsflow_name_text(&at, out.at, NULL, text, sizeof(text)) > 0);
    assert_ptr_equal(at, out.at);
}

static void check_owners(const uint8_t *msg, size_t len, bool complete)
{
    enum drop_reason why = dns_find_owners(msg, len, complete, &owners);
    assert_true(why < DROP_REASON_COUNT);
    if (why != DROP_NONE) {
        assert_int_equal(drop_table[why].ledger, LEDGER_MESSAGE);
        return;
    }
    assert_in_range(owners.count, 1, DNS_OWNERS_MAX);
    for (unsigned i = 0; i < owners.count; i++) {
        struct writer out = writer_over(names, sizeof(names));
        dns_owner_record(msg, &owners, i, &out, &response);
        assert_int_equal(response.names_count, 1);
        assert_true(response.ip4_count + response.ip6_count > 0);
    }
}

static void check_message(const uint8_t *bytes, size_t whole)
{
    for (size_t len = 0; len <= whole; len++) {
        if (len > 2048 && len < whole - 64 && len % 97)
            continue; /* the long ones in steps */
        uint8_t *msg = exact_copy(bytes, len);
        check_response(msg, len, true);
        check_response(msg, len, false);
        check_owners(msg, len, true);
        check_owners(msg, len, false);
        free(msg);
    }
}

static void every_message_at_every_length(void **state)
{
    (void)state;
    char folder[4096];
    const char *given = getenv("DNSFLOW_DNSMSG"), *top = getenv("DNSFLOW_TOP");
    snprintf(folder, sizeof(folder), "%s%s", given ? given : top ? top : ".", given ? "" : "/../shared/dnsmsg");
    DIR *dir = opendir(folder);
    if (!dir) {
        printf("skipped: no folder of DNS messages; DNSFLOW_DNSMSG names one\n");
        skip();
        return;
    }
    size_t files = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096 + 256];
        struct stat info;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > DNS_MESSAGE_MAX)
            continue;
        size_t len;
        uint8_t *bytes = read_whole(path, &len);
        check_message(bytes, len);
        free(bytes);
        files++;
    }
    closedir(dir);
    assert_true(files > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_message_at_every_length)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
