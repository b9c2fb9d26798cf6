# SPDX-License-Identifier: BSD-3-Clause
"""scripts/install-deps knows all that packages are made with, and what to do where a release lacks some."""

import os
import re

from conftest import TOP, run


def test_deb_has_what_dpkg_asks_for():
    lists = dict(re.findall(r'^(DEB_\w+)="([^"]*)"', (TOP / "scripts/install-deps").read_text(), re.M))
    wanted = re.search(r"^Build-Depends: (.*)$", (TOP / "packaging/debian/control").read_text(), re.M).group(1)
    names = {re.match(r"[\w.+-]+", word).group(0) for word in wanted.split(", ")}
    # a level of debhelper's is a name that debhelper provides; build-essential is asked for without being named
    names = names - {"debhelper-compat"} | {"debhelper", "build-essential"}
    assert names <= set((lists["DEB_BUILD"] + " " + lists["DEB_DEB"]).split())


def install(tmp_path, purpose):
    """What it says, and what the package manager is told to install, on a release without ClickHouse."""
    programs = {"id": "echo 0", "dpkg-query": "exit 0", "apt-get": 'echo "$@" >>%s/told' % tmp_path,
                "apt-cache": 'case "$*" in *clickhouse*) exit 100 ;; esac'}
    for name, body in programs.items():
        (tmp_path / name).write_text("#!/bin/sh\n%s\n" % body)
        (tmp_path / name).chmod(0o755)
    done = run([TOP / "scripts/install-deps", purpose], env={**os.environ, "PATH": "%s:%s" % (tmp_path, os.environ["PATH"])})
    assert done.status == 0, done.err
    return done.err, (tmp_path / "told").read_text().splitlines()[-1].split()


def test_dev_does_without_what_a_release_lacks(tmp_path):
    said, told = install(tmp_path, "dev")
    assert "does not have clickhouse-server clickhouse-client;" in said
    assert {"install", "gcc", "chromium"} <= set(told) and "clickhouse-server" not in told


def test_others_take_all(tmp_path):
    said, told = install(tmp_path, "build")
    assert said == "" and {"install", "gcc", "libsqlite3-dev"} <= set(told)
