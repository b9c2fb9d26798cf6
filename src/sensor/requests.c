/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/requests.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/unix_socket.h"

_Static_assert((int)SINKS_MAX <= (int)HELPER_TASKS_MAX, "a task is a bit");
_Static_assert(sizeof(struct address) <= HELPER_DATA, "an address fits an answer");

/* What the helper's processes know. */
struct knowledge {
    const struct config *config;
    int (*drop)(const struct config *, struct error *);
    size_t sockets_count; /* unix sockets that the sensor listens at */
    const char *paths[CONFIG_DNSTAPS_MAX + 1];
    struct unix_socket_id ids[CONFIG_DNSTAPS_MAX + 1];
};

static int give_up_rights(const void *context, struct error *err)
{
    const struct knowledge *k = context;
    return k->drop(k->config, err);
}

/* The one who may not is often not the one who started the sensor. */
static void name_user(struct error *why)
{
    const struct passwd *user = getpwuid(geteuid());
    size_t used = strlen(why->text);
    if (user)
        snprintf(why->text + used, sizeof(why->text) - used, " for the user %s", user->pw_name);
    else
        snprintf(why->text + used, sizeof(why->text) - used, " for uid %d", (int)geteuid());
}

static void answer_request(const void *context, unsigned task, struct helper_answer *answer)
{
    const struct knowledge *k = context;
    const struct sink_plan *plan = &k->config->sinks[task];
    struct sink_news news = {.fd = -1};
    struct error why = {.text = ""};
    answer->is_done = plan->kind->renew(plan, &news, &why) == 0;
    if (!answer->is_done && plan->kind->is_file && errno == EACCES)
        name_user(&why);
    answer->fd = news.fd;
    memcpy(answer->data, &news.address, sizeof(news.address));
    memcpy(answer->cause, why.text, sizeof(answer->cause) - 1);
}

static const char *describe(const void *context, unsigned task)
{
    const struct knowledge *k = context;
    return k->config->sinks[task].kind->is_file ? "opens the file" : "resolves names";
}

static void remove_sockets(const void *context)
{
    const struct knowledge *k = context;
    size_t i;
    for (i = 0; i < k->sockets_count; i++)
        unix_socket_remove(k->paths[i], &k->ids[i]);
}

int requests_start(const struct config *config, int (*drop_rights)(const struct config *, struct error *),
                   struct helper **out, struct error *err)
{
    struct knowledge k = {.config = config, .drop = drop_rights};
    const struct helper_work work = {.program = "dnsflow",
                                     .name = "dnsflow-helper",
                                     .tasks_count = (unsigned)config->sinks_count,
                                     .context = &k,
                                     .drop = give_up_rights,
                                     .serve = answer_request,
                                     .describe = describe,
                                     .leave = remove_sockets};
    size_t i;
    for (i = 0; i < config->dnstaps_count; i++)
        if (config->dnstaps[i].path)
            k.paths[k.sockets_count++] = config->dnstaps[i].path;
    if (config->metrics_path)
        k.paths[k.sockets_count++] = config->metrics_path;
    for (i = 0; i < k.sockets_count; i++)
        unix_socket_find(k.paths[i], &k.ids[i]);
    return helper_start(&work, out, err);
}

void requests_news(const struct helper_answer *answer, struct sink_news *out)
{
    memcpy(&out->address, answer->data, sizeof(out->address));
    out->fd = answer->fd;
}
