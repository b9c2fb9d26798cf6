# SPDX-License-Identifier: BSD-3-Clause
"""The table at the end: each figure beside its bound."""

import collections

Row = collections.namedtuple("Row", "figure bound measured holds")  # holds: None where it was skipped
VERDICTS = {True: "ok", False: "BROKEN", None: "skipped"}


def at_most(figure, words, measured, bound=None):
    """`words` are the bound as it is shown, and the bound itself unless that is given."""
    return Row(figure, "<= %s" % words, measured, measured <= (words if bound is None else bound))


def none(figure, found):
    """A row for what must not be there; the first of it is shown."""
    return Row(figure, "none", "%d: %s" % (len(found), found[0]) if found else "none", not found)


def flat_row(flat, span):
    if flat.before is None:
        return Row("%s: %s, %s" % (flat.who, flat.what, span), "known", "no samples", False)
    unit = " KiB" if flat.what == "memory" else ""
    return Row("%s: %s, %s" % (flat.who, flat.what, span), "%d -> <= %d%s" % (flat.before, flat.bound, unit),
               "%d -> %d%s" % (flat.before, flat.after, unit), flat.holds)


def print_table(rows):
    """Returns the exit status."""
    cells = [("figure", "bound", "measured", "verdict")]
    cells += [(r.figure, str(r.bound), str(r.measured), VERDICTS[r.holds]) for r in rows]
    widths = [min(60, max(len(c[i]) for c in cells)) for i in range(3)]
    for c in cells:
        print("  ".join(c[i].ljust(widths[i]) for i in range(3)) + "  " + c[3])
    broken = [r for r in rows if r.holds is False]
    print("%d figures, %d broken" % (len(rows), len(broken)))
    return 1 if broken else 0
