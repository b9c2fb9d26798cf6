/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libpcap compiles an expression for one link type, and for files otherwise than for an interface. A file can have
 * several link types, so that each gets its program when its first frame comes. */
#include "capture/filter.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "net/numbers.h"

enum { SNAP_LEN = 262144, WARNINGS_MAX = 16, LINK_TYPES = 65536 };

/* What is known of a link type: one of these, or PLACED and its program's index. */
enum { UNSEEN, REFUSED, LIVE_ONLY, PLACED };

enum { NO_MEMORY = -2 };

struct filter {
    char *expression;
    unsigned warnings;
    size_t count, size;
    struct bpf_program *programs;
    uint8_t *copy; /* of a loopback frame, NULL as long as there was none to be copied */
    uint16_t links[LINK_TYPES];
};

/* libpcap takes this for a file of the link type: for what the frames do not tell it does not ask the kernel, and it
 * knows the address families of other systems. */
static pcap_t *open_as_file(uint16_t link_type)
{
    uint8_t head[24] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, [18] = SNAP_LEN >> 16};
    char text[PCAP_ERRBUF_SIZE];
    uint16_t known = link_type == LINKTYPE_RAW_12 || link_type == LINKTYPE_RAW_14 ? LINKTYPE_RAW : link_type;
    head[20] = (uint8_t)known;
    head[21] = (uint8_t)(known >> 8);
    FILE *file = fmemopen(head, sizeof(head), "r");
    pcap_t *pcap = file ? pcap_fopen_offline(file, text) : NULL;
    if (file && !pcap)
        fclose(file);
    return pcap;
}

/* The file formats number a few link types differently from this machine's libpcap. */
static int link_to_dlt(uint16_t link_type)
{
    pcap_t *pcap = open_as_file(link_type);
    int dlt = pcap ? pcap_datalink(pcap) : link_type;
    if (pcap)
        pcap_close(pcap);
    return dlt;
}

/* For frames of a file, or as for an interface. NO_MEMORY says nothing about the expression. */
static int compile(const char *expression, uint16_t link_type, bool is_file, struct bpf_program *code,
                   struct error *err)
{
    pcap_t *pcap = is_file ? open_as_file(link_type) : pcap_open_dead(link_to_dlt(link_type), SNAP_LEN);
    if (!pcap) {
        error_set(err, "out of memory");
        return NO_MEMORY;
    }
    errno = 0;
    int result = pcap_compile(pcap, code, expression, 1, PCAP_NETMASK_UNKNOWN);
    if (result != 0) {
        result = errno == ENOMEM ? NO_MEMORY : -1; /* libpcap has several words for it */
        error_set(err, "%s", result == NO_MEMORY ? "out of memory" : pcap_geterr(pcap));
    }
    pcap_close(pcap);
    return result;
}

/* Whether it makes sense for an interface with this link type. */
static bool is_expression(const char *expression, uint16_t link_type, struct error *err)
{
    struct bpf_program code;
    if (compile(expression, link_type, false, &code, err) != 0)
        return false;
    pcap_freecode(&code);
    return true;
}

static struct bpf_program *add_program(struct filter *filter)
{
    if (filter->count == filter->size) {
        size_t size = filter->size ? 2 * filter->size : 4;
        void *grown = realloc(filter->programs, size * sizeof(*filter->programs));
        if (!grown)
            return NULL;
        filter->programs = grown;
        filter->size = size;
    }
    return &filter->programs[filter->count];
}

/* Fills in what is known of a link type; *why says what is not good about it. Without memory nothing is known, and the
 * next frame asks again. */
static void look_at(struct filter *filter, uint16_t link_type, struct error *why)
{
    struct bpf_program *p = add_program(filter);
    int result = p ? compile(filter->expression, link_type, true, p, why) : NO_MEMORY;
    if (!p)
        error_set(why, "out of memory");
    if (result == 0)
        filter->links[link_type] = (uint16_t)(PLACED + filter->count++);
    else if (result != NO_MEMORY)
        filter->links[link_type] = is_expression(filter->expression, link_type, NULL) ? LIVE_ONLY : REFUSED;
}

