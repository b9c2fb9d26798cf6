/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A hash table of keys: a byte that says what it is, then the name in wire format, or the address with the bits behind
 * its prefix at zero. The seed is one that outsiders cannot guess. */
#include "watch/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/prefix.h"
#include "record/idn.h"
#include "record/name.h"
#include "record/pattern.h"

enum {
    IP4_BITS = 32,
    IP6_BITS = 128,
    BELOW = 254, /* of a key's first byte: *.NAME, or a name; else an address, family and bits */
    NAME = 255,
    IP6 = 64,                          /* and the bits, which for IPv4 stand alone */
    KEY = 1 + NAME_WIRE,               /* bytes of one */
    SLOTS_MIN = 16,                    /* a power of two */
    FILE_MAX = 1 << 30,                /* bytes */
    NOTE_MAX = 1000,                   /* bytes of one; what stands behind is not told */
    LINE_MAX_BYTES = 4 * NAME_TEXT - 1 /* of what is looked out for */
};

_Static_assert(IP6 + IP6_BITS < BELOW && IP4_BITS < IP6, "first bytes of keys do not collide");

struct line {
    uint32_t text; /* in the file */
    uint32_t key;  /* in `keys` */
    uint16_t key_len;
    uint16_t note; /* behind the text; 0 = none */
};

struct watch_list {
    char *file; /* as it was read, each text and each note ended */
    uint8_t *keys;
    size_t keys_len, keys_room;
    struct line *lines;
    size_t count, room;
    uint32_t *slots; /* a line's number and one, 0 = free */
    size_t slots_count;
    uint64_t seed;
    bool has_below;
    uint8_t bits4[IP4_BITS + 1], bits6[IP6_BITS + 1]; /* prefixes of that length: 1 = there is one */
};

/* ---- the table ---- */

static size_t slot_of(const struct watch_list *list, const uint8_t *key, size_t len)
{
    size_t at = (size_t)hash_bytes(list->seed, key, len) & (list->slots_count - 1);
    while (list->slots[at] > 0) {
        const struct line *line = &list->lines[list->slots[at] - 1];
        if (line->key_len == len && memcmp(list->keys + line->key, key, len) == 0)
            break;
        at = (at + 1) & (list->slots_count - 1);
    }
    return at;
}

static bool find(const struct watch_list *list, const uint8_t *key, size_t len, struct watch_entry *out)
{
    uint32_t number = list->slots[slot_of(list, key, len)];
    if (number == 0)
        return false;
    const struct line *line = &list->lines[number - 1];
    out->text = list->file + line->text;
    out->note = line->note > 0 ? out->text + line->note : "";
    return true;
}

/* Twice as many slots as there are lines, at least. */
static int make_table(struct watch_list *list)
{
    size_t i;
    list->slots_count = SLOTS_MIN;
    while (list->slots_count < 2 * list->count)
        list->slots_count *= 2;
    list->slots = calloc(list->slots_count, sizeof(*list->slots));
    if (!list->slots)
        return -1;
    for (i = 0; i < list->count; i++) {
        size_t at = slot_of(list, list->keys + list->lines[i].key, list->lines[i].key_len);
        if (list->slots[at] == 0) /* of two alike the first counts */
            list->slots[at] = (uint32_t)i + 1;
    }
    return 0;
}

static bool grow(void **list, size_t *room, size_t needed, size_t size)
{
    size_t more = *room > 0 ? *room : 1024;
    while (more < needed)
        more *= 2;
    void *grown = more > *room ? realloc(*list, more * size) : *list;
    if (!grown)
        return false;
    *list = grown;
    *room = more;
    return true;
}

