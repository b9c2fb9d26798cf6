# SPDX-License-Identifier: BSD-3-Clause
"""The interface that scripts of the original's module dnsflow_read know, on top of this package.

What differs from the package: process_pkt() gives (packet, error), the header's src_ip is text, and stats_only gives
the headers of data datagrams too. dnsflow_read.py offers these names; `import dnsflow` has none of them."""

from __future__ import annotations

import argparse
import os
import sys
from functools import lru_cache
from typing import Any, Dict, Generator, Iterator, List, Optional, Sequence, Tuple, Union, cast

from . import reader
from .capture import CaptureFile, Frame, read_frames
from .filter import Filter
from .live import Sniffer
from .packet import ETHERNET, NULL, RAW, SLL, SLL2, Fragment
from .wire import FLAG_STATS, PORT

__all__ = ["pkt_iter", "process_pkt", "get_pcap", "Reader", "SrcTracker", "main", "DEFAULT_PCAP_FILTER",
           "DNSFLOW_FLAG_STATS", "DNSFLOW_PORT", "SNAPLEN", "TIMEOUT"]

DNSFLOW_FLAG_STATS = FLAG_STATS
DNSFLOW_PORT = PORT
DEFAULT_PCAP_FILTER = "udp and dst port %d" % PORT
SNAPLEN = 65535  # bytes of a frame
TIMEOUT = 100  # milliseconds that a capture may hold packets back; here they come at once

Packet = Dict[str, Any]  # header, and data or stats
Expression = Union[str, bool, None]  # False: whatever comes; True, None and the default: datagrams to UDP port 5300

SUMMARY_EVERY = 100000  # datagrams


@lru_cache(maxsize=16)
def _compiled(expression: str) -> Filter:
    return Filter(expression)


def _own(chosen: Expression) -> Optional[str]:
    """The expression asked for, "" for all; None is the default, which needs no libpcap and lets fragments through."""
    if chosen is None or chosen == DEFAULT_PCAP_FILTER:
        return None
    if isinstance(chosen, str):
        return chosen
    return None if chosen else ""


def _as_original(packet: reader.Packet, stats_only: bool) -> Packet:
    header = dict(packet["header"], src_ip=packet["header"]["src_ip_str"])
    if "stats" in packet:
        return {"header": header, "stats": packet["stats"]}
    return {"header": header} if stats_only else {"header": header, "data": packet["data"]}


def process_pkt(dl_type: int, ts: float, buf: bytes, stats_only: bool = False,
                filter: Expression = True) -> Tuple[Packet, Optional[str]]:
    """The packet of a captured frame, and None; or an empty one, and why the frame carries none. Scripts give link type
    0 where they do not know it: the usual ones are tried. NULL is last, for it takes what begins with 0 for a bare
    datagram."""
    own, counts = _own(filter), reader.Counts()
    for link_type in (RAW, ETHERNET, SLL, SLL2, NULL) if dl_type == NULL else (dl_type,):
        if own and not _compiled(own).matches(link_type, bytes(buf), len(buf)):
            continue
        packet = reader.process_pkt(link_type, ts, buf, port=PORT if own is None else None, counts=counts)
        if packet is not None:
            return _as_original(packet, stats_only), None
    header = {"src_ip": "", "src_ip_str": "", "src_port": 0, "timestamp": ts, "version": 0, "sets_count": 0,
              "flags": 0, "sequence_number": 0}
    error = "no datagram to UDP port %d" % PORT if own is None else "no datagram that the filter wants"
    return {"header": header}, error if counts.last_error is None else "malformed datagram: %s" % counts.last_error


class Reader:
    """An iterator over the packets of a capture file or an interface. `intf` and `filter` are other names of
    `interface` and `pcap_filter`; the rest is as in the package's pkt_iter()."""

    def __init__(self, interface: Optional[str] = None, pcap_file: Optional[CaptureFile] = None,
                 pcap_filter: Expression = DEFAULT_PCAP_FILTER, stats_only: bool = False,
                 counts: Optional[reader.Counts] = None, timeout: Optional[float] = None, intf: Optional[str] = None,
                 filter: Expression = None) -> None:
        packets = reader.pkt_iter(intf if interface is None else interface, pcap_file,
                                  _own(pcap_filter if filter is None else filter), False, counts, timeout)
        self._packets = cast("Generator[reader.Packet, None, None]", packets)
        self.stats_only = stats_only

    def __iter__(self) -> Reader:
        return self

    def __next__(self) -> Packet:
        return _as_original(next(self._packets), self.stats_only)

    def close(self) -> None:
        self._packets.close()


pkt_iter = Reader


