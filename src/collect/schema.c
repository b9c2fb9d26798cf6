/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `schema`: the tables that the ClickHouse store works with, as statements, or made at a server. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/options.h"
#include "collect/command.h"
#include "feed/ch_client.h"
#include "feed/ch_schema.h"

struct schema_config {
    struct feed_spec spec;
    bool has_spec;
    const char *cluster;
    bool is_applied, show_help;
};

static int take_cluster(void *config, const char *value, struct error *err)
{
    struct schema_config *c = config;
    c->cluster = value;
    return strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(value) && *value
               ? 0
               : error_set(err, "expected a name of letters, digits, _ and -");
}

static int take_store(void *config, const char *value, struct error *err)
{
    struct schema_config *c = config;
    if (c->has_spec)
        return error_set(err, "expected one store");
    c->has_spec = true;
    if (feed_parse(value, &c->spec, err) != 0)
        return -1;
    return strcmp(c->spec.kind->name, "clickhouse") == 0 ? 0 : error_set(err, "expected clickhouse, as it has tables");
}

static const struct option_row rows[] = {
    {0, "cluster", "NAME", take_cluster,
     "for all servers of this cluster: replicated tables, and NAME_all over all shards", 0},
    {0, "apply", NULL, NULL, "make them at the server of url= in place of printing them",
     offsetof(struct schema_config, is_applied)},
    {'h', "help", NULL, NULL, "print this help", offsetof(struct schema_config, show_help)},
    {0, NULL, "clickhouse[,KEY=VALUE...]", take_store,
     "dnsflow_collect schema clickhouse\n"
     "dnsflow_collect schema clickhouse,database=dns --cluster main\n"
     "dnsflow_collect schema clickhouse,url=http://127.0.0.1:8123 --apply",
     0},
};

static int print_statement(void *context, const char *statement, struct error *err)
{
    (void)err;
    fprintf(context, "%s;\n\n", statement);
    return 0;
}

#ifdef HAVE_LIBCURL

static bool wait_on(void *context)
{
    (void)context;
    return true;
}

static int apply_statement(void *context, const char *statement, struct error *err)
{
    return ch_client_ask(context, statement, NULL, err) == CH_DONE ? 0 : -1;
}

static int apply(const struct ch_dialect *dialect, const struct ch_options *options, struct error *err)
{
    struct ch_client *client = ch_client_open(options, wait_on, NULL);
    if (!client)
        return error_set(err, "out of memory");
    int result = ch_schema_statements(dialect, apply_statement, client, err);
    ch_client_close(client);
    if (result == 0)
        log_line("the tables of %s are there", options->database);
    return result;
}

static int parse_options(const struct feed_spec *spec, bool needs_server, struct ch_options *out, struct error *err)
{
    return ch_options_parse(spec, needs_server, out, err);
}

#else

static int apply(const struct ch_dialect *dialect, const struct ch_options *options, struct error *err)
{
    (void)dialect;
    (void)options;
    return error_set(err, "this program was built without libcurl");
}

static int parse_options(const struct feed_spec *spec, bool needs_server, struct ch_options *out, struct error *err)
{
    (void)needs_server;
    (void)err;
    const char *database = feed_option(spec, "database", 0);
    memset(out, 0, sizeof(*out));
    snprintf(out->database, sizeof(out->database), "%s", database ? database : "dnsflow");
    return 0;
}

#endif

static int run(const struct schema_config *config, struct error *err)
{
    struct ch_options *options = calloc(1, sizeof(*options));
    int status = 2;
    if (!options) {
        error_set(err, "out of memory");
        return EXIT_FAILURE;
    }
    if (parse_options(&config->spec, config->is_applied, options, err) == 0) {
        const struct ch_dialect dialect = {.database = options->database,
                                           .cluster = config->cluster,
                                           .is_old = options->is_old,
                                           .has_replicas = config->cluster != NULL};
        int done = config->is_applied ? apply(&dialect, options, err)
                                      : ch_schema_statements(&dialect, print_statement, stdout, err);
        status = done == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    free(options);
    return status;
}

int command_schema(int argc, char **argv, struct error *err)
{
    struct schema_config config = {.has_spec = false};
    int status = 2;
    if (options_parse(rows, argc, argv, &config, err) != 0) {
        status = 2;
    } else if (config.show_help) {
        options_help(rows, "dnsflow_collect schema", "Prints the tables of a store that is a server, or makes them.",
                     stdout);
        feed_help(stdout);
        status = EXIT_SUCCESS;
    } else if (!config.has_spec) {
        error_set(err, "no store: expected clickhouse");
    } else {
        status = run(&config, err);
    }
    feed_spec_free(&config.spec);
    return status;
}