static int add(struct watch_list *list, size_t text, size_t note, const uint8_t *key, size_t len, struct error *err)
{
    if (!grow((void **)&list->keys, &list->keys_room, list->keys_len + len, 1) ||
        !grow((void **)&list->lines, &list->room, list->count + 1, sizeof(*list->lines)))
        return error_set(err, "out of memory");
    memcpy(list->keys + list->keys_len, key, len);
    list->lines[list->count++] =
        (struct line){.text = (uint32_t)text,
                      .key = (uint32_t)list->keys_len,
                      .key_len = (uint16_t)len,
                      .note = note > 0 && note - text <= UINT16_MAX ? (uint16_t)(note - text) : 0};
    list->keys_len += len;
    return 0;
}

/* ---- keys ---- */

/* Bits behind the prefix become zero. */
static void cut(uint8_t *address, size_t len, unsigned bits)
{
    size_t i;
    for (i = 0; i < len; i++) {
        unsigned left = bits > 8 * i ? bits - 8 * (unsigned)i : 0;
        if (left < 8)
            address[i] &= (uint8_t)(0xff00 >> left);
    }
}

/* Returns the key's length, 0: it is neither address nor prefix. */
static size_t address_key(struct watch_list *list, const char *text, uint8_t key[KEY])
{
    char bare[64];
    const char *slash = strchr(text, '/');
    size_t text_len = slash ? (size_t)(slash - text) : strlen(text);
    char *end = NULL;
    if (text_len >= sizeof(bare))
        return 0;
    memcpy(bare, text, text_len);
    bare[text_len] = '\0';
    size_t len = parse_address(bare, key + 1);
    unsigned most = len == 4 ? IP4_BITS : IP6_BITS;
    unsigned long bits = slash && slash[1] >= '0' && slash[1] <= '9' ? strtoul(slash + 1, &end, 10) : most;
    if (len == 0 || (slash && (!end || *end)) || bits > most)
        return 0;
    cut(key + 1, len, (unsigned)bits);
    key[0] = (uint8_t)(len == 4 ? bits : IP6 + bits);
    (len == 4 ? list->bits4 : list->bits6)[bits] = 1;
    return 1 + len;
}

static size_t name_key(struct watch_list *list, const char *text, uint8_t key[KEY], struct error *err)
{
    static const char expected[] = "expected a name, *.NAME, an address or a prefix";
    char dns[NAME_TEXT];
    bool is_below = strncmp(text, "*.", 2) == 0;
    text += is_below ? 2 : 0;
    if (strpbrk(text, "*/|^$:,") || *text == '\0') {
        error_set(err, "%s", expected);
        return 0;
    }
    if (idn_is_needed(text)) {
        int changed = idn_to_dns(text, dns, err);
        if (changed < 0)
            return 0;
        text = dns;
    }
    if (pattern_check(text, false, err) != 0)
        return 0;
    size_t len = name_parse(text, key + 1);
    if (len == 0) {
        error_set(err, "%s", expected);
        return 0;
    }
    key[0] = is_below ? BELOW : NAME;
    list->has_below |= is_below;
    return 1 + len;
}

/* ---- the file ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* A note that is longer is cut, between two characters: so a hit always fits its line. */
static void cut_note(char *note)
{
    size_t len = strnlen(note, NOTE_MAX + 1);
    if (len <= NOTE_MAX)
        return;
    for (len = NOTE_MAX; len > 0 && ((uint8_t)note[len] & 0xc0) == 0x80; len--)
        ;
    note[len] = '\0';
}

/* A line, which is ended: its text, and the note behind it. */
static int take_line(struct watch_list *list, size_t begin, size_t end, struct error *err)
{
    uint8_t key[KEY];
    char *file = list->file;
    size_t text_end, note = 0;
    while (begin < end && is_blank(file[begin]))
        begin++;
    while (end > begin && is_blank(file[end - 1]))
        end--;
    file[end] = '\0';
    if (begin == end || file[begin] == '#')
        return 0;
    if (strlen(file + begin) != end - begin)
        return error_set(err, "expected text, without zero bytes");
    text_end = begin + strcspn(file + begin, " \t");
    if (text_end - begin > LINE_MAX_BYTES)
        return error_set(err, "expected at most 253 bytes, as no name has more");
    if (text_end < end)
        note = text_end + strspn(file + text_end, " \t#");
    if (note > 0)
        cut_note(file + note);
    file[text_end] = '\0';
    size_t len = address_key(list, file + begin, key);
    if (len == 0)
        len = name_key(list, file + begin, key, err);
    return len == 0 ? -1 : add(list, begin, note < end ? note : 0, key, len, err);
}

