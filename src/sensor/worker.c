/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/worker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "flow/encoder.h"
#include "net/dnstap.h"
#include "sensor/extract.h"
#include "sensor/input.h"

enum { FLUSH_US = SECOND_US };

struct worker {
    const struct config *config;
    const atomic_bool *stop;
    struct bad_file *bad;
    struct input *input;
    struct input_gate gate;     /* by which most need not pass through it */
    const struct packet *frame; /* the last one; NULL: what comes has waited and has none */
    struct dnsflow_encoder *encoder;
    struct secret_tagger *tagger;  /* NULL: datagrams are not signed */
    struct anonymizer *anonymizer; /* NULL: clients are named as they are */
    size_t sinks_count;
    struct sink *sinks[SINKS_MAX];
    int64_t open_from_us; /* the open datagram may stay open for capture times from here (modulo 2^64) ... */
    uint64_t open_for_us; /* ... to this much later */
    bool has_window;      /* these two are of the datagram that is open */
    bool is_stale;        /* the encoder's settings are to be looked at before the next record */
    int64_t now_us;       /* capture time of the last packet or tick, whatever times the records bear */
    bool is_choosy;       /* --rate, --sample, --mdns, --svcb or --records ask for more than the plain parsing */
    uint64_t random;
    uint32_t sample; /* 1 message in this many is kept, 0 = all */
    uint64_t paced;  /* messages since paced_since_us */
    int64_t paced_since_us;
    struct counters counters;
    struct extract extract;
};

/* A datagram leaves when its first set is a second old, or a second ahead of a clock that has gone back. */
static void set_open_window(struct worker *w)
{
    bool is_open = flow_encoder_is_open(w->encoder);
    if (is_open && w->has_window)
        return;
    w->open_from_us = is_open ? (int64_t)((uint64_t)w->now_us - FLUSH_US + 1) : INT64_MIN;
    w->open_for_us = is_open ? 2 * FLUSH_US - 2 : UINT64_MAX;
    w->has_window = is_open;
}

/* xorshift64* (Vigna 2016). */
static uint32_t next_random(struct worker *w)
{
    w->random ^= w->random >> 12;
    w->random ^= w->random << 25;
    w->random ^= w->random >> 27;
    return (uint32_t)((w->random * 0x2545f4914f6cdd1du) >> 32);
}

static void flush_sinks(struct worker *w)
{
    size_t i;
    for (i = 0; i < w->sinks_count; i++)
        sink_flush(w->sinks[i]);
}

/* --rate: waits until this message is due. What has been made leaves before, so that nobody waits for it. */
static void pace(struct worker *w)
{
    uint64_t rate = w->config->rate, workers = w->config->workers;
    if (w->paced++ == 0)
        w->paced_since_us = clock_monotonic_us();
    int64_t due = w->paced_since_us + (int64_t)(w->paced * workers * SECOND_US / rate);
    while (!atomic_load_explicit(w->stop, memory_order_relaxed)) {
        int64_t wait = due - clock_monotonic_us();
        if (wait < 1000)
            return;
        flush_sinks(w);
        if (wait > SECOND_US / 10)
            wait = SECOND_US / 10;
        struct timespec pause = {.tv_nsec = wait * 1000};
        (void)nanosleep(&pause, NULL);
    }
}

static void set_choosy(struct worker *w)
{
    w->is_choosy = w->config->rate || w->sample || w->config->mdns || w->config->svcb || w->config->records_given;
}

/* The moment for it has come, and chance has chosen it. */
static bool is_chosen(struct worker *w)
{
    if (w->config->rate)
        pace(w);
    return w->sample == 0 || next_random(w) % w->sample == 0;
}

static inline enum drop_reason parse_message(struct worker *w, const struct net_payload *message, int64_t time_us)
{
    enum extract_kind kind = EXTRACT_PLAIN;
    if (__builtin_expect(w->is_choosy, 0)) {
        if (!is_chosen(w))
            return DROP_SAMPLED;
        bool is_mdns = w->config->mdns && message->src_port == MDNS_PORT && message->transport == NET_UDP;
        kind = is_mdns                    ? EXTRACT_MDNS
               : w->config->records_given ? EXTRACT_ANY
               : w->config->svcb          ? EXTRACT_WITH_SVCB
                                          : EXTRACT_PLAIN;
    }
    enum drop_reason why = extract_message(&w->extract, message, time_us, kind, w->encoder, &w->counters);
    if (__builtin_expect(!w->has_window, 0))
        set_open_window(w);
    return why;
}

