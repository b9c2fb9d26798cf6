/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The header of an HTTP request, in one piece and byte by byte: what is taken is what it says. */
#include <string.h>

#include "http/request.h"
#include "tests/fuzz/fuzz.h"

static bool lies_in(const char *text, size_t len, const char *part)
{
    return part >= text && part + strlen(part) <= text + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a"};
    char text[HTTP_HEADER_MAX + 1];
    struct http_request r;
    size_t i, len = size < HTTP_HEADER_MAX ? size : HTTP_HEADER_MAX;
    int end = HEAD_OPEN, status;
    memcpy(text, data, len);
    for (i = 0; i < len && end == HEAD_OPEN; i++)
        end = http_find_end(text, i + 1, i);
    require(end == http_find_end(text, len, 0) && end <= (int)len);
    if (end <= 0)
        return 0;
    status = http_parse(text, (size_t)end, &r);
    require(status == 0 || status == 400 || status == 405 || status == 413 || status == 431 || status == 505);
    if (status != 0)
        return 0;
    require(strcmp(r.method, "GET") == 0 || strcmp(r.method, "HEAD") == 0);
    require(lies_in(text, (size_t)end, r.path) && *r.path == '/' && r.fields_count <= HTTP_FIELDS_MAX);
    for (i = 0; i < r.fields_count; i++) {
        require(lies_in(text, (size_t)end, r.fields[i].name) && *r.fields[i].name);
        require(lies_in(text, (size_t)end, r.fields[i].value) && !strpbrk(r.fields[i].value, "\r\n"));
        (void)http_host_is_known(r.fields[i].value, names, 1);
    }
    require(!http_request_field(&r, "Transfer-Encoding"));
    return 0;
}