static int take_lines(struct watch_list *list, size_t size, const char *path, struct error *err)
{
    static const char mark[] = "\xef\xbb\xbf"; /* of UTF-8, as some editors put it in front */
    size_t begin = strncmp(list->file, mark, 3) == 0 ? 3 : 0, number = 1;
    struct error why;
    for (; begin < size; number++) {
        const char *newline = memchr(list->file + begin, '\n', size - begin);
        size_t end = newline ? (size_t)(newline - list->file) : size;
        if (take_line(list, begin, end, &why) != 0)
            return error_set(err, "%s: line %zu: %s", path, number, why.text);
        begin = end + 1;
    }
    return make_table(list) == 0 ? 0 : error_set(err, "%s: out of memory", path);
}

static int read_file(struct watch_list *list, const char *path, size_t *size, struct error *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = 0;
    if (fd < 0)
        return error_errno(err, "%s", path);
    bool is_file = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= FILE_MAX;
    *size = 0;
    if (is_file)
        list->file = malloc((size_t)info.st_size + 1);
    while (list->file && *size < (size_t)info.st_size &&
           (n = read(fd, list->file + *size, (size_t)info.st_size - *size)) > 0)
        *size += (size_t)n;
    int cause = n < 0 ? errno : 0;
    close(fd);
    if (!is_file)
        return error_set(err, "%s: expected a file of at most 1 GiB", path);
    if (!list->file || cause)
        return error_set(err, "%s: %s", path, cause ? strerror(cause) : "out of memory");
    list->file[*size] = '\0';
    return 0;
}

int watch_list_read(const char *path, struct watch_list **out, struct error *err)
{
    struct watch_list *list = calloc(1, sizeof(*list));
    size_t size = 0;
    if (!list)
        return error_set(err, "%s: out of memory", path);
    list->seed = hash_seed();
    if (read_file(list, path, &size, err) != 0 || take_lines(list, size, path, err) != 0) {
        watch_list_free(list);
        return -1;
    }
    *out = list;
    return 0;
}

void watch_list_free(struct watch_list *list)
{
    if (!list)
        return;
    free(list->file);
    free(list->keys);
    free(list->lines);
    free(list->slots);
    free(list);
}

size_t watch_list_count(const struct watch_list *list)
{
    return list ? list->count : 0;
}

/* ---- asking ---- */

bool watch_list_has_name(const struct watch_list *list, const uint8_t *wire, size_t len, struct watch_entry *out)
{
    uint8_t key[KEY];
    size_t at = 0;
    key[0] = NAME;
    memcpy(key + 1, wire, len);
    if (find(list, key, 1 + len, out))
        return true;
    while (list->has_below && wire[at] != 0) {
        at += wire[at] + 1u;
        key[at] = BELOW; /* in the place of what is in front of that name */
        if (find(list, key + at, 1 + len - at, out))
            return true;
    }
    return false;
}

bool watch_list_has_address(const struct watch_list *list, uint8_t ip_vers, const uint8_t *address,
                            struct watch_entry *out)
{
    uint8_t key[1 + 16];
    bool is_ip4 = ip_vers == 4;
    const uint8_t *lengths = is_ip4 ? list->bits4 : list->bits6;
    size_t len = is_ip4 ? 4 : 16;
    int bits;
    for (bits = is_ip4 ? IP4_BITS : IP6_BITS; bits >= 0; bits--) {
        if (!lengths[bits])
            continue;
        memcpy(key + 1, address, len);
        cut(key + 1, len, (unsigned)bits);
        key[0] = (uint8_t)(is_ip4 ? bits : IP6 + bits);
        if (find(list, key, 1 + len, out))
            return true;
    }
    return false;
}