class _Source:
    """What get_pcap() opens: iterate over it for (ts, buf); datalink() is the link type of the last one, before the
    first that of the first."""

    def __init__(self, frames: Generator[Frame, None, None], link_type: Optional[int], own: Optional[str],
                 snaplen: int) -> None:
        self._frames, self._own, self._snaplen = frames, own, snaplen
        self._ahead = next(frames, None) if link_type is None else None
        self._link_type = self._ahead.link_type if self._ahead is not None else link_type or NULL

    def datalink(self) -> int:
        return self._link_type

    def close(self) -> None:
        self._frames.close()

    def _accepts(self, frame: Frame) -> bool:
        if self._own is not None:
            return not self._own or _compiled(self._own).matches(frame.link_type, frame.data, frame.wire_len)
        udp = reader._find(frame.link_type, frame.data)
        return isinstance(udp, Fragment) or (udp is not None and udp.dst_port == PORT)

    def __iter__(self) -> Iterator[Tuple[float, bytes]]:
        while True:
            frame, self._ahead = self._ahead or next(self._frames, None), None
            if frame is None:
                return
            if self._accepts(frame):
                self._link_type = frame.link_type
                yield frame.time_us / 1e6, frame.data[:self._snaplen]


def get_pcap(interface: Optional[str] = None, pcap_file: Optional[CaptureFile] = None,
             pcap_filter: Expression = DEFAULT_PCAP_FILTER, snaplen: int = SNAPLEN, timeout: int = TIMEOUT,
             intf: Optional[str] = None, filter: Expression = None) -> _Source:
    """Opens a capture file or an interface; process_pkt(source.datalink(), ts, buf) takes what it gives."""
    interface = intf if interface is None else interface
    if (interface is None) == (pcap_file is None):
        raise ValueError("expected either interface or pcap_file")
    own = _own(pcap_filter if filter is None else filter)
    if own:
        _compiled(own)  # says at once what is wrong with it
    if interface is not None:
        sniffer = Sniffer(interface, own)
        return _Source(sniffer.frames(), sniffer.link_type, own and "", snaplen)  # the kernel has filtered
    return _Source(read_frames(cast(CaptureFile, pcap_file)), None, own, snaplen)


class _Account:
    """What came from one source. Sequence numbers and counters are modulo 2^32; the rules are those of dnsflow_read."""

    WINDOW, RESTART_STEP, RESTART_AHEAD = 64, 1000, 1 << 28
    KEYS = ("pkts_captured", "pkts_received", "pkts_dropped", "pkts_ifdropped")

    def __init__(self, timestamp: float) -> None:
        self.first_time = self.last_time = timestamp
        self.data_pkts = self.records = self.stats_pkts = 0
        self.sequence = self.missing = self.total = self.lost = self.out_of_order = 0
        self.start_time = self.former_start_time = 0
        self.last_stats: Optional[Dict[str, int]] = None
        self.grown = dict.fromkeys(self.KEYS, 0)
        self.has_restarted = self.may_have_restarted = False

    def _begin_sequence(self, sequence: int) -> bool:
        self.sequence, self.missing = sequence, 0
        self.total += 1
        return True

    def _count_sequence(self, sequence: int, is_same_run: bool) -> bool:
        """Whether the datagram is the newest. Without a trailer that tells the run, a jump is taken for a new one."""
        step = (sequence - self.sequence + (1 << 31)) % (1 << 32) - (1 << 31)
        if self.total == 0 or (not is_same_run and (step < -self.RESTART_STEP or step > self.RESTART_AHEAD)):
            self.may_have_restarted = True
            return self._begin_sequence(sequence)
        if step > 0:
            self.total += step
            self.lost += step - 1
            new = min(step, self.WINDOW)
            self.missing = (self.missing << new | (1 << new) - 2) % (1 << self.WINDOW)
            self.sequence = sequence
            return True
        self.out_of_order += 1
        if -step < self.WINDOW:
            self.lost -= self.missing >> -step & 1  # late, not lost
            self.missing &= ~(1 << -step)
        return False

    def _count_run(self, sequence: int, start_time: int) -> bool:
        """Whether the datagram is the newest of its sensor's present run."""
        known = self.start_time
        if start_time == 0 or known == 0 or start_time == known:
            self.start_time = start_time or known
            return self._count_sequence(sequence, start_time != 0 and start_time == known)
        if start_time == self.former_start_time:
            self.out_of_order += 1  # still of the run before
            return False
        self.former_start_time, self.start_time, self.has_restarted = known, start_time, True
        return self._begin_sequence(sequence)

    def _count_stats(self, stats: Dict[str, int]) -> None:
        if self.last_stats is not None:
            have_fallen = any(stats[key] < self.last_stats[key] for key in self.KEYS[:3])
            is_new_run = self.has_restarted or (self.may_have_restarted and have_fallen)
            for key in self.KEYS:
                self.grown[key] += (stats[key] - (0 if is_new_run else self.last_stats[key])) % (1 << 32)
        self.last_stats = stats
        self.has_restarted = self.may_have_restarted = False

    def count(self, packet: Packet) -> None:
        header = packet["header"]
        self.last_time = header["timestamp"]
        is_newest = self._count_run(header["sequence_number"], header.get("ext", {}).get("start_time", 0))
        if not header["flags"] & FLAG_STATS:
            self.data_pkts += 1
            self.records += header["sets_count"]
            return
        self.stats_pkts += 1
        if is_newest or self.last_stats is None:
            self._count_stats(packet["stats"])

    def lines(self) -> Iterator[str]:
        seconds = round(self.last_time - self.first_time, 6)
        parts = [{"n_data_pkts": self.data_pkts, "n_records": self.records, "n_stats_pkts": self.stats_pkts}]
        if self.stats_pkts > 0:
            parts.append(self.grown)
        for part in parts:
            yield "  " + " ".join("%s=%d" % item for item in part.items())
            if seconds > 0:
                yield "  " + " ".join("%s/s=%.2f" % (key, number / seconds) for key, number in part.items())
        yield "  seq_last=%d seq_total=%d seq_lost=%d seq_ooo=%d" % (self.sequence, self.total, self.lost,
                                                                     self.out_of_order)


