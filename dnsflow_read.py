#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs dnsflow_read, under the name that older commands and scripts use: ./dnsflow_read.py -i lo"""
import os
import sys

here = os.path.dirname(os.path.realpath(__file__))
beside = os.path.join(here, "dnsflow_read")
program = beside if os.access(beside, os.X_OK) else "dnsflow_read"
try:
    os.execvp(program, ["dnsflow_read"] + sys.argv[1:])
except OSError as error:
    sys.exit("dnsflow_read.py: %s: %s; build it with make" % (program, error.strerror))
