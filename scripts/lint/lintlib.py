"""Shared parts of the lint scripts: finding files, reading C, reporting."""

import os
import re
import sys

C_DIRS = ("src", "include", "tests", "bench")
SKIP_DIRS = {"build", ".git", "__pycache__", ".pytest_cache"}


class Lint:
    """Collects the findings of one rule and prints them at the end."""

    def __init__(self, rule):
        self.rule = rule
        self.root = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else default_root())
        self.found = {}

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as f:
            return f.read()

    def report(self, where, line, text):
        spot = "%s:%d" % (where, line) if line else where
        self.found["%s: [%s] %s" % (spot, self.rule, text)] = None

    def finish(self):
        for line in self.found:
            print(line)
        sys.exit(1 if self.found else 0)


def default_root():
    here = os.path.dirname(os.path.abspath(__file__))
    return os.path.dirname(os.path.dirname(here))


def files(root, dirs, suffixes):
    """Names, relative to root, of the files below dirs with one of the suffixes."""
    names = []
    for top in dirs:
        for base, subdirs, entries in os.walk(os.path.join(root, top)):
            subdirs[:] = sorted(d for d in subdirs if d not in SKIP_DIRS)
            for entry in sorted(entries):
                if entry.endswith(suffixes):
                    names.append(os.path.relpath(os.path.join(base, entry), root))
    return names


TOKENS = re.compile(
    r"""(?P<comment>/\*.*?(?:\*/|\Z)|//(?:[^\n\\]|\\.)*)"""
    r"""|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""",
    re.S,
)


def blank(text, strings=True):
    """C text with comments (and the inside of strings) replaced by spaces.

    Every newline stays, so line numbers and offsets stay the same."""

    def spaces(part):
        return re.sub(r"[^\n]", " ", part)

    def swap(match):
        part = match.group(0)
        if match.group("comment"):
            return spaces(part)
        return part[0] + spaces(part[1:-1]) + part[-1] if strings else part

    return TOKENS.sub(swap, text)


class Function:
    def __init__(self, name, static, first):
        self.name, self.static, self.first = name, static, first
        self.last = first
        self.body = []

    def lines(self):
        return self.last - self.first + 1


class Scanner:
    """Counts braces to find the functions of one file."""

    def __init__(self, text):
        self.done = []
        self.saved = []
        self.state = (0, "", 0, None)
        directive = False
        for number, line in enumerate(blank(text).split("\n"), 1):
            if directive or line.lstrip().startswith("#"):
                if not directive:
                    self.directive(line)
                directive = line.rstrip().endswith("\\")
                continue
            self.line(number, line)

    def directive(self, line):
        """Both branches of an #if start from the same brace depth."""
        word = line.lstrip().lstrip("#").split()[:1]
        word = word[0] if word else ""
        if word.startswith("if"):
            self.saved.append(self.state)
        elif word.startswith("el") and self.saved:
            self.state = self.saved[-1]
        elif word == "endif" and self.saved:
            self.saved.pop()

    def line(self, number, line):
        depth, head, first, func = self.state
        if func:
            func.body.append((number, line))
        for char in line + " ":
            if depth == 0:
                if char in ";}":
                    head, first = "", 0
                elif char == "{":
                    func = open_function(head, first)
                    if not re.match(r'\s*extern\s*"', head):
                        depth = 1
                    if func:
                        func.body.append((number, line[line.index("{"):]))
                    head, first = "", 0
                elif first or not char.isspace():
                    first = first or number
                    head += char
            elif char == "{":
                depth += 1
            elif char == "}":
                depth -= 1
                if depth == 0 and func:
                    func.last = number
                    self.done.append(func)
                    func = None
        self.state = (depth, head, first, func)


def open_function(head, first):
    """The function a brace after this text opens, or None for data and types."""
    head = re.sub(r"__attribute__\s*\(\(.*?\)\)", " ", head, flags=re.S)
    name = re.search(r"(\w+)\s*\(", head)
    if "=" in head or not name or not head.rstrip().endswith(")"):
        return None
    return Function(name.group(1), bool(re.search(r"\bstatic\b", head)), first)


def functions(text):
    return Scanner(text).done
