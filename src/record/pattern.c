/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/pattern.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_MAX = 63, TEXT_MAX = 253 };

/* Printed with a backslash before it; a dot only inside a label. */
static bool is_special(uint8_t c)
{
    return c && strchr(".\\\"();@$", c);
}

/* Printed as \DDD. */
static bool is_coded(uint8_t c)
{
    return c < 0x21 || c > 0x7e || c == ',' || c == '|';
}

/* What stands there unescaped and is printed escaped wherever it is. */
static int check_plain(uint8_t c, struct error *err)
{
    if (is_coded(c))
        return error_set(err, "expected \\%03u for %s, as names are printed", c,
                         c == ' '   ? "a blank"
                         : c == ',' ? "a comma"
                         : c == '|' ? "a bar"
                                    : "this character");
    return c == '"' ? error_set(err, "expected \\\" for a quotation mark, as names are printed") : 0;
}

int pattern_check(const char *text, bool is_part, struct error *err)
{
    size_t label = 0, total = 0, taken;
    for (; *text; text += taken) {
        uint8_t c;
        bool is_dot = *text == '.';
        taken = name_parse_byte(text, &c);
        if (taken == 0)
            return error_set(err, "expected a character, or three digits from 000 to 255, behind each backslash");
        if (is_dot && label == 0 && (total > 0 || (text[1] && !is_part)))
            return error_set(err, "expected something between two dots, and before the first");
        if (is_part && taken == 1 && check_plain(c, err) != 0)
            return -1;
        label = is_dot ? 0 : label + 1;
        total += !is_dot || text[1] || is_part; /* the dot at the end of a name is not printed */
        if (label > LABEL_MAX)
            return error_set(err, "expected at most %d bytes between two dots", LABEL_MAX);
        if (total > TEXT_MAX)
            return error_set(err, "expected at most %d bytes, as no name has more", TEXT_MAX);
    }
    return 0;
}

size_t pattern_text(const char *text, uint8_t out[NAME_TEXT])
{
    size_t used = 0, taken;
    for (; *text && used + 5 <= NAME_TEXT; text += taken) {
        uint8_t c;
        taken = name_parse_byte(text, &c);
        if (taken == 0)
            break;
        if (is_coded(c)) {
            used += (size_t)snprintf((char *)out + used, NAME_TEXT - used, "\\%03u", c);
            continue;
        }
        if (taken > 1 && is_special(c))
            out[used++] = '\\';
        out[used++] = (uint8_t)tolower(c);
    }
    return used;
}
