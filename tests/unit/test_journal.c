/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Heads of blocks, records in them, names of files. */
#include "journals.h"

#include <sys/stat.h>

#include "net/packet.h"

/* ---- heads ---- */

/* A bit at a time. */
static uint32_t slow_crc(const uint8_t *bytes, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < 8 * len; i++) {
        uint32_t bit = (crc ^ (uint32_t)bytes[i / 8] >> i % 8) & 1;
        crc = crc >> 1 ^ (bit ? 0x82f63b78 : 0);
    }
    return ~crc;
}

static void crc_as_a_slow_one(void **state)
{
    (void)state;
    uint8_t bytes[256];
    for (size_t i = 0; i < LEN(bytes); i++) {
        bytes[i] = (uint8_t)i;
        assert_int_equal(journal_crc(0, bytes + i, 1), slow_crc(bytes + i, 1));
        assert_int_equal(journal_crc(0, bytes, i + 1), slow_crc(bytes, i + 1));
    }
}

static void crc(void **state)
{
    (void)state;
    assert_int_equal(journal_crc(0, (const uint8_t *)"123456789", 9), 0xe3069283); /* RFC 3720's check value */
    assert_int_equal(journal_crc(0, (const uint8_t *)"", 0), 0);
}

static struct journal_block made_head(const uint8_t *streams, uint32_t count)
{
    struct journal_block b = {.number = 77,
                              .flags = JOURNAL_FIRST | JOURNAL_TABLE,
                              .first_us = journal_now,
                              .last_us = journal_now + 5,
                              .record_first_us = -3,
                              .record_last_us = INT64_MAX,
                              .datagrams = 9,
                              .records = 99,
                              .plain_len = 1000,
                              .packed_len = 500,
                              .streams_count = count,
                              .streams = streams};
    for (int i = 0; i < TOTALS_COUNT; i++)
        b.totals[i] = (uint64_t)i << 33;
    return b;
}

static void head_there_and_back(void **state)
{
    static uint8_t streams[3 * SOURCE_STATE], bytes[4096];
    (void)state;
    for (size_t i = 0; i < sizeof(streams); i++)
        streams[i] = (uint8_t)i;
    for (uint32_t count = 0; count <= 3; count++) {
        struct journal_block b = made_head(streams, count), back;
        size_t size = journal_head_size(&b);
        assert_int_equal(journal_head_write(&b, bytes, size - 1), 0);
        assert_int_equal(journal_head_write(&b, bytes, sizeof(bytes)), size);
        uint8_t *copy = exact_copy(bytes, size);
        assert_int_equal(journal_head_read(copy, size, &back), size);
        assert_memory_equal(back.streams, streams, count * SOURCE_STATE);
        back.streams = streams;
        assert_memory_equal(&back, &b, sizeof(b));
        free(copy);
    }
}

/* Too short is not yet; a bit more or less is no head. */
static void head_cut_and_flipped(void **state)
{
    uint8_t streams[SOURCE_STATE] = {1}, bytes[2048];
    struct journal_block b = made_head(streams, 1), back;
    size_t size = journal_head_write(&b, bytes, sizeof(bytes));
    (void)state;
    for (size_t len = 0; len < size; len++) {
        uint8_t *copy = exact_copy(bytes, len);
        assert_int_equal(journal_head_read(copy, len, &back), 0);
        free(copy);
    }
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(journal_head_read(bytes, size, &back) <= 0);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* Length and checksum as they have to be for these bytes. */
static void seal_head(uint8_t *bytes, size_t size)
{
    store_be32(bytes + 4, __builtin_bswap32((uint32_t)size - 8));
    store_be32(bytes + 12, journal_crc(0, bytes + 16, size - 16));
}

/* A head with a right checksum whose numbers do not fit together. */
static void head_of_other_sizes(void **state)
{
    enum { STREAMS_AT = 28, PLAIN_AT = 72, PACKED_AT = 76, SIZE = 80 + 8 * TOTALS_COUNT + SOURCE_STATE };
    static const struct {
        size_t at;
        uint32_t value;
        bool is_good;
    } rows[] = {
        {STREAMS_AT, 0, true},
        {STREAMS_AT, 1, true},
        {STREAMS_AT, 2, false},
        {STREAMS_AT, SOURCES_MAX + 1, false},
        {STREAMS_AT, UINT32_MAX, false},
        {PLAIN_AT, 0, true},
        {PLAIN_AT, JOURNAL_PLAIN_MAX, true},
        {PLAIN_AT, JOURNAL_PLAIN_MAX + 1, false},
        {PACKED_AT, 0, false},
        {PACKED_AT, 1, true},
        {PACKED_AT, 2 * JOURNAL_PLAIN_MAX, true},
        {PACKED_AT, 2 * JOURNAL_PLAIN_MAX + 1, false},
    };
    uint8_t streams[SOURCE_STATE] = {1}, bytes[2048];
    struct journal_block b = made_head(streams, 1), back;
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        assert_int_equal(journal_head_write(&b, bytes, sizeof(bytes)), SIZE);
        store_be32(bytes + rows[i].at, rows[i].value);
        seal_head(bytes, SIZE);
        uint8_t *copy = exact_copy(bytes, SIZE);
        if (journal_head_read(copy, SIZE, &back) != (rows[i].is_good ? SIZE : -1))
            fail_msg("row %zu", i);
        free(copy);
    }
}

