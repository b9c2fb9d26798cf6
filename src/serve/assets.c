/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/assets.h"

#include <page_files.inc> /* made by scripts/embed: arrays by the names of the files */

#define FILE_OF(name) name, sizeof(name) - 1 /* there is a zero behind it */

const struct asset assets[ASSETS] = {
    {"/", "text/html; charset=utf-8", FILE_OF(index_html)},
    {"/page.js", "text/javascript; charset=utf-8", FILE_OF(page_js)},
    {"/page.css", "text/css; charset=utf-8", FILE_OF(page_css)},
    {"/dygraph.js", "text/javascript; charset=utf-8", FILE_OF(dygraph_min_js)},
    {"/dygraph.css", "text/css; charset=utf-8", FILE_OF(dygraph_min_css)},
    {"/api/v1/openapi.json", "application/json", FILE_OF(openapi_json)},
};
