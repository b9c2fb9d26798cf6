/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of serve/: a request that is worked out, and its answer. */
#ifndef DNSFLOW_SERVE_CALL_H
#define DNSFLOW_SERVE_CALL_H

#include "query/ask.h"
#include "serve/serve.h"
#include "serve/url.h"

struct call {
    const struct serve_options *options;
    struct url url;     /* the segments behind those that led here */
    bool hides_clients; /* nothing is told of who asked */
    FILE *out;          /* the body */
    FILE *lines;        /* more of the header */
    int status;         /* 200 */
    const char *type;   /* of the content; a constant */
    bool is_partial;
    bool is_question;
    char message[600]; /* why it has failed; "": it has not */
    char parameter[64];
};

enum { CALL_BAD = 400, CALL_FORBIDDEN = 403, CALL_UNKNOWN = 404, CALL_FAILED = 500, CALL_UNAVAILABLE = 503 };

/* What is wrong, instead of all that has been printed: the code by the status. `parameter` may be NULL. */
void call_fail(struct call *call, int status, const char *parameter, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Whether that has been done. */
bool call_has_failed(const struct call *call);

/* How much of a question is wanted, as parameters say. */
struct wanted {
    int64_t since_us, until_us, at_us;
    uint64_t limit;
    const char *cursor, *client;
    enum answer_format format;
    bool is_old; /* fresh=0 */
};

/* Reads the parameters, of which those in `names` are known (ends with NULL); else the call has failed. */
bool call_wants(struct call *call, const char *const *names, struct wanted *out);

/* What a question gives, beside its rows. */
struct given {
    struct ask_result result;
    char about[2048]; /* what a cursor belongs to */
    bool is_lost;     /* there is no database: nothing is known of answers */
    char notes[8][300];
    size_t notes_count;
};

/* Asks, and prints rows to the output that `open` makes. False: the call has failed. `parameter` is what `about` came
 * in, NULL = the path. */
typedef struct answer_output *open_output(void *context, const struct question *question);
bool call_ask(struct call *call, const struct question *question, const char *about, const char *parameter,
              const struct wanted *wanted, open_output *open, void *context, struct given *given);

/* How the answer came out, in the header: where the body has rows alone. */
void call_tell(struct call *call, const struct given *given);

/* NULL: there is none of that name. */
const struct question *call_question(const char *name);

/* The answers below /api/v1/, /pdns/ and /dnsdb/. */
void call_api(struct call *call);
void call_circl(struct call *call);
void call_dnsdb(struct call *call);

/* The answer to /api/v1/search. */
void call_search(struct call *call);

#endif