/* One that says it is longer than any is none, and is not waited for. */
static void head_that_is_too_long(void **state)
{
    enum { LEAST = 80, MOST = 80 + 8 * 1024 + SOURCES_MAX * SOURCE_STATE };
    static const struct {
        uint32_t size;
        ptrdiff_t result;
    } rows[] = {{8, -1}, {LEAST - 1, -1}, {MOST, 0}, {MOST + 1, -1}, {UINT32_MAX, -1}};
    uint8_t streams[SOURCE_STATE] = {1}, bytes[2048];
    struct journal_block b = made_head(streams, 1), back;
    (void)state;
    size_t size = journal_head_write(&b, bytes, sizeof(bytes));
    for (size_t i = 0; i < LEN(rows); i++) {
        store_be32(bytes + 4, __builtin_bswap32(rows[i].size - 8));
        uint8_t *copy = exact_copy(bytes, size);
        assert_int_equal(journal_head_read(copy, size, &back), rows[i].result);
        free(copy);
    }
}

/* Another version's totals: what is more is passed over, what is less is 0. */
static void head_of_other_totals(void **state)
{
    enum { COUNT_AT = 26, TOTALS_AT = 80 };
    uint8_t streams[SOURCE_STATE], bytes[4096], other[4096] = {0};
    struct journal_block b, back;
    (void)state;
    memset(streams, 0x77, sizeof(streams));
    b = made_head(streams, 1);
    size_t size = journal_head_write(&b, bytes, sizeof(bytes)), known = TOTALS_AT + 8 * TOTALS_COUNT;
    for (int more = -3; more <= 3; more++) {
        size_t totals = TOTALS_AT + 8 * (size_t)(TOTALS_COUNT + more), len = totals + SOURCE_STATE;
        memset(other, 0xee, sizeof(other));
        memcpy(other, bytes, totals < known ? totals : known);
        memcpy(other + totals, bytes + size - SOURCE_STATE, SOURCE_STATE);
        store_be16(other + COUNT_AT, (uint16_t)(TOTALS_COUNT + more));
        seal_head(other, len);
        uint8_t *copy = exact_copy(other, len);
        assert_int_equal(journal_head_read(copy, len, &back), len);
        for (int i = 0; i < TOTALS_COUNT; i++)
            assert_int_equal(back.totals[i], i < TOTALS_COUNT + more ? b.totals[i] : 0);
        assert_memory_equal(back.streams, streams, SOURCE_STATE);
        free(copy);
    }
}

/* ---- records ---- */

