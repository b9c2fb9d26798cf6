/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/bpf_build.h"

enum { NOWHERE = 0xffff };
_Static_assert((int)BPF_PROGRAM_MAX < (int)NOWHERE && (int)BPF_LABELS_MAX < (int)NOWHERE,
               "places and labels fit their type, and none is NOWHERE");

void bpf_begin(struct bpf_build *b)
{
    b->count = 0;
    b->labels_count = 0;
    b->failed = false;
}

static void put_instruction(struct bpf_build *b, unsigned short code, unsigned char jt, unsigned char jf, unsigned k,
                            unsigned short target)
{
    if (b->count == BPF_PROGRAM_MAX) {
        b->failed = true;
        return;
    }
    b->target[b->count] = target;
    b->code[b->count++] = (struct sock_filter){code, jt, jf, k};
}

void bpf_append(struct bpf_build *b, struct sock_filter code)
{
    put_instruction(b, code.code, code.jt, code.jf, code.k, NOWHERE);
}

void bpf_put(struct bpf_build *b, unsigned short code, unsigned k)
{
    put_instruction(b, code, 0, 0, k, NOWHERE);
}

unsigned short bpf_label(struct bpf_build *b)
{
    if (b->labels_count == BPF_LABELS_MAX) {
        b->failed = true;
        return 0;
    }
    b->place[b->labels_count] = NOWHERE;
    return b->labels_count++;
}

void bpf_place(struct bpf_build *b, unsigned short label)
{
    b->place[label] = b->count;
}

void bpf_jump(struct bpf_build *b, unsigned short label)
{
    put_instruction(b, BPF_JMP | BPF_JA, 0, 0, 0, label);
}

void bpf_jump_if(struct bpf_build *b, unsigned short test, unsigned k, unsigned short label)
{
    put_instruction(b, (unsigned short)(BPF_JMP | test | BPF_K), 0, 1, k, NOWHERE);
    bpf_jump(b, label);
}

void bpf_jump_unless(struct bpf_build *b, unsigned short test, unsigned k, unsigned short label)
{
    put_instruction(b, (unsigned short)(BPF_JMP | test | BPF_K), 1, 0, k, NOWHERE);
    bpf_jump(b, label);
}

bool bpf_finish(struct bpf_build *b)
{
    unsigned i;
    for (i = 0; i < b->count && !b->failed; i++) {
        if (b->target[i] == NOWHERE)
            continue;
        unsigned place = b->place[b->target[i]];
        if (place == NOWHERE || place <= i || place >= b->count)
            b->failed = true;
        else
            b->code[i].k = place - i - 1;
    }
    return !b->failed;
}
