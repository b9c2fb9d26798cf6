/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/merge_plan.h"

#include <stdlib.h>
#include <string.h>

int plan_open(struct merge_plan *plan, uint32_t most, struct error *err)
{
    memset(plan, 0, sizeof(*plan));
    plan->most = most;
    plan->summary = summary_create(true);
    plan->aside = intern_create();
    return plan->summary && plan->aside ? 0 : error_set(err, "lookups: out of memory");
}

void plan_close(struct merge_plan *plan)
{
    uint32_t i;
    summary_destroy(plan->summary);
    intern_destroy(plan->aside);
    for (i = 0; i < plan->rests_count; i++)
        free(plan->rests[i]);
    free(plan->rests);
    free(plan->rest_final);
    free(plan->clients);
    free(plan->counts);
    free(plan->is_apex);
    free(plan->rest_of);
    free(plan->final);
    free(plan->rows);
    free(plan->aside_rows);
    memset(plan, 0, sizeof(*plan));
}

/* One more of `count` things; room comes in powers of two. */
static void *grow(void *list, size_t count, size_t each)
{
    return (count & (count - 1)) == 0 ? realloc(list, (count > 0 ? 2 * count : 1) * each) : list;
}

/* ---- what there is ---- */

int plan_name(struct merge_plan *plan, const char *rname, struct error *err)
{
    uint32_t number = summary_names(plan->summary);
    bool *is_apex = grow(plan->is_apex, number, sizeof(*is_apex));
    if (is_apex)
        plan->is_apex = is_apex;
    if (!is_apex || summary_name(plan->summary, rname) != 0)
        return error_set(err, "lookups: out of memory");
    plan->is_apex[number] =
        strcmp(summary_domain_text(plan->summary, summary_domain(plan->summary, number)), rname) == 0;
    return 0;
}

static int by_more(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x > *y ? -1 : *x < *y;
}

/* Behind the last row of a client. */
static int end_client(struct merge_plan *plan)
{
    struct plan_client one = {.client = plan->client};
    uint32_t i, most = plan->most;
    if (plan->counts_count > most) {
        struct plan_client *clients = grow(plan->clients, plan->clients_count, sizeof(*clients));
        if (!clients)
            return -1;
        plan->clients = clients;
        qsort(plan->counts, plan->counts_count, sizeof(*plan->counts), by_more);
        one.least = plan->counts[most - 1];
        for (i = 0; i < most; i++)
            one.ties += plan->counts[i] == one.least;
        plan->clients[plan->clients_count++] = one;
    }
    plan->counts_count = 0;
    plan->name = 0;
    return 0;
}

int plan_row(struct merge_plan *plan, const struct builder_row *row, struct error *err)
{
    const struct summary_sum sum = {row->count, 0, 0};
    summary_row(plan->summary, 0, row->name, 0, &sum);
    if (row->client != plan->client && end_client(plan) != 0)
        return error_set(err, "lookups: out of memory");
    plan->client = row->client;
    if (row->name != plan->name) {
        uint64_t *counts = grow(plan->counts, plan->counts_count, sizeof(*counts));
        if (!counts)
            return error_set(err, "lookups: out of memory");
        plan->counts = counts;
        plan->counts[plan->counts_count++] = 0;
        plan->name = row->name;
    }
    plan->counts[plan->counts_count - 1] += row->count;
    return 0;
}

/* ---- what becomes of it ---- */

struct entry {
    uint32_t domain, at;
    uint64_t count;
};