static void records_are_packets(void **state)
{
    static const size_t lens[] = {0, 1, 8, 1472, 65507, 65527};
    static uint8_t payload[65536], bytes[66000];
    static const uint8_t from4[16] = {192, 0, 2, 7}, from6[16] = {0x20, 1, 0xd, 0xb8, [15] = 9};
    (void)state;
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < 2 * LEN(lens); i++) {
        bool is_ip6 = i % 2;
        size_t len = lens[i / 2];
        if (!is_ip6 && len > 65507)
            continue;
        struct received in = {.ip_vers = is_ip6 ? 6 : 4,
                              .address = is_ip6 ? from6 : from4,
                              .port = 65535,
                              .time_us = journal_now + 123456,
                              .bytes = payload,
                              .len = len},
                        out;
        size_t size = journal_record_size(&in);
        journal_record_write(&in, bytes);
        uint8_t *copy = exact_copy(bytes, size);
        const uint8_t *at = copy;
        assert_int_equal(journal_record_read(&at, copy + size, &out), 1);
        assert_ptr_equal(at, copy + size);
        assert_int_equal(journal_record_read(&at, copy + size, &out), 0);
        assert_true(out.ip_vers == in.ip_vers && out.port == in.port && out.time_us == in.time_us && out.len == len);
        assert_memory_equal(out.address, in.address, is_ip6 ? 16 : 4);
        assert_memory_equal(out.bytes, payload, len);
        struct packet packet = packet_of(copy + 16, size - 16, JOURNAL_LINK_TYPE, in.time_us);
        struct net_payload udp;
        assert_int_equal(net_decode(&packet, NULL, &udp), DROP_NONE);
        assert_true(udp.len == len && udp.dst_port == DNSFLOW_PORT && udp.src_port == 65535 && udp.complete);
        const uint8_t *head = copy + 16 + (is_ip6 ? 40 : 20), *ip = copy + 16;
        assert_int_equal(load_be16(ip + (is_ip6 ? 4 : 2)), (is_ip6 ? 8 : 28) + len); /* other programs go by these */
        assert_int_equal(load_be16(head + 4), 8 + len);
        assert_true(is_ip6 || slow_sum(0, ip, 20) == 0xffff);
        if (is_ip6)
            assert_int_equal(udp_checksum(6, ip + 8, ip + 24, head, 8 + len), 0);
        for (size_t cut = 1; cut < (size < 200 ? size : 200); cut++) {
            at = copy;
            assert_int_equal(journal_record_read(&at, copy + cut, &out), -1);
        }
        free(copy);
    }
}

