/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A journal's file: heads alone, then blocks and the records in them. */
#include <sys/mman.h>
#include <unistd.h>

#include "journal/reader.h"
#include "tests/fuzz/fuzz.h"

enum { BLOCKS_MAX = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int heads_only;
    for (heads_only = 0; heads_only < 2; heads_only++) {
        struct journal_block block;
        const uint8_t *plain;
        struct error why;
        int fd = memfd_create("fuzz", MFD_CLOEXEC), blocks = 0;
        require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        struct journal_reader *reader = journal_read_file(fd);
        require(reader != NULL);
        journal_heads_only(reader, heads_only);
        while (blocks++ < BLOCKS_MAX && journal_read(reader, &block, &plain, &why) == JOURNAL_READ) {
            const uint8_t *at = plain;
            struct received from;
            volatile uint8_t sum = 0;
            require(block.plain_len <= JOURNAL_PLAIN_MAX && journal_position(reader).offset <= size);
            while (plain && journal_record_read(&at, plain + block.plain_len, &from) == 1)
                for (size_t i = 0; i < from.len; i++)
                    sum = (uint8_t)(sum + from.bytes[i]);
        }
        require(journal_damage(reader)->bytes + journal_damage(reader)->tail <= size);
        journal_reader_close(reader);
    }
    return 0;
}