static inline void flush_if_old(struct worker *w, int64_t now_us)
{
    if (__builtin_expect((uint64_t)now_us - (uint64_t)w->open_from_us <= w->open_for_us, 1))
        return;
    dnsflow_encoder_flush(w->encoder);
    set_open_window(w);
}

/* An output may have lowered the limit since the last datagram. The first packet starts the clock. */
static void adjust_encoder(struct worker *w, int64_t now_us)
{
    size_t i, limit = DNSFLOW_LIMIT_IP4;
    if (!w->is_stale)
        return;
    for (i = 0; i < w->sinks_count; i++)
        if (sink_limit(w->sinks[i]) < limit)
            limit = sink_limit(w->sinks[i]);
    flow_encoder_set_limit(w->encoder, limit);
    if (flow_encoder_datagrams(w->encoder) == 0)
        flow_encoder_set_start(w->encoder, (uint32_t)(now_us / SECOND_US));
    w->is_stale = false;
}

static void count_drop(struct worker *w, enum drop_reason why)
{
    counter_add(&w->counters.drops[why], 1);
    if (why == DROP_LINK_UNSUPPORTED && w->frame)
        counter_set(&w->counters.unsupported_link, w->frame->link_type);
    if (w->bad && w->frame)
        bad_file_add(w->bad, why, w->frame);
}

static inline void count_message(struct worker *w, const struct net_payload *message, int64_t time_us)
{
    counter_add(&w->counters.messages_parsed, 1);
    enum drop_reason why = parse_message(w, message, time_us);
    if (why == DROP_NONE)
        counter_add(&w->counters.messages_with_record, 1);
    else
        count_drop(w, why);
}

/* Apart from take_message(), where room for a copy would cost every message. */
__attribute__((noinline)) static void take_anonymized(struct worker *w, const struct net_payload *message,
                                                      int64_t time_us)
{
    struct net_payload other = *message;
    other.dst = anonymizer_address(w->anonymizer, message->ip_vers, message->dst);
    other.dst_port = 0;
    count_message(w, &other, time_us);
}

static void take_message(void *context, const struct net_payload *message, int64_t time_us)
{
    struct worker *w = context;
    adjust_encoder(w, time_us);
    if (__builtin_expect(w->anonymizer != NULL, 0))
        take_anonymized(w, message, time_us);
    else
        count_message(w, message, time_us);
}

/* What has waited has a time of its own, which the open datagram may not go with. The times of dnstap are those of
 * other clocks. */
static void take_from_input(void *context, const struct net_payload *message, int64_t time_us)
{
    if (message->transport == NET_UDP || message->transport == NET_TCP)
        flush_if_old(context, time_us);
    take_message(context, message, time_us);
}

static void emit(void *context, const uint8_t *datagram, size_t len, int64_t time_us)
{
    struct worker *w = context;
    size_t i;
    counter_add(&w->counters.drops[DROP_DATAGRAMS], 1);
    w->is_stale = true;
    w->has_window = false;
    for (i = 0; i < w->sinks_count; i++)
        sink_write(w->sinks[i], datagram, len, time_us);
}

static int open_sinks(struct worker *w, const struct sink_start *start, struct error *err)
{
    const struct config *c = w->config;
    for (; w->sinks_count < c->sinks_count; w->sinks_count++) {
        const struct sink_plan *plan = &c->sinks[w->sinks_count];
        if (plan->kind->open(plan, start, &w->counters, &w->sinks[w->sinks_count], err) != 0)
            return -1;
    }
    return 0;
}

static void sign(void *context, const uint8_t *bytes, size_t len, uint8_t tag[DNSFLOW_TAG_SIZE])
{
    secret_tag(context, bytes, len, tag);
}

