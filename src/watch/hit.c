/* SPDX-License-Identifier: BSD-3-Clause */
#include "watch/hit.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "record/field.h"

enum { NAMES_TOLD = 8, ADDRESSES_TOLD = 16, SHOWN = 200 /* of a name, in the log */ };

static const char *const what_words[] = {
    [WATCH_QUESTION] = "question", [WATCH_CHAIN] = "chain", [WATCH_ANSWER] = "answer"};

static void address_text(uint8_t ip_vers, const uint8_t *address, char text[INET6_ADDRSTRLEN])
{
    if (!inet_ntop(ip_vers == 6 ? AF_INET6 : AF_INET, address, text, INET6_ADDRSTRLEN))
        text[0] = '\0';
}

/* ---- looking ---- */

static bool look_at_addresses(const struct watch_list *list, uint8_t ip_vers, const uint8_t *addresses, size_t count,
                              struct watch_hit *out)
{
    size_t i, len = ip_vers == 6 ? 16 : 4;
    for (i = 0; i < count; i++)
        if (watch_list_has_address(list, ip_vers, addresses + i * len, &out->entry)) {
            address_text(ip_vers, addresses + i * len, out->match);
            out->what = WATCH_ANSWER;
            return true;
        }
    return false;
}

bool watch_look(const struct watch_list *list, const struct dnsflow_record *record, struct watch_hit *out)
{
    struct name_walk walk = name_walk_over(record);
    uint8_t wire[NAME_WIRE];
    size_t len;
    for (out->what = WATCH_QUESTION; (len = name_next(&walk, wire)) > 0; out->what = WATCH_CHAIN)
        if (watch_list_has_name(list, wire, len, &out->entry)) {
            (void)name_text(wire, len, out->match);
            return true;
        }
    return look_at_addresses(list, 4, record->ip4s, record->ip4s_count, out) ||
           look_at_addresses(list, 6, record->ip6s, record->ip6s_count, out);
}

/* ---- telling ---- */

void watch_describe(const struct watch_hit *hit, const struct dnsflow_record *record, char *text, size_t size)
{
    static const char *const before[] = {
        [WATCH_QUESTION] = "", [WATCH_CHAIN] = ", whose chain has ", [WATCH_ANSWER] = ", answered with "};
    struct name_walk walk = name_walk_over(record);
    char client[INET6_ADDRSTRLEN], resolver[INET6_ADDRSTRLEN] = "a resolver", question[NAME_TEXT] = "?";
    size_t len;
    (void)name_next_text(&walk, question, &len);
    address_text(record->ip_vers, record->client, client);
    if (record->resolver)
        address_text(record->ip_vers, record->resolver, resolver);
    bool has_note = hit->entry.note[0] != '\0';
    snprintf(text, size, "%.*s%s%.*s%s: %s asked %s for %.*s%s%.*s", SHOWN, hit->entry.text, has_note ? " (" : "",
             SHOWN, hit->entry.note, has_note ? ")" : "", client, resolver, SHOWN, question, before[hit->what],
             hit->what == WATCH_QUESTION ? 0 : SHOWN, hit->match);
}

static void print_time(int64_t time_us, FILE *out)
{
    int64_t part_us = (time_us % SECOND_US + SECOND_US) % SECOND_US;
    time_t seconds = (time_t)((time_us - part_us) / SECOND_US);
    struct tm tm;
    char text[32] = "";
    if (gmtime_r(&seconds, &tm))
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(out, "{\"time\":\"%s.%06dZ\"", text, (int)part_us);
}

static void print_address(const char *name, uint8_t ip_vers, const uint8_t *address, FILE *out)
{
    char text[INET6_ADDRSTRLEN];
    if (!address) {
        fprintf(out, ",\"%s\":null", name);
        return;
    }
    address_text(ip_vers, address, text);
    fprintf(out, ",\"%s\":\"%s\"", name, text);
}

static void print_addresses(uint8_t ip_vers, const uint8_t *addresses, size_t count, int *told, FILE *out)
{
    char text[INET6_ADDRSTRLEN];
    size_t i;
    for (i = 0; i < count && *told < ADDRESSES_TOLD; i++) {
        address_text(ip_vers, addresses + i * (ip_vers == 6 ? 16 : 4), text);
        fprintf(out, "%s\"%s\"", (*told)++ > 0 ? "," : "", text);
    }
}

static void print_names(const struct dnsflow_record *record, FILE *out)
{
    struct name_walk walk = name_walk_over(record);
    char text[NAME_TEXT];
    size_t len;
    int told;
    fputs(",\"names\":[", out);
    for (told = 0; told < NAMES_TOLD && name_next_text(&walk, text, &len); told++) {
        fputs(told > 0 ? "," : "", out);
        json_put(out, text);
    }
    fputs("]", out);
}

/* A word of the sensor's, null where it does not tell. */
static void print_word(const char *name, bool is_told, const char *word, FILE *out)
{
    fprintf(out, is_told ? ",\"%s\":\"%s\"" : ",\"%s\":null", name, word);
}

void watch_print(const struct watch_hit *hit, const struct received *from, const struct dnsflow_record *record,
                 FILE *out)
{
    bool has_trailer = from->datagram.has_trailer;
    char room[FIELD_WORD_SIZE];
    int told = 0;
    print_time(received_record_time(from, record), out);
    fputs(",\"entry\":", out);
    json_put(out, hit->entry.text);
    fputs(",\"note\":", out);
    json_put(out, hit->entry.note);
    fprintf(out, ",\"what\":\"%s\",\"match\":", what_words[hit->what]);
    json_put(out, hit->match);
    print_address("client", record->ip_vers, record->client, out);
    print_address("resolver", record->ip_vers, record->resolver, out);
    print_address("server", from->ip_vers, from->address, out);
    if (has_trailer)
        fprintf(out, ",\"sensor\":%" PRIu32, from->datagram.trailer.sensor_id);
    else
        fputs(",\"sensor\":null", out);
    print_names(record, out);
    fputs(",\"addresses\":[", out);
    print_addresses(4, record->ip4s, record->ip4s_count, &told, out);
    print_addresses(6, record->ip6s, record->ip6s_count, &told, out);
    fputs("]", out);
    print_word("qtype", has_trailer && record->qtype > 0, field_type_word(record->qtype, room), out);
    print_word("rcode", field_has_result(record), field_rcode_word(record->rcode, room), out);
    fputs("}\n", out);
}
