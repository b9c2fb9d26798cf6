/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/reply.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/request.h"

int reply_make(struct http_reply *reply, int status)
{
    *reply = (struct http_reply){.status = status ? status : 200,
                                 .content_type = "text/plain; charset=utf-8",
                                 .body = evbuffer_new(),
                                 .lines = evbuffer_new()};
    return reply->body && reply->lines ? 0 : -1;
}

void reply_free(struct http_reply *reply)
{
    if (reply->body)
        evbuffer_free(reply->body);
    if (reply->lines)
        evbuffer_free(reply->lines);
}

int reply_put_head(const struct http_reply *reply, struct evbuffer *out)
{
    time_t now = (time_t)(clock_unix_us() / SECOND_US);
    struct tm utc;
    char date[40] = "";
    if (gmtime_r(&now, &utc))
        (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    if (evbuffer_add_printf(out,
                            "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\nCache-Control: no-store\r\n"
                            "X-Content-Type-Options: nosniff\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s",
                            reply->status, http_reason(reply->status), date, reply->content_type,
                            evbuffer_get_length(reply->body), reply->status == 405 ? "Allow: GET, HEAD\r\n" : "") < 0)
        return -1;
    return evbuffer_add_buffer(out, reply->lines) != 0 ? -1 : evbuffer_add(out, "\r\n", 2);
}

/* ---- libevent's own lines ---- */

static void say_nothing(int severity, const char *text)
{
    (void)severity, (void)text;
}

static void say_once(int severity, const char *text)
{
    log_line("%s: libevent: %s", severity == EVENT_LOG_ERR ? "error" : "warning", text);
    event_set_log_callback(say_nothing);
}

void http_take_libevent_line(void)
{
    event_set_log_callback(say_once);
}