static int create_secrets(struct worker *w, struct error *err)
{
    const struct config *c = w->config;
    if (c->auth_path && !(w->tagger = secret_tagger_create(c->auth_key)))
        return error_set(err, "option --auth-key: BLAKE2b cannot be had from libcrypto");
    return c->anonymize.kind == ANONYMIZE_NONE ? 0 : anonymizer_create(&c->anonymize, &w->anonymizer, err);
}

static int create_encoder(struct worker *w, unsigned index, struct error *err)
{
    struct dnsflow_encoder_options options = {
        .size = sizeof(options),
        .extended = w->config->extended,
        .worker = (uint8_t)index,
        .sensor_id = w->config->sensor_id,
        .sample_rate = w->config->sample,
        .emit = emit,
        .context = w,
        .sign = w->tagger ? sign : NULL,
        .sign_context = w->tagger,
    };
    w->encoder = dnsflow_encoder_create(&options);
    w->is_stale = true;
    if (w->encoder)
        set_open_window(w);
    return w->encoder ? 0 : error_set(err, "out of memory");
}

int worker_create(const struct config *config, const struct worker_start *start, struct worker **out, struct error *err)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return error_set(err, "out of memory");
    w->config = config;
    w->bad = start->bad;
    w->stop = start->stop;
    w->sample = config->sample;
    set_choosy(w);
    w->random = 0x9e3779b97f4a7c15u + start->index; /* reproducible from files; must not be 0 */
    if (config->files_count == 0 && getrandom(&w->random, sizeof(w->random), GRND_NONBLOCK) < 0)
        w->random ^= (uint64_t)clock_monotonic_us();
    w->random |= 1;
    if (create_secrets(w, err) != 0 || input_create(config, &w->counters, take_from_input, w, &w->input, err) != 0 ||
        create_encoder(w, start->index, err) != 0 || open_sinks(w, &start->sinks, err) != 0) {
        worker_destroy(w);
        return -1;
    }
    input_gate(config, &w->gate);
    w->extract.options = config->records | (config->svcb ? DNS_WITH_SVCB : 0u);
    *out = w;
    return 0;
}

/* Records of dnstap bear the times of other machines' clocks, true or not. A datagram bears that of its making, by
 * which a receiver tells streams apart and what is stale. */
static void set_own_clock(struct worker *w, int64_t now_us)
{
    adjust_encoder(w, now_us);
    flow_encoder_set_base(w->encoder, now_us);
}

void worker_packet(struct worker *worker, const struct packet *packet)
{
    struct counters *counters = &worker->counters;
    struct net_payload plain;
    worker->now_us = packet->time_us;
    flush_if_old(worker, packet->time_us);
    counter_add(&counters->frames_seen, 1);
    worker->frame = packet;
    if (input_plain(&worker->gate, packet, &plain)) {
        counter_add(&counters->frames_delivered, 1);
        take_message(worker, &plain, packet->time_us);
        return;
    }
    if (packet->link_type == NET_LINK_DNSTAP && worker->config->files_count == 0)
        set_own_clock(worker, packet->time_us);
    enum drop_reason why = input_frame(worker->input, packet);
    if (why == DROP_NONE)
        counter_add(&counters->frames_delivered, 1);
    else if (why == DROP_ABSORBED)
        counter_add(&counters->drops[why], 1);
    else
        count_drop(worker, why);
}

void worker_tick(struct worker *worker, int64_t now_us)
{
    worker->frame = NULL;
    worker->now_us = now_us;
    input_expire(worker->input, now_us);
    flush_if_old(worker, now_us);
    flush_sinks(worker);
}

/* The trailer's counters, in the order of docs/WIRE.md. */
static size_t trailer_counters(const struct worker *w, uint64_t *out)
{
    size_t count = 0, i;
    out[count++] = counter_read(&w->counters.frames_seen);
    out[count++] = counter_read(&w->counters.frames_delivered);
    out[count++] = counter_read(&w->counters.messages_parsed);
    out[count++] = counter_read(&w->counters.messages_with_record);
    out[count++] = counter_read(&w->counters.records);
    for (i = DROP_NONE + 1; i < DROP_REASON_COUNT; i++)
        out[count++] = counter_read(&w->counters.drops[i]);
    return count;
}

