/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The way of a datagram in: which frames are taken, and who is told what. */
#include "receive/intake.h"

#include "base/clock.h"
#include "keys.h"
#include "net/numbers.h"
#include "records.h"

enum { START = 1700000000 };

static const int64_t now = (int64_t)START * SECOND_US;
static const uint8_t key[SECRET_KEY] = {1, 2, 3};

/* What the callbacks were told. */
struct told {
    size_t datagrams, records, malformed;
    size_t with_source;
    int result;
    uint8_t ip_vers;
    uint16_t port;
    int64_t time_us;
};

static void tell_datagram(void *context, const struct received *from, const struct source *source)
{
    struct told *told = context;
    told->datagrams++;
    told->with_source += source != NULL;
    told->ip_vers = from->ip_vers;
    told->port = from->port;
    told->time_us = from->time_us;
}

static void tell_record(void *context, const struct received *from, const struct dnsflow_record *record)
{
    struct told *told = context;
    assert_int_equal(told->datagrams, 1); /* told of before */
    assert_int_equal(record->ip4s[3], told->records++);
    assert_true(from->datagram.sets_count > 0);
}

static void tell_malformed(void *context, const struct source *source, int result)
{
    struct told *told = context;
    told->malformed++;
    told->with_source += source != NULL;
    told->result = result;
}

static struct intake_options options_of(struct told *told)
{
    memset(told, 0, sizeof(*told));
    return (struct intake_options){
        .is_live = true, .whose = SOURCE_IS_STREAM, .calls = {told, tell_datagram, tell_record, tell_malformed}};
}

static struct intake open_with(struct intake_options options)
{
    struct intake intake;
    struct error err;
    assert_int_equal(intake_open(&intake, &options, &err), 0);
    return intake;
}

static void assert_told(const struct told *told, size_t datagrams, size_t records, size_t malformed)
{
    assert_int_equal(told->datagrams, datagrams);
    assert_int_equal(told->records, records);
    assert_int_equal(told->malformed, malformed);
}

/* ---- datagrams ---- */

/* The first holds three records with the addresses 0, 1 and 2, the second statistics. */
static void make_datagrams(struct caught *caught, void (*sign)(void *, const uint8_t *, size_t, uint8_t *),
                           void *tagger)
{
    static struct made m;
    struct dnsflow_encoder_options options = {.size = sizeof(options),
                                              .extended = 1,
                                              .start_time = START,
                                              .emit = catch_datagram,
                                              .context = caught,
                                              .sign = sign,
                                              .sign_context = tagger};
    struct dnsflow_stats stats = {0};
    caught->count = 0;
    struct dnsflow_encoder *encoder = dnsflow_encoder_create(&options);
    assert_non_null(encoder);
    for (uint32_t n = 0; n < 3; n++) {
        made_short_names(&m, 1);
        made_rest(&m, 4, 1, 0, n);
        assert_int_equal(dnsflow_encoder_add(encoder, &m.record), 1);
    }
    dnsflow_encoder_stats(encoder, &stats, now, NULL, 0);
    dnsflow_encoder_destroy(encoder);
    assert_int_equal(caught->count, 2);
}

static void receive(struct intake *intake, const uint8_t *bytes, size_t len, uint32_t dropped)
{
    struct listener_datagram datagram = {.ip_vers = 6,
                                         .address = {0x20, 1},
                                         .port = 4001,
                                         .time_us = now + 7,
                                         .dropped = dropped,
                                         .bytes = bytes,
                                         .len = len};
    intake_datagram(intake, &datagram);
}

static void sockets(void **state)
{
    static struct caught caught;
    struct told told;
    struct intake intake = open_with(options_of(&told));
    (void)state;
    make_datagrams(&caught, NULL, NULL);
    receive(&intake, caught.bytes[0], caught.len[0], 0);
    assert_told(&told, 1, 3, 0);
    assert_true(told.ip_vers == 6 && told.port == 4001 && told.time_us == now + 7);
    receive(&intake, caught.bytes[1], caught.len[1], 5); /* statistics: no records */
    assert_told(&told, 2, 3, 0);
    assert_int_equal(told.with_source, 2);
    assert_int_equal(intake.datagrams, 2);
    assert_int_equal(intake.no_room, 5); /* nothing is missing yet */
    assert_int_equal(sources_count(intake.sources), 1);
    const struct source *source = sources_at(intake.sources, 0);
    assert_true(source->data_datagrams == 1 && source->records == 3 && source->stats_datagrams == 1);
    store_be32(caught.bytes[1] + 4, load_be32(caught.bytes[1] + 4) + 4); /* sequence */
    receive(&intake, caught.bytes[1], caught.len[1], 1);
    assert_int_equal(intake.no_room, 3);
    assert_true(source->no_room == 3 && source->lost == 0);
    intake_close(&intake);
    release_caught(&caught);
}

