/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Giving up rights, once everything that needs them is open. */
#ifndef DNSFLOW_SENSOR_PRIVILEGES_H
#define DNSFLOW_SENSOR_PRIVILEGES_H

#include "sensor/config.h"

/* Whose files are to be that a sensor started by root makes. False: not started by root, or there is no such user. */
bool privileges_owner(const struct config *config, struct sink_owner *out);

/* As root: becomes the user of the configuration, else dnsflow, else nobody. Keeps no capability but CAP_NET_RAW, that
 * where an interface may have to be opened again; takes back the chance to get more (bounding set, no_new_privs). */
MUST_CHECK int privileges_drop(const struct config *config, struct error *err);

/* The same without CAP_NET_RAW. */
int privileges_drop_all(const struct config *config, struct error *err);

/* The same for the helper, which from then on can read files and ask name servers, open the output file and remove the
 * sockets that the sensor listens at; other system calls fail. */
MUST_CHECK int privileges_drop_helper(const struct config *config, struct error *err);

/* No file can be opened by name any more (Landlock), where the kernel can do that, and only the system calls that
 * capturing and sending take are allowed (seccomp). Before threads are started. */
MUST_CHECK int privileges_confine(const struct config *config, struct error *err);

#endif
