/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DNSFLOW_BASE_VERSION_H
#define DNSFLOW_BASE_VERSION_H

#define DNSFLOW_PROGRAM_VERSION "2.0.0"

#endif
