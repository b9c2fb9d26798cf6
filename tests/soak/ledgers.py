# SPDX-License-Identifier: BSD-3-Clause
"""What the sensors say, what the collector says, and what is kept: all of it must come to the same."""

import collections
import json
import re
import subprocess

from collecting import check_sound, collect, database, lookups, sums, waterfalls
from conftest import READER
from table import Row, at_most
from traffic import MARKED, PORTS, Written

MARKS_S = 60  # names that are watched, in a second
LOST = "send network socket memory down journal expired".split()


def exactly(figure, want, got):
    return Row(figure, "= %s" % want, got, want == got)


def sensor_rows(sensor, way):
    """The summaries of all starts of a sensor against its way in `query loss`."""
    each = [summary for _, summary in sensor.starts]
    name = "sensor %d: " % sensor.number
    rows = [exactly(name + "exit status 0, ledgers balance", len(each),
                    sum(status == 0 for status, _ in sensor.starts))]
    for figure, stage, told in (
            ("datagrams made", "made", [s.notes["datagrams"] for s in each]),
            ("packets refused", "refused", [s.frames_dropped for s in each]),
            ("packets held", "held", [s.absorbed for s in each]),
            ("packets delivered", "delivered", [s.delivered for s in each]),
            ("messages", "messages", [s.parsed for s in each]),
            ("messages answered", "answered", [s.with_record for s in each]),
            ("records", "records", [s.notes.get("sets", 0) for s in each])):
        rows.append(exactly(name + figure, sum(told), way[stage]))
    return rows


def marks_of(found):
    """{port of the sensor: {name: count}} of the marks among the lookups."""
    marks = collections.defaultdict(collections.Counter)
    for (client, rname, *_), (count, _, _) in found.items():
        if "." + MARKED + "." in "." + rname + ".":
            text = client.hex() if isinstance(client, bytes) else client
            marks[port_of(text)][rname] += count
    return marks


def port_of(client):
    """The second part of a mark's client, 10.8.PORT.N or 2001:db8:PORT::N, is the sensor's port."""
    if len(client) == 8:
        return int(client[4:6], 16)
    return int(client[8:12], 16)


def lost_rows(ways, said):
    """What the three sensors have lost. Of which sensor it was in the journal is estimated; with hostile streams
    beside them, whose numbers leap, some of it counts as lost on the way."""
    lost = collections.Counter()
    for way in ways:
        lost.update({stage: way[stage] or 0 for stage in LOST})
    told = sum(map(int, re.findall(r"journal: can be written to again; (\d+) datagrams? w", said)))
    stages = ", ".join("%s %d" % (s, n) for s, n in lost.items() if n) or "none"
    return [Row("sensors 1 to 3: lost by stage", "told", stages, True),
            exactly("sensors 1 to 3: lost in send, socket, memory, expired", 0,
                    sum(lost[s] for s in ("send", "socket", "memory", "expired"))),
            at_most("sensors 1 to 3: lost in journal and network", "%d of the log" % told,
                    lost["journal"] + lost["network"], told)]


def mark_rows(sensors, ways, found, frames):
    """What was asked for once is there once, or was lost."""
    rows, marks = [], marks_of(found)
    for sensor in sensors:
        have, name = marks[PORTS[sensor.number]], "sensor %d: names asked for once" % sensor.number
        rows.append(Row(name, "> 0", len(have), len(have) > 0))
        rows.append(exactly(name + ", stored more than once", 0, sum(count > 1 for count in have.values())))
        if len(sensor.starts) == 1:  # it has seen all of them, and nothing else
            way = ways[sensor.number]
            rows.append(exactly(name + ", sent = in records", frames.marks[sensor.number], way["records"]))
            rows.append(exactly(name + ", missing = lost", way["records"] - way["kept"],
                                frames.marks[sensor.number] - len(have)))
    return rows


def is_whole(name):
    labels = re.sub(r"\\(\d{3}|.)", "x", name).split(".")
    sizes = [len(label) for label in labels]
    return name == "." or (0 < min(sizes) and max(sizes) <= 63 and sum(sizes) + len(sizes) < 255)


def asked_in(journal):
    """Records that are lookups, as the reader finds them: those with a name, but for what continues a record."""
    count = 0
    for file in sorted(journal.iterdir()):
        with subprocess.Popen([READER, "-r", file, "--format", "json"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as reader:
            for row in map(json.loads, reader.stdout):
                continues = row.get("ext", {}).get("set_flags", 0) & 1
                count += row["type"] == "record" and not continues and any(map(is_whole, row["names"]))
        assert reader.returncode == 0, "the reader ends with status %d" % reader.returncode
    return count


def kept_rows(directory, found):
    check = collect("check", directory, timeout=120)
    said = check.out.decode().strip().splitlines()[-1:] if check.status == 0 else [check.err.strip()]
    check_sound(directory)
    db = database(directory)
    in_catalogue, = db.execute("SELECT sum(lookups) FROM partitions WHERE replaced IS NULL").fetchone()
    db.close()
    records = sums(directory)["records"]
    journalled = int(re.search(rb"(\d+) records", check.out).group(1)) if check.status == 0 else None
    return [Row("dnsflow_collect check", "clean", "".join(said), check.status == 0),
            exactly("records in the journal = in accounts", journalled, records),
            exactly("records with a name in the journal = lookups stored",
                    asked_in(directory / "journal"), in_catalogue),
            at_most("lookups of a resolver, of all that are stored", in_catalogue,
                    sum(one[0] for one in found.values()))]


def watch_rows(collector, sensors, found, kills):
    """Each name that is watched and stored has been told, and again only where the role was killed."""
    told = collections.Counter()
    for row in map(json.loads, collector.hits.read_text().splitlines()):
        told[row["sensor"], ".".join(reversed(row["names"][0].split(".")))] += 1
    marks = marks_of(found)
    stored = {(s.number, rname) for s in sensors for rname in marks[PORTS[s.number]]}
    return [exactly("watched names stored = told", len(stored), len(stored & set(told))),
            exactly("watched names told that are not stored", 0, len(set(told) - stored)),
            at_most("watched names told again, of the last second before a kill", kills * MARKS_S,
                    sum(count - 1 for count in told.values()))]


def rows(collector, sensors, written, frames, kills):
    """Of a collector that has ended well."""
    every = waterfalls(collector.directory)  # fails where one does not balance
    found = lookups(collector.directory)
    ways = {s.number: every["127.0.0.1", str(s.number)] for s in sensors}
    ways[Written.SENSOR] = every[Written.SOURCE, str(Written.SENSOR)]
    whole = every["all", None]
    made = kept_rows(collector.directory, found)
    made.append(Row("sources whose way balances in each unit", "all", len(every) - 1, len(every) > len(ways)))
    for sensor in sensors:
        made += sensor_rows(sensor, ways[sensor.number])
    made.append(exactly("sensor 3: datagrams made", written.worker.number, ways[Written.SENSOR]["made"]))
    made.append(exactly("all: made + beside = lost + stored", whole["made"] + whole["beside"],
                        sum(whole[stage] or 0 for stage in LOST) + whole["stored"]))
    return made + lost_rows(ways.values(), collector.said()) + mark_rows(sensors, ways, found, frames) + \
        watch_rows(collector, sensors, found, kills)
