/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed/ch_client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <zstd.h>

enum {
    CONNECT_S = 5,
    FRAME_HEAD = 25,    /* a checksum that is not looked at, the method, two lengths */
    FRAME_LENGTHS = 9,  /* of these, that the first length counts */
    FRAME_PLAIN = 0x02, /* methods */
    FRAME_ZSTD = 0x90,
    ANSWER_MAX = 256 << 20,
    URL_MAX = 8192,
    TOLD = 280 /* of what the server says about an error: a path and its cause */
};

struct ch_client {
    const struct ch_options *options;
    size_t server;
    CURL *curl;
    struct curl_slist *headers;
    bool (*beat)(void *context);
    void *context;
    struct rowbinary answer, packed;
    char why[CURL_ERROR_SIZE];
    bool is_too_much; /* the answer */
};

/* What is sent: a head, and rows or a statement. */
struct body {
    struct {
        const uint8_t *bytes;
        size_t len;
    } parts[2];
    size_t at; /* bytes that are sent */
};

/* ---- options ---- */

static int take_servers(const struct feed_spec *spec, struct ch_options *out, struct error *err)
{
    const char *url;
    for (; (url = feed_option(spec, "url", out->servers_count)); out->servers_count++) {
        size_t len = strlen(url);
        if (out->servers_count == CH_SERVERS_MAX)
            return error_set(err, "url=: expected at most %d of them", CH_SERVERS_MAX);
        if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) || strpbrk(url, "?# @") || len > 200)
            return error_set(err, "url=%.100s: expected http://HOST:PORT or https://HOST:PORT", url);
        out->servers[out->servers_count] = url;
    }
    return 0;
}

/* What is set for inserts: "setting.NAME=VALUE". */
static void take_settings(const struct feed_spec *spec, struct ch_options *out)
{
    static const char before[] = "setting.";
    size_t i;
    for (i = 0; i < spec->count; i++)
        if (strncmp(spec->options[i].key, before, strlen(before)) == 0) {
            out->settings[out->settings_count][0] = spec->options[i].key + strlen(before);
            out->settings[out->settings_count++][1] = spec->options[i].value;
        }
}

int ch_options_parse(const struct feed_spec *spec, bool needs_server, struct ch_options *out, struct error *err)
{
    const char *database = feed_option(spec, "database", 0);
    const char *dialect = feed_option(spec, "dialect", 0);
    memset(out, 0, sizeof(*out));
    database = database ? database : "dnsflow";
    if (strlen(database) >= sizeof(out->database) ||
        strspn(database, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(database))
        return error_set(err, "database=%.40s: expected up to %d letters, digits and _", database, CH_DATABASE - 1);
    snprintf(out->database, sizeof(out->database), "%s", database);
    out->user = feed_option(spec, "user", 0);
    out->is_old = dialect && strcmp(dialect, "18") == 0;
    take_settings(spec, out);
    snprintf(out->password, sizeof(out->password), "%s", spec->password);
    if (feed_span(spec, "timeout", 30, &out->timeout_s, err) != 0)
        return -1;
    if (take_servers(spec, out, err) != 0)
        return -1;
    return !needs_server || out->servers_count > 0 ? 0 : error_set(err, "expected url=http://HOST:8123");
}

/* ---- callbacks of curl ---- */

static size_t take_answer(char *bytes, size_t one, size_t count, void *context)
{
    struct ch_client *c = context;
    if (c->answer.len + one * count > ANSWER_MAX) {
        c->is_too_much = true;
        return 0;
    }
    rowbinary_bytes(&c->answer, bytes, one * count);
    return c->answer.is_short ? 0 : one * count;
}

static size_t give_body(char *bytes, size_t one, size_t count, void *context)
{
    struct body *body = context;
    size_t at = body->at, done = 0, i, room = one * count;
    for (i = 0; i < 2; i++) {
        size_t len = body->parts[i].len;
        if (at >= len) {
            at -= len;
            continue;
        }
        size_t n = len - at < room - done ? len - at : room - done;
        memcpy(bytes + done, body->parts[i].bytes + at, n);
        done += n;
        at = 0;
        if (done == room)
            break;
    }
    body->at += done;
    return done;
}

static int seek_body(void *context, curl_off_t offset, int origin)
{
    ((struct body *)context)->at = (size_t)offset;
    return origin == SEEK_SET ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static int look_around(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct ch_client *client = context;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return client->beat(client->context) ? 0 : 1;
}

/* ---- opening ---- */

static void add_header(struct ch_client *c, const char *name, const char *value)
{
    char text[512];
    snprintf(text, sizeof(text), "%s: %s", name, value);
    struct curl_slist *grown = curl_slist_append(c->headers, text);
    c->headers = grown ? grown : c->headers;
}

static void set_up(struct ch_client *c)
{
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)c->options->timeout_s);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->why);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->curl, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(c->curl, CURLOPT_SEEKFUNCTION, seek_body);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, look_around);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
}

