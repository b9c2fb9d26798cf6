# SPDX-License-Identifier: BSD-3-Clause
"""scripts/install-deps knows all that packages are made with."""

import re

from conftest import TOP


def test_deb_has_what_dpkg_asks_for():
    lists = dict(re.findall(r'^(DEB_\w+)="([^"]*)"', (TOP / "scripts/install-deps").read_text(), re.M))
    wanted = re.search(r"^Build-Depends: (.*)$", (TOP / "packaging/debian/control").read_text(), re.M).group(1)
    names = {re.match(r"[\w.+-]+", word).group(0) for word in wanted.split(", ")}
    # a level of debhelper's is a name that debhelper provides; build-essential is asked for without being named
    names = names - {"debhelper-compat"} | {"debhelper", "build-essential"}
    assert names <= set((lists["DEB_BUILD"] + " " + lists["DEB_DEB"]).split())