static int by_worth(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->domain != y->domain)
        return x->domain < y->domain ? -1 : 1;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int add_rest(struct merge_plan *plan, const char *domain)
{
    char **rests = grow(plan->rests, plan->rests_count, sizeof(*rests));
    size_t len = strlen(domain);
    char *text = calloc(1, len + 2);
    if (rests)
        plan->rests = rests;
    if (!rests || !text) {
        free(text);
        return -1;
    }
    memcpy(text, domain, len);
    text[len] = '.';
    plan->rests[plan->rests_count++] = text;
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Rests in the order of names; rest_of has their numbers before they were put in order. */
static int order_rests(struct merge_plan *plan, uint32_t names)
{
    char **before = malloc((plan->rests_count + (size_t)1) * sizeof(*before));
    uint32_t i;
    if (!before)
        return -1;
    if (plan->rests_count > 0) {
        memcpy(before, plan->rests, plan->rests_count * sizeof(*before));
        qsort(plan->rests, plan->rests_count, sizeof(*plan->rests), by_text);
    }
    for (i = 0; i < names; i++) {
        if (plan->rest_of[i] == 0)
            continue;
        char **found =
            bsearch(&before[plan->rest_of[i] - 1], plan->rests, plan->rests_count, sizeof(*plan->rests), by_text);
        plan->rest_of[i] = found ? (uint32_t)(found - plan->rests) + 1 : 0;
    }
    free(before);
    return 0;
}

/* Of a domain the names with most lookups stay. */
static int fold_domains(struct merge_plan *plan, struct entry *entries, uint32_t count)
{
    uint32_t i, begin = 0;
    for (i = 0; i < count; i++)
        entries[i] = (struct entry){summary_domain(plan->summary, i), i, summary_name_sum(plan->summary, i)->count};
    if (count > 0)
        qsort(entries, count, sizeof(*entries), by_worth);
    for (i = 0; i < count; i++) {
        if (entries[i].domain != entries[begin].domain)
            begin = i;
        if (i - begin == plan->most && add_rest(plan, summary_domain_text(plan->summary, entries[i].domain)) != 0)
            return -1;
        if (i - begin >= plan->most && !plan->is_apex[entries[i].at])
            plan->rest_of[entries[i].at] = plan->rests_count;
    }
    return 0;
}

int plan_decide(struct merge_plan *plan, struct error *err)
{
    uint32_t count = summary_names(plan->summary), i;
    struct entry *entries = malloc((count + (size_t)1) * sizeof(*entries));
    plan->rest_of = calloc(count + (size_t)1, sizeof(*plan->rest_of));
    plan->final = calloc(count + (size_t)1, sizeof(*plan->final));
    bool is_good = entries && plan->rest_of && plan->final && end_client(plan) == 0 &&
                   fold_domains(plan, entries, count) == 0 && (plan->clients_count == 0 || add_rest(plan, "") == 0) &&
                   order_rests(plan, count) == 0;
    free(entries);
    plan->rest_final = calloc(plan->rests_count + (size_t)1, sizeof(*plan->rest_final));
    plan->client = plan->name = 0;
    for (i = 0; is_good && i < plan->rests_count; i++)
        plan->rest_of_all = strcmp(plan->rests[i], ".") == 0 ? i : plan->rest_of_all;
    return is_good && plan->rest_final ? 0 : error_set(err, "lookups: out of memory");
}

/* ---- names ---- */

static int write_rest(struct merge_plan *plan, struct builder *builder, struct error *err)
{
    const char *text = plan->rests[plan->rest_at];
    plan->rest_final[plan->rest_at++] = ++plan->written;
    return builder_name(builder, text, strlen(text), err);
}

int plan_write_name(struct merge_plan *plan, uint32_t number, const char *rname, struct builder *builder,
                    struct error *err)
{
    uint32_t rest = plan->rest_of[number - 1];
    while (plan->rest_at < plan->rests_count && strcmp(plan->rests[plan->rest_at], rname) <= 0)
        if (write_rest(plan, builder, err) != 0)
            return -1;
    if (plan->rest_at > 0 && strcmp(plan->rests[plan->rest_at - 1], rname) == 0) { /* it is one already */
        plan->final[number - 1] = plan->rest_final[plan->rest_at - 1];
    } else if (rest > 0) { /* which stands before it */
        plan->final[number - 1] = plan->rest_final[rest - 1];
    } else if (summary_name_sum(plan->summary, number - 1)->count > 0) {
        plan->final[number - 1] = ++plan->written;
        return builder_name(builder, rname, strlen(rname), err);
    }
    return 0;
}

int plan_end_names(struct merge_plan *plan, struct builder *builder, struct error *err)
{
    while (plan->rest_at < plan->rests_count)
        if (write_rest(plan, builder, err) != 0)
            return -1;
    return 0;
}

/* ---- rows ---- */

static bool is_rest(const struct merge_plan *plan, uint32_t final)
{
    uint32_t low = 0, high = plan->rests_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (plan->rest_final[middle] < final)
            low = middle + 1;
        else
            high = middle;
    }
    return low < plan->rests_count && plan->rest_final[low] == final;
}

