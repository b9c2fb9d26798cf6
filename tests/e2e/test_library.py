# SPDX-License-Identifier: BSD-3-Clause
"""libdnsflow as a program elsewhere finds it: installed, through pkg-config, shared and static."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, timeout=120, stdout=subprocess.PIPE, **options)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A copy installed below a folder of its own."""
    if not shutil.which("pkg-config") or "release" not in os.environ.get("DNSFLOW_BUILD", "release"):
        pytest.skip("needs pkg-config and the release build")
    prefix = tmp_path_factory.mktemp("prefix")
    run("make", "-s", "-C", TOP, "install", "PREFIX=%s" % prefix, "V=", stderr=subprocess.DEVNULL)
    return prefix


def flags(prefix, *what):
    out = run("pkg-config", *what, "libdnsflow", env=dict(os.environ, PKG_CONFIG_PATH=str(prefix / "lib/pkgconfig")))
    return out.stdout.decode().split()


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_examples(installed, tmp_path, kind):
    programs = {}
    for name in ("encode", "decode"):
        programs[name] = tmp_path / name
        libs = flags(installed, "--libs") if kind == "shared" else [installed / "lib/libdnsflow.a"]
        run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", TOP / "examples" / (name + ".c"),
            *flags(installed, "--cflags"), *libs, "-o", programs[name])
    env = dict(os.environ, LD_LIBRARY_PATH=str(installed / "lib"))
    datagram = run(programs["encode"], env=env).stdout
    assert len(datagram) == 8 + 40 + 20 + 4
    assert run(programs["decode"], input=datagram, env=env).stdout == b"www.example.com 198.51.100.1\n"
    page = (TOP / "docs" / "WIRE.md").read_text("utf-8")
    vector = re.search(r"^```vector v4-answers-signed\n(.*?)^```$", page, re.M | re.S).group(1)
    answers = bytes.fromhex("".join(line.split(";")[0] for line in vector.splitlines()))
    assert run(programs["decode"], input=answers, env=env).stdout == \
        b"no.example.com\nshop.example.net,e1.example 203.0.113.80 TYPE15:16 TYPE65280:0\n"
    broken = subprocess.run([str(programs["decode"])], input=datagram[:-1], env=env, timeout=20, capture_output=True)
    assert broken.returncode == 1 and b"addresses run past the end" in broken.stderr


def test_only_the_api_is_exported(installed):
    out = run("nm", "-D", "--defined-only", installed / "lib/libdnsflow.so").stdout.decode()
    names = {line.split()[-1].split("@")[0] for line in out.splitlines()} - {"LIBDNSFLOW_1"}
    with open(TOP / "src/flow/libdnsflow.map") as f:
        expected = {line.strip(" ;\n") for line in f if line.startswith("    dnsflow_")}
    assert names == expected


def test_uninstall_leaves_nothing(tmp_path):
    if "release" not in os.environ.get("DNSFLOW_BUILD", "release"):
        pytest.skip("needs the release build")
    for target in ("install", "uninstall"):
        run("make", "-s", "-C", TOP, target, "DESTDIR=%s" % tmp_path, "PREFIX=/usr", stderr=subprocess.DEVNULL)
    assert [p for p in tmp_path.rglob("*") if not p.is_dir()] == []