class SrcTracker:
    """Accounts of each source, which is an address and a UDP port."""

    SOURCES_MAX = 65536  # more are not counted

    def __init__(self) -> None:
        self._accounts: Dict[str, _Account] = {}

    def _name(self, header: Dict[str, Any]) -> str:
        address = header.get("src_ip_str", header["src_ip"])
        return ("[%s]:%d" if ":" in address else "%s:%d") % (address, header["src_port"])

    def update(self, pkt: Packet) -> None:
        """Counts a packet. One that process_pkt() gave with an error has no source, and is passed over."""
        name = self._name(pkt["header"])
        if not pkt["header"]["src_ip"] or (name not in self._accounts and len(self._accounts) == self.SOURCES_MAX):
            return
        if name not in self._accounts:
            self._accounts[name] = _Account(pkt["header"]["timestamp"])
        self._accounts[name].count(pkt)

    def print_summary(self, pkt: Optional[Packet] = None) -> None:
        """A block for each source, or for that of a packet."""
        for name in self._accounts if pkt is None else (self._name(pkt["header"]),):
            if name in self._accounts:
                print("\n".join([name, *self._accounts[name].lines()]))


def _options(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """A first argument that is no option is the program's name, as in sys.argv."""
    arguments = list(sys.argv if argv is None else argv)
    parser = argparse.ArgumentParser("dnsflow_read.py", description="Prints what dnsflow sensors send; dnsflow_read "
                                     "does more, and the same several times as fast.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("-r", metavar="FILE", dest="pcap_file", help="read a capture file")
    source.add_argument("-i", metavar="IF", dest="interface", help="capture on this interface")
    parser.add_argument("-f", metavar="EXPR", dest="pcap_filter", help="only what this pcap expression accepts too")
    parser.add_argument("-s", action="store_true", dest="stats_only", help="only statistics, with summaries")
    parser.add_argument("-S", action="store_true", dest="summaries", help="only summaries, after each %d datagrams"
                        % SUMMARY_EVERY)
    if arguments and (arguments[0] == sys.argv[0] or not arguments[0].startswith("-")):
        del arguments[0]
    return parser.parse_args(arguments)


def _rows(packet: Packet) -> Iterator[str]:
    header, seconds = packet["header"], int(packet["header"]["timestamp"]) % 86400
    clock = "%02d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)
    for r in packet.get("data", ()):
        names = ",".join(n.replace(",", "\\044").replace("|", "\\124") for n in r["names"])
        yield "|".join([header["src_ip"], r["resolver_ip"], r["client_ip"], clock, names, ",".join(r["ips"]),
                        ",".join(r["ip6s"])])
    if "stats" in packet:
        yield "|".join(["STATS"] + ["%s:%d" % item for item in packet["stats"].items()])


def _print(packets: Reader, options: argparse.Namespace, tracker: SrcTracker) -> None:
    if not options.summaries:
        print("dnsflow server|resolver ip|client ip|time|names|ipv4|ipv6")
    for number, packet in enumerate(packets, 1):
        tracker.update(packet)
        if not options.summaries:
            for row in _rows(packet):
                print(row)
            if options.stats_only and "stats" in packet:
                tracker.print_summary(packet)
        elif number % SUMMARY_EVERY == 0:
            tracker.print_summary()
            print("-" * 40)
        if options.interface is not None:
            sys.stdout.flush()


def main(argv: Optional[Sequence[str]] = None) -> int:
    """What the command did: rows, statistics, and a summary at the end or when it is interrupted. Returns the exit
    status."""
    options, tracker, counts, status = _options(argv), SrcTracker(), reader.Counts(), 0
    expression = options.pcap_filter and "(%s) and (%s)" % (DEFAULT_PCAP_FILTER, options.pcap_filter)
    try:
        try:
            packets = Reader(options.interface, options.pcap_file, expression, options.stats_only, counts)
            _print(packets, options, tracker)
        except KeyboardInterrupt:
            pass
        except BrokenPipeError:
            raise
        except (OSError, ValueError) as error:
            print("dnsflow_read.py: %s" % error, file=sys.stderr)
            status = 1
        print("\nSummary:")
        tracker.print_summary()
        if counts.malformed > 0:
            print("malformed datagrams: %d" % counts.malformed)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads; the interpreter would complain at its end
    return status
