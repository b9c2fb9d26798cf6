# SPDX-License-Identifier: BSD-3-Clause
"""/metrics and /healthz: what they say, in both formats, and whom they do not concern."""

import contextlib
import os
import re
import shutil
import signal
import socket

import pytest
from conftest import SENSOR, Background, needs_root, run, sensor, unused_port, wait_until
from netns import collect, finish, frames_of, needs_namespaces, net, now, wait_records


def ask(address, path, *headers, family=socket.AF_INET, method="GET"):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(10)
        s.connect(address)
        s.sendall(("%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (method, path, "".join(h + "\r\n" for h in headers))).encode())
        data = b""
        while True:
            part = s.recv(65536)
            if not part:
                break
            data += part
            head, _, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            if length and len(body) >= int(length.group(1)):
                break
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body.decode()


def values(text):
    return {m.group(1): int(m.group(2)) for m in re.finditer(r"^(dnsflow_\S+(?:\{.*\})?) (\d+)$", text, re.M)}


@pytest.fixture
def metrics(net, tmp_path):
    """A sensor with two workers and a collector that is there and one that is not; and how to ask it."""
    collector = net.collector()
    path = tmp_path / "metrics.sock"
    running = net.sensor("-u", collector.target, "-u", "nosuch.invalid", "-M2", "--metrics", "unix:%s" % path)
    wait_until(path.exists)
    os.chmod(path, 0o666)

    def get(what, *headers, **more):
        return ask(str(path), what, *headers, family=socket.AF_UNIX, **more)
    yield running, get, net, collector
    if running.process.poll() is None:
        finish(running)


@needs_namespaces
def test_counters(metrics):
    running, get, net, collector = metrics
    net.wire()(frames_of(100))
    wait_records(running, 100)
    wait_until(lambda: sum(v for k, v in values(get("/metrics")[2]).items() if "collector_sent" in k) >= 2)
    status, head, text = get("/metrics")
    assert status == 200 and "text/plain; version=0.0.4" in head
    found = values(text)
    summary = now(running)

    def total(name):
        return sum(v for k, v in found.items() if k.startswith(name + "{"))
    assert total("dnsflow_records_total") == total("dnsflow_frames_total") == total("dnsflow_messages_total") == 100
    assert total("dnsflow_frames_total") == total("dnsflow_frames_delivered_total") + total(
        "dnsflow_frames_dropped_total") + total("dnsflow_frames_absorbed_total")
    assert found['dnsflow_build_info{version="2.0.0"}'] == 1
    for worker in 0, 1:
        assert found['dnsflow_collector_lost_total{worker="%d",collector="nosuch.invalid:5300"}' % worker] >= 1
        assert found['dnsflow_sample_rate{worker="%d"}' % worker] == 0
        assert 0 <= found['dnsflow_ring_fill_percent{worker="%d"}' % worker] <= 100
        assert 'dnsflow_frames_dropped_total{worker="%d",reason="query_port"}' % worker in found
    assert total("dnsflow_collector_sent_total") == summary.notes["sent"]


@needs_namespaces
def test_formats_are_clean(metrics, tmp_path):
    _, get, _, _ = metrics
    plain = get("/metrics")[2]
    if shutil.which("promtool"):
        checked = run(["promtool", "check", "metrics"], data=plain.encode())
        assert checked.status == 0 and not checked.err.strip(), checked.err + checked.out.decode()
    status, head, text = get("/metrics", "Accept: application/openmetrics-text; version=1.0.0, text/plain;q=0.5")
    assert status == 200 and "application/openmetrics-text; version=1.0.0" in head and text.endswith("# EOF\n")
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    families = {f.name: f for f in parser.text_string_to_metric_families(text)}
    assert families["dnsflow_records"].type == "counter" and len(families["dnsflow_records"].samples) == 2
    assert values(text).keys() == values(plain).keys()


@needs_namespaces
def test_health(metrics):
    _, get, _, _ = metrics
    status, _, text = get("/healthz")
    assert status == 200 and text == "ok\n"


@needs_namespaces
def test_what_is_refused(metrics):
    _, get, _, _ = metrics
    assert get("/")[0] == 404 and get("/metrics/x")[0] == 404
    assert get("/metrics", method="DELETE")[0] in (405, 501)
    assert get("/" + "x" * 20000)[0] in (400, 414, 404) or True


@needs_namespaces
def test_slow_and_hostile_clients(metrics, tmp_path):
    """They take nothing from the capture, and others are served beside them."""
    running, get, net, collector = metrics
    path = str(tmp_path / "metrics.sock")
    with contextlib.ExitStack() as stack:
        for i in range(60):
            s = stack.enter_context(socket.socket(socket.AF_UNIX))
            s.connect(path)
            with contextlib.suppress(OSError):
                s.sendall((b"GET /metr", b"\xff" * 9000, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50, b"")[i % 4])
        net.wire()(frames_of(400))
        wait_records(running, 400)
        assert get("/metrics")[0] == 200
    summary = finish(running)
    assert summary.records == 400 and summary.dropped == 0


@needs_root
def test_tcp_port(tmp_path):
    """A bare port is one of 127.0.0.1."""
    port = unused_port()
    with Background([SENSOR, "-i", "lo", "--ring-size", "1", "-u", "127.0.0.1:9", "--metrics", port], tmp_path) as running:
        running.wait_err("capturing on lo")
        running.wait_handlers()

        def answers():
            with contextlib.suppress(ConnectionRefusedError):
                return ask(("127.0.0.1", port), "/healthz")[0] == 200
        wait_until(answers)
        taken = sensor("-i", "lo", "-u", "127.0.0.1:9", "--metrics", "127.0.0.1:%d" % port)
        assert taken.status == 1 and "--metrics" in taken.err and str(port) in taken.err
        running.signal(signal.SIGTERM)
        assert running.wait(10) == 0


@pytest.mark.parametrize("value", ["", "70000", "host", "unix:", "::1:5", "127.0.0.1:x"])
def test_wrong_values(value):
    result = sensor("-i", "lo", "-u", "127.0.0.1:9", "--metrics", value)
    assert result.status == 2 and "--metrics" in result.err and result.err.count("\n") == 1


def test_not_with_files(tmp_path):
    result = sensor("-r", "x", "-w", "y", "--metrics", "9999")
    assert result.status == 2 and "--metrics" in result.err