/* Rows of rests of a client, of which several become one. */
static int put_aside(struct merge_plan *plan, const struct builder_row *row, struct error *err)
{
    const uint32_t key[] = {row->name, row->kind};
    uint32_t before = intern_size(plan->aside), number = intern_add(plan->aside, (const uint8_t *)key, sizeof(key));
    if (number == INTERN_NONE)
        return error_set(err, "lookups: out of memory");
    if (number < before) {
        builder_row_add(&plan->aside_rows[number], row);
        return 0;
    }
    if (number >= plan->aside_size) {
        uint32_t size = plan->aside_size > 0 ? 2 * plan->aside_size : 64;
        struct builder_row *rows = realloc(plan->aside_rows, size * sizeof(*rows));
        if (!rows)
            return error_set(err, "lookups: out of memory");
        plan->aside_rows = rows;
        plan->aside_size = size;
    }
    plan->aside_rows[number] = *row;
    return 0;
}

static int write_aside(struct merge_plan *plan, struct builder *builder, struct error *err)
{
    uint32_t i, count = intern_size(plan->aside);
    for (i = 0; i < count; i++)
        if (builder_row(builder, &plan->aside_rows[i], err) != 0)
            return -1;
    if (count > 0)
        intern_clear(plan->aside);
    return 0;
}

/* Whether the name at hand, with so many lookups, stays one of its client's. */
static bool client_keeps(struct merge_plan *plan, uint32_t client, uint64_t count)
{
    while (plan->client_at < plan->clients_count && plan->clients[plan->client_at].client < client)
        plan->client_at++;
    if (plan->client_at == plan->clients_count || plan->clients[plan->client_at].client != client)
        return true;
    struct plan_client *one = &plan->clients[plan->client_at];
    if (count != one->least || one->ties == 0)
        return count > one->least;
    one->ties--;
    return true;
}

/* All rows of the client and name at hand. */
static int end_name(struct merge_plan *plan, struct builder *builder, struct error *err)
{
    uint64_t count = 0;
    size_t i;
    if (plan->rows_count == 0)
        return 0;
    for (i = 0; i < plan->rows_count; i++)
        count += plan->rows[i].count;
    uint32_t final = client_keeps(plan, plan->rows[0].client, count) ? plan->final[plan->rows[0].name - 1]
                                                                     : plan->rest_final[plan->rest_of_all];
    for (i = 0; i < plan->rows_count; i++) {
        plan->rows[i].name = final;
        if ((is_rest(plan, final) ? put_aside(plan, &plan->rows[i], err) : builder_row(builder, &plan->rows[i], err)) !=
            0)
            return -1;
    }
    plan->rows_count = 0;
    return 0;
}

int plan_write_row(struct merge_plan *plan, const struct builder_row *row, struct builder *builder, struct error *err)
{
    const struct builder_row *last = plan->rows_count > 0 ? &plan->rows[0] : NULL;
    bool is_other_client = last && last->client != row->client;
    if (last && (is_other_client || last->name != row->name) && end_name(plan, builder, err) != 0)
        return -1;
    if (is_other_client && write_aside(plan, builder, err) != 0)
        return -1;
    if (plan->rows_count == plan->rows_size) {
        size_t size = plan->rows_size > 0 ? 2 * plan->rows_size : 64;
        struct builder_row *rows = realloc(plan->rows, size * sizeof(*rows));
        if (!rows)
            return error_set(err, "lookups: out of memory");
        plan->rows = rows;
        plan->rows_size = size;
    }
    plan->rows[plan->rows_count++] = *row;
    return 0;
}

int plan_end_rows(struct merge_plan *plan, struct builder *builder, struct error *err)
{
    return end_name(plan, builder, err) == 0 ? write_aside(plan, builder, err) : -1;
}
