# SPDX-License-Identifier: BSD-3-Clause
"""/metrics and /healthz: what they say, in both formats, and whom they do not concern."""

import contextlib
import os
import re
import resource
import select
import shutil
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from conftest import SENSOR, Background, needs_root, run, sensor, unused_port, wait_until
from metrics_page import ask, exchange, series_of, total, wait_answer
from netns import collect, finish, frames_of, needs_namespaces, net, now, wait_records
from processes import helpers_of, is_alive, sensor_of_full_output

GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
CONNECTIONS, OF_AN_ADDRESS, HEADER = 32, 8, 8192


def processor_time(process):
    fields = Path("/proc/%d/stat" % process.pid).read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(process):
    return len(os.listdir("/proc/%d/fd" % process.pid))


@pytest.fixture
def metrics(net, tmp_path):
    """A sensor with two workers and a collector that is there and one that is not; and how to ask it."""
    collector = net.collector()
    path = tmp_path / "metrics.sock"
    running = net.sensor("-u", collector.target, "-u", "nosuch.invalid", "-M2", "--metrics", "unix:%s" % path)
    wait_answer(str(path))

    def get(what, *headers, **more):
        return ask(str(path), what, *headers, **more)
    yield running, get, net, collector
    if running.process.poll() is None:
        finish(running)


# What is said

@needs_namespaces
def test_counters(metrics):
    running, get, net, collector = metrics
    net.wire()(frames_of(100))
    wait_records(running, 100)

    def have_sent():
        found = series_of(get("/metrics")[2])
        return all(total(found, "collector_lost_total", worker=w) >= 1 for w in "01")
    wait_until(have_sent)
    summary = now(running)
    status, head, text = get("/metrics")
    assert status == 200 and "text/plain; version=0.0.4" in head
    found = series_of(text)
    assert total(found, "records_total") == total(found, "frames_total") == total(found, "messages_total") == 100
    assert total(found, "frames_total") == sum(total(found, "frames_%s_total" % n) for n in ("delivered", "dropped", "absorbed"))
    assert total(found, "build_info", version="2.0.0") == 1
    for worker in "0", "1":
        own = {"worker": worker, "interface": "in0"}
        assert total(found, "collector_lost_total", collector="nosuch.invalid:5300", **own) >= 1
        assert total(found, "sample_rate", **own) == 0
        assert 0 <= total(found, "ring_fill_percent", **own) <= 100
        assert total(found, "frames_dropped_total", reason="query_port", **own) == 0
    assert summary.notes["sent"] <= total(found, "collector_sent_total") <= now(running).notes["sent"]
    assert total(found, "http_requests_total") >= 2


@needs_namespaces
def test_formats_are_clean(metrics):
    _, get, _, _ = metrics
    plain = get("/metrics")[2]
    if shutil.which("promtool"):
        checked = run(["promtool", "check", "metrics"], data=plain.encode())
        assert checked.status == 0 and not checked.err.strip(), checked.err + checked.out.decode()
    status, head, text = get("/metrics", "Accept: application/openmetrics-text; version=1.0.0, text/plain;q=0.5")
    assert status == 200 and "application/openmetrics-text; version=1.0.0" in head and text.endswith("# EOF\n")
    assert [s[:2] for s in series_of(text)] == [s[:2] for s in series_of(plain)]
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    families = {f.name: f for f in parser.text_string_to_metric_families(text)}
    assert families["dnsflow_records"].type == "counter" and len(families["dnsflow_records"].samples) == 2


