/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Paths and parameters, decoded. */
#ifndef DNSFLOW_SERVE_URL_H
#define DNSFLOW_SERVE_URL_H

#include <stdbool.h>
#include <stdio.h>

enum { URL_SEGMENTS = 8, URL_PARAMETERS = 16 };

/* Borrowed of the text it was made of. */
struct url {
    size_t segments_count, parameters_count;
    char *segments[URL_SEGMENTS]; /* of the path, between slashes; an empty one at the end is left out */
    struct url_parameter {
        char *name, *value;
    } parameters[URL_PARAMETERS];
};

/* Decodes both in place. False: there is a % without two digits behind it, or a zero byte, or too many of them. */
bool url_parse(char *path, char *query, struct url *out);

/* NULL: it is not there. */
const char *url_parameter(const struct url *url, const char *name);

/* The name of one that is not in the list, or is there twice; NULL: there is none. The list ends with NULL. */
const char *url_unknown(const struct url *url, const char *const *names);

/* Text as a segment of a path. */
void url_put(FILE *out, const char *text);

#endif
