/* SPDX-License-Identifier: BSD-3-Clause */
#include "receive/verify.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"

struct verified_stream {
    bool is_used;
    uint8_t worker;
    uint32_t sensor_id, start_time;
    uint32_t highest;
    uint64_t window;   /* bit i: highest - i has been seen */
    int64_t newest_us; /* of what was accepted: when it was made */
};

_Static_assert((int)SECRET_TAG == (int)DNSFLOW_TAG_SIZE, "what is made is what the datagram ends with");

struct verifier {
    uint64_t seed;
    struct verify_keys keys;
    struct secret_tagger *taggers[VERIFY_KEYS_MAX];
    struct verified_stream streams[VERIFY_STREAMS_MAX];
};

struct verifier *verifier_create(const struct verify_keys *keys)
{
    struct verifier *v = calloc(1, sizeof(*v));
    size_t i;
    if (!v)
        return NULL;
    v->seed = hash_seed();
    v->keys = *keys;
    for (i = 0; i < keys->count; i++)
        if (!(v->taggers[i] = secret_tagger_create(keys->list[i].bytes))) {
            verifier_destroy(v);
            return NULL;
        }
    return v;
}

void verifier_destroy(struct verifier *verifier)
{
    if (!verifier)
        return;
    size_t i;
    for (i = 0; i < verifier->keys.count; i++)
        secret_tagger_destroy(verifier->taggers[i]);
    free(verifier);
}

/* Live, a stream whose newest datagram is stale gives its place away: what it would refuse as replayed is stale too. */
static bool is_over(const struct verified_stream *s, int64_t now_us)
{
    return now_us != 0 && s->newest_us + (int64_t)VERIFY_LATE_S * SECOND_US < now_us;
}

/* The stream, or a place for it; NULL when there is neither. Only who has the key fills the table. */
static struct verified_stream *find_verified(struct verifier *v, const struct dnsflow_trailer *t, int64_t now_us)
{
    const uint32_t key[] = {t->sensor_id, t->start_time, t->worker};
    uint32_t at = (uint32_t)hash_bytes(v->seed, (const uint8_t *)key, sizeof(key)) % VERIFY_STREAMS_MAX, i;
    struct verified_stream *over = NULL;
    for (i = 0; i < VERIFY_STREAMS_MAX; i++) {
        struct verified_stream *s = &v->streams[(at + i) % VERIFY_STREAMS_MAX];
        if (!s->is_used || (s->sensor_id == t->sensor_id && s->worker == t->worker && s->start_time == t->start_time))
            return s;
        if (!over && is_over(s, now_us))
            over = s;
    }
    if (over)
        over->is_used = false;
    return over;
}

static enum verify_result take_number(struct verified_stream *s, const struct dnsflow_datagram *d)
{
    int32_t step = (int32_t)(d->sequence - s->highest);
    if (!s->is_used) {
        *s = (struct verified_stream){.is_used = true,
                                      .worker = d->trailer.worker,
                                      .sensor_id = d->trailer.sensor_id,
                                      .start_time = d->trailer.start_time,
                                      .highest = d->sequence,
                                      .window = 1,
                                      .newest_us = d->trailer.base_time_us};
        return VERIFY_OK;
    }
    if (step > 0) {
        s->window = step < VERIFY_WINDOW ? s->window << step | 1 : 1;
        s->highest = d->sequence;
        return VERIFY_OK;
    }
    if (-(int64_t)step >= VERIFY_WINDOW || (s->window >> -step & 1))
        return VERIFY_REPLAYED;
    s->window |= UINT64_C(1) << -step;
    return VERIFY_OK;
}

/* Whether the tag is that of one of the sensor's keys. */
static bool is_signed_right(struct verifier *v, const uint8_t *bytes, size_t len, const struct dnsflow_datagram *d)
{
    uint8_t tag[SECRET_TAG];
    size_t i;
    for (i = 0; i < v->keys.count; i++) {
        const struct verify_key *key = &v->keys.list[i];
        if (!key->is_for_all && key->sensor_id != d->trailer.sensor_id)
            continue;
        secret_tag(v->taggers[i], bytes, len - SECRET_TAG, tag);
        if (secret_tags_are_equal(tag, d->tag))
            return true;
    }
    return false;
}

enum verify_result verifier_check(struct verifier *verifier, const uint8_t *bytes, size_t len,
                                  const struct dnsflow_datagram *datagram, int64_t now_us)
{
    if (!datagram->tag || !datagram->has_trailer)
        return VERIFY_UNSIGNED;
    if (!is_signed_right(verifier, bytes, len, datagram))
        return VERIFY_FORGED;
    uint64_t away = (uint64_t)now_us - (uint64_t)datagram->trailer.base_time_us + (uint64_t)VERIFY_LATE_S * SECOND_US;
    if (now_us != 0 && away > 2 * (uint64_t)VERIFY_LATE_S * SECOND_US)
        return VERIFY_STALE;
    struct verified_stream *s = find_verified(verifier, &datagram->trailer, now_us);
    if (!s)
        return VERIFY_CROWDED;
    enum verify_result result = take_number(s, datagram);
    if (result == VERIFY_OK && datagram->trailer.base_time_us > s->newest_us)
        s->newest_us = datagram->trailer.base_time_us;
    return result;
}

void verifier_resume(struct verifier *verifier, const struct dnsflow_trailer *stream, uint32_t sequence,
                     uint64_t window)
{
    struct verified_stream *s = find_verified(verifier, stream, 0);
    if (s && !s->is_used)
        *s = (struct verified_stream){.is_used = true,
                                      .worker = stream->worker,
                                      .sensor_id = stream->sensor_id,
                                      .start_time = stream->start_time,
                                      .highest = sequence,
                                      .window = window,
                                      .newest_us = stream->base_time_us};
}

const char *verify_text(enum verify_result result)
{
    static const char *const texts[VERIFY_RESULTS] = {"accepted", "unsigned", "forged", "replayed", "stale", "crowded"};
    return texts[result];
}