@needs_namespaces
def test_labels_that_hold_anything(net, tmp_path):
    """Names of interfaces, sockets and collectors; a collector named twice; a worker for each source."""
    name, path, port = 'q"\\n{}=', tmp_path / "metrics.sock", unused_port()
    tap = bytes(tmp_path) + b'/t"\\\n\xc3\xa4\xff\xed\xa0\x80.tap'
    odd, umlaut = 'a"b\\c\nd},e="', "\u00e4.invalid"
    net.ip("link", "set", "in0", "name", name)
    targets = [odd, "x.invalid", umlaut, odd, odd, "x.invalid:5301"]
    running = net.sensor(*[x for t in targets for x in ("-u", t)], "-M2", "-t", "unix:" + os.fsdecode(tap), "-t",
                         "tcp:127.0.0.1:%d" % port, "--metrics", "unix:%s" % path, on=name)
    wait_answer(str(path))
    net.wire()(frames_of(20))
    wait_records(running, 20)
    plain = ask(str(path), "/metrics")[2]
    found = series_of(plain)
    shown = "unix:%s/t\"\\\n\u00e4\\xff\\xed\\xa0\\x80.tap" % tmp_path
    wanted = {"0": name, "1": name, "2": shown, "3": "tcp:127.0.0.1:%d" % port}
    for n in "frames", "frames_dropped", "kernel_received", "collector_sent":
        assert {s.labels["worker"]: s.labels["interface"] for s in found if s.name == "dnsflow_%s_total" % n} == wanted
    for worker in wanted:
        assert {s.labels["collector"] for s in found if s.name == "dnsflow_collector_lost_total"
                and s.labels["worker"] == worker} == {odd + ":5300", "x.invalid:5300", umlaut + ":5300", "x.invalid:5301"}

    def lost(collector):
        return total(series_of(ask(str(path), "/metrics")[2]), "collector_lost_total", collector=collector)
    wait_until(lambda: lost("x.invalid:5301") > 0)
    wait_until(lambda: lost(odd + ":5300") == 3 * lost("x.invalid:5301"))
    if shutil.which("promtool"):
        checked = run(["promtool", "check", "metrics"], data=plain.encode())
        assert checked.status == 0 and not checked.err.strip(), checked.err + checked.out.decode()
    with contextlib.suppress(ImportError):
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
        text = ask(str(path), "/metrics", "Accept: application/openmetrics-text")[2]
        family = [f for f in text_string_to_metric_families(text) if f.name == "dnsflow_frames"][0]
        assert {s.labels["worker"]: s.labels["interface"] for s in family.samples} == wanted
    finish(running)


@needs_namespaces
def test_health(metrics):
    """The name of one of the two collectors does not resolve."""
    running, get, _, _ = metrics
    wait_until(lambda: get("/healthz")[2] == "nosuch.invalid:5300: its name has not been resolved\n")
    assert get("/healthz")[0] == 503
    found = series_of(get("/metrics")[2])
    assert {s.labels["collector"].split(".")[0]: s.value for s in found if s.name == "dnsflow_collector_up"} == {
        "127": 1, "nosuch": 0}
    assert total(found, "helper_deaths_total") == 0


@needs_namespaces
def test_health_of_a_collector_without_route(net, tmp_path):
    path = tmp_path / "metrics.sock"
    running = net.sensor("-u", "203.0.113.9:5300", "--user", "root", "--metrics", "unix:%s" % path)
    wait_answer(str(path))
    status, _, text = ask(str(path), "/healthz")
    assert status == 503 and text == "203.0.113.9:5300: Network is unreachable\n"
    net.ip("address", "add", "203.0.113.1/24", "dev", "in0")
    wait_until(lambda: ask(str(path), "/healthz")[::2] == (200, "ok\n"), 5)
    finish(running)


@needs_root
def test_health_of_a_stuck_worker(tmp_path):
    """Found by who asks: a worker that did no round for 5 s; one that is idle does rounds."""
    path = str(tmp_path / "metrics.sock")
    with sensor_of_full_output("--user", "root", "--metrics", "unix:" + path) as (_, fill):
        wait_answer(path)
        begin = time.monotonic()
        wait_until(lambda: time.monotonic() > begin + 6, 10, 1)
        assert ask(path, "/healthz")[::2] == (200, "ok\n"), "idle"
        fill()
        begin = time.monotonic()
        wait_until(lambda: ask(path, "/healthz")[::2] == (503, "1 of 1 workers are stuck\n"), 20, 0.2)
        assert time.monotonic() - begin > 4


# What is not answered

