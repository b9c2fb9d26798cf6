/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A worker in file mode with a capture file as its output, and what it wrote. */
#ifndef DNSFLOW_TESTING_RUNNING_H
#define DNSFLOW_TESTING_RUNNING_H

#include "testing.h"

#include "sensor/config.h"
#include "sensor/worker.h"

struct run {
    struct config config;
    char path[256];
    atomic_bool stop;
    struct worker *worker;
    struct caught out;
    uint64_t seen, delivered, parsed, with_record, records;
    uint64_t drops[DROP_REASON_COUNT];
};

static inline void run_write_to(struct run *r, const char *path)
{
    r->config.sinks_count = 1;
    r->config.sinks[0] = (struct sink_plan){.kind = &sink_pcap_file, .option = "-w/--write", .value = path};
}

/* The default configuration; change it before run_start(). */
static inline void run_prepare(struct run *r)
{
    memset(&r->config, 0, sizeof(r->config));
    temp_file(r->path, NULL, 0);
    r->config.files_count = 1;
    r->config.files[0] = "-";
    r->config.workers = 1;
    run_write_to(r, r->path);
    atomic_init(&r->stop, false);
    r->out.count = 0;
}

static inline void run_start(struct run *r, unsigned index)
{
    struct error err;
    config_complete(&r->config);
    const struct worker_start start = {.index = index, .stop = &r->stop};
    if (worker_create(&r->config, &start, &r->worker, &err) != 0)
        fail_msg("%s", err.text);
}

static inline void run_frame(struct run *r, const uint8_t *bytes, size_t len, int64_t time_us)
{
    struct packet p = packet_of(bytes, len, 1, time_us);
    worker_packet(r->worker, &p);
}

static inline uint64_t run_count(const struct run *r, enum drop_reason reason)
{
    return counter_read(&worker_counters(r->worker)->drops[reason]);
}

/* The file: 24 bytes, then records of 16 bytes and DLT_NULL 4, IPv4 20, UDP 8. */
static inline void run_read(struct run *r)
{
    size_t len, at = 24;
    uint8_t *bytes = read_whole(r->path, &len);
    while (at < len) {
        uint32_t head[4];
        assert_true(len - at >= 16 + 32);
        memcpy(head, bytes + at, sizeof(head));
        assert_true(head[2] == head[3] && head[2] <= len - at - 16);
        catch_datagram(&r->out, bytes + at + 16 + 32, head[2] - 32, (int64_t)head[0] * 1000000 + head[1]);
        at += 16 + head[2];
    }
    free(bytes);
}

static inline void run_finish(struct run *r)
{
    const struct counters *c = worker_counters(r->worker);
    worker_finish(r->worker);
    r->seen = counter_read(&c->frames_seen);
    r->delivered = counter_read(&c->frames_delivered);
    r->parsed = counter_read(&c->messages_parsed);
    r->with_record = counter_read(&c->messages_with_record);
    r->records = counter_read(&c->records);
    for (size_t i = 0; i < DROP_REASON_COUNT; i++)
        r->drops[i] = counter_read(&c->drops[i]);
    worker_destroy(r->worker);
    run_read(r);
    unlink(r->path);
}

static inline uint64_t run_ledger(const struct run *r, enum drop_ledger ledger)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < DROP_REASON_COUNT; i++)
        sum += drop_table[i].ledger == ledger ? r->drops[i] : 0;
    return sum;
}

/* Both ledgers, and the counters of what was written against the file. */
static inline void run_expect_balance(const struct run *r)
{
    uint64_t sets = 0, records = 0, stats = 0;
    assert_true(r->seen == r->delivered + run_ledger(r, LEDGER_FRAME) + run_ledger(r, LEDGER_ABSORBED));
    assert_true(r->drops[DROP_ABSORBED] > 0 || r->drops[DROP_TCP_MESSAGES] > 0 || r->delivered == r->parsed);
    assert_true(r->parsed == r->with_record + run_ledger(r, LEDGER_MESSAGE));
    assert_true(r->drops[DROP_DATAGRAMS] == r->out.count);
    assert_true(r->drops[DROP_WRITTEN] == r->out.count);
    for (size_t i = 0; i < r->out.count; i++) {
        struct dnsflow_datagram d;
        struct dnsflow_record set;
        assert_int_equal(dnsflow_decode(r->out.bytes[i], r->out.len[i], &d), DNSFLOW_OK);
        assert_true(d.sequence == i + 1);
        stats += d.flags & DNSFLOW_FLAG_STATS;
        while (dnsflow_next_record(&d, &set)) {
            sets++;
            records += !(set.set_flags & DNSFLOW_SET_CONTINUES);
        }
    }
    assert_true(r->drops[DROP_SETS] == sets);
    assert_true(r->config.extended ? r->records == records : r->records <= sets);
    assert_true(stats == (uint64_t)r->config.extended);
    assert_true(r->config.mdns || r->records == r->with_record);
}

#endif
