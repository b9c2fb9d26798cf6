/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Messages from folders of them, from the corpus and from captures. */
#ifndef DNSFLOW_REAL_MESSAGES_H
#define DNSFLOW_REAL_MESSAGES_H

#include "../unit/testing.h"

#include <dirent.h>
#include <sys/stat.h>

#include "capture/capture.h"
#include "dns/message.h"

typedef void use_message(const uint8_t *msg, size_t len, void *context);

static inline void message_of_file(const char *path, use_message *use, void *context)
{
    size_t len;
    uint8_t *bytes = read_whole(path, &len);
    if (len <= DNS_MESSAGE_MAX)
        use(bytes, len, context);
    free(bytes);
}

static inline void messages_of_capture(const char *path, use_message *use, void *context)
{
    static const atomic_bool never;
    struct capture *capture;
    struct packet batch[CAPTURE_BATCH];
    struct error err;
    int count;
    if (capture_open_file(path, &never, &capture, &err) != 0)
        return;
    while ((count = capture_borrow(capture, batch, CAPTURE_BATCH, &err)) > 0) {
        for (int i = 0; i < count; i++) {
            struct net_payload udp;
            if (net_decode(&batch[i], NULL, &udp) == DROP_NONE && udp.len <= DNS_MESSAGE_MAX)
                use(udp.bytes, udp.len, context);
        }
    }
    capture_close(capture);
}

/* Gives every file of the folder to `open`; false: there is none. */
static inline bool each_file(const char *folder, void (*open_file)(const char *path, use_message *use, void *context),
                             use_message *use, void *context)
{
    DIR *dir = opendir(folder);
    bool any = false;
    if (!dir)
        return false;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096 + 256];
        struct stat info;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        open_file(path, use, context);
        any = true;
    }
    closedir(dir);
    return any;
}

static inline void each_real_message(use_message *use, void *context)
{
    char folder[4096];
    const char *given = getenv("DNSFLOW_DNSMSG"), *top = getenv("DNSFLOW_TOP");
    if (!top)
        top = ".";
    snprintf(folder, sizeof(folder), "%s%s", given ? given : top, given ? "" : "/../shared/dnsmsg");
    if (!each_file(folder, message_of_file, use, context))
        printf("no folder of DNS messages; DNSFLOW_DNSMSG names one\n");
    snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/message", top);
    assert_true(each_file(folder, message_of_file, use, context));
    snprintf(folder, sizeof(folder), "%s/tests/captures", top);
    assert_true(each_file(folder, messages_of_capture, use, context));
}

#endif