@needs_namespaces
def test_what_is_refused(metrics):
    _, get, _, _ = metrics
    assert get("/")[::2] == (200, "dnsflow: /metrics has the counters, /healthz says whether all is well\n")
    assert get("/x")[0] == 404 and get("/metrics/x")[0] == 404 and get("/metrics?x=y")[0] == 200
    for method in "POST", "PUT", "DELETE", "OPTIONS", "BREW", "get":
        status, head, _ = get("/metrics", method=method)
        assert status == 405 and "Allow: GET, HEAD" in head.split("\r\n")
    status, head, body = get("/metrics", method="HEAD")
    assert status == 200 and body == "" and re.search(r"\r\nContent-Length: [1-9]", head)
    for line in "Connection: close", "Cache-Control: no-store", "X-Content-Type-Options: nosniff":
        assert line in head.split("\r\n")
    for fields, wanted in ((["Content-Length: 0"], 200), (["Content-Length: 1"], 413), (["Content-Length: x"], 400),
                           (["Content-Length: 0"] * 2, 400), (["Transfer-Encoding: chunked"], 400), (["Host: a"], 400),
                           ([" folded: a"], 400), (["A : b"], 400), (["A: \0"], 400), (["A: %d" % i for i in range(100)], 431)):
        assert get("/metrics", *fields)[0] == wanted, fields
    head = "GET /metrics HTTP/1.1\r\nHost: x\r\nA: "
    for more in 0, 1:
        assert get("/" + "x" * (HEADER - len("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") + more))[0] == (431 if more else 404)
        assert get("/metrics", "A: " + "x" * (HEADER - len(GET) - len("A: \r\n") + more))[0] == (431 if more else 200)


@needs_root
def test_tcp_port(tmp_path):
    """A bare port is one of 127.0.0.1. Whose page leads a browser there under a name of its own reads nothing."""
    port = unused_port()
    with Background([SENSOR, "-i", "lo", "--ring-size", "1", "-u", "127.0.0.1:9", "--metrics", port], tmp_path) as running:
        running.wait_err("capturing on lo")
        running.wait_handlers()
        address = "127.0.0.1", port
        wait_answer(address)
        for host, wanted in (("127.0.0.1:%d" % port, 200), ("[::1]:1", 200), ("LOCALHOST", 200), ("evil.example", 421),
                             ("localhost.evil.example", 421), ("", 421)):
            assert ask(address, "/healthz", host=host)[0] == wanted, host
        assert exchange(address, b"GET /healthz HTTP/1.0\r\n\r\n")[0] == 200
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(socket.create_connection(address)) for _ in range(OF_AN_ADDRESS + 5)]
            assert all(s.recv(1) == b"" for s in slow[OF_AN_ADDRESS:]), "more of one address are closed"
        taken = sensor("-i", "lo", "-u", "127.0.0.1:9", "--metrics", "127.0.0.1:%d" % port)
        assert taken.status == 1 and "--metrics" in taken.err and str(port) in taken.err
        running.signal(signal.SIGTERM)
        assert running.wait(10) == 0


# Clients that hold on

