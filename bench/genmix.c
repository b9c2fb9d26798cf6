/* SPDX-License-Identifier: BSD-3-Clause
 *
 * genmix: writes a capture of made DNS transactions, for speed tests and for tests that compare the records
 * with the expected ones. The same N and SEED always give the same bytes.
 *
 *   genmix OUT.pcap N [SEED] [--no-queries] [--expect FILE] */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T_A = 1, T_CNAME = 5, T_SOA = 6, T_PTR = 12, T_MX = 15 };
enum { T_TXT = 16, T_AAAA = 28, T_SRV = 33, T_HTTPS = 65 };
enum outcome { ANSWER, NODATA, NXDOMAIN, SERVFAIL };
enum { NAME_MAX_TEXT = 96, MAX_CNAME = 4, MAX_ADDR = 8, MAX_SEEN = 64, MAX_POOL = 50000 };

struct name {
    char text[NAME_MAX_TEXT];
    const char *zone; /* the registered domain, a part of text */
};

/* A DNS message under construction and the names it already holds. */
struct msg {
    uint8_t b[1536];
    size_t n, nseen, at[MAX_SEEN];
    const char *suffix[MAX_SEEN];
};

struct txn {
    unsigned qtype, ncname, naddr;
    enum outcome outcome;
    bool v6, vlan, edns;
    uint16_t id, port;
    uint32_t ttl;
    uint8_t client[16], resolver[16];
    const struct name *name;
    char qname[NAME_MAX_TEXT + 16];
    char cname[MAX_CNAME][NAME_MAX_TEXT];
    uint8_t addr[MAX_ADDR][16];
};

static const char *out_path, *expect_path;
static uint64_t count, rng_state = 1, now_us = 1700000000ULL * 1000000ULL, records;
static bool no_queries;
static struct name pool[MAX_POOL];
static uint64_t weight[MAX_POOL]; /* running sum of 1/rank, for the Zipf choice */
static uint32_t pool_size;

static uint64_t rnd(void)
{
    uint64_t z = (rng_state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)(((rnd() >> 32) * n) >> 32);
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void make_pool(void)
{
    static const char *const hosts[] = {"www", "api", "cdn", "img", "mail", "assets", "login", "eu-1.edge"};
    static const char *const tlds[] = {"com", "net", "org", "example", "co.uk", "io", "de"};
    uint64_t want = count / 10, sum = 0;
    pool_size = (uint32_t)(want < 1000 ? 1000 : want > MAX_POOL ? MAX_POOL : want);
    for (uint32_t i = 0; i < pool_size; i++) {
        char word[16] = "";
        int skip = 0;
        for (uint32_t k = 0, len = 3 + below(9); k < len; k++)
            word[k] = (char)('a' + below(26));
        if (below(100) >= 15)
            skip = snprintf(pool[i].text, sizeof pool[i].text, "%s.", hosts[below(8)]);
        snprintf(pool[i].text + skip, NAME_MAX_TEXT - (size_t)skip, "%s%u.%s", word, i, tlds[below(7)]);
        pool[i].zone = pool[i].text + skip;
        weight[i] = sum += (1ULL << 32) / (i + 1);
    }
}

static uint32_t pick_name(void)
{
    uint64_t x = rnd() % weight[pool_size - 1];
    uint32_t lo = 0, hi = pool_size - 1;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        *(weight[mid] > x ? &hi : &lo) = mid + (weight[mid] <= x);
    }
    return lo;
}

static void put(struct msg *m, unsigned bits, uint32_t v)
{
    while (bits >= 8) {
        bits -= 8;
        m->b[m->n++] = (uint8_t)(v >> bits);
    }
}

/* Writes two bytes at a place already passed. */
static void put_at16(struct msg *m, size_t at, size_t v)
{
    m->b[at] = (uint8_t)(v >> 8);
    m->b[at + 1] = (uint8_t)(v & 255);
}

static void put_bytes(struct msg *m, const void *p, size_t n)
{
    memcpy(m->b + m->n, p, n);
    m->n += n;
}