struct ch_client *ch_client_open(const struct ch_options *options, bool (*beat)(void *context), void *context)
{
    struct ch_client *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    *c = (struct ch_client){.options = options, .beat = beat, .context = context, .curl = curl_easy_init()};
    if (!c->curl) {
        free(c);
        return NULL;
    }
    add_header(c, "Expect", "");
    add_header(c, "Content-Type", "application/octet-stream");
    if (options->user)
        add_header(c, "X-ClickHouse-User", options->user);
    if (options->password[0])
        add_header(c, "X-ClickHouse-Key", options->password);
    set_up(c);
    return c;
}

void ch_client_close(struct ch_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->headers);
    free(client->answer.bytes);
    free(client->packed.bytes);
    free(client);
}

void ch_client_next(struct ch_client *client)
{
    client->server = (client->server + 1) % client->options->servers_count;
}

/* ---- a statement ---- */

struct url {
    char text[URL_MAX];
    size_t len;
};

static void add_parameter(struct ch_client *c, struct url *url, const char *name, const char *value)
{
    char *escaped = curl_easy_escape(c->curl, value, 0);
    if (url->len < sizeof(url->text))
        url->len += (size_t)snprintf(url->text + url->len, sizeof(url->text) - url->len, "%c%s=%s",
                                     strchr(url->text, '?') ? '&' : '?', name, escaped ? escaped : "");
    curl_free(escaped);
}

static void begin_url(struct ch_client *c, struct url *url)
{
    const char *server = c->options->servers[c->server];
    size_t len = strlen(server);
    url->len = (size_t)snprintf(url->text, sizeof(url->text), "%s%s", server, server[len - 1] == '/' ? "" : "/");
}

/* The first line of what the server says, as text of one line. */
static void describe(const struct ch_client *c, char text[TOLD])
{
    size_t i, len = c->answer.len < TOLD - 1 ? c->answer.len : TOLD - 1;
    for (i = 0; i < len && c->answer.bytes[i] != '\n'; i++)
        text[i] = isprint(c->answer.bytes[i]) ? (char)c->answer.bytes[i] : '?';
    text[i] = '\0';
}

/* Without how long it took, which is different each time: what is the same is told once. */
static void cut_time(char *why)
{
    char *at = strstr(why, " after ");
    size_t digits = at ? strspn(at + 7, "0123456789") : 0;
    if (digits > 0 && strncmp(at + 7 + digits, " ms", 3) == 0)
        memmove(at, at + 7 + digits + 3, strlen(at + 7 + digits + 3) + 1);
}

static enum ch_result run(struct ch_client *c, const struct url *url, struct body *body, struct error *err)
{
    const char *server = c->options->servers[c->server];
    char told[TOLD];
    long status = 0;
    rowbinary_clear(&c->answer);
    if (url->len >= sizeof(url->text)) {
        error_set(err, "clickhouse: the statement is too long");
        return CH_REFUSED;
    }
    curl_easy_setopt(c->curl, CURLOPT_URL, url->text);
    curl_easy_setopt(c->curl, CURLOPT_READDATA, body);
    curl_easy_setopt(c->curl, CURLOPT_SEEKDATA, body);
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(body->parts[0].len + body->parts[1].len));
    c->why[0] = '\0';
    c->is_too_much = false;
    CURLcode code = curl_easy_perform(c->curl);
    if (c->is_too_much) {
        error_set(err, "%s: the answer has more than %d MiB; ask for less at once", server, ANSWER_MAX >> 20);
        return CH_REFUSED;
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        error_set(err, "%s: no answer in the time that there is", server);
        return CH_UNKNOWN;
    }
    if (code != CURLE_OK) {
        cut_time(c->why);
        bool is_unsent = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
        const char *why = c->why[0] ? c->why : curl_easy_strerror(code);
        error_set(err, "%s: %s", server, code == CURLE_ABORTED_BY_CALLBACK ? "ended before its answer came" : why);
        return is_unsent ? CH_REFUSED : CH_UNKNOWN;
    }
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        return CH_DONE;
    describe(c, told);
    error_set(err, "%s: status %ld: %s", server, status, told[0] ? told : "no reason given");
    return CH_REFUSED;
}

