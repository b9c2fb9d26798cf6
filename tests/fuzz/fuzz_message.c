/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A DNS message, whole and cut. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_message(data, size, true);
    fuzz_message(data, size, false);
    return 0;
}