/* Writes a name and points back to the longest suffix already written. */
static void put_name(struct msg *m, const char *name)
{
    while (*name) {
        size_t len = strcspn(name, ".");
        for (size_t i = 0; i < m->nseen; i++) {
            if (m->suffix[i] == name || strcmp(m->suffix[i], name) == 0) {
                put(m, 16, 0xc000U | (unsigned)m->at[i]);
                return;
            }
        }
        if (m->nseen < MAX_SEEN) {
            m->suffix[m->nseen] = name;
            m->at[m->nseen++] = m->n;
        }
        put(m, 8, (unsigned)len);
        put_bytes(m, name, len);
        name += len + (name[len] == '.');
    }
    put(m, 8, 0);
}

static void choose_type(struct txn *t)
{
    static const unsigned rest[4] = {T_PTR, T_TXT, T_MX, T_SRV};
    uint32_t r = below(100);
    t->qtype = r < 55 ? T_A : r < 77 ? T_AAAA : r < 90 ? T_HTTPS : rest[below(4)];
    r = below(100);
    t->outcome = r < 12 ? NXDOMAIN : r < 13 ? SERVFAIL : r < 25 ? NODATA : ANSWER;
    t->name = &pool[pick_name()];
    t->id = (uint16_t)below(65536);
    if (t->qtype == T_PTR)
        snprintf(t->qname, sizeof t->qname, "%u.%u.0.192.in-addr.arpa", t->id & 255U, t->id >> 8U);
    else
        snprintf(t->qname, sizeof t->qname, "%s%.95s", t->qtype == T_SRV ? "_sip._tcp." : "", t->name->text);
}

static void choose_answer(struct txn *t)
{
    static const char *const cdn[] = {"edge.example", "cloud.example.net", "cdn.example.org", "fastcdn.io"};
    uint32_t k = (uint32_t)(t->name - pool);
    t->ncname = t->naddr = 0;
    if (t->outcome != ANSWER || (t->qtype != T_A && t->qtype != T_AAAA))
        return;
    static const uint8_t chains[] = {1, 1, 1, 2, 2, 3, 4}, counts[] = {1, 1, 1, 2, 2, 2, 4, 4, 6, 8};
    t->ncname = below(100) < 45 ? chains[below(sizeof chains)] : 0;
    for (unsigned i = 0; i < t->ncname; i++) {
        const char *zone = i == 0 && (k & 1) ? t->name->zone : cdn[(k + i / 2) % 4];
        snprintf(t->cname[i], NAME_MAX_TEXT, "e%u-%u.%s", k, i, zone);
    }
    t->naddr = counts[below(sizeof counts)];
    for (unsigned i = 0; i < t->naddr; i++) {
        uint32_t h = (k * 8 + (i + t->id) % 8) * 2654435761U % (223U << 24) + (1U << 24);
        uint8_t *a = t->addr[i] + (t->qtype == T_A ? 0 : 12);
        memcpy(t->addr[i], h & 2 ? "\x2a\0\x0d\xb8\0\0\0\0\x5e\xff\xfe" : "\x2a\1\0\x57\0\0\0\0\0\0\0", 12);
        for (unsigned b = 0; b < 4; b++)
            a[b] = (uint8_t)(h >> (24 - 8 * b));
    }
}

static void choose_ends(struct txn *t)
{
    t->v6 = below(100) < 15;
    const uint32_t c = below(20000), last = t->v6 ? 15 : 3;
    t->vlan = below(100) < 1;
    t->edns = below(100) < 70;
    t->ttl = 1 + below(3600);
    t->port = (uint16_t)(1024 + below(64512));
    memcpy(t->client, t->v6 ? "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0" : "\x0a\x20\0", t->v6 ? 16 : 4);
    memcpy(t->resolver, t->client, 16);
    t->resolver[last - 1] = 250;
    t->client[last - 1] = (uint8_t)(c >> 8);
    t->client[last] = (uint8_t)c;
    t->resolver[last] = (uint8_t)(1 + below(4));
}

/* A record whose data are some bytes and then perhaps a name; returns where the data start. */
static size_t put_rr(struct msg *m, const struct txn *t, const char *owner, unsigned type, const char *data, size_t len,
                     const char *name)
{
    put_name(m, owner);
    put(m, 32, type << 16 | 1);
    put(m, 32, t->ttl);
    put(m, 16, 0);
    size_t start = m->n;
    put_bytes(m, data, len);
    if (name)
        put_name(m, name);
    put_at16(m, start - 2, m->n - start);
    return start;
}

