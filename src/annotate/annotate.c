/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotate/annotate.h"

#include <inttypes.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "annotate/encrypted.h"
#include "annotate/input.h"
#include "base/clock.h"
#include "base/log.h"
#include "record/domain.h"

enum { BATCH = 262144, QUOTED_MAX = 3 /* lines */, QUOTE_LEN = 80, NUMBER = 32, NOT_A_FLOW = 0xffffffff };

struct cut_piece {
    struct flow_piece in;
    enum piece kind;
    bool is_header;
    uint32_t flow; /* in `flows`, or NOT_A_FLOW */
};

struct run {
    const struct annotate_options *options;
    struct lookups *lookups;
    struct origin *origin;
    struct flow_input *input;
    struct flow_reader reader;
    struct encrypted *encrypted;
    struct domains *domains;
    struct annotate_counts *counts;
    FILE *out;
    struct cut_piece *pieces;
    struct seen_flow *flows;
    size_t pieces_count, flows_count;
};

/* ---- reading ---- */

/* The first lines that cannot be read, without what a terminal would obey. */
static void quote(const struct run *r, const struct flow_piece *piece, const char *why)
{
    char text[4 * QUOTE_LEN + 1];
    size_t i, used = 0;
    if (r->counts->unreadable > QUOTED_MAX)
        return;
    for (i = 0; i < piece->len && i < QUOTE_LEN; i++) {
        unsigned char c = (unsigned char)piece->text[i];
        bool is_plain = c >= 0x20 && c < 0x7f && c != '\\';
        used += (size_t)snprintf(text + used, sizeof(text) - used, is_plain ? "%c" : "\\x%02x", c);
    }
    text[used] = '\0';
    log_line("%s: line %" PRIu64 " cannot be read: %s: %s%s", r->options->name, r->counts->lines, why, text,
             piece->len > QUOTE_LEN ? "..." : "");
}

/* Returns 0, or ANNOTATE_UNFIT. */
static int take_piece(struct run *r, struct cut_piece *piece, struct error *err)
{
    struct seen_flow *flow = &r->flows[r->flows_count];
    bool has_begun = r->reader.has_begun;
    piece->flow = NOT_A_FLOW;
    piece->is_header = false;
    memset(flow, 0, sizeof(*flow));
    if (piece->in.is_beside || piece->in.is_rest)
        piece->kind = PIECE_BESIDE;
    else if (piece->in.is_too_long)
        piece->kind = flow_refuse(&r->reader, false, "it is too long, or does not end");
    else
        piece->kind = r->reader.format->take(&r->reader, piece->in.text, piece->in.len, flow);
    if (piece->kind == PIECE_UNFIT) {
        error_set(err, "%s: %s", r->options->name, r->reader.why);
        return ANNOTATE_UNFIT;
    }
    r->counts->lines += !piece->in.is_beside && !piece->in.is_rest;
    if (piece->kind == PIECE_UNREADABLE) {
        r->counts->unreadable++;
        quote(r, &piece->in, r->reader.why);
    } else if (piece->kind == PIECE_BESIDE) {
        r->counts->beside += !piece->in.is_beside && !piece->in.is_rest;
        piece->is_header = !has_begun && r->reader.has_begun;
    } else {
        piece->flow = (uint32_t)r->flows_count++;
        if (flow->known && r->options->calibrate)
            flow->known = strndup(flow->known, flow->known_len);
        else
            flow->known = NULL;
    }
    return 0;
}

/* ---- writing ---- */

bool annotation_is_right(const struct domains *domains, const struct annotation *found, const char *known)
{
    uint8_t wire[NAME_WIRE];
    size_t len = name_parse(known, wire);
    name_lower(wire, len);
    if (len == 0 || !found->name)
        return false;
    size_t start = found->method == METHOD_OTHERS_DOMAIN ? domain_start(domains, wire) : 0;
    return name_size(found->name) == len - start && memcmp(found->name, wire + start, len - start) == 0;
}

static void add_text(const struct run *r, const struct annotation *found, char texts[ADDED_COLUMNS][NAME_TEXT],
                     struct flow_added_text *out)
{
    double confidence = confidence_of(r->options->table, found->method, found->age_us);
    size_t i;
    for (i = 0; i < ADDED_COLUMNS; i++) {
        texts[i][0] = '\0';
        out->text[i] = texts[i];
    }
    out->text[2] = method_names[found->method];
    if (!found->name)
        return;
    (void)name_text(found->name, name_size(found->name), texts[0]);
    if (found->via)
        (void)name_text(found->via, name_size(found->via), texts[1]);
    snprintf(texts[3], NUMBER, "%" PRId64 ".%03" PRId64, found->age_us / SECOND_US, found->age_us % SECOND_US / 1000);
    snprintf(texts[4], NUMBER, "%" PRIu32, found->candidates);
    if (confidence >= 0)
        snprintf(texts[5], NUMBER, "%.3f", confidence);
}

static void calibrate(struct run *r, const struct annotation *found, const struct seen_flow *flow)
{
    bool is_right = annotation_is_right(r->domains, found, flow->known);
    r->counts->known++;
    r->counts->right[found->method] += is_right;
    confidence_count(r->options->calibrate, found->method, found->age_us, is_right);
}

