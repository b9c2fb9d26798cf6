/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/fanout.h"

#include <linux/if_packet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000 /* Linux 6.2 */
#endif

struct fanout {
    enum capture_fanout mode;
    pthread_mutex_t lock; /* over everything below */
    unsigned holders;
    unsigned if_index; /* that the group below is for; a new interface gets a new one */
    unsigned id;       /* given by the kernel, as process ids repeat from container to container */
    unsigned joined;
};

struct fanout *fanout_create(enum capture_fanout mode)
{
    struct fanout *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->mode = mode;
    f->holders = 1;
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

void fanout_hold(struct fanout *fanout)
{
    pthread_mutex_lock(&fanout->lock);
    fanout->holders++;
    pthread_mutex_unlock(&fanout->lock);
}

void fanout_release(struct fanout *fanout)
{
    pthread_mutex_lock(&fanout->lock);
    bool is_last = --fanout->holders == 0;
    pthread_mutex_unlock(&fanout->lock);
    if (!is_last)
        return;
    pthread_mutex_destroy(&fanout->lock);
    free(fanout);
}

static int set_group(const struct fanout *f, int fd, unsigned id, unsigned flags)
{
    static const unsigned modes[] = {[CAPTURE_FANOUT_CLIENT] = PACKET_FANOUT_CBPF,
                                     [CAPTURE_FANOUT_CHECKSUM] = PACKET_FANOUT_CBPF,
                                     [CAPTURE_FANOUT_QUEUE] = PACKET_FANOUT_QM,
                                     [CAPTURE_FANOUT_CPU] = PACKET_FANOUT_CPU};
    int value = (int)(id | (modes[f->mode] | flags) << 16);
    return setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, sizeof(value));
}

static int set_program(const struct fanout *f, int fd)
{
    struct bpf_build program;
    if (f->mode != CAPTURE_FANOUT_CLIENT && f->mode != CAPTURE_FANOUT_CHECKSUM)
        return 0;
    dns_fanout_build(f->mode == CAPTURE_FANOUT_CHECKSUM, &program);
    struct sock_fprog code = {.len = program.count, .filter = program.code};
    return setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &code, sizeof(code));
}

/* A group forgets PACKET_IGNORE_OUTGOING and has a flag instead. */
static int join(struct fanout *f, int fd, unsigned if_index, bool is_loopback, bool *shows_twice)
{
    unsigned lo = is_loopback ? PACKET_FANOUT_FLAG_IGNORE_OUTGOING : 0;
    bool is_first = f->if_index != if_index;
    unsigned id = is_first ? 0 : f->id, unique = is_first ? PACKET_FANOUT_FLAG_UNIQUEID : 0;
    int value = 0;
    socklen_t len = sizeof(value);
    if (set_group(f, fd, id, unique | lo) != 0) {
        if (lo == 0 || set_group(f, fd, id, unique) != 0)
            return -1;
        *shows_twice = true;
    }
    if (set_program(f, fd) != 0)
        return -1;
    if (is_first) {
        if (getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &len) != 0)
            return -1;
        f->if_index = if_index;
        f->id = (unsigned)value & 0xffff;
        f->joined = 0;
    }
    f->joined++;
    return 0;
}

int fanout_join(struct fanout *fanout, int fd, unsigned if_index, bool is_loopback, bool *shows_twice)
{
    pthread_mutex_lock(&fanout->lock);
    int result = join(fanout, fd, if_index, is_loopback, shows_twice);
    pthread_mutex_unlock(&fanout->lock);
    return result;
}

/* The last to leave lets the next one make a new group. */
void fanout_leave(struct fanout *fanout, unsigned if_index)
{
    pthread_mutex_lock(&fanout->lock);
    if (if_index == fanout->if_index && --fanout->joined == 0)
        fanout->if_index = 0;
    pthread_mutex_unlock(&fanout->lock);
}

unsigned fanout_joined(struct fanout *fanout)
{
    pthread_mutex_lock(&fanout->lock);
    unsigned joined = fanout->joined;
    pthread_mutex_unlock(&fanout->lock);
    return joined;
}
