/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of feed/: the names of files that come of a time, which of what lies there is one of them, and how much of
 * that is kept. */
#ifndef DNSFLOW_FEED_FILE_NAMES_H
#define DNSFLOW_FEED_FILE_NAMES_H

#include "feed/feed.h"

enum { FILE_PATH = FEED_PATH, FILE_LATE_S = 2 /* that a block comes behind its time */ };

#define FILE_PART ".part"

enum file_content { FILE_PCAP, FILE_JSON, FILE_CSV };

struct file_names {
    char pattern[FILE_PATH]; /* without what stands in `ending` */
    char folder[FILE_PATH];  /* below which all of them lie */
    const char *ending;      /* ".pcap", ".ndjson.zst" */
    enum file_content content;
    bool is_packed;
    uint64_t max_size, max_age_s; /* 0 = no limit */
};

/* Out of path=, max-size= and max-age=. Returns 0, or -1 with "expected ...". */
MUST_CHECK int file_names_parse(const struct feed_spec *spec, struct file_names *out, struct error *err);

/* The folder that does not change with time. */
void file_names_folder(const struct feed_spec *spec, char folder[FILE_PATH]);

/* Makes a file for this time with a name that no other has, and its folders. Returns its descriptor, or -1. */
MUST_CHECK int file_names_begin(const struct file_names *names, int64_t time_s, char final[FILE_PATH],
                                char part[FILE_PATH + 8], struct error *err);

/* Whether a file of that name is for this time. */
bool file_names_is_of(const struct file_names *names, int64_t time_s, const char *final);

/* Gives the whole file its name, or the next one that is free where another has that by now. Returns 0, or -1 with the
 * cause. */
MUST_CHECK int file_names_publish(const struct file_names *names, const char *part, char final[FILE_PATH],
                                  struct error *err);

/* Removes the oldest where there is too much, or too old; what the pattern does not give stays. Returns 0, or -1. */
MUST_CHECK int file_names_bound(const struct file_names *names, int64_t now_s, struct error *err);

#endif
