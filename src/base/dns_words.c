/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/dns_words.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/options.h"

struct word {
    uint16_t number;
    const char *name;
};

/* By number. */
static const struct word types[] = {
    {1, "A"},        {2, "NS"},          {3, "MD"},      {4, "MF"},      {5, "CNAME"},   {6, "SOA"},
    {7, "MB"},       {8, "MG"},          {9, "MR"},      {10, "NULL"},   {11, "WKS"},    {12, "PTR"},
    {13, "HINFO"},   {14, "MINFO"},      {15, "MX"},     {16, "TXT"},    {17, "RP"},     {18, "AFSDB"},
    {19, "X25"},     {20, "ISDN"},       {21, "RT"},     {22, "NSAP"},   {24, "SIG"},    {25, "KEY"},
    {26, "PX"},      {28, "AAAA"},       {29, "LOC"},    {30, "NXT"},    {33, "SRV"},    {35, "NAPTR"},
    {36, "KX"},      {37, "CERT"},       {39, "DNAME"},  {41, "OPT"},    {42, "APL"},    {43, "DS"},
    {44, "SSHFP"},   {45, "IPSECKEY"},   {46, "RRSIG"},  {47, "NSEC"},   {48, "DNSKEY"}, {49, "DHCID"},
    {50, "NSEC3"},   {51, "NSEC3PARAM"}, {52, "TLSA"},   {53, "SMIMEA"}, {55, "HIP"},    {59, "CDS"},
    {60, "CDNSKEY"}, {61, "OPENPGPKEY"}, {62, "CSYNC"},  {63, "ZONEMD"}, {64, "SVCB"},   {65, "HTTPS"},
    {99, "SPF"},     {108, "EUI48"},     {109, "EUI64"}, {249, "TKEY"},  {250, "TSIG"},  {251, "IXFR"},
    {252, "AXFR"},   {255, "ANY"},       {256, "URI"},   {257, "CAA"},   {32769, "DLV"},
};

static const struct word rcodes[] = {
    {0, "NOERROR"},  {1, "FORMERR"},    {2, "SERVFAIL"}, {3, "NXDOMAIN"},  {4, "NOTIMP"},
    {5, "REFUSED"},  {6, "YXDOMAIN"},   {7, "YXRRSET"},  {8, "NXRRSET"},   {9, "NOTAUTH"},
    {10, "NOTZONE"}, {11, "DSOTYPENI"}, {16, "BADVERS"}, {17, "BADKEY"},   {18, "BADTIME"},
    {19, "BADMODE"}, {20, "BADNAME"},   {21, "BADALG"},  {22, "BADTRUNC"}, {23, "BADCOOKIE"},
};

enum { TYPES = sizeof(types) / sizeof(types[0]), RCODES = sizeof(rcodes) / sizeof(rcodes[0]) };

static const char *name_of(const struct word *words, size_t count, uint16_t number)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (words[middle].number == number)
            return words[middle].name;
        if (words[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static int parse(const struct word *words, size_t count, const char *prefix, uint16_t max, const char *text,
                 uint16_t *out)
{
    uint64_t number;
    size_t i, prefix_len = strlen(prefix);
    for (i = 0; i < count; i++)
        if (strcasecmp(words[i].name, text) == 0) {
            *out = words[i].number;
            return 0;
        }
    if (strncasecmp(text, prefix, prefix_len) == 0)
        text += prefix_len;
    if (parse_number(text, 0, max, &number, NULL) != 0)
        return -1;
    *out = (uint16_t)number;
    return 0;
}

const char *dns_type_name(uint16_t type)
{
    return name_of(types, TYPES, type);
}

int dns_type_parse(const char *text, uint16_t *out)
{
    return parse(types, TYPES, "TYPE", UINT16_MAX, text, out);
}

const char *dns_rcode_name(uint16_t rcode)
{
    return name_of(rcodes, RCODES, rcode);
}

int dns_rcode_parse(const char *text, uint16_t *out)
{
    return parse(rcodes, RCODES, "RCODE", DNS_RCODE_MAX, text, out);
}
