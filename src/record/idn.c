/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/idn.h"

#include <string.h>

#ifdef HAVE_LIBIDN2
#include <idn2.h>
#endif

bool idn_is_needed(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 0x7f)
            return true;
    return false;
}

#ifdef HAVE_LIBIDN2
/* Until the dot, an escaped one not being any. */
static size_t label_length(const char *text)
{
    size_t len = 0;
    for (; text[len] && text[len] != '.'; len++)
        len += text[len] == '\\' && text[len + 1];
    return len;
}

/* Puts the DNS form into the label, which has room for NAME_TEXT. */
static int convert_label(char *label, struct error *err)
{
    char *found = NULL;
    if (!idn_is_needed(label) || strchr(label, '\\'))
        return 0;
    int result = idn2_to_ascii_8z(label, &found, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (result == IDN2_ENCODING_ERROR)
        return error_set(err, "expected UTF-8, or \\DDD for each byte beyond ASCII");
    bool is_found = result == IDN2_OK && strlen(found) < NAME_TEXT;
    if (is_found)
        strncpy(label, found, NAME_TEXT - 1);
    idn2_free(found);
    return is_found;
}

int idn_to_dns(const char *text, char out[NAME_TEXT], struct error *err)
{
    size_t used = 0, len;
    int changed = 0;
    for (;; text += len + 1) {
        char label[NAME_TEXT] = "";
        len = label_length(text);
        if (len >= sizeof(label))
            return error_set(err, "expected at most 63 bytes between two dots");
        memcpy(label, text, len);
        int result = convert_label(label, err);
        if (result < 0)
            return -1;
        changed += result;
        size_t size = strlen(label);
        if (used + size + 2 > NAME_TEXT)
            return error_set(err, "expected at most 253 bytes, as no name has more");
        memcpy(out + used, label, size);
        used += size;
        out[used++] = text[len];
        if (!text[len])
            return changed;
    }
}

const char *idn_version(void)
{
    return "libidn2 " IDN2_VERSION;
}
#else
int idn_to_dns(const char *text, char out[NAME_TEXT], struct error *err)
{
    (void)text;
    (void)out;
    return error_set(err, "expected ASCII, or \\DDD for each byte: this program was built without libidn2");
}

const char *idn_version(void)
{
    return "without libidn2: names of --name are ASCII";
}
#endif
