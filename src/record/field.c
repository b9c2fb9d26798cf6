/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/field.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/dns_words.h"
#include "base/options.h"

static struct field_addresses server(const struct field_record *r)
{
    return (struct field_addresses){r->from->address, 1, r->from->ip_vers};
}

static uint64_t port(const struct field_record *r)
{
    return r->from->port;
}

static uint64_t seq(const struct field_record *r)
{
    return r->from->datagram.sequence;
}

/* 0.0.0.0 where the datagram's version has none. */
static struct field_addresses resolver(const struct field_record *r)
{
    static const uint8_t nobody[4];
    if (!r->record->resolver)
        return (struct field_addresses){nobody, 1, 4};
    return (struct field_addresses){r->record->resolver, 1, r->record->ip_vers};
}

static struct field_addresses client(const struct field_record *r)
{
    return (struct field_addresses){r->record->client, 1, r->record->ip_vers};
}

static int64_t datagram_time(const struct field_record *r)
{
    return r->from->time_us;
}

static struct field_names names(const struct field_record *r)
{
    return (struct field_names){r->record->names, (uint32_t)r->record->names_len, (uint16_t)r->record->names_count,
                                r->record->names_text};
}

static struct field_names qname(const struct field_record *r)
{
    struct field_names all = names(r);
    all.count = all.count > 0;
    return all;
}

static struct field_addresses ipv4(const struct field_record *r)
{
    return (struct field_addresses){r->record->ip4s, (uint32_t)r->record->ip4s_count, 4};
}

static struct field_addresses ipv6(const struct field_record *r)
{
    return (struct field_addresses){r->record->ip6s, (uint32_t)r->record->ip6s_count, 6};
}

static int64_t response_time(const struct field_record *r)
{
    return r->record->time_us;
}

static uint64_t min_ttl(const struct field_record *r)
{
    return r->record->min_ttl;
}

static uint64_t qtype(const struct field_record *r)
{
    return r->record->qtype;
}

/* RFC 3597; 0 = there was no question. */
const char *field_type_word(uint64_t type, char room[FIELD_WORD_SIZE])
{
    const char *name = dns_type_name((uint16_t)type);
    if (!name)
        snprintf(room, FIELD_WORD_SIZE, "TYPE%u", (uint16_t)type);
    return name ? name : room;
}

static uint64_t rcode(const struct field_record *r)
{
    return r->record->rcode;
}

const char *field_rcode_word(uint64_t rcode_number, char room[FIELD_WORD_SIZE])
{
    const char *name = dns_rcode_name((uint16_t)rcode_number);
    if (!name)
        snprintf(room, FIELD_WORD_SIZE, "RCODE%u", (uint16_t)rcode_number);
    return name ? name : room;
}

static const char *const transports[] = {[DNSFLOW_OVER_UNKNOWN] = "unknown",
                                         [DNSFLOW_OVER_UDP] = "udp",
                                         [DNSFLOW_OVER_TCP] = "tcp",
                                         [DNSFLOW_OVER_TLS] = "tls",
                                         [DNSFLOW_OVER_HTTPS] = "https",
                                         [DNSFLOW_OVER_DNSCRYPT_UDP] = "dnscrypt-udp",
                                         [DNSFLOW_OVER_DNSCRYPT_TCP] = "dnscrypt-tcp",
                                         [DNSFLOW_OVER_QUIC] = "quic"};

enum { TRANSPORTS = sizeof(transports) / sizeof(transports[0]) };

static uint64_t transport(const struct field_record *r)
{
    return r->record->transport;
}

const char *field_transport_word(uint64_t number, char room[FIELD_WORD_SIZE])
{
    if (number < TRANSPORTS)
        return transports[number];
    snprintf(room, FIELD_WORD_SIZE, "%u", (unsigned)number);
    return room;
}

int field_transport_parse(const char *text, uint16_t *out)
{
    static const struct {
        const char *word;
        uint16_t number;
    } others[] = {{"dot", DNSFLOW_OVER_TLS}, {"doh", DNSFLOW_OVER_HTTPS}, {"doq", DNSFLOW_OVER_QUIC}};
    uint64_t number;
    size_t i;
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcasecmp(text, others[i].word) == 0) {
            *out = others[i].number;
            return 0;
        }
    for (*out = 0; *out < TRANSPORTS; (*out)++)
        if (strcasecmp(text, transports[*out]) == 0)
            return 0;
    if (parse_number(text, 0, DNSFLOW_OVER_MAX, &number, NULL) != 0)
        return -1;
    *out = (uint16_t)number;
    return 0;
}

