/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libpcap compiles an expression for one link type. A file can have several, so that each gets its program when its
 * first frame comes. */
#include "capture/filter.h"

#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "capture/interface.h"

enum { PROGRAMS = 16, SNAP_LEN = 262144 };

struct program {
    uint16_t link_type;
    bool valid;
    struct bpf_program code;
};

struct filter {
    char *expression;
    size_t count;
    struct program programs[PROGRAMS];
};

/* The file formats number a few link types differently from this machine's libpcap. */
static int link_to_dlt(uint16_t link_type)
{
    switch (link_type) {
    case 100:
        return DLT_ATM_RFC1483;
    case LINK_RAW:
        return DLT_RAW;
    case 104:
        return DLT_C_HDLC;
    case 106:
        return DLT_ATM_CLIP;
    case 50:
        return DLT_PPP_SERIAL;
    case 51:
        return DLT_PPP_ETHER;
    default:
        return link_type;
    }
}

static int compile(const char *expression, uint16_t link_type, struct bpf_program *code, struct error *err)
{
    pcap_t *dead = pcap_open_dead(link_to_dlt(link_type), SNAP_LEN);
    if (!dead)
        return error_set(err, "out of memory");
    int result = pcap_compile(dead, code, expression, 1, PCAP_NETMASK_UNKNOWN);
    if (result != 0)
        error_set(err, "expected a pcap filter expression (%s)", pcap_geterr(dead));
    pcap_close(dead);
    return result;
}

static struct program *add_program(struct filter *filter, uint16_t link_type)
{
    struct program *p = &filter->programs[filter->count];
    if (filter->count == PROGRAMS)
        return NULL;
    p->link_type = link_type;
    struct error why;
    p->valid = compile(filter->expression, link_type, &p->code, &why) == 0;
    if (!p->valid)
        log_line("warning: filter on frames of link type %u (%s), which it refuses: %s", link_type,
                 net_link_name(link_type), why.text);
    filter->count++;
    return p;
}

int filter_create(const char *expression, struct filter **out, struct error *err)
{
    struct filter *filter = calloc(1, sizeof(*filter));
    struct bpf_program code;
    if (!filter || !(filter->expression = strdup(expression))) {
        filter_destroy(filter);
        return error_set(err, "out of memory");
    }
    if (compile(expression, LINK_ETHERNET, &code, err) != 0 && compile(expression, LINK_RAW, &code, NULL) != 0) {
        filter_destroy(filter);
        return -1;
    }
    pcap_freecode(&code);
    *out = filter;
    return 0;
}

/* Takes over a compiled program, which it frees. */
static int take_code(struct bpf_program *code, const char *expression, struct bpf_build *out, struct error *err)
{
    unsigned i;
    bpf_begin(out);
    for (i = 0; i < code->bf_len; i++)
        bpf_append(out, (struct sock_filter){code->bf_insns[i].code, code->bf_insns[i].jt, code->bf_insns[i].jf,
                                             code->bf_insns[i].k});
    pcap_freecode(code);
    return out->failed ? error_set(err, "filter %s: too long for the kernel", expression) : 0;
}

int filter_compile_live(const char *interface, const char *expression, uint16_t *link_type, struct bpf_build *out,
                        struct error *err)
{
    char text[PCAP_ERRBUF_SIZE];
    struct bpf_program code;
    pcap_t *pcap = pcap_open_live(interface, SNAP_LEN, 0, 1, text);
    if (!pcap)
        return error_set(err, "%s: %s", interface, text);
    int dlt = pcap_datalink(pcap);
    int result = pcap_compile(pcap, &code, expression, 1, PCAP_NETMASK_UNKNOWN);
    if (result != 0)
        error_set(err, "%s: filter %s: %s", interface, expression, pcap_geterr(pcap));
    pcap_close(pcap);
    if (result != 0)
        return -1;
    *link_type = dlt == DLT_RAW ? LINK_RAW : (uint16_t)dlt;
    return take_code(&code, expression, out, err);
}

int filter_compile_raw(const char *expression, struct bpf_build *out, struct error *err)
{
    struct bpf_program code;
    return compile(expression, LINK_RAW, &code, err) == 0 ? take_code(&code, expression, out, err) : -1;
}

bool filter_match(struct filter *filter, const struct packet *packet)
{
    size_t i;
    struct program *p = NULL;
    for (i = 0; i < filter->count && !p; i++)
        if (filter->programs[i].link_type == packet->link_type)
            p = &filter->programs[i];
    if (!p)
        p = add_program(filter, packet->link_type);
    if (!p || !p->valid)
        return false;
    struct pcap_pkthdr header = {.caplen = packet->captured_len, .len = packet->wire_len};
    return pcap_offline_filter(&p->code, &header, packet->bytes) != 0;
}

void filter_destroy(struct filter *filter)
{
    size_t i;
    if (!filter)
        return;
    for (i = 0; i < filter->count; i++)
        if (filter->programs[i].valid)
            pcap_freecode(&filter->programs[i].code);
    free(filter->expression);
    free(filter);
}
