/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/request.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DIGITS     "0123456789"
#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define TOKEN      DIGITS LETTERS "!#$%&'*+-.^_`|~"
#define HOST_CHARS DIGITS LETTERS "-._~!$&'()*+,;=%:[]"

enum { BAD_REQUEST = 400, METHOD_NOT_ALLOWED = 405, TOO_LARGE = 413, TOO_MANY_FIELDS = 431, OTHER_VERSION = 505 };

int http_find_end(const char *bytes, size_t len, size_t seen)
{
    size_t i;
    for (i = seen; i < len; i++) {
        if (bytes[i] != '\n')
            continue;
        if (i < 2 || bytes[i - 1] != '\r')
            return HEAD_MALFORMED; /* also an empty first line */
        if (bytes[i - 2] == '\n')
            return (int)i + 1;
    }
    return HEAD_OPEN;
}

/* Ends the line that starts there with a zero. Returns the next one. */
static char *cut_line(char *line)
{
    char *end = strstr(line, "\r\n");
    if (!end)
        return NULL;
    *end = '\0';
    return end + 2;
}

/* Digits only, as of a length; more than fit are as good as many. */
static bool is_number(const char *text, bool *is_zero)
{
    *is_zero = text[strspn(text, "0")] == '\0';
    return *text && text[strspn(text, DIGITS)] == '\0';
}

/* METHOD SP TARGET SP HTTP/1.x, the target with a path. */
static int parse_first_line(char *line, struct http_request *out, bool *needs_host)
{
    char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL, *p;
    if (!version || target == line || strspn(line, TOKEN) != (size_t)(target - line))
        return BAD_REQUEST;
    *target++ = '\0';
    *version++ = '\0';
    for (p = target; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == '#')
            return BAD_REQUEST;
    if (strlen(version) != 8 || strncmp(version, "HTTP/", 5) != 0 || version[6] != '.' || !strchr(DIGITS, version[5]) ||
        !strchr(DIGITS, version[7]))
        return BAD_REQUEST;
    if (version[5] != '1')
        return OTHER_VERSION;
    if (strcmp(line, "GET") != 0 && strcmp(line, "HEAD") != 0)
        return METHOD_NOT_ALLOWED;
    out->method = line;
    if (*target != '/')
        return BAD_REQUEST;
    *needs_host = version[7] != '0';
    p = strchr(target, '?');
    out->path = target;
    out->query = p ? p + 1 : "";
    if (p)
        *p = '\0';
    return 0;
}

/* NAME ":" VALUE, no white space before the colon, no control character but the tab in the value. */
static int parse_field(char *line, struct http_request *out)
{
    char *colon = strchr(line, ':'), *value, *end;
    if (!colon || colon == line || strspn(line, TOKEN) != (size_t)(colon - line))
        return BAD_REQUEST;
    if (out->fields_count == HTTP_FIELDS_MAX)
        return TOO_MANY_FIELDS;
    *colon = '\0';
    value = colon + 1 + strspn(colon + 1, " \t");
    for (end = value; *end; end++)
        if (((unsigned char)*end < ' ' && *end != '\t') || *end == 0x7f)
            return BAD_REQUEST;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    out->fields[out->fields_count++] = (struct http_field){line, value};
    return 0;
}

/* The fields that say where a request ends and whom it is for. */
static int check_fields(const struct http_request *r, bool needs_host)
{
    unsigned hosts = 0, lengths = 0;
    bool has_body = false, is_zero;
    size_t i;
    for (i = 0; i < r->fields_count; i++) {
        const struct http_field *f = &r->fields[i];
        if (strcasecmp(f->name, "Transfer-Encoding") == 0)
            return BAD_REQUEST;
        if (strcasecmp(f->name, "Host") == 0 && (hosts++ || f->value[strspn(f->value, HOST_CHARS)]))
            return BAD_REQUEST;
        if (strcasecmp(f->name, "Content-Length") != 0)
            continue;
        if (lengths++ || !is_number(f->value, &is_zero))
            return BAD_REQUEST;
        has_body = !is_zero;
    }
    if (needs_host && hosts == 0)
        return BAD_REQUEST;
    return has_body ? TOO_LARGE : 0;
}

int http_parse(char *text, size_t len, struct http_request *out)
{
    bool needs_host = false;
    text[len] = '\0';
    out->method = "";
    out->fields_count = 0;
    if (strlen(text) != len)
        return BAD_REQUEST;
    char *line = text, *next = cut_line(line);
    int result = next ? parse_first_line(line, out, &needs_host) : BAD_REQUEST;
    while (result == 0 && (line = next, next = cut_line(line)) && *line)
        result = parse_field(line, out);
    if (result == 0 && !next)
        return BAD_REQUEST;
    return result == 0 ? check_fields(out, needs_host) : result;
}

const char *http_request_field(const struct http_request *request, const char *name)
{
    size_t i;
    for (i = 0; i < request->fields_count; i++)
        if (strcasecmp(request->fields[i].name, name) == 0)
            return request->fields[i].value;
    return NULL;
}

static bool is_address(int family, const char *text)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(family, text, address) == 1;
}

bool http_host_is_known(const char *value, const char *const *hosts, size_t hosts_count)
{
    char host[256];
    bool is_ip6 = *value == '[';
    const char *end = is_ip6 ? strchr(value, ']') : value + strcspn(value, ":");
    size_t i;
    if (!end || end == value || (size_t)(end - value) >= sizeof(host))
        return false;
    const char *port = end + is_ip6;
    if (*port && (*port != ':' || port[1 + strspn(port + 1, DIGITS)]))
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)(end - value - is_ip6), value + is_ip6);
    if (is_ip6)
        return is_address(AF_INET6, host);
    if (host[strlen(host) - 1] == '.')
        host[strlen(host) - 1] = '\0';
    if (is_address(AF_INET, host) || strcasecmp(host, "localhost") == 0)
        return true;
    for (i = 0; i < hosts_count; i++)
        if (strcasecmp(host, hosts[i]) == 0)
            return true;
    return false;
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } rows[] = {{200, "OK"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {413, "Content Too Large"},
                {421, "Misdirected Request"},
                {431, "Request Header Fields Too Large"},
                {500, "Internal Server Error"},
                {503, "Service Unavailable"},
                {505, "HTTP Version Not Supported"}};
    size_t i;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].status == status)
            return rows[i].reason;
    return "Other";
}
