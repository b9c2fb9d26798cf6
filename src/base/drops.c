/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/drops.h"

const struct drop_info drop_table[DROP_REASON_COUNT] = {[DROP_NONE] = {"none", LEDGER_NONE, "nothing was wrong"},
#define X(name, token, ledger, text) [DROP_##name] = {token, LEDGER_##ledger, text},
                                                        DROP_REASONS(X)
#undef X
};