/* With --sample `captured` are those that are kept, as the original counts: it chooses among packets. */
static void count_packets(const struct worker *w, uint64_t *behind_filter, uint64_t *captured)
{
    const counter *drops = w->counters.drops;
    uint64_t sampled = counter_read(&drops[DROP_SAMPLED]);
    *behind_filter = counter_read(&w->counters.frames_seen) - counter_read(&drops[DROP_FILTERED]);
    *captured = *behind_filter > sampled ? *behind_filter - sampled : 0;
}

void worker_stats(struct worker *worker, const struct capture_stats *kernel, int64_t now_us)
{
    uint64_t counters[5 + DROP_REASON_COUNT];
    size_t count = trailer_counters(worker, counters);
    uint64_t behind_filter, captured;
    count_packets(worker, &behind_filter, &captured);
    struct dnsflow_stats stats = {
        .pkts_captured = (uint32_t)captured,
        .pkts_received = (uint32_t)(kernel ? kernel->received : behind_filter),
        .pkts_dropped = (uint32_t)(kernel ? kernel->dropped : 0),
        .pkts_ifdropped = (uint32_t)(kernel ? kernel->if_dropped : 0),
        .sample_rate = worker->sample,
    };
    adjust_encoder(worker, now_us);
    (void)dnsflow_encoder_stats(worker->encoder, &stats, now_us, counters, count);
    set_open_window(worker);
    flush_sinks(worker);
}

void worker_set_sampling(struct worker *worker, uint32_t rate, const struct capture_stats *kernel, int64_t now_us)
{
    uint32_t fixed = worker->config->sample ? worker->config->sample : 1;
    worker->sample = rate * fixed > 1 ? rate * fixed : 0;
    set_choosy(worker);
    flow_encoder_set_sample_rate(worker->encoder, worker->sample);
    worker_stats(worker, kernel, now_us);
}

uint32_t worker_sample_rate(const struct worker *worker)
{
    return worker->sample;
}

void worker_note(struct worker *worker, enum drop_reason reason, uint64_t n)
{
    counter_add(&worker->counters.drops[reason], n);
}

void worker_finish(struct worker *worker)
{
    worker->frame = NULL;
    input_expire(worker->input, INT64_MAX);
    dnsflow_encoder_flush(worker->encoder);
    set_open_window(worker);
    if (worker->config->extended && worker->config->files_count > 0)
        worker_stats(worker, NULL, worker->now_us);
    flush_sinks(worker);
}

void worker_end(struct worker *worker)
{
    size_t i;
    for (i = 0; i < worker->sinks_count; i++)
        sink_end(worker->sinks[i]);
}

void worker_reopen(struct worker *worker)
{
    size_t i;
    for (i = 0; i < worker->sinks_count; i++)
        sink_reopen(worker->sinks[i]);
}

void worker_renew(struct worker *worker, unsigned index, const struct sink_news *news)
{
    sink_renew(worker->sinks[index], news);
    worker->is_stale = true;
}

bool worker_output(const struct worker *worker, unsigned index, struct sink_output *out)
{
    if (index < worker->sinks_count)
        sink_output(worker->sinks[index], out);
    return index < worker->sinks_count;
}

const struct counters *worker_counters(const struct worker *worker)
{
    return &worker->counters;
}

int worker_report(struct worker *worker)
{
    int result = 0;
    size_t i;
    for (i = 0; i < worker->sinks_count; i++)
        if (sink_report(worker->sinks[i]) != 0)
            result = -1;
    return result;
}

void worker_destroy(struct worker *worker)
{
    size_t i;
    if (!worker)
        return;
    for (i = 0; i < worker->sinks_count; i++)
        sink_close(worker->sinks[i]);
    dnsflow_encoder_destroy(worker->encoder);
    input_destroy(worker->input);
    secret_tagger_destroy(worker->tagger);
    anonymizer_destroy(worker->anonymizer);
    free(worker);
}
