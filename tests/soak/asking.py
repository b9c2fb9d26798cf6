# SPDX-License-Identifier: BSD-3-Clause
"""Who asks all the while: on the command line, over HTTP, and somebody who has the page open."""

import http.client
import statistics
import subprocess
import threading
import time

from browser import MISSING, Page
from collecting import collect
from product import HTTP
from traffic import MARKED

WORDS = [("name", "www.example.com"), ("below", "example.com"), ("contains", MARKED), ("address", "192.0.2.0/24"),
         ("who", "www.example.com"), ("client", "10.8.53.1"), ("rcode", "NXDOMAIN"), ("top", "names"),
         ("new", "domains"), ("loss",), ("series",), ("sensors",), ("at", "192.0.2.1")]
PATHS = ["names?below=example.com", "names/www.example.com", "names/www.example.com/clients", "addresses/192.0.2.1",
         "clients/10.8.53.1/lookups", "clients/10.8.53.1/summary", "rcodes/NXDOMAIN/clients", "top/names",
         "top/clients?since=10m", "new/domains", "series", "loss", "sensors", "streams", "status", "search?q=soak",
         "names?contains=" + MARKED, "nonsense"]
VIEWS = ["#health", "#name/www.example.com", "#name/*.example.com", "#client/10.8.53.1", "#address/192.0.2.1",
         "#top/names", "#new", "#rcode", "#sensor/1"]
SILENCE = "Failed to load resource"  # the browser's word for a collector that is not there


class Asker(threading.Thread):
    """Calls self.ask(number) every `every_s` seconds; what it returns is what went wrong, None for nothing."""

    def __init__(self, every_s):
        super().__init__(daemon=True)
        self.every_s, self.took, self.failed = every_s, [], []
        self.stopping = threading.Event()

    def run(self):
        number = 0
        while not self.stopping.wait(self.every_s):
            begun = time.monotonic()
            wrong = self.ask(number)
            ended = time.monotonic()
            if wrong:
                self.failed.append((begun, ended, wrong))
            else:
                self.took.append(ended - begun)
            number += 1

    def stop(self):
        self.stopping.set()
        self.join()

    def unexplained(self, is_explained):
        return [wrong for begun, ended, wrong in self.failed if not is_explained(begun, ended)]

    def median_ms(self):
        return 1000 * statistics.median(self.took) if self.took else 0


class OnCommandLine(Asker):
    """Each third question is answered with what is there; the others have what came last brought in."""

    def __init__(self, directory, every_s):
        super().__init__(every_s)
        self.directory = directory

    def ask(self, number):
        words = WORDS[number % len(WORDS)]
        more = ["--no-refresh"] if number % 3 == 0 else []
        try:
            done = collect("query", self.directory, *words, "--format", "ndjson", *more)
        except subprocess.TimeoutExpired:
            return "%s: no answer" % " ".join(words)
        return None if done.status == 0 else "%s: status %d: %s" % (" ".join(words), done.status, done.err.strip())


class OverHttp(Asker):
    def ask(self, number):
        path = PATHS[number % len(PATHS)]
        connection = http.client.HTTPConnection(*HTTP, timeout=30)
        try:
            connection.request("GET", "/api/v1/" + path)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            return "%s: %r" % (path, error)
        finally:
            connection.close()
        expected = 404 if path == "nonsense" else 200
        return None if answer.status == expected else "%s: status %d" % (path, answer.status)


class Person(Asker):
    """Has the page open in Chromium, never loads it again, and goes from view to view."""

    def __init__(self, folder, every_s, missing=None):
        super().__init__(every_s)
        self.page, self.missing, self.elsewhere, self.complaints = None, missing or MISSING, [], []
        if not self.missing:
            self.page = Page(HTTP[1], folder)
            self.page.open("#health")

    def look(self):
        """Empties what the browser has noted."""
        self.complaints += self.page.complaints(SILENCE)
        self.elsewhere += self.page.elsewhere()
        self.page.console.clear()
        self.page.asked.clear()

    def ask(self, number):
        self.page.js("location.hash = arguments[0]", VIEWS[number % len(VIEWS)])
        try:
            self.page.loaded()
        except AssertionError:
            return "the view %s does not come" % VIEWS[number % len(VIEWS)]
        self.look()
        return None

    def is_well(self):
        """Whether the page, as it has stood all the while, shows the sensors as alive."""
        self.page.js("location.hash = '#health'")
        try:
            self.page.until("document.querySelector('h1') && "
                            "/alive/.test(document.getElementById('view').textContent)", 40)
        except AssertionError:
            return False
        self.look()
        return True

    def __exit__(self, *_):
        if self.page:
            self.page.driver.quit()

    def __enter__(self):
        return self
