/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of store/: what becomes of the names of partitions that are merged when they are too many of a domain or of a
 * client: as in folded.h. Names, addresses and kinds have the numbers of the merge, from 1 on, in order; all of it is
 * read once for the plan, and once more to be written by it. */
#ifndef DNSFLOW_STORE_MERGE_PLAN_H
#define DNSFLOW_STORE_MERGE_PLAN_H

#include "store/builder.h"
#include "store/intern.h"

/* A client that has too many names: those with more lookups stay, and of those that have as many the first `ties`. */
struct plan_client {
    uint32_t client, ties;
    uint64_t least;
};

struct merge_plan {
    uint32_t most;
    struct summary *summary; /* of all that is merged */
    /* clients, in order */
    struct plan_client *clients;
    size_t clients_count, client_at;
    uint64_t *counts; /* of the client at hand: of each of its names */
    uint32_t counts_count, client, name;
    /* names: by number - 1, the rest it becomes, from 1 on, 0 = none; and its number in the file, 0 = it is left out */
    uint32_t *rest_of, *final;
    bool *is_apex; /* it is a domain itself, which stays: its rest stands behind it */
    char **rests;  /* reversed, in order */
    uint32_t *rest_final;
    uint32_t rests_count, rest_at, rest_of_all, written;
    /* rows of the client and name at hand, and those of rests of the client at hand */
    struct builder_row *rows;
    size_t rows_count, rows_size;
    struct intern *aside; /* name and kind */
    struct builder_row *aside_rows;
    uint32_t aside_size;
};

/* All return 0, or -1 with the cause. */
MUST_CHECK int plan_open(struct merge_plan *plan, uint32_t most, struct error *err);
void plan_close(struct merge_plan *plan);

/* First every name and row, in order; then what becomes of them. */
MUST_CHECK int plan_name(struct merge_plan *plan, const char *rname, struct error *err);
MUST_CHECK int plan_row(struct merge_plan *plan, const struct builder_row *row, struct error *err);
MUST_CHECK int plan_decide(struct merge_plan *plan, struct error *err);

/* Then every name again, and behind the last one; and every row, and behind the last one. */
MUST_CHECK int plan_write_name(struct merge_plan *plan, uint32_t number, const char *rname, struct builder *builder,
                               struct error *err);
MUST_CHECK int plan_end_names(struct merge_plan *plan, struct builder *builder, struct error *err);
MUST_CHECK int plan_write_row(struct merge_plan *plan, const struct builder_row *row, struct builder *builder,
                              struct error *err);
MUST_CHECK int plan_end_rows(struct merge_plan *plan, struct builder *builder, struct error *err);

#endif
