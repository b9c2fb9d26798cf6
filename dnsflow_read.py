#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs dnsflow_read, under the name that older commands and scripts use: ./dnsflow_read.py -i lo

Imported as a module it offers pkt_iter, process_pkt and the rest of the package dnsflow, which is looked for beside
this file, where it is installed, and on the module path."""
import os
import sys

here = os.path.dirname(os.path.realpath(__file__))


def run():
    beside = os.path.join(here, "dnsflow_read")
    program = beside if os.access(beside, os.X_OK) else "dnsflow_read"
    try:
        os.execvp(program, ["dnsflow_read"] + sys.argv[1:])
    except OSError as error:
        sys.exit("dnsflow_read.py: %s: %s; build it with make" % (program, error.strerror))


if __name__ == "__main__":
    run()
else:
    for folder in (os.path.join(here, "python"), os.path.join(here, "..", "share", "dnsflow", "python"),
                   "/usr/share/dnsflow/python"):
        if os.path.isfile(os.path.join(folder, "dnsflow", "__init__.py")):
            sys.path.insert(0, os.path.normpath(folder))
            break
    from dnsflow import *  # noqa: F401,F403