static void records_not_wanted(void **state)
{
    static struct caught caught;
    struct told told;
    struct intake_options options = options_of(&told);
    (void)state;
    options.calls.record = NULL;
    struct intake intake = open_with(options);
    make_datagrams(&caught, NULL, NULL);
    receive(&intake, caught.bytes[0], caught.len[0], 0);
    assert_told(&told, 1, 0, 0);
    assert_int_equal(sources_at(intake.sources, 0)->records, 3);
    intake_close(&intake);
    release_caught(&caught);
}

static void malformed(void **state)
{
    static struct caught caught;
    struct told told;
    struct intake intake = open_with(options_of(&told));
    (void)state;
    make_datagrams(&caught, NULL, NULL);
    for (size_t len = 0; len < caught.len[0]; len++) {
        uint8_t *cut = exact_copy(caught.bytes[0], len);
        receive(&intake, cut, len, 0);
        free(cut);
        assert_told(&told, 0, 0, len + 1);
        assert_true(len < 8 ? told.result == DNSFLOW_SHORT_HEADER : told.result < 0);
    }
    assert_int_equal(told.with_source, caught.len[0]);
    assert_int_equal(intake.malformed, caught.len[0]);
    assert_int_equal(intake.datagrams, 0);
    assert_int_equal(sources_count(intake.sources), 1);
    assert_int_equal(sources_at(intake.sources, 0)->malformed, caught.len[0]);
    assert_int_equal(sources_at(intake.sources, 0)->total, 0);
    intake_close(&intake);
    release_caught(&caught);
}

static void sign_with(void *tagger, const uint8_t *bytes, size_t len, uint8_t tag[DNSFLOW_TAG_SIZE])
{
    secret_tag(tagger, bytes, len, tag);
}

static void refused(void **state)
{
    static struct caught caught, bare;
    struct told told;
    struct intake_options options = options_of(&told);
    (void)state;
    if (!secret_is_supported())
        skip();
    options.keys = keys_of(key);
    struct secret_tagger *tagger = secret_tagger_create(key);
    struct intake intake = open_with(options);
    make_datagrams(&caught, sign_with, tagger);
    make_datagrams(&bare, NULL, NULL);
    receive(&intake, bare.bytes[0], bare.len[0], 0);
    caught.bytes[0][caught.len[0] - 1] ^= 1;
    receive(&intake, caught.bytes[0], caught.len[0], 0);
    assert_told(&told, 0, 0, 0);
    assert_int_equal(sources_count(intake.sources), 1); /* both by where they came from */
    assert_int_equal(sources_proven(intake.sources), 0);
    caught.bytes[0][caught.len[0] - 1] ^= 1;
    receive(&intake, caught.bytes[0], caught.len[0], 0);
    assert_told(&told, 1, 3, 0);
    receive(&intake, caught.bytes[0], caught.len[0], 0);
    assert_told(&told, 1, 3, 0);
    assert_int_equal(intake_refused(&intake), 3);
    assert_int_equal(intake.datagrams, 1);
    assert_int_equal(sources_count(intake.sources), 2);
    assert_int_equal(sources_proven(intake.sources), 1);
    const struct source *by_address = sources_at(intake.sources, 0), *stream = sources_at(intake.sources, 1);
    assert_int_equal(by_address->refused[VERIFY_UNSIGNED], 1);
    assert_int_equal(by_address->refused[VERIFY_FORGED], 1);
    assert_int_equal(by_address->refused[VERIFY_REPLAYED], 1); /* anybody can do that */
    assert_int_equal(by_address->total, 0);
    assert_int_equal(stream->total, 1);
    intake_close(&intake);
    release_caught(&caught);
    release_caught(&bare);
    secret_tagger_destroy(tagger);
}

/* What is signed and old is stale on a socket, and fine in a file. */
static void stale(void **state)
{
    static struct caught caught;
    struct told told;
    struct intake_options options = options_of(&told);
    (void)state;
    if (!secret_is_supported())
        skip();
    options.keys = keys_of(key);
    struct secret_tagger *tagger = secret_tagger_create(key);
    make_datagrams(&caught, sign_with, tagger);
    for (int is_live = 0; is_live < 2; is_live++) {
        options.is_live = is_live;
        struct intake intake = open_with(options);
        struct listener_datagram late = {.ip_vers = 4,
                                         .time_us = now + (int64_t)(VERIFY_LATE_S + 1) * SECOND_US,
                                         .bytes = caught.bytes[1],
                                         .len = caught.len[1]};
        intake_datagram(&intake, &late);
        assert_int_equal(intake.datagrams, !is_live);
        assert_int_equal(sources_at(intake.sources, 0)->refused[VERIFY_STALE], is_live);
        intake_close(&intake);
    }
    release_caught(&caught);
    secret_tagger_destroy(tagger);
}

