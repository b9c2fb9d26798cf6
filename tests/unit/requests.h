/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Headers of requests, and what is to be said of each. */
#ifndef DNSFLOW_TESTING_REQUESTS_H
#define DNSFLOW_TESTING_REQUESTS_H

#include <stddef.h>

#define GET11  "GET / HTTP/1.1\r\nHost: a\r\n"
#define ROW(s) s, sizeof(s) - 1

static const struct {
    const char *bytes;
    size_t len;
    int status;
} headers[] = {
    {ROW("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0},
    {ROW("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), 0},
    {ROW("GET / HTTP/1.0\r\n\r\n"), 0},
    {ROW("GET / HTTP/1.9\r\nHost:a\r\n\r\n"), 0},
    {ROW("GET /a?b=c HTTP/1.1\r\nhOST: \t a \t\r\nX:\r\nY: \xc3\xa4\tb\r\n\r\n"), 0},
    {ROW("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 0},
    {ROW(GET11 "Content-Length: 0\r\n\r\n"), 0},
    {ROW(GET11 "Content-Length: 000\r\n\r\n"), 0},
    /* the first line */
    {ROW("\r\n"), 400},
    {ROW("\n"), 400},
    {ROW("\r\n\r\n"), 400},
    {ROW("GET / HTTP/1.1\nHost: a\n\n"), 400},
    {ROW("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400},
    {ROW("GET\r\n\r\n"), 400},
    {ROW("GET /\r\n\r\n"), 400},
    {ROW("GET / \r\n\r\n"), 400},
    {ROW(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), 400},
    {ROW("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET a HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET / HTTP/1.\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET / HTTP/1.1x\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET / HTTP/11\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET / HTTP/1,1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET / HTTP/x.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET / http/1.1\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505},
    {ROW("PRI * HTTP/2.0\r\n\r\n"), 505},
    {ROW("GET / HTTP/0.9\r\n\r\n"), 505},
    /* the method */
    {ROW("get / HTTP/1.1\r\nHost: a\r\n\r\n"), 405},
    {ROW("GETS / HTTP/1.1\r\nHost: a\r\n\r\n"), 405},
    {ROW("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"), 405},
    {ROW("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 405},
    {ROW("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), 405},
    {ROW("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"), 405},
    /* fields */
    {ROW(GET11 "\0: a\r\n\r\n"), 400},
    {ROW(GET11 "A: a\0b\r\n\r\n"), 400},
    {ROW(GET11 "A: a\rb\r\n\r\n"), 400},
    {ROW(GET11 "A: a\r\r\n\r\n"), 400},
    {ROW(GET11 "A: a\x1b[0m\r\n\r\n"), 400},
    {ROW(GET11 "A: \x7f\r\n\r\n"), 400},
    {ROW(GET11 "A a\r\n\r\n"), 400},
    {ROW(GET11 ": a\r\n\r\n"), 400},
    {ROW(GET11 "A : a\r\n\r\n"), 400},
    {ROW(GET11 "A\t: a\r\n\r\n"), 400},
    {ROW(GET11 " A: a\r\n\r\n"), 400},
    {ROW(GET11 "A: a\r\n b\r\n\r\n"), 400},
    {ROW(GET11 "A: a\r\n\tb\r\n\r\n"), 400},
    {ROW(GET11 "A(b): a\r\n\r\n"), 400},
    {ROW(GET11 "\xc3\xa4: a\r\n\r\n"), 400},
    {ROW("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400},
    /* whom it is for */
    {ROW("GET / HTTP/1.1\r\n\r\n"), 400},
    {ROW("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400},
    {ROW("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"), 400},
    {ROW("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400},
    {ROW("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400},
    {ROW("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"), 400},
    {ROW("GET / HTTP/1.1\r\nHost: a\"\r\n\r\n"), 400},
    /* a body */
    {ROW(GET11 "Content-Length: 1\r\n\r\n"), 413},
    {ROW(GET11 "Content-Length: 99999999999999999999999999\r\n\r\n"), 413},
    {ROW(GET11 "Content-Length: 18446744073709551616\r\n\r\n"), 413},
    {ROW(GET11 "Content-Length:\r\n\r\n"), 400},
    {ROW(GET11 "Content-Length: -1\r\n\r\n"), 400},
    {ROW(GET11 "Content-Length: +0\r\n\r\n"), 400},
    {ROW(GET11 "Content-Length: 0x0\r\n\r\n"), 400},
    {ROW(GET11 "Content-Length: 0 0\r\n\r\n"), 400},
    {ROW(GET11 "Content-Length: 0, 0\r\n\r\n"), 400},
    {ROW(GET11 "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"), 400},
    {ROW(GET11 "Content-Length: 0\r\ncontent-length: 5\r\n\r\n"), 400},
    {ROW(GET11 "Content-Length: 5\r\nContent-Length: 0\r\n\r\n"), 400},
    {ROW(GET11 "Transfer-Encoding: chunked\r\n\r\n"), 400},
    {ROW(GET11 "Transfer-Encoding: identity\r\n\r\n"), 400},
    {ROW(GET11 "Content-Length: 0\r\ntransfer-encoding: chunked\r\n\r\n"), 400},
    {ROW(GET11 "Transfer-Encoding:\r\n\r\n"), 400},
};

#endif