static struct field_answers answers(const struct field_record *r)
{
    return (struct field_answers){r->record->answers, r->record->answers_len};
}

static uint64_t client_port(const struct field_record *r)
{
    return r->record->client_port;
}

static uint64_t set_flags(const struct field_record *r)
{
    return r->record->set_flags;
}

static uint64_t sensor_id(const struct field_record *r)
{
    return r->from->datagram.trailer.sensor_id;
}

static uint64_t worker(const struct field_record *r)
{
    return r->from->datagram.trailer.worker;
}

static uint64_t sample_rate(const struct field_record *r)
{
    return r->from->datagram.trailer.sample_rate;
}

static const struct field fields[] = {
    {"server", FIELD_ADDRESS, NEEDS_NOTHING, ROLE_ORIGIN, {.addresses = server}, NULL},
    {"port", FIELD_NUMBER, NEEDS_NOTHING, ROLE_ORIGIN, {.number = port}, NULL},
    {"seq", FIELD_NUMBER, NEEDS_NOTHING, ROLE_ORIGIN, {.number = seq}, NULL},
    {"resolver", FIELD_ADDRESS, NEEDS_RESOLVER, ROLE_RESOLVER, {.addresses = resolver}, NULL},
    {"client", FIELD_ADDRESS, NEEDS_NOTHING, ROLE_CLIENT, {.addresses = client}, NULL},
    {"time", FIELD_TIME, NEEDS_NOTHING, ROLE_ORIGIN, {.time_us = datagram_time}, NULL},
    {"qname", FIELD_NAME, NEEDS_NOTHING, ROLE_NAME, {.names = qname}, NULL},
    {"names", FIELD_NAMES, NEEDS_NOTHING, ROLE_NAME, {.names = names}, NULL},
    {"ipv4", FIELD_ADDRESSES, NEEDS_NOTHING, ROLE_ANSWER, {.addresses = ipv4}, NULL},
    {"ipv6", FIELD_ADDRESSES, NEEDS_NOTHING, ROLE_ANSWER, {.addresses = ipv6}, NULL},
    {"response_time", FIELD_TIME, NEEDS_TRAILER, ROLE_ORIGIN, {.time_us = response_time}, NULL},
    {"min_ttl", FIELD_NUMBER, NEEDS_TRAILER, ROLE_PLAIN, {.number = min_ttl}, NULL},
    {"qtype", FIELD_WORD, NEEDS_TRAILER, ROLE_QUESTION, {.number = qtype}, field_type_word},
    {"rcode", FIELD_WORD, NEEDS_RESULT, ROLE_QUESTION, {.number = rcode}, field_rcode_word},
    {"transport", FIELD_WORD, NEEDS_RESULT, ROLE_ORIGIN, {.number = transport}, field_transport_word},
    {"answers", FIELD_ANSWERS, NEEDS_RESULT, ROLE_ANSWER, {.answers = answers}, NULL},
    {"client_port", FIELD_NUMBER, NEEDS_TRAILER, ROLE_CLIENT, {.number = client_port}, NULL},
    {"set_flags", FIELD_NUMBER, NEEDS_TRAILER, ROLE_PLAIN, {.number = set_flags}, NULL},
    {"sensor_id", FIELD_NUMBER, NEEDS_TRAILER, ROLE_ORIGIN, {.number = sensor_id}, NULL},
    {"worker", FIELD_NUMBER, NEEDS_TRAILER, ROLE_ORIGIN, {.number = worker}, NULL},
    {"sample_rate", FIELD_NUMBER, NEEDS_TRAILER, ROLE_PLAIN, {.number = sample_rate}, NULL},
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };
_Static_assert((int)FIELDS <= (int)FIELDS_MAX, "who lists fields has room for every one");

const struct field *field_find(const char *name, size_t len)
{
    size_t i;
    for (i = 0; i < FIELDS; i++)
        if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0)
            return &fields[i];
    return NULL;
}

void field_names_text(char *text, size_t size)
{
    size_t i, used = 0;
    for (i = 0; i < FIELDS && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", fields[i].name);
}
