/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the reader may still do once its input is open, as what it parses is made by others. */
#ifndef DNSFLOW_READER_RIGHTS_H
#define DNSFLOW_READER_RIGHTS_H

#include "reader/config.h"

/* Gives up what is not needed: root's rights (but for reading files, and for capturing), all files that are not named
 * as input (Landlock), system calls (seccomp). Returns -1 with one line for the user. */
int rights_give_up(const struct reader_config *config, struct error *err);

#endif
