/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Flows as JSON objects: in an array, as of `nfdump -o json`, or one on each line. What is below another value is named
 * with a dot between: tls.sni. */
#include <string.h>

#include "annotate/format.h"
#include "annotate/json_walk.h"
#include "base/json.h"

/* Whether a member is what would be added. */
static bool is_added(const struct flow_reader *r, const char *path)
{
    size_t i, before = strlen(r->prefix);
    if (strncmp(path, r->prefix, before) != 0)
        return false;
    for (i = 0; i < ADDED_COLUMNS; i++)
        if (strcmp(flow_added[i], path + before) == 0)
            return true;
    return false;
}

/* The fields that have this path. */
static bool take_value(struct flow_reader *r, const char *path, const char *text, size_t len, bool has[FIELDS],
                       struct seen_flow *out)
{
    char plain[NAME_TEXT];
    size_t i, j;
    for (i = 0; i < FIELDS; i++)
        for (j = 0; j < FIELD_CHOICES; j++) {
            if (!*path || strcmp(r->fields.name[i][j], path) != 0)
                continue;
            size_t used = json_plain(text, len, plain, sizeof(plain));
            if (used == sizeof(plain) || !flow_take_field(r, (enum flow_field)i, plain, used, out))
                return false;
            has[i] = true;
        }
    return true;
}

static enum piece take(struct flow_reader *r, const char *piece, size_t len, struct seen_flow *out)
{
    struct json_walk walk = json_walk_over(piece, len);
    bool has[FIELDS] = {false}, is_text, is_first = !r->has_begun;
    const char *text;
    size_t text_len;
    if (len == 0)
        return PIECE_BESIDE;
    while (json_next(&walk, &text, &text_len, &is_text)) {
        bool is_null = !is_text && text_len == 4 && memcmp(text, "null", 4) == 0;
        if (is_added(r, walk.path))
            return flow_refuse(r, is_first,
                               "there is a member \"%s\" already; --prefix names those that are added else", walk.path);
        if (!is_null && !take_value(r, walk.path, text, text_len, has, out))
            return PIECE_UNREADABLE;
    }
    if (walk.is_broken)
        return flow_refuse(r, false, "it is no JSON object");
    has[FIELD_NAME] = true; /* not each of them has one */
    enum piece fits = flow_check_fields(r, has, is_first);
    r->has_begun = true;
    out->is_either_way = r->format->is_either_way;
    return fits;
}

static void put(const struct flow_reader *r, const char *piece, size_t len, const struct flow_added_text *added,
                FILE *out)
{
    size_t i, before = len;
    if (!added)
        return;
    while (piece[--before] != '}')
        ;
    size_t last = before;
    while (last > 0 && strchr(" \t\r\n", piece[last - 1]))
        last--;
    fwrite(piece, 1, last, out);
    for (i = 0; i < ADDED_COLUMNS; i++) {
        fprintf(out, "%s\"%s%s\":", i == 0 && piece[last - 1] == '{' ? "" : ",", r->prefix, flow_added[i]);
        if (!*added->text[i])
            fputs("null", out);
        else if (flow_added_is_number[i])
            fputs(added->text[i], out);
        else
            json_put(out, added->text[i]);
    }
    fwrite(piece + last, 1, len - last, out);
}

const struct flow_format flow_format_json = {
    .name = "json",
    .fields = {[FIELD_CLIENT] = {"src4_addr", "src6_addr"},
               [FIELD_SERVER] = {"dst4_addr", "dst6_addr"},
               [FIELD_TIME] = {"first", "t_first"},
               [FIELD_PORT] = {"dst_port", NULL},
               [FIELD_SOURCE_PORT] = {"src_port", NULL}},
    .is_local_time = true,
    .is_either_way = true,
    .are_objects = true,
    .take = take,
    .put = put,
};

const struct flow_format flow_format_ndjson = {
    .name = "ndjson",
    .fields = {[FIELD_CLIENT] = {"client", NULL},
               [FIELD_SERVER] = {"server", NULL},
               [FIELD_TIME] = {"time", NULL},
               [FIELD_PORT] = {"port", NULL}},
    .take = take,
    .put = put,
};
