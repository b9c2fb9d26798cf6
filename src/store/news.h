/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of store/: when names, and registered domains, were answered for the first time. */
#ifndef DNSFLOW_STORE_NEWS_H
#define DNSFLOW_STORE_NEWS_H

#include "store/domain_walk.h"
#include "store/intern.h"
#include "store/sql.h"

enum { NEWS_NAMES, NEWS_DOMAINS };

struct news {
    struct domains *list;
    struct intern *domains; /* of the new names: whether it is one, and the reversed name with its NUL; counted */
    struct domain_walk walk;
    sqlite3_stmt *answers, *names, *put;
};

/* Returns 0, or -1 with the cause; close it also then. */
MUST_CHECK int news_open(struct news *news, sqlite3 *db, struct error *err);
void news_close(struct news *news);

/* A name, once, in order, with `count` answers that were not there before and are now, seen first then. Returns 0, or
 * -1 with the cause. */
MUST_CHECK int news_name(struct news *news, const char *rname, uint64_t count, int64_t first_s, struct error *err);

/* Behind the last name. Returns 0, or -1 with the cause. */
MUST_CHECK int news_end(struct news *news, struct error *err);

#endif
