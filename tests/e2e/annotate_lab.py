# SPDX-License-Identifier: BSD-3-Clause
"""Real clients, resolvers, servers and flows in network namespaces, to count how often names on flows are right.

    clients, one namespace each ----+
    people behind gateways (NAT) ---+--- br0: unbound, nsd, HTTP at 20 addresses; dnsflow and tcpdump watch it, and softflowd and nfdump make flows of that

Each client runs curl, which asks the resolver of its namespace, keeps what it was told for a minute, and opens a
connection for each request. What was really asked for, the servers note."""

import bisect
import collections
import contextlib
import datetime
import json
import os
import random
import select
import shutil
import socket
import subprocess
import threading

from conftest import BUILD, READER, Background, run, unused_port, wait_until
from netns import Net

COLLECT = str(BUILD / "dnsflow_collect")
NAMED = ("client-unique", "client-latest", "others-domain")
AGES = (0.1, 1, 5, 10, 60, 300, 3600)
PROGRAMS = ("unbound", "nsd", "curl", "tcpdump", "softflowd", "nfcapd", "nfdump", "nft")

ENVIRONMENT = {"TZ": "UTC", "PATH": os.environ["PATH"]}


def missing():
    """What there is not of the programs that it takes."""
    return [name for name in PROGRAMS if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]


class Web(threading.Thread):
    """Answers at port 80 of every address in the namespace, and notes who asked for which name."""

    def __init__(self, net):
        super().__init__()
        self.listener = net.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("0.0.0.0", 80))
        self.listener.listen(1024)
        self.truth, self.is_over = {}, False

    def run(self):
        poll, open_ones = select.poll(), {}
        poll.register(self.listener, select.POLLIN)
        while not self.is_over:
            for fd, _ in poll.poll(200):
                if fd == self.listener.fileno():
                    one, peer = self.listener.accept()
                    open_ones[one.fileno()] = one, peer
                    poll.register(one, select.POLLIN)
                    continue
                one, peer = open_ones.pop(fd)
                poll.unregister(fd)
                self.answer(one, peer)

    def answer(self, one, peer):
        with one, contextlib.suppress(OSError):
            request = one.recv(4096)
            for line in request.split(b"\r\n"):
                if line.lower().startswith(b"host:"):
                    self.truth[peer[0], peer[1], one.getsockname()[0]] = line[5:].strip().decode().lower()
            one.sendall(b"HTTP/1.0 204 No Content\r\n\r\n")


