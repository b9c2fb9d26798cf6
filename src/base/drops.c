/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/drops.h"

const struct drop_info drop_table[DROP_REASON_COUNT] = {[DROP_NONE] = {"none", LEDGER_NONE, "nothing was wrong"},
#define X(name, token, ledger, text) [DROP_##name] = {token, LEDGER_##ledger, text},
                                                        DROP_REASONS(X)
#undef X
};

const char *drop_counter_name(size_t index)
{
    static const char *const first[] = {"frames_seen", "frames_delivered", "messages_parsed", "messages_with_record",
                                        "records"};
    enum { FIRST = sizeof(first) / sizeof(first[0]) };
    _Static_assert((int)FIRST + (int)DROP_REASON_COUNT - 1 == (int)DROP_COUNTERS, "every counter has a name");
    if (index < FIRST)
        return first[index];
    index = index - FIRST + DROP_NONE + 1;
    return index < DROP_REASON_COUNT ? drop_table[index].token : NULL;
}
