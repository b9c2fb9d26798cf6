# SPDX-License-Identifier: BSD-3-Clause
"""What /proc says of the rights of a process."""

import pwd
import re
from pathlib import Path

from conftest import release_build

NET_RAW, DAC_READ_SEARCH = 1 << 13, 1 << 2
plain_build = release_build("a sanitizer takes other system calls")


def status(pid, thread=None):
    path = Path("/proc/%d/%sstatus" % (pid, "task/%d/" % thread if thread else ""))
    return dict(re.findall(r"^(\w+):[ \t]*(.*)$", path.read_text(), re.M))


def capabilities(values):
    return {k: int(values[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


def expect_confined(values, user, raw, seccomp):
    kept = NET_RAW if raw else 0
    assert values["Uid"].split() == [str(user.pw_uid)] * 4 and values["Gid"].split() == [str(user.pw_gid)] * 4
    assert values["Groups"].strip() == ""
    assert capabilities(values) == {"CapInh": 0, "CapPrm": kept, "CapEff": kept, "CapBnd": 0, "CapAmb": 0}
    assert values["NoNewPrivs"] == "1" and values["Seccomp"] == ("2" if seccomp else "0")


def default_user():
    for name in "dnsflow", "nobody":
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
