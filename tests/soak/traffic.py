# SPDX-License-Identifier: BSD-3-Clause
"""What comes to the sensors and to the collector: lookups that can be counted, what real networks have, and damage."""

import contextlib
import random
import socket
import struct
import threading
import time

from conftest import CAPTURES, ETHERNET, ethernet, list_captures, read_pcap, response, udp_packet
from datagrams import Worker, set4
from random_datagrams import damage, edges, old_datagrams
from tunnels import ENCAPSULATIONS, dns_packet, ether

MARKED = "soak-mark"  # a label of every lookup that is counted
CLIENTS, NAMES_OF_DOMAIN = 40, 2000
MARKS_OF = 10  # frames, one for each sensor
PORTS = {1: 53, 2: 54}  # what each of the two sensors watches


class Steady(threading.Thread):
    """Calls self.step(number) `rate` times a second, in small lots, until `stop` is called."""

    def __init__(self, rate):
        super().__init__(daemon=True)
        self.rate, self.done, self.stopping, self.failed = rate, 0, threading.Event(), None

    def run(self):
        begun, number = time.monotonic(), 0
        try:
            while not self.stopping.wait(0.02):
                due = int((time.monotonic() - begun) * self.rate)
                number = max(number, due - self.rate)  # what a machine that stood still has missed is not made up for
                while number < due:
                    self.step(number)
                    number += 1
                    self.done += 1
        except Exception as error:  # told in the table
            self.failed = error
            raise

    def stop(self):
        self.stopping.set()
        self.join()


def mark_frame(number, port):
    """A response for a name that is asked for once."""
    name = "n%d.%s.d%d.example" % (number, MARKED, number // NAMES_OF_DOMAIN)
    client, source = number % CLIENTS + 1, 40000 + number % 20000
    if number % 3:
        return ethernet(udp_packet("10.9.0.53", port, "10.8.%d.%d" % (port, client), source,
                                   response(name, ["192.0.2.%d" % (number % 250 + 1)], number=number % 65536)))
    return ethernet(udp_packet("2001:db8:53::1", port, "2001:db8:%x::%x" % (port, client), source,
                               response(name, ["2001:db8::%x" % (number % 65535 + 1)], qtype=28,
                                        number=number % 65536)))


def background_frames():
    frames = [f for name, _, _ in list_captures()
              if name.endswith(".pcap") and read_pcap(CAPTURES / name)[0] == ETHERNET
              for _, f in read_pcap(CAPTURES / name)[1] if 14 <= len(f) <= 9000]
    for build, _ in ENCAPSULATIONS.values():
        packet = build(dns_packet("tunnel.example"))
        frames += [ether(packet)] if packet else []
    return frames


class Frames(Steady):
    """On the wire: some marks for each sensor, and frames as they are, with bits turned over, and cut."""

    def __init__(self, interface, rate):
        super().__init__(rate)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.bind((interface, 0))
        self.frames, self.dice = background_frames(), random.Random(1)
        self.marks = dict.fromkeys(PORTS, 0)

    def other(self):
        frame, kind = self.dice.choice(self.frames), self.dice.random()
        if kind < 0.3:
            frame = bytearray(frame)
            for _ in range(self.dice.randint(1, 6)):
                frame[self.dice.randrange(len(frame))] ^= 1 << self.dice.randrange(8)
            return bytes(frame)
        return frame[:self.dice.randint(14, len(frame))] if kind < 0.4 else frame

    def step(self, number):
        sensor = number % MARKS_OF
        if sensor not in PORTS:
            self.socket.send(self.other())
            return
        self.socket.send(mark_frame(self.marks[sensor], PORTS[sensor]))
        self.marks[sensor] += 1


def hostile_datagrams(count=1500):
    """Damaged ones of every version; so many, again and again, so that they make no end of streams."""
    dice, worker = random.Random(2), Worker(int(time.time()), sensor_id=9)
    one = set4("10.0.0.66", "10.0.0.53", ["hostile.example", "cdn.example"], ["192.0.2.66"], ["2001:db8::66"])
    whole = list(old_datagrams()) + list(edges()) + [worker.data(one, one), worker.stats(), worker.data(one)]
    made = [damage(dice, dice.choice(whole)) for _ in range(count)]
    made += [b"", b"\4", bytes(65507), b"\xff" * 1400, dice.randbytes(1400),
             struct.pack("!BBHI", 4, 255, 0xFFFF, 0xFFFFFFFF)]
    return made


class Hostile(Steady):
    """Straight at the collector, from two addresses; nobody listening there is no failure."""

    def __init__(self, target, rate):
        super().__init__(rate)
        self.target, self.payloads, self.sockets = target, hostile_datagrams(), []
        for source in "127.0.0.8", "127.0.0.9":
            self.sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self.sockets[-1].bind((source, 0))

    def step(self, number):
        with contextlib.suppress(ConnectionRefusedError):
            self.sockets[number % 2].sendto(self.payloads[number % len(self.payloads)], self.target)


class Written(Steady):
    """A third sensor, whose every datagram is known: with each it says what it has made."""

    SENSOR, SOURCE = 3, "127.0.0.3"

    def __init__(self, target, rate):
        super().__init__(rate)
        self.target, self.worker = target, Worker(int(time.time()), sensor_id=self.SENSOR)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.SOURCE, 0))

    def send(self, payload):
        with contextlib.suppress(ConnectionRefusedError):
            self.socket.sendto(payload, self.target)

    def step(self, number):
        client = "10.3.0.%d" % (number % CLIENTS + 1)
        names = ["w%d.written%d.example" % (number, number // NAMES_OF_DOMAIN), "www.example.com"]
        self.send(self.worker.data(*(set4(client, "10.0.0.53", [n], ["192.0.2.3"]) for n in names)))
        if number % 100 == 99:
            self.send(self.worker.stats())

    def finish(self):
        """Says for the last time what it has made."""
        self.stop()
        self.send(self.worker.stats())