static void put_soa(struct msg *m, const struct txn *t)
{
    const char *zone = t->qtype == T_PTR ? strstr(t->qname, "in-addr") : t->name->zone;
    size_t start = put_rr(m, t, zone, T_SOA, "\3ns1", 4, zone);
    put_bytes(m, "\012hostmaster", 11);
    put_name(m, zone);
    put_bytes(m, "\0\0\0\1\0\0\x1c\x20\0\0\3\x84\0\x12\x75\0\0\0\3\x84", 20); /* 1 7200 900 1209600 900 */
    put_at16(m, start - 2, m->n - start);
}

static void put_other(struct msg *m, const struct txn *t)
{
    if (t->qtype == T_PTR || t->qtype == T_MX)
        put_rr(m, t, t->qname, t->qtype, "\0\012", t->qtype == T_MX ? 2 : 0, t->name->zone);
    else if (t->qtype == T_TXT)
        put_rr(m, t, t->qname, T_TXT, "\x18v=spf1 ip4:192.0.2.1 all", 25, NULL);
    else if (t->qtype == T_SRV)
        put_rr(m, t, t->qname, T_SRV, "\0\1\0\1\x13\xc4\3sip\7example\3net", 23, NULL);
    else
        put_rr(m, t, t->qname, T_HTTPS, "\0\1\0\0\1\0\6\2h3\2h2", 13, NULL);
}

static void put_answers(struct msg *m, const struct txn *t)
{
    const char *owner = t->qname;
    for (unsigned i = 0; i < t->ncname; i++) {
        put_rr(m, t, owner, T_CNAME, "", 0, t->cname[i]);
        owner = t->cname[i];
    }
    for (unsigned i = 0; i < t->naddr; i++)
        put_rr(m, t, owner, t->qtype, (const char *)t->addr[i], t->qtype == T_A ? 4 : 16, NULL);
    if (t->outcome == NODATA || t->outcome == NXDOMAIN)
        put_soa(m, t);
    else if (t->outcome == ANSWER && t->naddr == 0)
        put_other(m, t);
}

static void build_message(struct msg *m, const struct txn *t, bool response)
{
    unsigned rcode = t->outcome == NXDOMAIN ? 3 : t->outcome == SERVFAIL ? 2 : 0;
    unsigned answers = t->outcome != ANSWER ? 0 : t->naddr == 0 ? 1 : t->ncname + t->naddr;
    m->n = m->nseen = 0;
    put(m, 16, t->id);
    put(m, 16, response ? 0x8180U | rcode : 0x0100U);
    put(m, 16, 1);
    put(m, 16, response ? answers : 0);
    put(m, 16, response && (t->outcome == NODATA || t->outcome == NXDOMAIN));
    put(m, 16, t->edns);
    put_name(m, t->qname);
    put(m, 32, t->qtype << 16 | 1);
    if (response)
        put_answers(m, t);
    if (t->edns)
        put_bytes(m, "\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);
}

static uint32_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
    for (size_t i = 0; i < n; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    return sum;
}

static unsigned fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return ~(sum + (sum >> 16)) & 0xffff;
}

/* Writes the Ethernet, VLAN and IP headers; returns the pseudo header's sum. */
static uint32_t put_headers(struct msg *f, const struct txn *t, bool response, unsigned udp_len)
{
    size_t alen = t->v6 ? 16 : 4;
    put_bytes(f, response ? "\2\0\0\0\0\1\2\0\0\0\0\2" : "\2\0\0\0\0\2\2\0\0\0\0\1", 12);
    if (t->vlan)
        put_bytes(f, "\x81\0\0\x64", 4);
    put(f, 16, t->v6 ? 0x86dd : 0x0800);
    if (t->v6) {
        put(f, 32, 0x60000000);
        put(f, 32, udp_len << 16 | 17 << 8 | 64);
    } else {
        put(f, 32, 0x45000000 | (udp_len + 20));
        put(f, 32, (uint32_t)t->id << 16);
        put(f, 32, 0x40110000); /* TTL 64, UDP */
    }
    put_bytes(f, response ? t->resolver : t->client, alen);
    put_bytes(f, response ? t->client : t->resolver, alen);
    if (!t->v6)
        put_at16(f, f->n - 10, fold(sum16(f->b + f->n - 20, 20, 0)));
    return sum16(f->b + f->n - 2 * alen, 2 * alen, 17 + udp_len);
}

