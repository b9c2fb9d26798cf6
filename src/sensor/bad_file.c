/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/bad_file.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { SNAP_LEN = 262144 };

struct bad_file {
    char *path;
    FILE *out;
    pthread_mutex_t lock; /* over everything below */
    bool has_link_type;
    uint16_t link_type;
    unsigned long written, other_link_types;
    atomic_uint count[DROP_REASON_COUNT]; /* read without the lock to pass quickly when full */
};

static void write_header(struct bad_file *bad, uint16_t link_type)
{
    struct pcap_file_header header = {
        .magic = 0xa1b2c3d4, .version_major = 2, .version_minor = 4, .snaplen = SNAP_LEN, .linktype = link_type};
    bad->has_link_type = true;
    bad->link_type = link_type;
    fwrite(&header, sizeof(header), 1, bad->out);
}

int bad_file_open(const char *path, struct bad_file **out, struct error *err)
{
    struct bad_file *bad = calloc(1, sizeof(*bad));
    if (!bad || !(bad->path = strdup(path)) || !(bad->out = fopen(path, "wbe"))) {
        error_set(err, "%s: %s", path, strerror(errno));
        if (bad)
            free(bad->path);
        free(bad);
        return -1;
    }
    pthread_mutex_init(&bad->lock, NULL);
    *out = bad;
    return 0;
}

void bad_file_add(struct bad_file *bad, enum drop_reason why, const struct packet *packet)
{
    uint32_t head[4] = {0, 0, packet->captured_len, packet->wire_len};
    clock_split(packet->time_us, &head[0], &head[1]);
    if (atomic_load_explicit(&bad->count[why], memory_order_relaxed) >= BAD_FRAMES_PER_REASON)
        return;
    pthread_mutex_lock(&bad->lock);
    if (!bad->has_link_type)
        write_header(bad, packet->link_type);
    if (packet->link_type != bad->link_type) {
        bad->other_link_types++;
    } else if (atomic_fetch_add(&bad->count[why], 1) < BAD_FRAMES_PER_REASON) {
        fwrite(head, sizeof(head), 1, bad->out);
        fwrite(packet->bytes, 1, packet->captured_len, bad->out);
        bad->written++;
    }
    pthread_mutex_unlock(&bad->lock);
}

int bad_file_close(struct bad_file *bad)
{
    if (!bad)
        return 0;
    if (!bad->has_link_type)
        write_header(bad, 1);
    bool failed = ferror(bad->out) != 0;
    failed |= fclose(bad->out) != 0;
    if (failed)
        log_line("error: %s: %s", bad->path, strerror(errno ? errno : EIO));
    else if (bad->other_link_types)
        log_line("file %s: %lu dropped frames written, %lu of other link types left out", bad->path, bad->written,
                 bad->other_link_types);
    else
        log_line("file %s: %lu dropped frames written", bad->path, bad->written);
    pthread_mutex_destroy(&bad->lock);
    free(bad->path);
    free(bad);
    return failed ? -1 : 0;
}
