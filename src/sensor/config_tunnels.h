/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What takes the options about tunnels. */
#ifndef DNSFLOW_SENSOR_CONFIG_TUNNELS_H
#define DNSFLOW_SENSOR_CONFIG_TUNNELS_H

#include "base/options.h"

option_take config_take_jmirror, config_take_pcap_record, config_take_tunnel_port, config_take_decap;

#endif
