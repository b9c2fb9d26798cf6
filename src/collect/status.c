/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `status`: how everything is, in words, or as JSON. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/options.h"
#include "collect/command.h"
#include "collect/directory.h"
#include "collect/health.h"
#include "collect/words.h"
#include "query/output.h"

enum { SENSORS_SHOWN = 50, SKEW_S = 60 };

struct status_config {
    const char *directory;
    bool is_json;
    bool show_help;
};

static int take_directory(void *config, const char *value, struct error *err)
{
    return parse_path(value, &((struct status_config *)config)->directory, err);
}

static int take_format(void *config, const char *value, struct error *err)
{
    static const char *const names[] = {"text", "json"};
    unsigned which;
    if (parse_choice(value, names, 2, &which, err) != 0)
        return -1;
    ((struct status_config *)config)->is_json = which == 1;
    return 0;
}

static const struct option_row rows[] = {
    {0, "directory", "DIR", take_directory, "where everything is kept; else ./dnsflow-data, or what the service keeps",
     0},
    {0, "format", "NAME", take_format, "how it is said, text by default;", 0},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct status_config, show_help)},
    {0, NULL, NULL, NULL,
     "dnsflow_collect status --directory /srv/dns\n"
     "dnsflow_collect status --directory /srv/dns --format json",
     0},
};

static void print_running(const struct health *h)
{
    if (h->is_running)
        printf("collector  running (process %s)%s\n", h->process,
               h->is_fresh ? "" : ", but does not bring in what it has received: see its log");
    else
        printf("collector  not running; %s\n",
               h->is_consumer ? "Kafka keeps what comes meanwhile" : "what sensors send now is lost");
}

/* ---- sensors ---- */

