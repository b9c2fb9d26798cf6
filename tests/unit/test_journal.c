/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Heads of blocks, records in them, names of files. */
#include "journals.h"

#include "net/packet.h"

/* ---- heads ---- */

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

/* ---- records ---- */

static void records_are_packets(void **state)
{
    static const size_t lens[] = {0, 1, 8, 1472, 65507 - 40};
    static uint8_t payload[65536], bytes[66000];
    static const uint8_t from4[16] = {192, 0, 2, 7}, from6[16] = {0x20, 1, 0xd, 0xb8, [15] = 9};
    (void)state;
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < 2 * LEN(lens); i++) {
        bool is_ip6 = i % 2;
        size_t len = lens[i / 2];
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
        for (size_t cut = 1; cut < (size < 200 ? size : 200); cut++) {
            at = copy;
            assert_int_equal(journal_record_read(&at, copy + cut, &out), -1);
        }
        free(copy);
    }
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
                                          "0000000003-20231314T221320Z.pcap.zst"};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc),
        cmocka_unit_test(head_there_and_back),
        cmocka_unit_test(head_cut_and_flipped),
        cmocka_unit_test(records_are_packets),
        cmocka_unit_test(names_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
