/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Classic BPF programs, written forwards with labels. A conditional jump is two instructions, the test and a jump of
 * 32-bit reach, so that no target is ever too far. */
#ifndef DNSFLOW_CAPTURE_BPF_BUILD_H
#define DNSFLOW_CAPTURE_BPF_BUILD_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

enum { BPF_PROGRAM_MAX = BPF_MAXINSNS, BPF_LABELS_MAX = 512 };

struct bpf_build {
    struct sock_filter code[BPF_PROGRAM_MAX];
    unsigned short count;
    unsigned short labels_count;
    unsigned short place[BPF_LABELS_MAX];   /* of each label, 0xffff = not placed */
    unsigned short target[BPF_PROGRAM_MAX]; /* label of each `ja`, 0xffff = none */
    bool failed;                            /* too long, or a label was never placed */
};

/* Begins a program, an empty one; whatever was in *b is forgotten. */
void bpf_begin(struct bpf_build *b);

/* Appends one instruction that jumps nowhere. */
void bpf_put(struct bpf_build *b, unsigned short code, unsigned k);

/* Appends a whole instruction, whose jumps are its own business. */
void bpf_append(struct bpf_build *b, struct sock_filter code);

/* A new label, for a place further on. */
unsigned short bpf_label(struct bpf_build *b);

/* Places the label here. */
void bpf_place(struct bpf_build *b, unsigned short label);

/* Jumps to the label, always. */
void bpf_jump(struct bpf_build *b, unsigned short label);

/* Jumps when the test (BPF_JEQ, BPF_JSET, ...) of A against k holds, or with _unless when it does not. */
void bpf_jump_if(struct bpf_build *b, unsigned short test, unsigned k, unsigned short label);
void bpf_jump_unless(struct bpf_build *b, unsigned short test, unsigned k, unsigned short label);

/* Fills in the distances. Returns false if the program came out wrong. */
bool bpf_finish(struct bpf_build *b);

#endif
