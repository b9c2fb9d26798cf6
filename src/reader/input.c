/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/input.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#ifdef HAVE_COLLECT
#include "journal/capture_file.h"
#endif

enum { FILTER_SIZE = 4096, WAIT_MS = 100 };

/* libpcap's `vlan` moves all that stands behind it by one tag, so that the expression is written twice. Fragments have
 * a port only in the first. */
static int open_live(const struct reader_config *config, struct capture **out, struct error *err)
{
    static const char datagrams[] = "udp dst port 5300 or ip[6:2] & 0x1fff != 0";
    char filter[FILTER_SIZE];
    struct capture_live_options live = {.interface = config->interface, .filter = filter, .promiscuous = true};
    if (config->is_whole_filter) {
        live.filter = config->filter;
        return capture_open_live(&live, out, err);
    }
    const char *also = config->filter && *config->filter ? config->filter : "len >= 0";
    int len = snprintf(filter, sizeof(filter), "((%s) and (%s)) or (vlan and (%s) and (%s))", datagrams, also,
                       datagrams, also);
    if (len >= (int)sizeof(filter))
        return error_set(err, "option -f/--filter: expected at most %d characters", FILTER_SIZE / 2 - 100);
    return capture_open_live(&live, out, err);
}

/* A capture file, or one of a collector's journal, of which what is damaged is passed over. */
static int open_file(const char *path, const atomic_bool *stop, struct capture **out, struct error *err)
{
#ifdef HAVE_COLLECT
    if (strcmp(path, "-") != 0 && journal_is_file(path))
        return journal_open_capture(path, out, err);
#endif
    return capture_open_file(path, stop, out, err);
}

int reader_input_open(struct reader_input *input, const struct reader_config *config, const atomic_bool *stop,
                      struct error *err)
{
    size_t i;
    memset(input, 0, sizeof(*input));
    input->config = config;
    input->stop = stop;
    for (i = 0; i < config->files_count; i++)
        if (strcmp(config->files[i], "-") != 0 && access(config->files[i], R_OK) != 0)
            return error_errno(err, "%s", config->files[i]);
    if (config->files_count > 0)
        return open_file(config->files[0], stop, &input->capture, err);
    if (config->interface)
        return open_live(config, &input->capture, err);
    if (listener_open(&config->listener, &input->listener, err) != 0)
        return -1;
    if (!config->show_top) {
        char name[LISTENER_NAME];
        listener_name(input->listener, name);
        log_line("listening on %s", name);
    }
    return 0;
}

static int step_listener(struct reader_input *input, struct session *session, struct error *err)
{
    const struct listener_datagram *datagrams;
    int i, count = listener_receive(input->listener, &datagrams, err);
    for (i = 0; i < count && !session->is_done; i++)
        session_datagram(session, &datagrams[i]);
    return count < 0 ? CAPTURE_FAILED : count;
}

/* Microseconds until it is this packet's time. */
static int64_t wait_us(struct reader_input *input, int64_t time_us)
{
    int64_t now_us = clock_monotonic_us(), due_us = (int64_t)((double)time_us / input->config->speed);
    if (!input->has_started)
        input->lead_us = due_us - now_us;
    input->has_started = true;
    return due_us - input->lead_us - now_us;
}

static const char *file_name(const struct reader_input *input)
{
    const char *file = input->config->files[input->file];
    return strcmp(file, "-") == 0 ? "standard input" : file;
}

/* Whether -f can be asked about a frame of a file. */
static int check_filter(const struct reader_input *input, struct session *session, const struct packet *packet,
                        struct error *err)
{
    const struct reader_config *config = input->config;
    struct error why;
    if (!session->filter || filter_check_link(session->filter, packet->link_type, &why) == 0)
        return 0;
    return error_set(err, "%s: option %s %s", file_name(input),
                     config->is_whole_filter ? "-F/--whole-filter" : "-f/--filter", why.text);
}

/* The packets of a batch, with --speed those whose time it is. */
static int take_packets(struct reader_input *input, struct session *session, struct error *err)
{
    int taken = 0;
    for (; input->next < input->count && !session->is_done; input->next++, taken++) {
        struct packet *packet = &input->packets[input->next];
        packet->time_us = clock_clamp(packet->time_us); /* pcapng has room for any */
        int64_t us = input->config->speed > 0 ? wait_us(input, packet->time_us) : 0;
        if (us > 0 && taken == 0)
            (void)poll(NULL, 0, us < WAIT_MS * 1000 ? (int)(us / 1000) + 1 : WAIT_MS);
        if (us > 0)
            break;
        if (check_filter(input, session, packet, err) != 0)
            return CAPTURE_FAILED;
        session_packet(session, packet);
    }
    return taken;
}

/* The file at hand has come to an end, or is broken: on to the next one that can be read. False: there is none. */
static bool open_next(struct reader_input *input, int result, struct error *err)
{
    while (input->file + 1 < input->config->files_count && !atomic_load(input->stop)) {
        if (result == CAPTURE_FAILED) {
            log_line("error: %s", err->text);
            input->has_failed = true;
        }
        capture_close(input->capture);
        input->capture = NULL;
        input->has_packets = false;
        input->file++;
        if (open_file(input->config->files[input->file], input->stop, &input->capture, err) == 0)
            return true;
        result = CAPTURE_FAILED;
    }
    return false;
}

int reader_input_step(struct reader_input *input, struct session *session, struct error *err)
{
    if (input->listener)
        return step_listener(input, session, err);
    if (input->next == input->count) {
        int count = capture_borrow(input->capture, input->packets, CAPTURE_BATCH, err);
        input->next = 0;
        input->count = count > 0 ? count : 0;
        input->has_packets |= count > 0;
        if (count == CAPTURE_END && !input->has_packets && input->config->files_count > 0 && !atomic_load(input->stop))
            log_line("no packets in %s", file_name(input));
        if (count < 0 && open_next(input, count, err))
            return CAPTURE_IDLE;
        if (count < 0 && !input->capture)
            return CAPTURE_FAILED;
        if (count <= 0)
            return count;
    }
    return take_packets(input, session, err);
}

uint64_t reader_input_dropped(struct reader_input *input)
{
    return input->listener ? listener_dropped(input->listener) : 0;
}

void reader_input_drain(struct reader_input *input, struct session *session)
{
    struct error err;
    if (!input->listener)
        return;
    listener_end(input->listener);
    while (!session->is_done && step_listener(input, session, &err) > 0) {
    }
}

void reader_input_close(struct reader_input *input)
{
    capture_close(input->capture);
    listener_close(input->listener);
}