/* Accepted, though there is no account for it. */
static void crowd(void **state)
{
    static struct caught caught;
    struct told told;
    struct intake_options options = options_of(&told);
    (void)state;
    options.whose = SOURCE_IS_ADDRESS;
    options.calls.record = NULL;
    struct intake intake = open_with(options);
    make_datagrams(&caught, NULL, NULL);
    struct listener_datagram datagram = {.ip_vers = 4, .time_us = now, .bytes = caught.bytes[0], .len = caught.len[0]};
    for (uint32_t n = 0; n <= SOURCES_MAX; n++) {
        store_be32(datagram.address, n);
        intake_datagram(&intake, &datagram);
    }
    assert_told(&told, SOURCES_MAX + 1, 0, 0);
    assert_int_equal(told.with_source, SOURCES_MAX);
    assert_int_equal(intake.datagrams, SOURCES_MAX + 1);
    assert_int_equal(intake.other_sources, 1);
    datagram.len = 7;
    intake_datagram(&intake, &datagram);
    assert_told(&told, SOURCES_MAX + 1, 0, 1);
    assert_int_equal(told.with_source, SOURCES_MAX);
    intake_close(&intake);
    release_caught(&caught);
}

/* ---- frames ---- */

static void take_frame(struct intake *intake, const uint8_t *bytes, size_t len, uint16_t link_type)
{
    uint8_t *frame = exact_copy(bytes, len);
    struct packet packet = packet_of(frame, len, link_type, now);
    intake_packet(intake, &packet);
    free(frame);
}

static void take_udp(struct intake *intake, uint8_t ip_vers, uint16_t from, uint16_t to, const void *payload,
                     size_t len)
{
    uint8_t bytes[2048];
    struct flow flow = flow_of(ip_vers);
    flow.resolver_port = from;
    flow.client_port = to;
    take_frame(intake, bytes, build_frame(bytes, sizeof(bytes), &flow, payload, len), LINKTYPE_ETHERNET);
}

static void ports(void **state)
{
    static struct caught caught;
    static const struct {
        bool any_port;
        uint8_t ip_vers;
        uint16_t to;
        size_t taken;
    } rows[] = {{false, 4, DNSFLOW_PORT, 1},     {false, 6, DNSFLOW_PORT, 1},    {false, 4, DNSFLOW_PORT - 1, 0},
                {false, 6, DNSFLOW_PORT + 1, 0}, {true, 4, DNSFLOW_PORT - 1, 1}, {true, 6, 9, 1}};
    (void)state;
    make_datagrams(&caught, NULL, NULL);
    for (size_t i = 0; i < LEN(rows); i++) {
        struct told told;
        struct intake_options options = options_of(&told);
        options.any_port = rows[i].any_port;
        struct intake intake = open_with(options);
        take_udp(&intake, rows[i].ip_vers, 4000, rows[i].to, caught.bytes[0], caught.len[0]);
        take_udp(&intake, rows[i].ip_vers, rows[i].to, 4000, "", 0); /* the port it comes from does not count */
        assert_told(&told, rows[i].taken, 3 * rows[i].taken, rows[i].any_port);
        assert_int_equal(sources_count(intake.sources), rows[i].taken + rows[i].any_port);
        if (rows[i].taken)
            assert_true(told.ip_vers == rows[i].ip_vers && told.port == 4000 && told.time_us == now);
        intake_close(&intake);
    }
    release_caught(&caught);
}

/* A response is told by a bit of the third byte. */
static void responses(void **state)
{
    static const struct {
        uint16_t from;
        const char *payload;
        size_t len;
        uint64_t responses;
    } rows[] = {
        {53, "\xff\xff\xff\xff", 0, 0}, {53, "\xff\xff\xff\xff", 1, 0}, {53, "\xff\xff\xff\xff", 2, 0},
        {53, "\xff\xff\xff\xff", 3, 1}, {53, "\xff\xff\xff\xff", 4, 1}, {53, "\0\0\x80", 3, 1},
        {53, "\xff\xff\x7f\xff", 4, 0}, {54, "\xff\xff\xff\xff", 4, 0},
    };
    (void)state;
    for (size_t i = 0; i < 2 * LEN(rows); i++) {
        struct told told;
        struct intake intake = open_with(options_of(&told));
        bool is_ours = i >= LEN(rows); /* to our port: malformed, and a response all the same */
        size_t row = i % LEN(rows);
        uint8_t *payload = exact_copy((const uint8_t *)rows[row].payload, rows[row].len);
        take_udp(&intake, row % 2 ? 6 : 4, rows[row].from, is_ours ? DNSFLOW_PORT : 4000, payload, rows[row].len);
        free(payload);
        assert_int_equal(intake.responses, rows[row].responses);
        assert_told(&told, 0, 0, is_ours);
        assert_int_equal(told.result, is_ours ? DNSFLOW_SHORT_HEADER : 0);
        intake_close(&intake);
    }
}