@contextlib.contextmanager
def many_files():
    """Room for many clients in this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def connect_all(stack, path, count, data):
    """Clients that send these bytes, in turn, and no more."""
    made = []
    for i in range(count):
        s = stack.enter_context(socket.socket(socket.AF_UNIX))
        s.connect(path)
        s.settimeout(10)
        with contextlib.suppress(OSError):
            s.sendall(data[i % len(data)])
        made.append(s)
    return made


def still_open(clients):
    """Those whose connection has not been closed."""
    left = []
    for s in clients:
        s.setblocking(False)
        try:
            while s.recv(65536):
                pass
        except BlockingIOError:
            left.append(s)
        except OSError:
            pass
    return left


@needs_namespaces
def test_1100_slow_clients(net, tmp_path):
    """They have 32 places. Capture, dnstap, SIGHUP and other clients go on, and the log stays short."""
    path, tap, out = tmp_path / "metrics.sock", tmp_path / "tap.sock", tmp_path / "out"
    running = net.sensor("-w", out, "--user", "root", "--metrics", "unix:%s" % path)
    tapping = net.stack.enter_context(Background(net.argv(
        "-t", "unix:%s" % tap, "-u", "127.0.0.1:9", "--user", "root", "--metrics", "unix:%s2" % path), tmp_path))
    for where in path, "%s2" % path:
        wait_answer(str(where))
    send = net.wire()
    with many_files(), contextlib.ExitStack() as stack:
        for where, process in (str(path), running), (str(path) + "2", tapping):
            pid = process.process.pid
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (1024, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
            before = descriptors(process.process)
            slow = connect_all(stack, where, 1100, (b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: x\r\n", b"\xff" * 100))
            assert descriptors(process.process) <= before + CONNECTIONS + 1, "and the one that is being taken"
            wait_answer(where)  # another one is served beside them
            assert len(still_open(slow)) <= CONNECTIONS
        send(frames_of(400))
        wait_records(running, 400)
        out.rename(tmp_path / "old")
        running.signal(signal.SIGHUP)
        wait_until(out.exists)
        names = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(20)]
        for s in names:
            s.settimeout(10)
            s.connect(str(tap))
            s.sendall(b"\0\0\0\0\0\0\0\x22\0\0\0\4\0\0\0\1\0\0\0\x16protobuf:dnstap.Dnstap")
            assert s.recv(100)[8:12] == b"\0\0\0\1", "dnstap answers"
        found = series_of(ask(str(path), "/metrics")[2])
        assert total(found, "http_refused_total", reason="crowded") >= 1000
        assert ask(str(path), "/healthz")[0] == 200
    for process in running, tapping:
        assert process.err_path.stat().st_size < 10000, process.err[:2000]
        assert process.err.count("turned away") == 1
    summary = finish(running)
    assert summary.records == 400 and summary.dropped == 0
    finish(tapping)


@needs_namespaces
def test_deadline_of_a_header(metrics, tmp_path):
    """5 s, whatever bytes come; nobody else waits."""
    running, get, _, _ = metrics
    path = str(tmp_path / "metrics.sock")
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        slow = connect_all(stack, path, CONNECTIONS - 2, (b"", b"G", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"))

        def drip():
            for s in slow[::2]:
                with contextlib.suppress(OSError):
                    s.send(b"A")
            assert get("/metrics")[0] == 200
            return time.monotonic() - began > 4 and not still_open(slow)
        wait_until(drip, 15, 0.2)
    assert 4.5 < time.monotonic() - began < 7
    found = series_of(get("/metrics")[2])
    assert total(found, "http_refused_total", reason="slow") == CONNECTIONS - 2


@needs_namespaces
def test_hostile_clients_beside_capture(metrics, tmp_path):
    running, get, net, collector = metrics
    path = str(tmp_path / "metrics.sock")
    with contextlib.ExitStack() as stack:
        connect_all(stack, path, 200, (b"\xff" * 9000, GET * 50, b"\r\n" * 5000, GET[:-2], b"POST / HTTP/1.1\r\n\r\n" + b"x" * 5000))
        net.wire()(frames_of(400))
        wait_records(running, 400)
        assert get("/metrics")[0] == 200
    summary = collect(running, collector).summary
    assert summary.records == 400 and summary.dropped == 0


@needs_namespaces
def test_without_descriptors(net, tmp_path):
    """Clients are sent away, the loop does not spin, and all is well when there are some again."""
    path = str(tmp_path / "metrics.sock")
    running = net.sensor("-u", "127.0.0.1:9", "--user", "root", "--metrics", "unix:" + path)
    process = running.process
    wait_answer(str(path))
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    highest = max(int(n) for n in os.listdir("/proc/%d/fd" % process.pid))
    with contextlib.ExitStack() as stack:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (highest + 1, before[1]))
        clients = connect_all(stack, path, 60, (GET,))
        wait_until(lambda: not still_open(clients))
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        waiting = connect_all(stack, path, 5, (GET,))
        began, used = time.monotonic(), processor_time(process)
        wait_until(lambda: time.monotonic() > began + 1)
        assert processor_time(process) - used < 0.3, "it spins"
        assert len(still_open(waiting)) == 5
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        assert ask(path, "/metrics")[0] == 200
    assert total(series_of(ask(path, "/metrics")[2]), "http_refused_total", reason="no_descriptor") > 0
    finish(running)
    assert running.err.count("turned away") == 1


@needs_root
def test_start_with_few_descriptors(tmp_path):
    """Each number of them, until there are enough: an error and status 1, or a page that is out of reach."""
    path, answered = str(tmp_path / "metrics.sock"), None
    for count in range(4, 40):
        with Background(["prlimit", "--nofile=%d" % count, SENSOR, "-i", "lo", "--ring-size", "1", "--user", "root", "-u",
                         "127.0.0.1:9", "--metrics", "unix:" + path], tmp_path) as running:
            def has_come_to_something():
                with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
                    return "status %d" % ask(path, "/healthz")[0]
                return running.process.poll() is not None and "none"
            answered = wait_until(has_come_to_something)
            if running.process.poll() is None:
                running.signal(signal.SIGTERM)
            ended = running.wait()
            assert ended == 0 or ended == 1 and re.search("error: |Too many open files", running.err), (count, ended, running.err)
        if answered == "status 200":
            break
    assert answered == "status 200"


def time_to_stop(net, path, clients):
    running = net.sensor("-u", "127.0.0.1:9", "--metrics", "unix:%s" % path)
    wait_answer(str(path))
    with contextlib.ExitStack() as stack:
        slow = connect_all(stack, str(path), clients, (b"", b"GET /metr"))
        assert ask(str(path), "/healthz")[0] == 200
        assert len(still_open(slow)) >= clients - 1
        end = os.pidfd_open(running.process.pid)
        stack.callback(os.close, end)
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        assert select.select([end], [], [], 10)[0]
        return time.monotonic() - began


@needs_namespaces
def test_stop_beside_slow_clients(net, tmp_path):
    """Ends no more than 50 ms later, on the average: it depends on the moment too."""
    path, times = tmp_path / "metrics.sock", {0: [], CONNECTIONS: []}
    for _ in range(8):
        for clients, taken in times.items():
            taken.append(time_to_stop(net, path, clients))
    assert sum(times[CONNECTIONS]) / 8 <= sum(times[0]) / 8 + 0.05, times


# The socket

@needs_namespaces
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_socket_of_the_next_sensor_stays(net, end):
    """Its user may not connect to its own socket, so that only the file itself tells whose it is."""
    os.chmod(net.folder, 0o777)
    path = net.folder / "metrics.sock"
    options = "-u", "127.0.0.1:9", "--metrics", "unix:%s" % path
    first = net.sensor(*options)
    wait_answer(str(path))
    path.unlink()
    second = net.sensor(*options)
    wait_answer(str(path))
    helpers = helpers_of(first.process.pid)
    first.signal(end)
    first.wait(5)
    wait_until(lambda: not any(is_alive(p) for p in helpers))
    assert ask(str(path), "/healthz")[0] == 200
    finish(second)


@needs_namespaces
def test_whose_socket_it_is(net, tmp_path):
    path, file = tmp_path / "metrics.sock", tmp_path / "file"
    file.write_text("kept")
    options = "-u", "127.0.0.1:9", "--user", "root", "--metrics", "unix:%s" % path
    first = net.sensor(*options)
    wait_answer(str(path))
    for where, cause in (path, "another program listens there"), (file, "no socket"):
        refused = net.run_sensor("-i", "in0", *options[:-1], "unix:%s" % where)
        assert refused.status == 1 and "option --metrics: %s: " % where in refused.err and cause in refused.err
    assert file.read_text() == "kept" and ask(str(path), "/healthz")[0] == 200
    finish(first)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    second = net.sensor(*options)
    wait_answer(str(path))
    path.unlink()
    third = net.sensor(*options)
    wait_answer(str(path))
    finish(second)
    assert ask(str(path), "/healthz")[0] == 200, "it is the third one's"
    finish(third)
    assert not path.exists()


@needs_namespaces
@pytest.mark.parametrize("options, mode", [((), 0o660), (("--metrics-mode", "0666"), 0o666), (("--metrics-mode", "600"), 0o600)])
def test_rights_of_the_socket(net, tmp_path, options, mode):
    path = tmp_path / "metrics.sock"
    running = net.sensor("-u", "127.0.0.1:9", "--metrics", "unix:%s" % path, *options)
    wait_until(path.exists)
    assert stat.S_IMODE(path.stat().st_mode) == mode, "from the first moment on"
    wait_answer(str(path))
    finish(running)


@pytest.mark.parametrize("value", ["", "70000", "host", "unix:", "::1:5", "127.0.0.1:x"])
def test_wrong_values(value):
    result = sensor("-i", "lo", "-u", "127.0.0.1:9", "--metrics", value)
    assert result.status == 2 and "--metrics" in result.err and result.err.count("\n") == 1


@pytest.mark.parametrize("value", ["", "8", "01000", "rw", "-1", "0x1"])
def test_wrong_modes(value):
    result = sensor("-i", "lo", "-u", "127.0.0.1:9", "--metrics", "unix:x", "--metrics-mode", value)
    assert result.status == 2 and "--metrics-mode" in result.err and result.err.count("\n") == 1


def test_not_with_files(tmp_path):
    result = sensor("-r", "x", "-w", "y", "--metrics", "9999")
    assert result.status == 2 and "--metrics" in result.err
