# SPDX-License-Identifier: BSD-3-Clause
"""The Python package on sockets and interfaces; how scripts find it; and what holds of its sources."""

import ast
import os
import re
import shutil
import socket
import sys
import threading

import pytest

from conftest import READER, TOP, made_capture, needs_root, reader, run, sensor, unused_port
from python_reader import FILES, PYTHON, STATS, dnsflow, made, pcap_filter


def test_udp_socket():
    port, counts = unused_port(), dnsflow.Counts()
    found = dnsflow.udp_iter("127.0.0.1", port, counts=counts, timeout=10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for data in (made(1), b"nonsense", STATS, made(2)):
            out.sendto(data, ("127.0.0.1", port))
        got = [next(found) for _ in range(3)]
        mine = out.getsockname()[1]
    assert [p["header"]["sequence_number"] for p in got] == [1, 77, 2] and counts.malformed == 1
    header = got[0]["header"]
    assert (header["src_ip"], header["src_ip_str"], header["src_port"]) == (b"\x7f\0\0\1", "127.0.0.1", mine)
    assert 1.7e9 < header["timestamp"] <= got[2]["header"]["timestamp"]
    found.close()
    assert list(dnsflow.udp_iter("127.0.0.1", port, timeout=0)) == [], "the port is free again"


def test_udp_socket_of_both_families():
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    port = unused_port()
    found = dnsflow.udp_iter(port=port, timeout=10, stats_only=True)
    sources = []
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as out:
            out.sendto(made(), (host, port))
            out.sendto(STATS, (host, port))
            sources.append(next(found)["header"]["src_ip_str"])
    assert sources == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("setting", [None, 0, 5])
def test_own_socket(setting):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        own.settimeout(setting)
        own.sendto(made(3), own.getsockname())
        assert [p["header"]["sequence_number"] for p in dnsflow.udp_iter(sock=own, timeout=0.01)] == [3]
        assert own.fileno() >= 0 and own.gettimeout() == setting


def test_from_a_sensor(tmp_path):
    source, port = made_capture(tmp_path / "in.pcap", 300), unused_port()
    found = dnsflow.udp_iter("127.0.0.1", port, timeout=10)
    threading.Thread(target=sensor, args=("-r", source, "-u", "127.0.0.1:%d" % port), daemon=True).start()
    records = dnsflow.records(found)
    assert [next(records)[1]["names"] for _ in range(300)] == [["h%d.made.example" % i] for i in range(300)]


@needs_root
@pytest.mark.parametrize("interface", ["lo", "any"])
@pytest.mark.parametrize("how", ["plain", "filter", "no libpcap"])
def test_sniffing(interface, how, monkeypatch):
    if how == "no libpcap":
        monkeypatch.setattr(pcap_filter, "_library", lambda: None)
    elif not pcap_filter.is_supported():
        pytest.skip("no libpcap")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind(("127.0.0.1", 0))
        mine, port = out.getsockname()[1], 5300 if how != "filter" else 5399
        expression = "udp src port %d" % mine if how == "filter" else None
        counts = dnsflow.Counts()
        found = dnsflow.pkt_iter(interface, pcap_filter=expression, timeout=10, counts=counts)
        for data in (made(1), made(2)[:-1], made(3, 100), STATS):
            out.sendto(data, ("127.0.0.1", port))
        got = []
        while len(got) < 3:
            one = next(found)
            got += [one] if one["header"]["src_port"] == mine else []
    assert [p["header"]["sequence_number"] for p in got] == [1, 3, 77]
    assert counts.frames == 4 or how != "filter"
    assert 1.7e9 < got[0]["header"]["timestamp"] <= got[2]["header"]["timestamp"]
    found.close()


def test_no_interface():
    with pytest.raises(OSError, match="missing0"):
        dnsflow.pkt_iter(interface="missing0")
    if os.geteuid() == 0 and pcap_filter.is_supported():
        with pytest.raises(ValueError, match="nonsense"):
            dnsflow.pkt_iter(interface="lo", pcap_filter="nonsense")


# The package

USE = """import dnsflow_read, sys
packets = list(dnsflow_read.pkt_iter(pcap_file=sys.argv[1], stats_only=False))
print(len(packets), dnsflow_read.process_pkt.__module__, sys.modules["dnsflow"].__file__)"""


@pytest.mark.parametrize("layout", ["tree", "installed", "on the path"])
def test_dnsflow_read_as_a_module(layout, tmp_path):
    where, package = TOP, PYTHON
    if layout != "tree":
        where = tmp_path / "bin"
        where.mkdir()
        shutil.copy(TOP / "dnsflow_read.py", where)
        package = tmp_path / ("share/dnsflow/python" if layout == "installed" else "elsewhere")
        shutil.copytree(PYTHON / "dnsflow", package / "dnsflow")
    (tmp_path / "a.pcap").write_bytes(FILES["little"])
    paths = [str(where)] + ([str(package)] if layout == "on the path" else [])
    result = run([sys.executable, "-c", USE, tmp_path / "a.pcap"], cwd=str(tmp_path),
                 env=dict(os.environ, PYTHONPATH=":".join(paths)))
    assert result.status == 0, result.err
    assert result.out.decode().split() == ["5", "dnsflow.original", str(package / "dnsflow" / "__init__.py")]


def test_dnsflow_read_alone(tmp_path):
    """The file without what belongs to it says what that is."""
    shutil.copy(TOP / "dnsflow_read.py", tmp_path)
    alone = {"cwd": str(tmp_path), "env": {"PATH": str(tmp_path)}}
    result = run([sys.executable, "-I", "-c", "import sys; sys.path.insert(0, '.'); import dnsflow_read"], **alone)
    last = result.err.splitlines()[-1]
    if "needs" not in last and result.status == 0:
        pytest.skip("the package is installed on this machine")
    assert result.status == 1 and last.startswith("ImportError: dnsflow_read.py needs the package dnsflow"), result.err
    result = run([sys.executable, "dnsflow_read.py", "-V"], **alone)
    assert result.status == 1 and re.fullmatch("dnsflow_read.py needs the program dnsflow_read .*\n", result.err)


def test_dnsflow_read_as_a_script(tmp_path):
    shutil.copy(TOP / "dnsflow_read.py", tmp_path)
    (tmp_path / "dnsflow_read").symlink_to(READER)
    result = run([sys.executable, tmp_path / "dnsflow_read.py", "--version"])
    assert result.status == 0 and result.out == reader("--version").out


SOURCES = sorted((PYTHON / "dnsflow").glob("*.py"))


def test_sources_are_python_3_9():
    for path in SOURCES:
        text = path.read_text("utf-8")
        tree = ast.parse(text, feature_version=(3, 9))
        assert text.startswith("# SPDX-License-Identifier: BSD-3-Clause\n") and text.count("\n") < 500
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 60, node.name
            elif isinstance(node, (ast.Import, ast.ImportFrom)) and hasattr(sys, "stdlib_module_names"):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                local = isinstance(node, ast.ImportFrom) and node.level
                assert local or all(n.split(".")[0] in sys.stdlib_module_names for n in names), "no dependency"
    version = re.search(r'^version = "(.*)"$', (PYTHON / "pyproject.toml").read_text("utf-8"), re.M).group(1)
    assert version == dnsflow.__version__
    assert reader("--version").out.decode().splitlines()[0] == "dnsflow_read " + version
    assert (PYTHON / "dnsflow" / "py.typed").exists() and all(hasattr(dnsflow, n) for n in dnsflow.__all__)


def test_types(tmp_path):
    if not shutil.which("mypy"):
        pytest.skip("no mypy")
    for source in (PYTHON / "dnsflow", TOP / "dnsflow_read.py"):
        result = run(["mypy", "--strict", "--cache-dir", tmp_path, source], timeout=60,
                     env=dict(os.environ, MYPYPATH=str(PYTHON)))
        assert result.status == 0, result.out.decode()
