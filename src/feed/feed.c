/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/feed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"

static const struct feed_kind *const kinds[] = {
#ifdef HAVE_LIBCURL
    &feed_clickhouse,
#endif
#ifdef HAVE_RDKAFKA
    &feed_kafka,
#endif
    &feed_file,
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const struct feed_kind *find_kind(const char *name, size_t len)
{
    size_t i;
    for (i = 0; i < KINDS; i++)
        if (strlen(kinds[i]->name) == len && memcmp(kinds[i]->name, name, len) == 0)
            return kinds[i];
    return NULL;
}

static int refuse_kind(struct error *err)
{
    char all[100] = "";
    size_t i, used = 0;
    for (i = 0; i < KINDS && used < sizeof(all); i++)
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", kinds[i]->name);
    return error_set(err, "expected NAME[,KEY=VALUE...], the name one of: %s", all);
}

/* ---- keys ---- */

static const struct feed_key key_name = {
    "name", "NAME", "what it is called in lines and figures; that of its kind by default", false, false};

static bool is_key(const struct feed_key *row, const char *key)
{
    return row->is_prefix ? strncmp(key, row->name, strlen(row->name)) == 0 && key[strlen(row->name)]
                          : strcmp(key, row->name) == 0;
}

static const struct feed_key *find_key(const struct feed_kind *kind, const char *key)
{
    size_t i;
    if (is_key(&key_name, key))
        return &key_name;
    for (i = 0; i < kind->keys_count; i++)
        if (is_key(&kind->keys[i], key))
            return &kind->keys[i];
    return NULL;
}

static int refuse_key(const struct feed_kind *kind, const char *key, struct error *err)
{
    char all[300] = "";
    size_t i, used = 0;
    for (i = 0; i < kind->keys_count && used < sizeof(all); i++)
        if (kind->keys[i].help)
            used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s, ", kind->keys[i].name,
                                     kind->keys[i].is_prefix ? "KEY" : "");
    return error_set(err, "%.40s: expected for %s one of: %sname", key, kind->name, all);
}

/* Names stand in paths and in metrics. */
static int check_name(const char *name, struct error *err)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    return len > 0 && len < FEED_NAME && name[len] == '\0'
               ? 0
               : error_set(err, "name=%.40s: expected up to %d of a to z, 0 to 9, - and _", name, FEED_NAME - 1);
}

static int take_option(struct feed_spec *spec, char *text, struct error *err)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return error_set(err, "%.40s: expected KEY=VALUE", text);
    *equals = '\0';
    const struct feed_key *key = find_key(spec->kind, text);
    if (!key)
        return refuse_key(spec->kind, text, err);
    if (!key->repeats && feed_option(spec, text, 0))
        return error_set(err, "%.40s: is there twice", text);
    if (spec->count == FEED_OPTIONS_MAX)
        return error_set(err, "expected at most %d keys", FEED_OPTIONS_MAX);
    spec->options[spec->count].key = text;
    spec->options[spec->count++].value = equals + 1;
    return 0;
}

static int take_password(const char *path, struct feed_spec *spec, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, spec->password, sizeof(spec->password) - 1) : -1;
    if (len < 0)
        (void)error_errno(err, "password-file=%s", path);
    if (fd >= 0)
        close(fd);
    if (len < 0)
        return -1;
    spec->password[len] = '\0';
    spec->password[strcspn(spec->password, "\r\n")] = '\0';
    return spec->password[0] ? 0 : error_set(err, "password-file=%s: is empty", path);
}

int feed_parse(const char *text, struct feed_spec *spec, struct error *err)
{
    memset(spec, 0, sizeof(*spec));
    spec->kind = find_kind(text, strcspn(text, ","));
    if (!spec->kind)
        return refuse_kind(err);
    snprintf(spec->given, sizeof(spec->given), "%s", text);
    spec->text = strdup(text);
    if (!spec->text)
        return error_set(err, "out of memory");
    char *next = spec->text, *part;
    (void)strsep(&next, ",");
    while ((part = strsep(&next, ",")))
        if (take_option(spec, part, err) != 0)
            return -1;
    const char *name = feed_option(spec, "name", 0);
    if (name && check_name(name, err) != 0)
        return -1;
    snprintf(spec->name, sizeof(spec->name), "%s", name ? name : spec->kind->name);
    const char *password = feed_option(spec, "password-file", 0);
    return password ? take_password(password, spec, err) : 0;
}

void feed_spec_free(struct feed_spec *spec)
{
    free(spec->text);
    memset(spec, 0, sizeof(*spec));
}

const char *feed_option(const struct feed_spec *spec, const char *key, size_t n)
{
    size_t i;
    for (i = 0; i < spec->count; i++)
        if (strcmp(spec->options[i].key, key) == 0 && n-- == 0)
            return spec->options[i].value;
    return NULL;
}

/* ---- values ---- */

static int refuse_value(const char *key, const char *value, const struct error *why, struct error *err)
{
    return error_set(err, "%s=%.40s: %.100s", key, value, why->text);
}

int feed_span(const struct feed_spec *spec, const char *key, uint64_t usual, uint64_t *seconds, struct error *err)
{
    const char *value = feed_option(spec, key, 0);
    struct error why;
    *seconds = usual;
    return !value || parse_span(value, seconds, &why) == 0 ? 0 : refuse_value(key, value, &why, err);
}

int feed_size(const struct feed_spec *spec, const char *key, uint64_t usual, uint64_t *bytes, struct error *err)
{
    const char *value = feed_option(spec, key, 0);
    struct error why;
    *bytes = usual;
    return !value || parse_size(value, 1, bytes, &why) == 0 ? 0 : refuse_value(key, value, &why, err);
}

int feed_number(const struct feed_spec *spec, const char *key, uint64_t usual, uint64_t most, uint64_t *out,
                struct error *err)
{
    const char *value = feed_option(spec, key, 0);
    struct error why;
    *out = usual;
    return !value || parse_number(value, 1, most, out, &why) == 0 ? 0 : refuse_value(key, value, &why, err);
}

/* ---- help ---- */

static void print_key(FILE *out, const struct feed_key *key)
{
    char text[64];
    if (!key->help)
        return;
    snprintf(text, sizeof(text), "%s%s=%s", key->name, key->is_prefix ? "KEY" : "", key->arg);
    fprintf(out, "    %-24s %s%s\n", text, key->help, key->repeats && !key->is_prefix ? "; repeatable" : "");
}

void feed_help(FILE *out)
{
    size_t i, k;
    fputs("\nStores for --store, with their keys:\n", out);
    for (i = 0; i < KINDS; i++) {
        fprintf(out, "  %s: %s\n", kinds[i]->name, kinds[i]->help);
        for (k = 0; k < kinds[i]->keys_count; k++)
            print_key(out, &kinds[i]->keys[k]);
        print_key(out, &key_name);
    }
}