class Lab:
    """`clients` with an address each, and `gateways` with five people behind each."""

    def __init__(self, folder, clients, gateways, seed=1):
        self.folder, self.random = folder, random.Random(seed)
        self.stack = contextlib.ExitStack()
        self.clients, self.gateways, self.people = clients, ["10.0.2.%d" % (i + 1) for i in range(gateways)], []
        self.addresses = ["198.51.100.%d" % i for i in range(1, 21)]
        self.names = {}
        for i in range(200):  # the first six addresses are of one domain each
            at = i % 20 if i % 20 < 6 else self.random.randrange(6, 20)
            site = "one%d" % at if at < 6 else "site%d" % self.random.randrange(60)
            self.names["h%d.%s.test" % (i, site)] = self.addresses[at], self.random.choice((5, 20, 60, 300))

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.stack = stack
            self.net = stack.enter_context(Net(self.folder))
            self.make_networks()
            self.start_servers()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *what):
        return self.stack.__exit__(*what)

    # ---- networks ----

    def shell(self, text):
        done = run(["sh", "-e", "-c", text], timeout=60)
        assert done.status == 0, done.err

    def namespace(self, name, address, bridge_of, bridge, gateway):
        """With a link `up0` that is joined to the bridge."""
        port = "p%s" % name.rsplit("-", 1)[1]
        self.shell("ip netns add {0}; ip -n {1} link add {2} type veth peer name up0 netns {0};"
                   "ip -n {1} link set {2} master {3} up; ip -n {0} link set lo up; ip -n {0} link set up0 up;"
                   "ip -n {0} addr add {4} dev up0; ip -n {0} route add default via {5}".format(
                       name, bridge_of, port, bridge, address, gateway))
        self.stack.callback(run, ["ip", "netns", "del", name])

    def make_networks(self):
        own = self.net.name
        self.shell("ip -n {0} link add br0 type bridge; ip -n {0} link set br0 up; ip -n {0} addr add 10.0.0.1/16 dev br0;"
                   "ip -n {0} addr add 10.0.0.53/16 dev br0;".format(own) +
                   "".join("ip -n %s addr add %s/32 dev lo;" % (own, a) for a in self.addresses))
        for i in range(self.clients):
            name = "%s-c%d" % (own, i)
            self.namespace(name, "10.0.1.%d/16" % (i + 1), own, "br0", "10.0.0.1")
            self.people.append(name)
        for i, address in enumerate(self.gateways):
            gateway = "%s-g%d" % (own, i)
            self.namespace(gateway, address + "/16", own, "br0", "10.0.0.1")
            self.shell("ip -n {0} link add br1 type bridge; ip -n {0} link set br1 up;"
                       "ip -n {0} addr add 10.9.0.254/24 dev br1; ip netns exec {0} sysctl -qw net.ipv4.ip_forward=1;"
                       "ip netns exec {0} nft 'add table ip nat; add chain ip nat out {{ type nat hook postrouting priority"
                       " 100; }}; add rule ip nat out oifname \"up0\" masquerade'".format(gateway))
            for j in range(5):
                name = "%s-n%dx%d" % (own, i, j)
                self.namespace(name, "10.9.0.%d/24" % (j + 1), gateway, "br1", "10.9.0.254")
                self.people.append(name)

    # ---- servers ----

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    def start(self, *argv):
        return self.stack.enter_context(
            Background(["ip", "netns", "exec", self.net.name, *map(str, argv)], self.folder))

    def start_servers(self):
        zone = "$ORIGIN test.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 10.0.0.53\n"
        for i, (name, (address, ttl)) in enumerate(self.names.items()):
            if i % 5 == 0:  # by a CNAME
                zone += "%s. %d CNAME edge%d.cdn.test.\nedge%d.cdn.test. %d A %s\n" % (name, ttl, i, i, ttl, address)
            else:
                zone += "%s. %d A %s\n" % (name, ttl, address)
        self.write("test.zone", zone)
        nsd = self.write("nsd.conf", "server:\n ip-address: 127.0.0.1@5353\n username: \"\"\n chroot: \"\"\n pidfile: \"\"\n"
                         " database: \"\"\n xfrdfile: {0}/xfrd\n zonelistfile: {0}/zones\n xfrdir: {0}\n zonesdir: {0}\n"
                         "remote-control:\n control-enable: no\n"
                         "zone:\n name: test\n zonefile: test.zone\n".format(self.folder))
        unbound = self.write("unbound.conf", "server:\n interface: 10.0.0.53\n access-control: 10.0.0.0/8 allow\n"
                             " username: \"\"\n chroot: \"\"\n pidfile: \"\"\n directory: {0}\n use-syslog: no\n"
                             " do-not-query-localhost: no\n local-zone: \"test.\" nodefault\n module-config: iterator\n"
                             " do-ip6: no\nstub-zone:\n name: test\n stub-addr: 127.0.0.1@5353\n".format(self.folder))
        self.resolv = self.write("resolv.conf", "nameserver 10.0.0.53\n")
        self.start("nsd", "-d", "-c", nsd)
        self.start("unbound", "-d", "-c", unbound)
        self.web = Web(self.net)
        self.web.start()
        self.stack.callback(self.web.join)
        self.stack.callback(setattr, self.web, "is_over", True)
        name = next(iter(self.names))
        wait_until(lambda: run(self.client(self.people[0], "curl -s -m 2 http://%s/" % name)).status == 0)
        self.web.truth.clear()

    def client(self, name, command):
        return ["ip", "netns", "exec", name, "sh", "-c", "mount --bind %s /etc/resolv.conf && exec %s" % (self.resolv, command)]

    # ---- traffic ----

    def urls(self, count):
        favourites = self.random.sample(list(self.names), 12)
        for _ in range(count):
            yield "http://%s/" % (self.random.choice(favourites) if self.random.random() < 0.7 else
                                  self.random.choice(list(self.names)))

    def watch(self):
        """What sees the traffic: two sensors, of which one misses 15 % of the responses, and flows."""
        self.sensors = [self.net.sensor("-x", "-w", self.folder / "all.pcap", on="br0"),
                        self.net.sensor("-x", "-w", self.folder / "most.pcap", "-f",
                                        "udp src port 53 and udp[8:2] % 100 >= 15", on="br0")]
        self.tcpdump = self.start("tcpdump", "-i", "br0", "-U", "-Z", "root", "--immediate-mode", "-s", "96", "-w",
                                  self.folder / "connections.pcap", "tcp port 80")
        self.tcpdump.wait_err("listening on")

    def export(self):
        """Flows out of what was captured: live, softflowd hands over what has filled a buffer."""
        (self.folder / "flows").mkdir()
        port = unused_port()
        nfcapd = self.stack.enter_context(Background(
            ["nfcapd", "-l", self.folder / "flows", "-p", str(port), "-b", "127.0.0.1", "-t", "3600", "-B", "8000000"],
            self.folder))
        nfcapd.wait_err("Startup")
        done = run(["softflowd", "-r", self.folder / "connections.pcap", "-v", "9", "-A", "milli", "-m", "100000", "-n",
                    "127.0.0.1:%d" % port, "-c", "none", "-p", self.folder / "pid"], timeout=60)
        assert done.status == 0 and b"(0 failures)" in done.out, done.err
        wait_until(lambda: all(line.split()[4].endswith(":00000000")  # nothing waits in its socket
                               for line in open("/proc/%d/net/udp" % nfcapd.process.pid).readlines()[1:]))
        nfcapd.signal(15)
        nfcapd.wait(30)

    def run(self, rounds, requests, rate):
        """Each of the people runs curl so often, for so many requests, at so many a minute."""
        self.watch()
        for _ in range(rounds):
            running = []
            for name in self.people:
                config = self.write("urls-" + name, "".join("url = %s\n" % u for u in self.urls(requests)))
                running.append(subprocess.Popen(
                    self.client(name, "curl -s -4 --http1.0 -m 20 --rate %d/m -K %s" % (rate, config)),
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            for one in running:
                assert one.wait(requests * 60 / rate + 60) == 0
        for one in (self.tcpdump, *self.sensors):
            one.signal(15)
            one.wait(30)
        self.export()

    # ---- what came of it ----

    def nfdump(self, form):
        done = run(["nfdump", "-R", str(self.folder / "flows"), "-o", form], timeout=60, env=ENVIRONMENT)
        assert done.status == 0, done.err
        return done.out

    def truth_of(self, row):
        """Of a flow to a server, as nfdump has it in JSON; None: it is another."""
        if row.get("dst_port") != 80 or "src4_addr" not in row:
            return None
        return self.web.truth.get((row["src4_addr"], row["src_port"], row["dst4_addr"]))

    def annotated(self, lookups, *options):
        """Flows to servers, with the truth."""
        done = run([COLLECT, "annotate", "--from", str(self.folder / lookups), *options, "-"], data=self.nfdump("json"),
                   env=ENVIRONMENT, timeout=60)
        assert done.status == 0, done.err
        rows = [dict(row, truth=self.truth_of(row)) for row in json.loads(done.out)]
        return [row for row in rows if row["truth"]]

    def lookups(self, capture):
        """(time, client, addresses, question) in order."""
        done = run([READER, "-r", str(self.folder / capture), "--format", "json"], timeout=60)
        rows = [json.loads(line) for line in done.out.splitlines()]
        return sorted((moment(r["time"]), r["client"], r["ipv4"], r["names"][0]) for r in rows if r.get("ipv4"))


def moment(text):
    """Seconds."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=datetime.timezone.utc).timestamp()


def last_names(rows, lookups):
    """The last name that anybody was given for the address, which is how others do it: how many are right."""
    of, right = collections.defaultdict(list), 0
    for at, _, addresses, name in lookups:
        for address in addresses:
            of[address].append((at, name))
    for row in rows:
        at = bisect.bisect_right(of[row["dst4_addr"]], (moment(row["first"]) + 2, "~"))
        right += at > 0 and of[row["dst4_addr"]][at - 1][1] == row["truth"]
    return right


def is_right(row):
    if row["method"] == "others-domain":
        return row["truth"].endswith("." + row["name"])
    return row["name"] == row["truth"]


def share(part, whole):
    return "%6.2f %%" % (100 * part / whole) if whole else "       -"


def table(what, rows, lookups):
    """Lines that say how often names are right, by method and age, beside the other way."""
    named = [r for r in rows if r["name"]]
    right = sum(map(is_right, named))
    last = last_names(rows, lookups)
    lines = ["%s: %d connections" % (what, len(rows)),
             "  named %s, of these right %s" % (share(len(named), len(rows)), share(right, len(named))),
             "  last name of the address:      right %s" % share(last, len(rows)),
             "  %-20s %-8s %6s %9s %11s" % ("method", "age", "flows", "right", "confidence")]
    for method, age, cell, good, confidence in buckets(rows):
        lines.append("  %-20s %-8s %6d %9s %s" % (method, age, cell, share(good, cell) if method in NAMED else "",
                                                  "%10.1f %%" % (100 * confidence) if confidence else ""))
    return "\n".join(lines)


def buckets(rows):
    """(method, age, flows, right, mean confidence)"""
    cells = collections.defaultdict(list)
    for r in rows:
        age = next((i for i, below in enumerate(AGES) if r["name"] and r["age"] < below), len(AGES))
        cells[(NAMED + ("",)).index(r["method"] if r["method"] in NAMED else ""), r["method"], age].append(r)
    for (_, method, age), some in sorted(cells.items()):
        text = "" if method not in NAMED else "< %g s" % AGES[age] if age < len(AGES) else "more"
        known = [r["confidence"] for r in some if r["confidence"] is not None]
        yield method, text, len(some), sum(map(is_right, some)) if method in NAMED else 0, \
            sum(known) / len(known) if known else None