/* What is missing, each stage that has something. */
static void print_losses(const struct health_sensor *s)
{
    const struct {
        int64_t count;
        const char *text;
    } losses[] = {{s->ring, "packets had no room in the sensor's ring"},
                  {s->send, "datagrams the sensor could not send"},
                  {s->network, "datagrams were lost on the way"},
                  {s->here, "datagrams had no room here"},
                  {s->down, "datagrams came while the collector was down"}};
    size_t i;
    for (i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
        if (losses[i].count > 0)
            printf("             %" PRId64 " %s\n", losses[i].count, losses[i].text);
}

/* A datagram waits a second at the most in a sensor, and on the way. */
static void print_clock(int64_t ahead_s)
{
    char span[WORDS];
    if (ahead_s >= -SKEW_S && ahead_s <= SKEW_S)
        return;
    words_span(ahead_s < 0 ? -ahead_s : ahead_s, span);
    printf("             its clock is %s %s; records have its times\n", span, ahead_s < 0 ? "behind" : "ahead");
}

static void print_sensor(const struct health_sensor *s)
{
    char ago[WORDS];
    words_span(s->silent_s, ago);
    printf("  %s", s->address);
    if (s->has_sensor)
        printf(" sensor %" PRId64 " worker %" PRId64, s->sensor, s->worker);
    else
        printf(" port %" PRId64, s->port);
    printf(": %s, last heard %s ago; %" PRId64 " records in 24 h", s->silent_s <= HEALTH_ALIVE_S ? "alive" : "silent",
           ago, s->records);
    if (s->starts > 1)
        printf(", started %" PRId64 " times", s->starts);
    puts("");
    if (s->silent_s <= HEALTH_ALIVE_S && s->recent == 0)
        printf("             no record of it in the last %d min: its own lines say why\n", HEALTH_RECENT_MIN);
    print_clock(s->ahead_s);
    print_losses(s);
}

static void print_sensors(const struct health *h)
{
    size_t i;
    if (h->listed == 0)
        puts("sensors    none in the last 24 h");
    else
        printf("sensors    %" PRIu64 " in the last 24 h\n", h->sensors_count);
    for (i = 0; i < h->listed; i++)
        print_sensor(&h->sensors[i]);
    if (h->sensors_count > h->listed)
        printf("  and %" PRIu64 " more: dnsflow_collect query loss has all\n", h->sensors_count - h->listed);
}

/* ---- the rest ---- */

static void print_totals(const struct health *h)
{
    int i;
    for (i = 0; i < HEALTH_TOTALS; i++) {
        const char *text = i == HEALTH_EXPIRED ? "gone from the journal before they were read" : journal_totals[i].text;
        if (h->totals_24h[i] > 0 && (health_is_drop(i) || health_is_refusal(i)))
            printf("  %" PRIu64 " datagrams in 24 h %s: %s\n", h->totals_24h[i],
                   health_is_drop(i) ? "dropped" : "not taken", text);
    }
}

static void print_lookups(const struct health *h)
{
    char since[ANSWER_TIME], text[WORDS];
    answer_time(h->oldest_s, false, since);
    printf("           lookups received since %s UTC, in %zu file%s\n", since, h->files, h->files == 1 ? "" : "s");
    if (h->damaged > 0)
        printf("           %" PRIu64 " of these cannot be used: %s\n", h->damaged, h->damage.text);
    if (h->missing > 0)
        printf("           %" PRIu64 " of these are not there\n", h->missing);
    if (!h->has_rate) {
        printf("           too short a time to say how long that lasts\n");
        return;
    }
    words_span(h->room_s, text);
    printf("           at the rate of now that is %s of lookups", text);
    words_span(h->full_s, text);
    printf("; it is full in %s, then the oldest go\n", text);
}

static void print_disk(const struct health *h)
{
    char used[WORDS], most[WORDS], left[WORDS], journal[WORDS], lookups[WORDS], database[WORDS], backups[WORDS];
    words_size(h->journal + h->lookups + h->database + h->backups, used);
    words_size(h->max_size, most);
    words_size(h->free, left);
    words_size(h->journal, journal);
    words_size(h->lookups, lookups);
    words_size(h->database, database);
    words_size(h->backups, backups);
    printf("disk       %s of %s: journal %s, lookups %s, answers and accounts %s; %s are free there\n", used, most,
           journal, lookups, database, left);
    if (h->backups_count > 0)
        printf("           %zu backup%s, %s beside what they share with it\n", h->backups_count,
               h->backups_count == 1 ? "" : "s", backups);
    if (h->files > 0)
        print_lookups(h);
}

static void print_consumer(const struct health_feed *f)
{
    const struct feed_state *s = &f->told.state;
    printf("from Kafka %" PRIu64 " datagrams with %" PRIu64 " records into %s, %" PRIu64
           " that cannot be decoded, since it was started\n",
           s->counts.datagrams, s->counts.records, f->told.name, s->counts.refused);
    if (s->is_failing)
        printf("             fails: %s\n", s->cause);
}

static void print_feed(const struct health_feed *f)
{
    const struct feed_state *s = &f->told.state;
    char span[WORDS];
    words_span(f->behind_s, span);
    if (f->behind == 0)
        printf("           %s (%s): has all that is in the journal\n", f->told.name, f->told.kind);
    else
        printf("           %s (%s): %" PRIu64 " records behind, for %s\n", f->told.name, f->told.kind, f->behind, span);
    if (s->is_failing)
        printf("             fails: %s\n", s->cause);
    if (s->expired > 0)
        printf("             %" PRIu64 " datagrams went from the journal before they were handed over\n", s->expired);
    if (s->counts.refused > 0)
        printf("             %" PRIu64 " datagrams could not be handed over\n", s->counts.refused);
}

static void print_text(const struct health *h)
{
    size_t i;
    if (h->is_consumer) {
        for (i = 0; i < h->feeds_count; i++)
            print_consumer(&h->feeds[i]);
        return;
    }
    if (h->behind == 0)
        printf("store      has all that is in the journal\n");
    else
        printf("store      %" PRIu64 " records of the journal are still to be taken in\n", h->behind);
    for (i = 0; i < h->feeds_count; i++)
        print_feed(&h->feeds[i]);
    print_disk(h);
    print_totals(h);
    print_sensors(h);
}

/* Whether a collector runs is said also where the rest cannot be read. */
static int print_status(const struct status_config *config, struct error *err)
{
    struct health h;
    const char *directory = directory_to_ask(config->directory);
    if (health_look(&h, directory, err) != 0)
        return -1;
    if (!config->is_json)
        print_running(&h);
    int result = health_read(&h, directory, config->is_json ? -1 : SENSORS_SHOWN, err);
    if (result == 0 && config->is_json)
        health_print_json(&h, stdout);
    else if (result == 0)
        print_text(&h);
    health_free(&h);
    return result;
}

int command_status(int argc, char **argv, struct error *err)
{
    struct status_config config = {NULL, false, false};
    if (options_parse(rows, argc, argv, &config, err) != 0)
        return 2;
    if (config.show_help) {
        options_help(rows, "dnsflow_collect status", "Says how everything is.", stdout);
        return EXIT_SUCCESS;
    }
    return print_status(&config, err) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