/* Behind family 0 and nothing else. */
static void bare_datagrams(void **state)
{
    static struct caught caught;
    struct told told;
    struct intake intake = open_with(options_of(&told));
    uint8_t frame[2048] = {0};
    (void)state;
    make_datagrams(&caught, NULL, NULL);
    for (size_t len = 0; len < 4; len++)
        take_frame(&intake, frame, len, LINKTYPE_NULL);
    assert_told(&told, 0, 0, 0);
    take_frame(&intake, frame, 4, LINKTYPE_NULL);
    assert_told(&told, 0, 0, 1);
    assert_int_equal(told.result, DNSFLOW_SHORT_HEADER);
    memcpy(frame + 4, caught.bytes[0], caught.len[0]);
    take_frame(&intake, frame, 4 + caught.len[0], LINKTYPE_LOOP);
    frame[3] = 1;
    take_frame(&intake, frame, 4 + caught.len[0], LINKTYPE_NULL);
    assert_told(&told, 0, 0, 1);
    frame[3] = 0;
    take_frame(&intake, frame, 4 + caught.len[0], LINKTYPE_NULL);
    assert_told(&told, 1, 3, 1);
    assert_true(told.ip_vers == 4 && told.port == 0 && told.time_us == now);
    intake_close(&intake);
    release_caught(&caught);
}

/* Part of an IPv4 frame as a fragment: `len` bytes of what the packet carries, from `offset`. */
static void take_fragment(struct intake *intake, const uint8_t *frame, size_t offset, size_t len, bool is_last)
{
    enum { HEADERS = 14 + 20 };
    uint8_t bytes[2048];
    memcpy(bytes, frame, HEADERS);
    memcpy(bytes + HEADERS, frame + HEADERS + offset, len);
    store_be16(bytes + 14 + 2, (uint16_t)(20 + len));
    store_be16(bytes + 14 + 6, (uint16_t)((is_last ? 0 : 0x2000) | offset / 8));
    take_frame(intake, bytes, HEADERS + len, LINKTYPE_ETHERNET);
}

/* Taken with the last that is missing, in any order; only what is to the port. */
static void fragments(void **state)
{
    enum { FIRST = 24 };
    static struct caught caught;
    (void)state;
    make_datagrams(&caught, NULL, NULL);
    for (int way = 0; way < 4; way++) {
        bool is_last_first = way & 1, is_other_port = way & 2;
        struct told told;
        struct intake intake = open_with(options_of(&told));
        uint8_t frame[2048];
        struct flow flow = flow_of(4);
        flow.resolver_port = 4000;
        flow.client_port = is_other_port ? DNSFLOW_PORT + 1 : DNSFLOW_PORT;
        size_t rest = build_frame(frame, sizeof(frame), &flow, caught.bytes[0], caught.len[0]) - 14 - 20 - FIRST;
        for (int part = 0; part < 2; part++) {
            assert_told(&told, 0, 0, 0);
            if ((part == 0) != is_last_first)
                take_fragment(&intake, frame, 0, FIRST, false);
            else
                take_fragment(&intake, frame, FIRST, rest, true);
        }
        assert_told(&told, !is_other_port, is_other_port ? 0 : 3, 0);
        assert_int_equal(told.port, is_other_port ? 0 : 4000);
        intake_close(&intake);
    }
    release_caught(&caught);
}

/* Cut, or not UDP. */
static void other_frames(void **state)
{
    static struct caught caught;
    struct told told;
    struct intake intake = open_with(options_of(&told));
    uint8_t bytes[2048];
    struct flow flow = flow_of(4);
    (void)state;
    make_datagrams(&caught, NULL, NULL);
    flow.client_port = DNSFLOW_PORT;
    size_t len = build_frame(bytes, sizeof(bytes), &flow, caught.bytes[0], caught.len[0]);
    for (size_t cut = 0; cut < 14 + 20 + 8; cut++)
        take_frame(&intake, bytes, cut, LINKTYPE_ETHERNET);
    bytes[14 + 9] = PROTO_TCP;
    take_frame(&intake, bytes, len, LINKTYPE_ETHERNET);
    assert_told(&told, 0, 0, 0);
    assert_int_equal(sources_count(intake.sources), 0);
    intake_close(&intake);
    release_caught(&caught);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets),        cmocka_unit_test(records_not_wanted),
        cmocka_unit_test(malformed),      cmocka_unit_test(refused),
        cmocka_unit_test(stale),          cmocka_unit_test(crowd),
        cmocka_unit_test(ports),          cmocka_unit_test(responses),
        cmocka_unit_test(bare_datagrams), cmocka_unit_test(other_frames),
        cmocka_unit_test(fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