static void put_flow(struct run *r, const struct cut_piece *piece, const struct seen_flow *flow)
{
    char texts[ADDED_COLUMNS][NAME_TEXT];
    struct flow_added_text added;
    struct annotation found;
    encrypted_note(r->encrypted, flow);
    lookups_match(r->lookups, flow, &found);
    if (!found.name && encrypted_has(r->encrypted, flow))
        found.method = METHOD_ENCRYPTED;
    r->counts->by_method[found.method]++;
    if (flow->known)
        calibrate(r, &found, flow);
    if (!r->out)
        return;
    add_text(r, &found, texts, &added);
    r->reader.format->put(&r->reader, piece->in.text, piece->in.len, &added, r->out);
}

/* Returns 0, or -1. */
static int put_pieces(struct run *r, struct error *err)
{
    size_t i;
    for (i = 0; i < r->pieces_count; i++) {
        const struct cut_piece *p = &r->pieces[i];
        if (p->flow != NOT_A_FLOW)
            put_flow(r, p, &r->flows[p->flow]);
        else if (r->out && p->is_header)
            r->reader.format->put(&r->reader, p->in.text, p->in.len, NULL, r->out);
        else if (r->out)
            fwrite(p->in.text, 1, p->in.len, r->out);
        if (r->out)
            fwrite(p->in.text + p->in.len, 1, p->in.end_len, r->out);
    }
    if (r->out && (fflush(r->out) != 0 || ferror(r->out))) {
        err->text[0] = '\0'; /* what that was is told as all output is ended */
        return ANNOTATE_FAILED;
    }
    return 0;
}

/* ---- all of it ---- */

static void forget_known(struct run *r)
{
    size_t i;
    for (i = 0; i < r->flows_count; i++)
        free((char *)(uintptr_t)r->flows[i].known);
    r->flows_count = r->pieces_count = 0;
}

/* Some pieces of what was read. 1: there may be more, 0: there are none, or what has failed. */
static int run_batch(struct run *r, struct error *err)
{
    int result = 0;
    r->flows_count = r->pieces_count = 0;
    while (result == 0 && r->pieces_count < BATCH &&
           flow_input_next(r->input, r->reader.format->are_objects, &r->pieces[r->pieces_count].in))
        result = take_piece(r, &r->pieces[r->pieces_count++], err);
    bool has_any = r->pieces_count > 0;
    if (result == 0 && r->flows_count > 0 &&
        r->origin->prepare(r->origin->self, r->lookups, r->flows, r->flows_count, err) != 0)
        result = ANNOTATE_FAILED;
    if (result == 0)
        result = put_pieces(r, err);
    forget_known(r);
    return result != 0 ? result : has_any;
}

static int run_all(struct run *r, struct error *err)
{
    const struct annotate_options *o = r->options;
    const char *bytes;
    size_t len;
    int result = flow_input_look(r->input, &bytes, &len, err) == 0 ? 1 : ANNOTATE_FAILED;
    if (result == 1) {
        flow_reader_begin(&r->reader, o->format ? o->format : flow_format_guess(bytes, len), o->fields);
        snprintf(r->reader.prefix, sizeof(r->reader.prefix), "%s", o->prefix ? o->prefix : "");
        r->reader.wants_name = o->calibrate != NULL;
    }
    while (result == 1) {
        while ((result = run_batch(r, err)) == 1)
            ;
        if (result == 0)
            result = flow_input_fill(r->input, err);
    }
    return result;
}

int annotate(int fd, struct lookups *lookups, struct origin *origin, const struct annotate_options *options, FILE *out,
             struct annotate_counts *counts, struct error *err)
{
    struct run r = {.options = options, .lookups = lookups, .origin = origin, .counts = counts, .out = out};
    int result = ANNOTATE_FAILED;
    memset(counts, 0, sizeof(*counts));
    if (out)
        (void)__fsetlocking(out, FSETLOCKING_BYCALLER); /* one thread writes, a byte at a time */
    r.input = flow_input_create(fd);
    r.encrypted = encrypted_create();
    r.domains = domains_create();
    r.pieces = malloc(BATCH * sizeof(*r.pieces));
    r.flows = malloc(BATCH * sizeof(*r.flows));
    if (r.input && r.encrypted && r.domains && r.pieces && r.flows)
        result = run_all(&r, err);
    else
        error_set(err, "out of memory");
    flow_input_destroy(r.input);
    encrypted_destroy(r.encrypted);
    domains_destroy(r.domains);
    free(r.pieces);
    free(r.flows);
    return result;
}

void annotate_tell(const struct annotate_counts *counts)
{
    char parts[600] = "";
    size_t i, used = 0;
    for (i = 0; i < METHODS; i++)
        used += (size_t)snprintf(parts + used, sizeof(parts) - used, "%" PRIu64 " %s + ", counts->by_method[i],
                                 method_names[i]);
    log_line("%" PRIu64 " lines = %s%" PRIu64 " unreadable + %" PRIu64 " that are no flows", counts->lines, parts,
             counts->unreadable, counts->beside);
}
