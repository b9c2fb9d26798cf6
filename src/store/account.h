/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Accounts of streams out of a journal, minute by minute: what came of each, and what is missing of it where. They need
 * nothing but the journal, so that they come out the same however it is read. */
#ifndef DNSFLOW_STORE_ACCOUNT_H
#define DNSFLOW_STORE_ACCOUNT_H

#include "journal/block.h"
#include "store/intern.h"

/* What a minute has of a stream. In datagrams, if nothing else is said. */
/* clang-format off */
#define ACCOUNT_COLUMNS(X) \
    X(DATAGRAMS, "datagrams") \
    X(RECORDS, "records")     /* records */ \
    X(STATISTICS, "statistics") \
    X(NETWORK, "network")     /* missing: lost on the way */ \
    X(HERE, "here")           /* missing: any of the four stages here; shared out, estimated */ \
    X(DOWN, "down")           /* missing: nobody received */ \
    X(RING, "ring")           /* packets that the sensor's ring had no room for */ \
    X(INTERFACE, "interface") /* packets that its interface dropped */ \
    X(SEND, "send")           /* datagrams that the sensor could not send */ \
    X(MADE, "made")           /* numbers that the sensor has given */ \
    X(BESIDE, "beside")       /* came, with a number that is counted already: come twice, or later than can be told */ \
    X(MEMORY, "memory")       /* of those missing here: no room in memory; the rest is the socket's */ \
    X(JOURNAL, "journal")     /* not written */ \
    X(EXPIRED, "expired")     /* gone from the journal before it was read */

/* What a sensor's trailer tells of itself, as it has grown. */
#define ACCOUNT_TOLD(X) \
    X(FRAMES, "frames")       /* looked at */ \
    X(DELIVERED, "delivered") /* of these, with a message */ \
    X(REFUSED, "refused")     /* without */ \
    X(HELD, "held")           /* not yet known */ \
    X(MESSAGES, "messages")   /* looked at */ \
    X(ANSWERED, "answered")   /* of these, with a record */ \
    X(UNFIT, "unfit")         /* without */ \
    X(MADE_RECORDS, "records") \
    X(SETS, "sets")           /* that these took: what is counted as records of a datagram */
/* clang-format on */

enum account_column {
#define ACCOUNT_COLUMN(name, word) ACCOUNT_##name,
    ACCOUNT_COLUMNS(ACCOUNT_COLUMN)
#undef ACCOUNT_COLUMN
        ACCOUNT_COUNT
};

enum account_told {
#define ACCOUNT_TOLD_ONE(name, word) TOLD_##name,
    ACCOUNT_TOLD(ACCOUNT_TOLD_ONE)
#undef ACCOUNT_TOLD_ONE
        TOLD_COUNT
};

enum { ACCOUNT_TOLD_BYTES = 8 * TOLD_COUNT };

struct account_minute {
    uint64_t stream;                /* source->number; 0: of streams that there was no room for */
    int64_t minute;                 /* Unix minutes, received */
    int64_t columns[ACCOUNT_COUNT]; /* what is late takes back what was missing: below 0 */
    bool has_told;                  /* statistics with a trailer came */
    int64_t told[TOLD_COUNT];
};

/* Stages here at which datagrams are lost. */
enum account_here { HERE_EXPIRED, HERE_JOURNAL, HERE_MEMORY, HERE_SOCKET, HERE_COUNT };

struct account {
    struct sources *sources;
    uint64_t no_room[HERE_COUNT];  /* missing here, whose gaps are still to come */
    uint64_t totals[TOTALS_COUNT]; /* of the last block */
    struct intern *keys;           /* stream and minute */
    struct account_minute *minutes;
    uint32_t minutes_size;
    uint64_t expired; /* datagrams of the journal that could not be read any more, since the last account_clear() */
    bool is_short_of_memory;
    int64_t begun_s; /* when the first datagram of all came; INT64_MAX: none has */
    int64_t first_s; /* when the first came of the present receiver */
};

/* Returns 0, or -1: out of memory. */
int account_open(struct account *account);

/* Frees, also after a failed account_open(). */
void account_close(struct account *account);

/* A block, before its datagrams. The first that there is gives no losses: what was before it is not known. */
void account_block(struct account *account, const struct journal_block *block);

/* A datagram of the block. Returns its stream, with a number that is the same in all runs; NULL: there are too many,
 * and it is in the account that these have in common. */
const struct source *account_datagram(struct account *account, const struct journal_block *block,
                                      const struct received *from);

/* What the stream's trailer told last, so that another process can go on with it. Returns the bytes, 0: nothing. */
size_t account_save_told(const struct source *source, uint8_t bytes[ACCOUNT_TOLD_BYTES]);
void account_restore_told(struct source *source, const uint8_t *bytes, size_t len);

/* Minutes since the last account_clear(). */
uint32_t account_minutes(const struct account *account);

void account_clear(struct account *account);

#endif