/* Lengths, version, port: what another program may have written is no record of ours. */
static void other_records(void **state)
{
    static const uint8_t address[16] = {192, 0, 2, 7}, payload[5] = {1, 2, 3, 4, 5};
    (void)state;
    for (uint8_t ip_vers = 4; ip_vers <= 6; ip_vers += 2) {
        const size_t udp = 16 + (ip_vers == 6 ? 40 : 20), size = udp + 8 + sizeof(payload);
        struct received in = {.ip_vers = ip_vers, .address = address, .bytes = payload, .len = sizeof(payload)}, out;
        uint8_t bytes[128];
        assert_int_equal(journal_record_size(&in), size);
        journal_record_write(&in, bytes);
        for (size_t bit = 8 * 8; bit < 8 * (udp + 6); bit++) {
            size_t at = bit / 8;
            bool counts = at <= 16 || at == udp + 2 || at == udp + 3 || at >= udp + 4;
            bytes[at] ^= (uint8_t)(1 << bit % 8);
            uint8_t *copy = exact_copy(bytes, size);
            const uint8_t *next = copy;
            int result = journal_record_read(&next, copy + size, &out);
            if (result != (counts ? -1 : 1))
                fail_msg("IPv%d, byte %zu: %d", ip_vers, at, result);
            free(copy);
            bytes[at] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

/* One behind the other, with times at the edges of what a capture holds. */
static void records_in_a_row(void **state)
{
    const int64_t last = (int64_t)UINT32_MAX * SECOND_US + SECOND_US - 1;
    const struct {
        int64_t time_us, want_us;
    } rows[] = {{0, 0},       {-1, 0},         {SECOND_US - 1, SECOND_US - 1}, {SECOND_US, SECOND_US},
                {last, last}, {last + 1, last}};
    static const uint8_t address[16] = {10, 0, 0, 1};
    uint8_t bytes[LEN(rows) * 128];
    size_t len = 0;
    struct received out;
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct received in = {.ip_vers = i % 2 ? 6 : 4,
                              .address = address,
                              .port = (uint16_t)i,
                              .time_us = rows[i].time_us,
                              .bytes = address,
                              .len = i};
        journal_record_write(&in, bytes + len);
        len += journal_record_size(&in);
    }
    uint8_t *copy = exact_copy(bytes, len);
    const uint8_t *at = copy;
    for (size_t i = 0; i < LEN(rows); i++) {
        assert_int_equal(journal_record_read(&at, copy + len, &out), 1);
        assert_true(out.port == i && out.len == i && out.time_us == rows[i].want_us);
    }
    assert_int_equal(journal_record_read(&at, copy + len, &out), 0);
    free(copy);
}

/* ---- names ---- */

static void names_of_files(void **state)
{
    static const char *const foreign[] = {"notes.txt",
                                          "0000000001-20231114T221320Z.pcap.zst.tmp",
                                          "1-20231114T221320Z.pcap.zst",
                                          "0000000000-20231114T221320Z.pcap.zst",
                                          "000000000x-20231114T221320Z.pcap.zst",
                                          "0000000003_20231114T221320Z.pcap.zst",
                                          "0000000003-20231314T221320Z.pcap.zst",
                                          "0000000003-20230231T221320Z.pcap.zst",
                                          "0000000003-20231114T221360Z.pcap.zst",
                                          "0000000003-20231114T2213 5Z.pcap.zst",
                                          "0000000003-2023 114T221320Z.pcap.zst"};
    char path[256], name[JOURNAL_NAME];
    int folder = make_folder(path);
    struct journal_file *files, found;
    size_t count, strangers;
    (void)state;
    for (size_t i = 0; i < LEN(foreign); i++)
        close(openat(folder, foreign[i], O_CREAT | O_WRONLY, 0600));
    journal_name(3, journal_now, name);
    assert_string_equal(name, "0000000003-20231114T221320Z.pcap.zst");
    for (uint64_t number = 9; number > 6; number--) {
        journal_name(number, journal_now + (int64_t)number * SECOND_US, name);
        close(openat(folder, name, O_CREAT | O_WRONLY, 0600));
    }
    close(openat(folder, "0000000008-20301114T221320Z.pcap.zst", O_CREAT | O_WRONLY, 0600)); /* a copy */
    assert_int_equal(journal_list(folder, &files, &count, &strangers, NULL), 0);
    assert_true(count == 3 && files[0].number == 7 && files[2].number == 9);
    assert_int_equal(files[1].time_us, journal_now + 8 * SECOND_US);
    assert_int_equal(strangers, LEN(foreign) + 1);
    free(files);
    assert_int_equal(journal_find(folder, 8, &found, NULL), 1);
    assert_int_equal(found.number, 8);
    assert_int_equal(journal_find(folder, 1, &found, NULL), 1);
    assert_int_equal(found.number, 7);
    assert_int_equal(journal_find(folder, 10, &found, NULL), 0);
    remove_folder(path, folder);
}

/* What journal_name() makes is found again; folders and links of such a name are somebody else's. */
static void names_there_and_back(void **state)
{
    const struct {
        uint64_t number;
        int64_t time_us;
    } rows[] = {{1, 0},
                {2, -1},
                {99, journal_now},
                {1000000000, journal_now + 86399 * (int64_t)SECOND_US},
                {8999999999, (int64_t)UINT32_MAX * SECOND_US}};
    char path[256], name[JOURNAL_NAME];
    int folder = make_folder(path);
    struct journal_file *files;
    size_t count, strangers;
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        journal_name(rows[i].number, rows[i].time_us, name);
        int fd = openat(folder, name, O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(fd, "12345678", i), (ssize_t)i);
        close(fd);
    }
    journal_name(5, journal_now, name);
    assert_int_equal(mkdirat(folder, name, 0700), 0);
    journal_name(6, journal_now, name);
    assert_int_equal(symlinkat(".hidden", folder, name), 0);
    close(openat(folder, ".hidden", O_CREAT | O_WRONLY, 0600));
    assert_int_equal(journal_list(folder, &files, &count, &strangers, NULL), 0);
    assert_int_equal(count, LEN(rows));
    assert_int_equal(strangers, 2); /* what is hidden does not count */
    for (size_t i = 0; i < count; i++) {
        journal_name(rows[i].number, rows[i].time_us, name);
        assert_string_equal(files[i].name, name);
        assert_int_equal(files[i].number, rows[i].number);
        assert_int_equal(files[i].time_us, rows[i].time_us < 0 ? 0 : rows[i].time_us);
        assert_int_equal(files[i].bytes, i);
    }
    free(files);
    journal_name(5, journal_now, name);
    assert_int_equal(unlinkat(folder, name, AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(folder, ".hidden", 0), 0);
    remove_folder(path, folder);
}

/* No folder, no list. */
static void no_folder(void **state)
{
    char path[256];
    struct journal_file *files, found;
    struct error err = {""};
    size_t count, strangers;
    (void)state;
    temp_file(path, "", 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(journal_list(fd, &files, &count, &strangers, &err), -1);
    assert_non_null(strstr(err.text, "journal"));
    assert_int_equal(journal_find(fd, 1, &found, &err), -1);
    close(fd);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc),
        cmocka_unit_test(crc_as_a_slow_one),
        cmocka_unit_test(head_there_and_back),
        cmocka_unit_test(head_cut_and_flipped),
        cmocka_unit_test(head_of_other_sizes),
        cmocka_unit_test(head_that_is_too_long),
        cmocka_unit_test(head_of_other_totals),
        cmocka_unit_test(records_are_packets),
        cmocka_unit_test(other_records),
        cmocka_unit_test(records_in_a_row),
        cmocka_unit_test(names_of_files),
        cmocka_unit_test(names_there_and_back),
        cmocka_unit_test(no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
