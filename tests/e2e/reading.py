# SPDX-License-Identifier: BSD-3-Clause
"""Running the reader over packets that are made here."""

from conftest import BASE_US, NULL, reader, write_pcap
from datagrams import bare

HEADER = "dnsflow server|resolver ip|client ip|time|names|ipv4|ipv6\n"
ALSO = b",|"  # what it escapes in names besides what conftest.label_text does


def write(tmp_path, link, frames, step_us=0):
    return write_pcap(tmp_path / "in.pcap", link, [(BASE_US + i * step_us, f) for i, f in enumerate(frames)])


def read(tmp_path, link, frames, *options, step_us=0):
    result = reader("-r", write(tmp_path, link, frames, step_us), *options)
    assert result.status == 0, result.err
    return result._replace(out=result.out.decode("ascii"))


def read_bare(tmp_path, datagrams, *options, step_us=0):
    return read(tmp_path, NULL, [bare(d) for d in datagrams], *options, step_us=step_us)
