/* SPDX-License-Identifier: BSD-3-Clause
 *
 * File mode. One worker runs in the reading thread; of several, each has a thread and gets the frames of its share of
 * the address pairs, so that what belongs together stays together and in order. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "net/dnstap.h"
#include "sensor/feed.h"
#include "sensor/file_look.h"
#include "sensor/progress.h"
#include "sensor/sensor.h"
#include "sensor/silence.h"

struct file_run {
    struct sensor *sensor;
    struct feed *feeds[CONFIG_WORKERS_MAX];
    struct file_look look;
    bool has_more; /* some file had more than DNSFlow datagrams */
    struct packet packets[CAPTURE_BATCH];
};

/* The same for both directions and all fragments of a datagram: by the outermost IP header. */
static uint32_t address_pair_hash(const struct packet *packet)
{
    static const struct net_options outermost = {
        .encapsulations = 1u << ENCAP_MPLS | 1u << ENCAP_PPPOE | 1u << ENCAP_TAGS, .whole_only = true};
    struct net_payload udp;
    uint32_t hash = 0;
    size_t i;
    (void)net_decode(packet, &outermost, &udp);
    if (udp.ip_vers == 0)
        return 0;
    for (i = 0; i < (udp.ip_vers == 4 ? 4u : 16u); i += 4)
        hash ^= load_be32(udp.src + i) ^ load_be32(udp.dst + i);
    return (hash * 2654435761u) >> 16;
}

static void take_packets(struct file_run *run, int count)
{
    struct sensor *s = run->sensor;
    int i;
    for (i = 0; i < count; i++) {
        const struct packet *packet = &run->packets[i];
        if (s->workers_count == 1)
            worker_packet(s->workers[0], packet);
        else
            feed_packet(run->feeds[address_pair_hash(packet) % s->workers_count], packet);
    }
}

static bool check_signals(struct file_run *run)
{
    struct sensor *s = run->sensor;
    unsigned i;
    if (atomic_exchange(s->signals->reload, false)) {
        for (i = 0; i < s->workers_count; i++)
            if (run->feeds[i])
                feed_reopen(run->feeds[i]);
            else
                worker_reopen(s->workers[i]);
    }
    return sensor_check_signals(s);
}

/* Takes what has been read. Returns CAPTURE_FAILED where the filter cannot go on, else the count. */
static int take_batch(struct file_run *run, const char *name, int count, struct error *err)
{
    struct error why;
    if (count > 0 && run->sensor->config->filter && run->packets[0].link_type == NET_LINK_DNSTAP) {
        error_set(err, "%s: dnstap, to which option -f/--filter cannot be applied; leave it out", name);
        return CAPTURE_FAILED; /* an expression would refuse all of them: they are no packets */
    }
    int good = file_look_packets(&run->look, run->packets, count, &why);
    take_packets(run, good);
    if (good == count)
        return count;
    error_set(err, "%s: option -f/--filter %s", name, why.text);
    return CAPTURE_FAILED;
}

/* What waits for data, as pipes do, is no file here. */
static bool is_file(const char *path)
{
    struct stat file;
    int result = strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &file) : stat(path, &file);
    return result == 0 && (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode));
}

int sensor_look_at_files(struct sensor *sensor, struct error *err)
{
    const struct config *c = sensor->config;
    size_t i;
    for (i = 0; i < c->files_count; i++)
        if (strcmp(c->files[i], "-") != 0 && access(c->files[i], R_OK) != 0)
            return error_errno(err, "%s", c->files[i]);
    sensor->is_file_all = config_has_only_files(c);
    for (i = 0; i < c->files_count; i++)
        sensor->is_file_all &= is_file(c->files[i]);
    for (i = 0; i < c->files_count && is_file(c->files[i]) && !atomic_load(sensor->signals->stop); i++) {
        if (capture_open_file(c->files[i], sensor->signals->stop, &sensor->first, err) == 0)
            return 0;
        if (i + 1 == c->files_count)
            return -1;
        log_line("error: %s", err->text);
        sensor->useless++;
    }
    return 0;
}

/* The file that has been looked into is open already. */
static int open_file(struct file_run *run, const char *path, struct capture **out, struct error *err)
{
    *out = run->sensor->first;
    run->sensor->first = NULL;
    return *out ? 0 : capture_open_file(path, run->sensor->signals->stop, out, err);
}

/* The only output has failed for good: what is read from here on would come to nothing. */
static bool has_no_output(const struct sensor *s)
{
    struct sink_output out;
    if (!config_has_only_files(s->config) || !worker_output(s->workers[0], 0, &out))
        return false;
    return out.cause == EPIPE || (out.cause != 0 && s->is_file_all);
}

static int read_file(struct file_run *run, const char *path)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    struct capture *capture;
    struct progress progress;
    struct error why;
    int count = 0;
    if (open_file(run, path, &capture, &why) != 0) {
        if (check_signals(run))
            return 0;
        log_line("error: %s", why.text);
        return -1;
    }
    progress_start(&progress);
    file_look_begin(&run->look);
    while (!check_signals(run) && !has_no_output(run->sensor) &&
           (count = capture_borrow(capture, run->packets, CAPTURE_BATCH, &why)) >= 0) {
        if ((count = take_batch(run, name, count, &why)) < 0)
            break;
        progress_add(&progress, count, capture);
    }
    progress_end(&progress);
    capture_close(capture);
    if (count == CAPTURE_END && run->look.packets == 0)
        log_line("no packets in %s", name);
    else if (file_look_is_datagrams(&run->look))
        log_line("%s: DNSFlow datagrams, not DNS: read it with dnsflow_read", name);
    else
        run->has_more = true;
    if (count != CAPTURE_FAILED || atomic_load(run->sensor->signals->stop))
        return 0;
    log_line("error: %s", why.text);
    return -1;
}

static int start_feeds(struct file_run *run)
{
    struct sensor *s = run->sensor;
    struct error why;
    unsigned i;
    if (file_look_open(&run->look, s->config, &why) != 0) {
        log_line("error: option -f/--filter %s: %s", s->config->filter, why.text);
        return -1;
    }
    for (i = 0; s->workers_count > 1 && i < s->workers_count; i++)
        if (feed_start(s->workers[i], &run->feeds[i], &why) != 0) {
            log_line("error: %s", why.text);
            return -1;
        }
    return 0;
}

int sensor_run_files(struct sensor *sensor)
{
    struct file_run run = {.sensor = sensor};
    size_t i;
    int result = start_feeds(&run);
    bool started = result == 0;
    if (sensor->useless > 0)
        result = -1;
    for (i = sensor->useless; started && i < sensor->config->files_count && !atomic_load(sensor->signals->stop); i++)
        if (has_no_output(sensor) || read_file(&run, sensor->config->files[i]) != 0)
            result = -1;
    if (sensor->workers_count == 1)
        worker_finish(sensor->workers[0]);
    for (i = 0; i < sensor->workers_count; i++)
        feed_finish(run.feeds[i]);
    file_look_close(&run.look);
    if (run.has_more || !started)
        silence_end(sensor);
    return result;
}
