#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs dnsflow_read, under the name that older commands and scripts use: ./dnsflow_read.py -i lo

Imported as a module it has the interface of the original's, and what else the package dnsflow has. That is looked for
beside this file, where it is installed, and on the module path."""
import os
import sys

here = os.path.dirname(os.path.realpath(__file__))


def run() -> None:
    beside = os.path.join(here, "dnsflow_read")
    program = beside if os.access(beside, os.X_OK) else "dnsflow_read"
    try:
        os.execvp(program, ["dnsflow_read"] + sys.argv[1:])
    except OSError as error:
        sys.exit("dnsflow_read.py needs the program dnsflow_read beside it or on the path (make builds it): %s"
                 % error.strerror)


if __name__ == "__main__":
    run()
else:
    for folder in (os.path.join(here, "python"), os.path.join(here, "..", "share", "dnsflow", "python"),
                   "/usr/share/dnsflow/python"):
        if os.path.isfile(os.path.join(folder, "dnsflow", "__init__.py")):
            sys.path.insert(0, os.path.normpath(folder))
            break
    try:
        from dnsflow import *  # noqa: F401,F403
        from dnsflow.original import *  # type: ignore[assignment]  # noqa: F401,F403
    except ImportError as error:
        if error.name not in ("dnsflow", "dnsflow.original"):
            raise
        raise ImportError("dnsflow_read.py needs the package dnsflow: the source's folder python beside it, or "
                          "installed (make install, or pip install of that folder)") from None