enum ch_result ch_client_ask(struct ch_client *client, const char *sql, struct rowbinary_reader *answer,
                             struct error *err)
{
    struct body body = {.parts = {{(const uint8_t *)sql, strlen(sql)}}};
    struct url url;
    begin_url(client, &url);
    add_parameter(client, &url, "wait_end_of_query", "1");
    enum ch_result result = run(client, &url, &body, err);
    if (answer)
        *answer = (struct rowbinary_reader){client->answer.bytes, client->answer.bytes + client->answer.len, false};
    return result;
}

/* ---- rows ---- */

static bool is_here(const char *server)
{
    const char *host = strstr(server, "://") + 3;
    return strncmp(host, "localhost", 9) == 0 || strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0;
}

/* One frame: packed where it goes over a network. Returns 0, or -1. */
static int make_frame(struct ch_client *c, const struct rowbinary *rows, uint8_t head[FRAME_HEAD], struct body *body,
                      struct error *err)
{
    bool is_packed = !is_here(c->options->servers[c->server]);
    const uint8_t *bytes = rows->bytes;
    size_t len = rows->len, i;
    if (is_packed) {
        rowbinary_clear(&c->packed);
        uint8_t *room = rowbinary_reserve(&c->packed, ZSTD_compressBound(len));
        len = room ? ZSTD_compress(room, ZSTD_compressBound(rows->len), rows->bytes, rows->len, 1) : 0;
        if (!room || ZSTD_isError(len))
            return error_set(err, "clickhouse: out of memory");
        bytes = room;
    }
    memset(head, 0, FRAME_HEAD);
    head[16] = is_packed ? FRAME_ZSTD : FRAME_PLAIN;
    for (i = 0; i < 4; i++) {
        head[17 + i] = (uint8_t)((len + FRAME_LENGTHS) >> 8 * i);
        head[21 + i] = (uint8_t)(rows->len >> 8 * i);
    }
    *body = (struct body){.parts = {{head, FRAME_HEAD}, {bytes, len}}};
    return 0;
}

enum ch_result ch_client_insert(struct ch_client *client, const char *table, const char *columns,
                                const struct rowbinary *rows, const char *token, struct error *err)
{
    const struct ch_options *o = client->options;
    uint8_t head[FRAME_HEAD];
    struct body body;
    struct url url;
    char text[2048], id[256], told[TOLD];
    size_t i;
    if (make_frame(client, rows, head, &body, err) != 0)
        return CH_REFUSED;
    snprintf(text, sizeof(text), "INSERT INTO `%s`.`%s` (%s) FORMAT RowBinary", o->database, table, columns);
    snprintf(id, sizeof(id), "%s/%s", token, table);
    begin_url(client, &url);
    add_parameter(client, &url, "query", text);
    add_parameter(client, &url, "query_id", id); /* a second one of the same name has to wait for the first */
    add_parameter(client, &url, "decompress", "1");
    add_parameter(client, &url, "http_native_compression_disable_checksumming_on_decompress", "1");
    add_parameter(client, &url, "max_insert_block_size", "4000000"); /* all of it is one block */
    if (!o->is_old) {
        add_parameter(client, &url, "insert_deduplication_token", id);
        add_parameter(client, &url, "async_insert", "0");
    }
    for (i = 0; i < o->settings_count; i++)
        add_parameter(client, &url, o->settings[i][0], o->settings[i][1]);
    enum ch_result result = run(client, &url, &body, err);
    if (result != CH_DONE || client->answer.len == 0)
        return result;
    describe(client, told); /* what failed after 200 was sent, or is no ClickHouse */
    error_set(err, "%s: said to an insert: %s", o->servers[client->server], told);
    return CH_UNKNOWN;
}