/* An expression can be about one kind of link alone: 802.11, a firewall's log, ATM, SS7. */
int filter_create(const char *expression, struct filter **out, struct error *err)
{
    static const uint16_t others[] = {LINKTYPE_RAW, LINKTYPE_WIFI, LINKTYPE_PFLOG, LINKTYPE_SUNATM, LINKTYPE_MTP2};
    struct filter *filter = calloc(1, sizeof(*filter));
    struct error why;
    size_t i;
    if (!filter || !(filter->expression = strdup(expression))) {
        filter_destroy(filter);
        return error_set(err, "out of memory");
    }
    bool is_good = is_expression(expression, LINKTYPE_ETHERNET, &why);
    for (i = 0; !is_good && i < sizeof(others) / sizeof(others[0]); i++)
        is_good = is_expression(expression, others[i], NULL);
    if (!is_good) {
        filter_destroy(filter);
        return error_set(err, "expected a pcap filter expression (%s)", why.text);
    }
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
    *link_type = dlt == DLT_RAW ? LINKTYPE_RAW : (uint16_t)dlt;
    return take_code(&code, expression, out, err);
}

int filter_compile_raw(const char *expression, struct bpf_build *out, struct error *err)
{
    struct bpf_program code;
    return compile(expression, LINKTYPE_RAW, false, &code, err) == 0 ? take_code(&code, expression, out, err) : -1;
}

int filter_check_link(struct filter *filter, uint16_t link_type, struct error *err)
{
    struct error why;
    if (filter->links[link_type] == UNSEEN) {
        look_at(filter, link_type, &why);
        if (filter->links[link_type] == REFUSED && filter->warnings++ < WARNINGS_MAX)
            log_line("warning: filter on frames of link type %u (%s), which it refuses: %s", link_type,
                     net_link_name(link_type), why.text);
    }
    if (filter->links[link_type] == UNSEEN)
        return error_set(err, "%s: %s", filter->expression, why.text);
    if (filter->links[link_type] != LIVE_ONLY)
        return 0;
    return error_set(err, "%s: cannot be judged from a file of link type %u (%s), only live", filter->expression,
                     link_type, net_link_name(link_type));
}

/* The address family of a loopback frame as one of those that libpcap knows, 0 = not one of IP. It may be in either
 * byte order; the values are small, so that the order shows. */
static uint32_t plain_family(const uint8_t *bytes)
{
    uint32_t family = load_be32(bytes);
    switch (family > 0xffff ? load_le32(bytes) : family) {
    case 2:
    case ETHERTYPE_IPV4:
        return 2;
    case 10:
    case 23:
    case 24:
    case 28:
    case 30:
    case ETHERTYPE_IPV6:
        return 24;
    default:
        return 0;
    }
}

/* The frame as libpcap is to see it: a loopback header of whatever system has a family that it knows, in the byte order
 * in which it expects it. */
static const uint8_t *plain_bytes(struct filter *filter, const struct packet *packet)
{
    bool is_loop = packet->link_type == LINKTYPE_LOOP;
    if (!is_loop && packet->link_type != LINKTYPE_NULL && packet->link_type != LINKTYPE_ENC)
        return packet->bytes;
    uint32_t family = packet->captured_len < 4 || packet->captured_len > SNAP_LEN ? 0 : plain_family(packet->bytes);
    if (family == 0 || (is_loop ? load_be32(packet->bytes) : load_le32(packet->bytes)) == family)
        return packet->bytes;
    if (!filter->copy && !(filter->copy = malloc(SNAP_LEN)))
        return packet->bytes;
    memcpy(filter->copy, packet->bytes, packet->captured_len);
    store_be32(filter->copy, is_loop ? family : __builtin_bswap32(family));
    return filter->copy;
}

bool filter_match(struct filter *filter, const struct packet *packet)
{
    struct error why;
    if (filter->links[packet->link_type] == UNSEEN)
        look_at(filter, packet->link_type, &why);
    uint16_t link = filter->links[packet->link_type];
    if (link < PLACED)
        return false;
    struct pcap_pkthdr header = {.caplen = packet->captured_len, .len = packet->wire_len};
    return pcap_offline_filter(&filter->programs[link - PLACED], &header, plain_bytes(filter, packet)) != 0;
}

void filter_destroy(struct filter *filter)
{
    size_t i;
    if (!filter)
        return;
    for (i = 0; i < filter->count; i++)
        pcap_freecode(&filter->programs[i]);
    free(filter->programs);
    free(filter->copy);
    free(filter->expression);
    free(filter);
}
