/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A frame with a datagram in it, through the reader to printed rows: no input forges a row or a column. */
#include <string.h>

#include "base/bytes.h"
#include "reader/session.h"
#include "tests/fuzz/fuzz.h"

/* Lines of the output, each with the seven columns of a row. */
static size_t count_rows(const char *text, size_t len)
{
    size_t rows = 0, tabs = 0;
    for (size_t i = 0; i < len; i++) {
        tabs += text[i] == '\t';
        if (text[i] == '\n') {
            require(tabs == 6);
            tabs = 0;
            rows++;
        }
    }
    return rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session session;
    static char *printed;
    static size_t printed_len;
    struct reader_config config = {.printer = printer_find("tsv"), .no_header = true};
    struct error why;
    if (size < 2)
        return 0;
    struct packet packet = {.bytes = data + 2,
                            .captured_len = (uint32_t)size - 2,
                            .wire_len = (uint32_t)size - 2,
                            .link_type = (uint16_t)(load_be16(data) % 300)};
    require(session_open(&session, &config, &why) == 0);
    session.out.file = open_memstream(&printed, &printed_len);
    session.side.file = session.out.file;
    session_packet(&session, &packet);
    output_flush(&session.out);
    (void)count_rows(printed, printed_len);
    (void)session_close(&session, &why);
    fclose(session.out.file);
    free(printed);
    return 0;
}
