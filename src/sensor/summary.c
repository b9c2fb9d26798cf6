/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

void summary_totals(struct worker *const *workers, unsigned count, struct totals *out)
{
    unsigned i, k;
    memset(out, 0, sizeof(*out));
    for (i = 0; i < count; i++) {
        const struct counters *c = worker_counters(workers[i]);
        out->frames_seen += counter_read(&c->frames_seen);
        out->frames_delivered += counter_read(&c->frames_delivered);
        out->messages_parsed += counter_read(&c->messages_parsed);
        out->messages_with_record += counter_read(&c->messages_with_record);
        out->records += counter_read(&c->records);
        for (k = 0; k < DROP_REASON_COUNT; k++)
            out->drops[k] += counter_read(&c->drops[k]);
        if (counter_read(&c->unsupported_link) != 0)
            out->unsupported_link = (uint16_t)counter_read(&c->unsupported_link);
    }
}

/* " (token 12, token 3)" for every reason of the ledger that was met, nothing if none was. Returns the sum. */
static uint64_t list_reasons(const struct totals *t, enum drop_ledger ledger, char *text, size_t size)
{
    uint64_t sum = 0;
    size_t used = 0;
    int i;
    text[0] = '\0';
    for (i = 0; i < DROP_REASON_COUNT; i++) {
        if (drop_table[i].ledger != ledger || t->drops[i] == 0)
            continue;
        sum += t->drops[i];
        if (used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s %" PRIu64, used ? ", " : " (", drop_table[i].token,
                                     t->drops[i]);
    }
    if (used > 0 && used < size)
        snprintf(text + used, size - used, ")");
    return sum;
}

/* The kernel's number is of a moment before: what has been taken since was received too. */
static uint64_t count_received(uint64_t captured, const struct capture_stats *kernel)
{
    uint64_t least = captured + (kernel ? kernel->dropped : 0);
    return kernel && kernel->received > least ? kernel->received : least;
}

void summary_log(struct worker *const *workers, unsigned count, const struct capture_stats *kernel)
{
    struct totals t;
    char frames[900], messages[900], notes[900], absorbed[40] = "";
    summary_totals(workers, count, &t);
    uint64_t captured = t.frames_seen - t.drops[DROP_FILTERED];
    uint64_t frame_drops = list_reasons(&t, LEDGER_FRAME, frames, sizeof(frames));
    uint64_t message_drops = list_reasons(&t, LEDGER_MESSAGE, messages, sizeof(messages));
    (void)list_reasons(&t, LEDGER_NOTE, notes, sizeof(notes));

    log_line("%" PRIu64 " packets captured", captured);
    log_line("%" PRIu64 " packets received by filter", count_received(captured, kernel));
    log_line("%" PRIu64 " packets dropped by kernel", kernel ? kernel->dropped : 0);
    log_line("%" PRIu64 " packets dropped by interface", kernel ? kernel->if_dropped : 0);
    if (t.drops[DROP_ABSORBED] > 0)
        snprintf(absorbed, sizeof(absorbed), " + %" PRIu64 " absorbed", t.drops[DROP_ABSORBED]);
    log_line("frames: %" PRIu64 " seen = %" PRIu64 " delivered + %" PRIu64 " dropped%s%s", t.frames_seen,
             t.frames_delivered, frame_drops, frames, absorbed);
    log_line("messages: %" PRIu64 " parsed = %" PRIu64 " with a record + %" PRIu64 " dropped%s", t.messages_parsed,
             t.messages_with_record, message_drops, messages);
    log_line("output: %" PRIu64 " records%s", t.records, notes);
}

bool summary_check(struct worker *const *workers, unsigned count)
{
    struct totals t;
    uint64_t frame_drops = 0, message_drops = 0;
    int i;
    summary_totals(workers, count, &t);
    for (i = 0; i < DROP_REASON_COUNT; i++) {
        if (drop_table[i].ledger == LEDGER_FRAME || drop_table[i].ledger == LEDGER_ABSORBED)
            frame_drops += t.drops[i];
        if (drop_table[i].ledger == LEDGER_MESSAGE)
            message_drops += t.drops[i];
    }
    if (t.frames_seen == t.frames_delivered + frame_drops &&
        t.messages_parsed == t.messages_with_record + message_drops)
        return true;
    log_line("error: the accounts do not balance; this is a defect, please report it");
    return false;
}
