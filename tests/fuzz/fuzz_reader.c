/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A frame with a datagram in it, through the reader to rows, passive DNS and tables: no input forges a
 * row or a column. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "print/column.h"
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

enum { ROWS, JSON, GATHERED, TABLES, MODES };

/* By the first byte: what is made of the records, and whether names are looked into. */
static void configure(struct reader_config *config, uint8_t choice)
{
    static const char *const formats[MODES] = {"tsv", "json", "cof", "text"};
    memset(config, 0, sizeof(*config));
    config->printer = printer_find(formats[choice % MODES]);
    config->no_header = true;
    config->show_tables = choice % MODES == TABLES;
    layout_default(&config->layout);
    config->layout.time_style = config->printer->time_style;
    if (choice & 4)
        require(match_add_name(&config->match, "*a*", NULL) == 0 && match_add_name(&config->match, "*.b", NULL) == 0);
}

/* What was printed, in a file of its own that all inputs share. */
static size_t read_printed(int fd, char *text, size_t size)
{
    ssize_t len = pread(fd, text, size, 0);
    require(len >= 0 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    return (size_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session session;
    static struct reader_config config;
    static char printed[1 << 20];
    static int fd;
    struct error why;
    if (fd == 0)
        fd = memfd_create("printed", MFD_CLOEXEC);
    if (size < 3)
        return 0;
    struct packet packet = {.bytes = data + 3,
                            .captured_len = (uint32_t)size - 3,
                            .wire_len = (uint32_t)size - 3,
                            .link_type = (uint16_t)(load_be16(data + 1) % 300)};
    configure(&config, data[0]);
    require(session_open(&session, &config, NULL, &why) == 0);
    session.out.fd = session.errors.fd = fd;
    session_packet(&session, &packet);
    output_flush(&session.out);
    size_t len = read_printed(fd, printed, sizeof(printed));
    if (data[0] % MODES == ROWS)
        (void)count_rows(printed, len);
    require(session_finish(&session, 0, &why) == 0);
    (void)read_printed(fd, printed, sizeof(printed));
    session_close(&session);
    return 0;
}