static void write_packet(FILE *out, const struct txn *t, const struct msg *m, bool response)
{
    static struct msg f;
    unsigned udp_len = (unsigned)m->n + 8;
    uint8_t le[16];
    f.n = 0;
    uint32_t sum = put_headers(&f, t, response, udp_len);
    size_t udp = f.n;
    put(&f, 16, response ? 53 : t->port);
    put(&f, 16, response ? t->port : 53);
    put(&f, 32, udp_len << 16);
    put_bytes(&f, m->b, m->n);
    f.b[f.n] = 0; /* a sum over an odd length takes in one byte more */
    unsigned c = fold(sum16(f.b + udp, udp_len, sum));
    put_at16(&f, udp + 6, c ? c : 0xffff);
    const uint64_t head[3] = {now_us / 1000000, now_us % 1000000, f.n};
    for (unsigned i = 0; i < 16; i++)
        le[i] = (uint8_t)(head[i < 12 ? i / 4 : 2] >> 8 * (i % 4));
    if (fwrite(le, 16, 1, out) != 1 || fwrite(f.b, f.n, 1, out) != 1)
        fail("genmix: write");
    now_us += (t->id + 5U * response) % 11;
}

static void write_expected(FILE *x, const struct txn *t)
{
    char ip[INET6_ADDRSTRLEN];
    int family = t->v6 ? AF_INET6 : AF_INET;
    fprintf(x, "%s\t", inet_ntop(family, t->resolver, ip, sizeof ip));
    fprintf(x, "%s\t%s", inet_ntop(family, t->client, ip, sizeof ip), t->qname);
    for (unsigned i = 0; i < t->ncname; i++)
        fprintf(x, ",%s", t->cname[i]);
    fputs(t->qtype == T_AAAA ? "\t\t" : "\t", x);
    for (unsigned i = 0; i < t->naddr; i++)
        fprintf(x, "%s%s", i ? "," : "", inet_ntop(t->qtype == T_A ? AF_INET : AF_INET6, t->addr[i], ip, sizeof ip));
    fputs(t->qtype == T_AAAA ? "\n" : "\t\n", x);
}

static bool parse(int argc, char **argv)
{
    int pos = 0;
    for (int i = 1; i < argc; i++) {
        char *end = NULL;
        if (strcmp(argv[i], "--no-queries") == 0)
            no_queries = true;
        else if (strcmp(argv[i], "--expect") == 0 && i + 1 < argc)
            expect_path = argv[++i];
        else if (argv[i][0] == '-' || ++pos > 3)
            return false;
        else if (pos == 1)
            out_path = argv[i];
        else
            *(pos == 2 ? &count : &rng_state) = strtoull(argv[i], &end, 10);
        if (end && (end == argv[i] || *end))
            return false;
    }
    return pos >= 2;
}

static void write_all(FILE *out, FILE *expect)
{
    static struct msg m;
    static struct txn t;
    for (uint64_t i = 0; i < count; i++) {
        choose_type(&t);
        choose_ends(&t);
        choose_answer(&t);
        for (int response = no_queries; response <= 1; response++) {
            build_message(&m, &t, response);
            write_packet(out, &t, &m, response);
        }
        records += t.naddr > 0;
        if (expect && t.naddr > 0)
            write_expected(expect, &t);
    }
}

int main(int argc, char **argv)
{
    static const char header[] = "\xd4\xc3\xb2\xa1\2\0\4\0\0\0\0\0\0\0\0\0\xff\xff\0\0\1\0\0"; /* 24 bytes */
    FILE *out = NULL, *expect = NULL;
    if (!parse(argc, argv)) {
        fprintf(stderr, "usage: genmix OUT.pcap N [SEED] [--no-queries] [--expect FILE]\n");
        return 2;
    }
    make_pool();
    if (!(out = fopen(out_path, "wb")) || setvbuf(out, NULL, _IOFBF, 1 << 20) != 0 ||
        fwrite(header, sizeof header, 1, out) != 1)
        fail(out_path);
    if (expect_path && !(expect = fopen(expect_path, "w")))
        fail(expect_path);
    write_all(out, expect);
    if (fclose(out) != 0 || (expect && fclose(expect) != 0))
        fail("genmix: close");
    fprintf(stderr, "records=%llu\n", (unsigned long long)records);
    return 0;
}
