/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotate/input.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "annotate/format.h"

enum { ROOM = 32 << 20 };

struct flow_input {
    int fd;
    char *bytes;
    size_t at, used; /* what was not cut yet */
    bool is_end;
    bool is_in_rest; /* of what is too long */
    /* of the object at `at`: how far it was looked at */
    size_t looked;
    unsigned depth;
    bool is_in_text, is_escaped;
};

struct flow_input *flow_input_create(int fd)
{
    struct flow_input *in = calloc(1, sizeof(*in));
    if (!in || !(in->bytes = malloc(ROOM))) {
        free(in);
        return NULL;
    }
    in->fd = fd;
    return in;
}

void flow_input_destroy(struct flow_input *input)
{
    if (input)
        free(input->bytes);
    free(input);
}

int flow_input_fill(struct flow_input *input, struct error *err)
{
    struct flow_input *in = input;
    memmove(in->bytes, in->bytes + in->at, in->used - in->at);
    in->used -= in->at;
    in->at = 0;
    while (!in->is_end && in->used < ROOM) {
        struct pollfd ready = {.fd = in->fd, .events = POLLIN};
        if (in->used > PIECE_MAX && poll(&ready, 1, 0) == 0)
            break;
        ssize_t n = read(in->fd, in->bytes + in->used, ROOM - in->used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, "cannot be read");
        in->is_end = n == 0;
        in->used += (size_t)n;
        if (n > 0 && in->used <= PIECE_MAX && poll(&ready, 1, 0) == 0 &&
            memchr(in->bytes + in->used - (size_t)n, '\n', (size_t)n))
            break; /* whoever writes it waits for an answer */
    }
    return in->used > 0;
}

int flow_input_look(struct flow_input *input, const char **bytes, size_t *len, struct error *err)
{
    int filled = flow_input_fill(input, err);
    *bytes = input->bytes;
    *len = input->used;
    return filled < 0 ? -1 : 0;
}

static void cut(struct flow_input *in, size_t len, size_t end_len, struct flow_piece *out)
{
    *out = (struct flow_piece){.text = in->bytes + in->at, .len = len, .end_len = end_len};
    in->at += len + end_len;
    in->looked = 0;
}

/* A part of what is beyond PIECE_MAX, with the line's end if that is `has_end`. */
static void cut_part(struct flow_input *in, size_t len, size_t end_len, bool is_last, struct flow_piece *out)
{
    cut(in, len, end_len, out);
    out->is_rest = in->is_in_rest;
    out->is_too_long = !in->is_in_rest;
    in->is_in_rest = !is_last;
}

/* ---- lines ---- */

static bool next_line(struct flow_input *in, struct flow_piece *out)
{
    size_t left = in->used - in->at;
    const char *start = in->bytes + in->at, *end = memchr(start, '\n', left);
    size_t len = end ? (size_t)(end - start) : left, end_len = end ? 1 : 0;
    if (left == 0 || (!end && !in->is_end && left <= PIECE_MAX))
        return false;
    if (end && len > 0 && start[len - 1] == '\r') {
        len--;
        end_len++;
    }
    if (len > PIECE_MAX || in->is_in_rest) {
        cut_part(in, len, end_len, end || in->is_end, out);
        return true;
    }
    cut(in, len, end_len, out);
    return true;
}

/* ---- objects ---- */

/* Behind the object that begins here. Returns its length, 0: it does not end in what was read. */
static size_t find_end(struct flow_input *in)
{
    size_t left = in->used - in->at;
    for (; in->looked < left; in->looked++) {
        char c = in->bytes[in->at + in->looked];
        if (in->is_in_text) {
            in->is_in_text = c != '"' || in->is_escaped;
            in->is_escaped = c == '\\' && !in->is_escaped;
        } else if (c == '"') {
            in->is_in_text = true;
        } else if (c == '{') {
            in->depth++;
        } else if (c == '}' && --in->depth == 0) {
            return ++in->looked;
        }
    }
    return 0;
}

static bool next_object(struct flow_input *in, struct flow_piece *out)
{
    size_t left = in->used - in->at, len;
    const char *start = in->bytes + in->at;
    if (left == 0)
        return false;
    if (!in->is_in_rest && in->depth == 0 && *start != '{') {
        const char *open = memchr(start, '{', left);
        cut(in, open ? (size_t)(open - start) : left, 0, out);
        out->is_beside = true;
        return true;
    }
    len = find_end(in);
    if (len == 0 && !in->is_end && left <= PIECE_MAX)
        return false;
    bool has_end = len > 0;
    len = has_end ? len : left;
    if (len > PIECE_MAX || in->is_in_rest || !has_end)
        cut_part(in, len, 0, has_end, out);
    else
        cut(in, len, 0, out);
    return true;
}

bool flow_input_next(struct flow_input *input, bool are_objects, struct flow_piece *out)
{
    return are_objects ? next_object(input, out) : next_line(input, out);
}
