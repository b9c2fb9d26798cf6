# SPDX-License-Identifier: BSD-3-Clause
"""The page of the collector in Chromium: every view, and what it does when things are hostile, many, or gone."""

import json
import re
import socket
import struct
import time

import pytest
from asking_http import Asked
from browser import CONTRAST, NAMELESS, Keys, Page, needs_browser
from collecting import imported, needs_collector
from conftest import RAW, wait_until, write_pcap
from datagrams import Worker, datagram, packet, set4

pytestmark = [needs_collector, needs_browser]

NOW = int(time.time())
NXDOMAIN, SERVFAIL = 3, 2
MANY = 12000

HOSTILE = {  # as the page must show them: labels of bytes, and the text
    "<script>alert\\(1\\)</script>.hostile.example": [b"<script>alert(1)</script>", b"hostile", b"example"],
    "\\\"onmouseover=\\\"alert\\(1\\).hostile.example": [b'"onmouseover="alert(1)', b"hostile", b"example"],
    "<b>bold</b>&amp\\;.hostile.example": [b"<b>bold</b>&amp;", b"hostile", b"example"],
    "\\226\\128\\174gnp.hostile.example": ["\u202egnp".encode(), b"hostile", b"example"],
    "a\\000b\\255\\.c.hostile.example": [b"a\0b\xff.c", b"hostile", b"example"],
    "a/b%2fc?d#e.hostile.example": [b"a/b%2fc?d#e", b"hostile", b"example"],
    ".".join(["x" * 63, "y" * 63, "z" * 63, "w" * 45, "hostile.example"]):  # 255 bytes
        [b"x" * 63, b"y" * 63, b"z" * 63, b"w" * 45, b"hostile", b"example"],
}


def looked_up(client, name, addresses=(), result=0, resolver="10.0.0.53"):
    return set4(client, resolver, [name] if isinstance(name, (str, list)) else list(name), addresses), (0, 300, 1, 40000, 0, result)


def records():
    yield looked_up("192.0.2.10", "www.example.com", ["198.51.100.1"])
    for i in range(20):
        yield looked_up("192.0.2.%d" % (10 + i), "www.example.com", ["198.51.100.1"])
        yield looked_up("192.0.2.10", "h%d.example.net" % i, ["198.51.100.%d" % (10 + i)])
    yield looked_up("192.0.2.10", ("alias.example.com", "www.example.com"), ["198.51.100.1"])
    for i in range(30):
        yield looked_up("192.0.2.66", "made-up-%d.corp.example" % i, result=NXDOMAIN)
    yield looked_up("192.0.2.67", "broken.example.com", result=SERVFAIL)
    for labels in HOSTILE.values():
        yield looked_up("192.0.2.77", labels, ["203.0.113.66"])
    for i in range(MANY):
        yield looked_up("192.0.2.99", "n%05d.many.example" % i, ["198.18.%d.%d" % (i // 250, i % 250)])


def told(number, every, at_us, sensor=7):
    """A datagram with the trailer, results in it."""
    trailer = struct.pack("!BBHIIIQ", 1, 0, 24 + 16 * len(every), sensor, 1600000000, 0, at_us)
    trailer += b"".join(struct.pack("!iIHHHH", *ext) for _, ext in every)
    return datagram(number, *[one for one, _ in every], trailer, flags=2, count=len(every))


def written(path, every, second):
    every = list(every)
    times = [(second + n // 100) * 1000000 for n in range(0, len(every), 10)]
    frames = [packet(told(1 + i, every[10 * i:10 * i + 10], at), "127.0.0.7", 4007) for i, at in enumerate(times)]
    return write_pcap(path, RAW, zip(times, frames))


def few(folder):
    """A store with one name in it, for what is about other things."""
    every = [looked_up("192.0.2.10", "www.example.com", ["198.51.100.1"]) for _ in range(5)]
    imported(folder / "data", written(folder / "out.pcap", every, NOW - 600))


def serving(folder, *options, port=0):
    return Asked(folder, *options, at="127.0.0.1:%d" % port, directory=folder / "data")


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A store with all of it, of half an hour ago."""
    folder = tmp_path_factory.mktemp("page")
    imported(folder / "data", written(folder / "out.pcap", records(), NOW - 1800), timeout=120)
    return folder


@pytest.fixture(scope="module")
def collector(filled):
    with serving(filled) as running:
        yield running


@pytest.fixture(scope="module")
def browser(collector, filled):
    with Page(collector.http_port, filled) as page:
        yield page


@pytest.fixture
def page(browser):
    """Behind each test: no error in the console, and nothing asked for elsewhere."""
    browser.size(1280)
    browser.prefers("light")
    browser.complaints()
    browser.console.clear()
    yield browser
    assert browser.complaints() == []
    assert browser.elsewhere() == []


VIEWS = {  # view: (its title, a panel, what stands there)
    "#health": ("Health", "Where it was lost", "Sensor 7"),
    "#client": ("Clients", "Clients with most lookups", "192.0.2.99"),
    "#client/192.0.2.10": ("Client 192.0.2.10", "Lookups", "h7.example.net"),
    "#name": ("Names", "Names with most lookups", "www.example.com"),
    "#name/www.example.com": ("Name www.example.com", "Answers", "198.51.100.1"),
    "#name/*.example.net": ("Names below example.net", "Names below", "h7.example.net"),
    "#name?contains=made-up": ("Names with made-up", "Names", "made-up-3.corp.example"),
    "#address": ("Address", None, None),
    "#address/198.51.100.1": ("Address 198.51.100.1", "At a moment", "www.example.com"),
    "#address/203.0.113.0%2F24": ("Prefix 203.0.113.0/24", "Names over time", "203.0.113.66"),
    "#top/domains": ("Top", "Domains", "many.example"),
    "#top/clients": ("Top", "Clients", "192.0.2.99"),
    "#top/resolvers": ("Top", "Resolvers", "10.0.0.53"),
    "#top/types": ("Top", "Types", "A"),
    "#top/rcodes": ("Top", "Results", "NXDOMAIN"),
    "#new?since=1h": ("New", "New domains", "many.example"),
    "#rcode": ("Who makes NXDOMAIN", "Clients", "192.0.2.66"),
    "#rcode/SERVFAIL": ("Who makes SERVFAIL", "Clients", "192.0.2.67"),
    "#sensor": ("Sensors", "Starts", "Sensor 7"),
    "#sensor/7": ("Sensor 7", "Streams", "Sensor 7, worker 0"),
    "#name/nothing.example": ("Name nothing.example", None, None),
    "#nonsense/%zz?since=1h": ("Health", None, None),
}


@pytest.mark.parametrize("view", VIEWS)
def test_views(page, view):
    """Each from its address alone; what it has in it, at three widths, and to a screen reader."""
    title, panel, text = VIEWS[view]
    page.open(view)
    assert page.title == title and title in page.js("return document.title").replace(" – dnsflow", "")
    if panel:
        assert any(text in cell for row in page.rows(panel) for cell in row)
    assert page.texts(".state.error") == []
    assert page.js(NAMELESS) == []
    for width in 360, 900, 1600:
        page.size(width)
        assert page.is_wider() <= 0, width
        assert page.js("return [...document.querySelectorAll('#views a')].every(a => a.scrollWidth <= a.clientWidth)"), width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["#health", "#client/192.0.2.10", "#name/www.example.com", "#address/198.51.100.1", "#top/names",
                                  "#new?since=1h", "#rcode", "#sensor/7", "#name/nothing.example?q=nothing.example"])
def test_contrast(page, view, scheme):
    page.prefers(scheme)
    page.open(view)
    count, bad = page.js(CONTRAST)
    assert count > 30 and bad == []
    ground = page.js("return getComputedStyle(document.documentElement).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", ground)[:3])) < 128) == (scheme == "dark")


def test_theme_is_kept(page):
    page.open("#rcode")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.js("return " + ground)
    page.click("#theme")
    page.click("#theme")
    assert page.texts("#theme") == ["Dark"] and page.js("return " + ground) != light
    page.open("#rcode")
    assert page.texts("#theme") == ["Dark"] and page.js("return " + ground) != light
    page.click("#theme")
    assert page.texts("#theme") == ["Auto"] and page.js("return " + ground) == light


def test_clicks_lead_on_and_back(page):
    page.open("#name/www.example.com")
    page.click(page.panel("Answers") + " a", "198.51.100.1")
    page.until("document.querySelector('h1').textContent === 'Address 198.51.100.1'")
    page.loaded()
    page.click(page.panel("Who asked for names behind it") + " a", "192.0.2.15")
    page.until("document.querySelector('h1').textContent === 'Client 192.0.2.15'")
    page.loaded()
    assert page.hash == "#client/192.0.2.15" and page.focused == "title"
    page.click("#range a", "7 d")
    page.until("location.hash === '#client/192.0.2.15?since=7d'")
    page.click("#views a", "Topg t")
    page.until("location.hash === '#top?since=7d'")
    page.loaded()
    page.click(".tabs a", "Clients")
    page.until("location.hash === '#top/clients?since=7d'")
    for place in "#top?since=7d", "#client/192.0.2.15?since=7d", "#client/192.0.2.15", "#address/198.51.100.1", "#name/www.example.com":
        page.js("history.back()")
        page.until("location.hash === %s" % json.dumps(place))
    page.loaded()
    assert page.title == "Name www.example.com" and page.rows("Answers")[0][1] == "198.51.100.1"


def test_every_view_from_the_navigation(page):
    page.open()
    assert [re.sub("g .$", "", words) for words in page.texts("#views a")] == \
        ["Health", "Client", "Name", "Address", "Top", "New", "NXDOMAIN makers", "Sensor"]
    for link in page.js("return [...document.querySelectorAll('#views a')].map(a => a.dataset.view)"):
        page.click("#views a[data-view=%s]" % link)
        page.until("document.querySelector('#views [aria-current=page]').dataset.view === '%s'" % link)
        page.loaded()
        assert page.texts(".state.error") == []


@pytest.mark.parametrize("text,title,understood", [
    ("www.example.com", "Name www.example.com", "the name www.example.com"),
    ("*.example.net", "Names below example.net", "all names below example.net"),
    ("made-up", "Names with made-up", "made-up"), ("198.51.100.1", "Address 198.51.100.1", "the address 198.51.100.1"),
    ("203.0.113.0/24", "Prefix 203.0.113.0/24", "the prefix 203.0.113.0/24"), ("2001:db8::1", "Address 2001:db8::1", "2001:db8::1")])
def test_search(page, text, title, understood):
    page.open()
    page.search(text)
    page.until("document.querySelector('h1').textContent === %s" % json.dumps(title))
    page.until("!document.getElementById('found').hidden")
    page.loaded()
    assert understood in page.texts("#found p")[0]
    assert page.texts(".state.error") == []
    for words in page.texts("#found .links a"):
        page.click("#found .links a", words)
        page.until("(document.querySelector('#found [aria-current]') || {}).textContent === %s" % json.dumps(words))
        page.loaded()
        assert page.texts(".state.error") == []


def test_search_for_what_is_nothing(page):
    page.open("#rcode")
    page.search("a..b")
    page.until("!document.getElementById('found').hidden")
    assert "Nothing to search for" in page.texts("#found p")[0] and page.title == "Who makes NXDOMAIN"


def test_hostile_names_are_text(page):
    page.js("window.alert = () => { window.hurt = true; }")
    page.open("#name/*.hostile.example")
    names = [row[0] for row in page.rows("Names below")]
    assert sorted(names) == sorted(HOSTILE)
    assert page.all("#view script, #view b, #view [onmouseover]") == [] and page.js("return window.hurt") is None
    assert page.js("return [...document.querySelectorAll('#view tbody th')].every(th => th.querySelector('a > bdi'))")
    for width in 360, 900, 1600:
        page.size(width)
        assert page.is_wider() <= 0
    for name in names:
        page.open("#name/*.hostile.example")
        page.click(page.panel("Names below") + " th a", name)
        page.until("document.querySelector('h1').textContent === %s" % json.dumps("Name " + name))
        page.loaded()
        assert page.rows("Answers")[0][1] == "203.0.113.66"
        assert page.is_wider() <= 0
        assert page.rows("Who asked")[0][0] == "192.0.2.77"


def test_many_rows(page):
    """More than one answer may have; what is drawn grows with the way down, and stays usable."""
    page.open("#name/*.many.example")
    panel = page.panel("Names below")
    count = "+document.querySelector('%s .count').textContent.replace(/[^0-9]/g, '')" % panel.replace("'", "\\'")
    shown = 100
    while page.js("return " + count) < 10000:
        page.until("(b => b && !b.click())(document.querySelector('%s .more:enabled'))" % panel.replace("'", "\\'"))
        shown = page.until("(n => n > %d && n)(%s)" % (shown, count))
    assert "Follow again" in page.texts(panel + " .said button")
    drawn = page.js("return document.querySelectorAll(arguments[0] + ' tbody tr').length", panel)
    assert drawn < 1500
    began = time.monotonic()
    page.one(panel + " .filter").send_keys("n09999")
    page.until("document.querySelectorAll('%s tbody tr').length === 1" % panel.replace("'", "\\'"))
    assert page.rows("Names below")[0][0] == "n09999.many.example"
    page.one(panel + " .filter").send_keys(*[Keys.BACKSPACE] * 6)
    page.until("document.querySelectorAll('%s tbody tr').length > 100" % panel.replace("'", "\\'"))
    page.click(panel + " .sort", "Name")
    page.click(panel + " .sort", "Name")
    page.until("document.querySelector('%s tbody th').textContent > 'n09900'" % panel.replace("'", "\\'"))
    assert time.monotonic() - began < 15
    assert page.rows("Names below")[0][0] == "n%05d.many.example" % (page.js("return " + count) - 1)

    def has_grown():
        page.js("scrollTo(0, document.documentElement.scrollHeight)")
        return page.js("return document.querySelectorAll('%s tbody tr').length" % panel.replace("'", "\\'")) > 1500
    page.until(has_grown)
    assert page.is_wider() <= 0


def test_order_and_filter(page):
    page.open("#client/192.0.2.10")
    panel = page.panel("Lookups")
    page.click(panel + " .sort", "Count")
    page.until("document.querySelector('[aria-sort=descending]')")
    counts = [int(row[4]) for row in page.rows("Lookups")]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]
    page.one(panel + " .filter").send_keys("h1")
    page.until("[...document.querySelectorAll('#view tbody th')].every(th => th.textContent.includes('h1'))")
    assert len(page.rows("Lookups")) == 11


def test_time_in_the_address(page):
    page.open("#name/www.example.com?since=10m")
    assert "in the last 10 minutes" in page.texts(".state-title")[0]
    page.click(page.panel("Answers") + " a.button", "Look in all that is kept")
    page.until("location.hash === '#name/www.example.com?since=all'")
    page.loaded()
    utc = page.js("return document.querySelector('#view time').title")
    assert utc.endswith(" UTC")
    page.click("#clock")
    page.until("location.hash.endsWith('time=local')")
    page.loaded()
    assert re.search(r" [+-]\d\d:\d\d$", page.js("return document.querySelector('#view time').title"))
    page.open("#top/names?since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z")
    assert "Does not follow" in page.texts("#live")[0]
    assert "from 2026-01-01 00:00:00 UTC until 2026-01-02 00:00:00 UTC" in page.texts(".state-title")[0]
    page.click("#range button")
    assert page.js("return document.getElementById('since').value").startswith("2026-01-01T00:00")
    page.click("#custom .primary")
    page.until("document.getElementById('custom').hidden")
    page.open("#top/names?since=nonsense")
    assert "Expected" in page.texts(".state.error")[0] and "Ask again" in page.texts(".state.error button")
    page.complaints()
    page.console = [e for e in page.console if "400" not in e["message"]]


def test_keys(page):
    page.open()
    page.keys("/")
    assert page.focused == "q"
    page.keys(Keys.ESCAPE)
    assert page.focused == "title"
    for key, title in (("t", "Top"), ("x", "Who makes NXDOMAIN"), ("w", "New"), ("s", "Sensors"), ("c", "Clients"), ("n", "Names"),
                       ("a", "Address"), ("h", "Health")):
        page.keys("g", key)
        page.until("document.querySelector('h1').textContent === %s" % json.dumps(title))
    page.loaded()
    page.keys("?")
    page.until("document.getElementById('help').open")
    page.keys("g", "t")
    page.keys(Keys.ESCAPE)
    page.until("!document.getElementById('help').open")
    assert page.title == "Health"
    page.keys("u")
    page.until("location.hash === '#health?time=local'")


FOCUSED = """
const a = document.activeElement, style = getComputedStyle(a);
return [a === document.body ? 'body' : a.id || a.dataset.view || a.textContent, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2];
"""


def test_focus_goes_in_order(page):
    """From the start of the page to the table: what is seen first has the focus first, and shows it."""
    page.open("#rcode")
    page.js("document.activeElement.blur()")
    order = []
    for _ in range(40):
        page.keys(Keys.TAB)
        what, ring = page.js(FOCUSED)
        if what == "body":
            break  # behind the last
        assert ring, what
        order.append(what)
    assert order[0] == "To the content" and order[2:6] == ["q", "clock", "theme", "help-open"]
    assert order[6:14] == ["health", "client", "name", "address", "top", "new", "rcode", "sensor"]
    assert order[14:23] == ["1 h", "6 h", "24 h", "Today", "Yesterday", "7 d", "30 d", "All", "Other"]
    assert order[23].startswith("NXDOMAIN") and "192.0.2.66" in order


def test_export(page, filled):
    page.open("#rcode")
    for format in "csv", "json", "ndjson":
        page.click(page.panel("Clients") + " .export", format.upper())
        path = filled / ("dnsflow-rcode-NXDOMAIN." + format)
        text = wait_until(lambda path=path: path.exists() and path.read_text(), 20)
        assert "192.0.2.66" in text
        if format == "ndjson":
            assert [json.loads(line)["client"] for line in text.splitlines()] == ["192.0.2.66"]
        path.unlink()


def test_a_moment(page):
    page.open("#address/198.51.100.1?at=2026-01-01T00:00:00Z")
    assert "No name was behind it then" in page.texts(page.panel("At a moment") + " .state-title")[0]
    page.open("#address/198.51.100.1?client=192.0.2.10")
    assert any("What this client asked for" in row for row in page.rows("At a moment"))
    row, = page.rows("A connection of 192.0.2.10 then")
    assert "none: it looked it up too long before" in row
    page.open("#address/198.51.100.1?client=192.0.2.10&at=" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 1700)))
    row, = page.rows("A connection of 192.0.2.10 then")
    assert "example.com" in " ".join(row) and "that it looked up for it" in " ".join(row), row
    page.open("#address/198.51.100.1?client=192.0.2.10&at=2026-01-01T00:00:00Z")
    row, = page.rows("A connection of 192.0.2.10 then")
    assert "none: nobody looked it up" in row


def live(collector, name, number=[0]):
    """A record of now, as a sensor sends it."""
    number[0] += 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        one = looked_up("192.0.2.200", name, ["198.51.100.200"])
        s.sendto(told(number[0], [one], int(time.time() * 1000000), sensor=9), ("127.0.0.1", collector.port))


def test_live(page, collector):
    """What comes is shown without reload; the focus and where one has scrolled to stay."""
    live(collector, "first.live.example")
    page.open("#name/*.live.example")
    page.until(lambda: [row[0] for row in page.rows("Names below")] == ["first.live.example"], 60)
    page.js("window.isTheSame = true")
    page.size(1280, 260)
    page.js("document.querySelector('#view tbody a').focus(); scrollTo(0, 60)")
    at = page.js("return scrollY")
    live(collector, "second.live.example")
    page.until(lambda: len(page.rows("Names below")) == 2, 60)
    assert page.js("return window.isTheSame") and page.focused == "first.live.example" and page.js("return scrollY") == at > 0
    page.open("#health")
    page.until(lambda: any("Sensor 9" in row[0] and row[1] == "Alive" for row in page.rows("Sensors")), 30)
    assert "alive" in page.texts("#status-text")[0]


def test_collector_restarted_under_the_page(tmp_path):
    few(tmp_path)
    with serving(tmp_path) as first:
        port = first.http_port
        page = Page(port, tmp_path)
        with page:
            page.open("#name/www.example.com")
            page.js("window.isTheSame = true")
            first.stop()
            page.until("!document.getElementById('banner').hidden")
            assert "does not answer" in page.texts("#banner")[0] and page.texts("#status-text") == ["No answer"]
            assert page.rows("Answers")[0][1] == "198.51.100.1", "what was there stays"
            page.click("#views a[data-view=top]")
            page.until("document.querySelector('.state.error')")
            assert "does not answer" in page.texts(".state.error")[0]
            with serving(tmp_path, port=port):
                page.until("document.getElementById('banner').hidden && document.querySelector('#view tbody tr')")
                assert page.rows("Names")[0][0] == "www.example.com" and page.js("return window.isTheSame")
                assert page.complaints("ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET") == []
                assert page.elsewhere() == []


def test_token(tmp_path):
    good, other = "a" * 24, "b" * 24
    path = tmp_path / "tokens"
    path.write_text("read %s\nread-no-clients %s\n" % (good, other))
    path.chmod(0o600)
    few(tmp_path)
    with serving(tmp_path, "--token-file", path) as collector, Page(collector.http_port, tmp_path) as page:
        page.open("#name/www.example.com", wait=False)
        page.until("document.getElementById('token').open")
        assert page.focused == "token-text"
        page.keys("wrong" * 5, Keys.ENTER)
        page.until("document.getElementById('token').open && document.getElementById('token-why').textContent")
        page.keys(Keys.ESCAPE)
        page.until("!document.getElementById('token').open")
        page.click(page.panel("Answers") + " button.primary", "Give the token")
        page.until("document.getElementById('token').open")
        page.keys(other, Keys.ENTER)
        page.until("document.querySelector('#view tbody tr')")
        assert page.rows("Answers")[0][1] == "198.51.100.1"
        page.until("[...document.querySelectorAll('.state.error')].some(n => n.textContent.includes('read-no-clients'))")
        page.click(".state.error button", "Other token")
        page.until("document.getElementById('token').open")
        page.keys(good, Keys.ENTER)
        page.until(lambda: page.rows("Who asked"))
        assert page.rows("Who asked")[0][0] == "192.0.2.10" and page.texts(".state.error") == []
        page.open("#client/192.0.2.10")
        assert page.rows("Lookups")[0][0] == "www.example.com", "it is kept in the tab"
        page.click(page.panel("Lookups") + " .export", "CSV")
        assert wait_until(lambda: (tmp_path / "dnsflow-client-192.0.2.10.csv").exists(), 20)
        sent = {r["headers"].get("Authorization") for r in page.requests() if "/api/" in r["url"]}
        assert "Bearer " + good in sent and not any(good in r["url"] or other in r["url"] for r in page.requests())
        assert page.js("return JSON.stringify(localStorage) + document.cookie").count(good) == 0
        assert page.complaints("401", "403") == [] and page.elsewhere() == []


def test_no_sensor_yet(tmp_path):
    with serving(tmp_path) as collector, Page(collector.http_port, tmp_path) as page:
        page.open()
        page.until("document.getElementById('status-text').textContent === 'No sensor yet'")
        assert any("No sensor has been heard" in text for text in page.texts(".state-title"))
        for view in "top", "new", "rcode", "client", "sensor":
            page.open("#" + view)
            assert page.texts(".state.error") == [] and page.all(".state.empty")
        assert page.complaints() == []


SEEN_HEADS = """
return [...document.querySelectorAll(arguments[0] + ' thead th')].filter(th => th.checkVisibility()).map(th => th.textContent);
"""


def test_lost(tmp_path):
    """The waterfall of a sensor that some of whose datagrams did not arrive."""
    worker = Worker(NOW - 900)
    one, _ = looked_up("192.0.2.10", "www.example.com", ["198.51.100.1"])
    sent = [worker.data(one) for _ in range(40)]
    worker.ring = 5
    sent.append(worker.stats())
    frames = [((NOW - 900) * 1000000 + i, packet(p, "127.0.0.7", 4007)) for i, p in enumerate(sent) if i % 10 != 5]
    imported(tmp_path / "data", write_pcap(tmp_path / "out.pcap", RAW, frames))
    with serving(tmp_path) as collector, Page(collector.http_port, tmp_path) as page:
        page.open("#sensor/7")
        fall = {row[0]: row[2] for row in page.rows("From the tap to the store")}
        assert (fall["Datagrams made"], fall["Lost on the way"], fall["Stored"], fall["No room in the ring"]) == ("41", "4", "37", "5")
        assert "The sums balance" in page.texts("#view .fall")[0]
        page.open("#health")
        row = next(row for row in page.rows("Where it was lost") if row[0] == "Sensor 7")
        assert row[-1].startswith("9.8")
        said = page.texts(".troubles")[0]
        assert "silent" in said and "4 datagrams lost on the way" in said and "5 packets lost at the tap" in said
        assert any("4 lost; 5 packets lost at the tap" in text for text in page.texts(".tile-words"))
        for width in 390, 900, 1600:
            page.size(width)
            heads = page.js(SEEN_HEADS, page.panel("Where it was lost"))
            assert {"Ring", "Network", "Lost"} <= set(heads) and not {"Send", "Down", "Socket", "Expired"} & set(heads)
            assert page.is_wider() <= 0
        labels = page.js("return [...document.querySelectorAll('.dygraph-axis-label-y')].map(n => n.textContent)")
        assert labels and not {"0.5", "1.5"} & set(labels)
        assert page.complaints() == []


def test_old_capture(tmp_path):
    """A sensor of days ago is no silent one; the times that it was seen are dates."""
    every = [looked_up("192.0.2.10", "www.example.com", ["198.51.100.1"])]
    imported(tmp_path / "data", written(tmp_path / "out.pcap", every, NOW - 3 * 86400))
    with serving(tmp_path) as collector, Page(collector.http_port, tmp_path) as page:
        page.open()
        page.until("document.getElementById('status-text').textContent === 'No sensor for a day'")
        assert page.rows("Not heard for over a day")[0][0] == "Sensor 7" and "silent" not in page.texts(".troubles")[0]
        heard = time.strftime("%d %b", time.gmtime(NOW - 3 * 86400)).lstrip("0")
        assert heard in page.rows("Not heard for over a day")[0][2]
        page.click("#range a", "Yesterday")
        page.until("/since=.*T00%3A00%3A00Z&until=.*T00%3A00%3A00Z/.test(location.hash)")
        page.loaded()
        assert page.texts("#range [aria-current]") == ["Yesterday"]
        assert page.complaints() == []


def test_a_client_as_an_address(page):
    """What is answered with nothing and asks itself shows what it asks."""
    page.open("#address/192.0.2.66")
    page.until("[...document.querySelectorAll('.tile-value')].some(n => n.textContent === '30')")
    page.click("#view a.button", "What it looked up")
    page.until("document.querySelector('h1').textContent === 'Client 192.0.2.66'")
    page.loaded()
    page.open("#name/nothing.example?since=10m")
    assert page.js("return [...document.querySelectorAll('.all-kept')].filter(a => a.checkVisibility()).length") == 1
    page.open("#name/nothing.example?since=7d")
    assert page.all(".all-kept") == [], "all that is kept lies in that time"


def test_unknown_view(page):
    page.open("#nonsense/x")
    assert page.texts("#lead")[0].startswith("There is no view nonsense/x") and page.title == "Health"


def test_change_of_tops(tmp_path):
    """Against the time before, where all of that is kept."""
    def asked(name, count):
        return [looked_up("192.0.2.10", name, ["198.51.100.1"]) for _ in range(count)]
    spans = [(NOW - 7500, asked("oldest.example", 1)), (NOW - 5400, asked("twice.example", 4) + asked("half.example", 4)),
             (NOW - 1800, asked("twice.example", 8) + asked("half.example", 2) + asked("new.example", 1))]
    for i, (second, every) in enumerate(spans):
        # files of their own: the counts of one are not cut at a time
        frame = packet(told(1 + i, every, second * 1000000), "127.0.0.7", 4007)
        imported(tmp_path / "data", write_pcap(tmp_path / "out.pcap", RAW, [(second * 1000000, frame)]))
    with serving(tmp_path) as collector, Page(collector.http_port, tmp_path) as page:
        page.open("#top/names?since=1h")
        assert {row[0]: row[3].replace("\u00a0", " ") for row in page.rows("Names")} == \
            {"twice.example": "\u25b2 100 %", "half.example": "\u25bc 50 %", "new.example": "new"}
        page.open("#top/names?since=2h")
        assert {row[3] for row in page.rows("Names")} == {"\u2013"}
        assert page.complaints() == []


PARTIAL = """
const asked = fetch;
window.fetch = async (address, options) => {
  const got = await asked(address, options);
  if (!String(address).includes('/top/')) return got;
  return new Response(JSON.stringify({ ...await got.json(), partial: true, notes: ['it took <b>too long</b>'] }));
};
"""


def test_partial_answer(page):
    page.open("#top/clients")
    page.js(PARTIAL)
    page.keys("r")
    page.until("document.querySelector('.said .warn')")
    said = page.texts(page.panel("Clients") + " .said p")
    assert said[0] == "Partial answer. it took <b>too long</b>" and "A shorter time" in said[-1]


FAILED = """
const error = { code: 'failed', message: 'the disk is <i>gone</i>', parameter: null };
window.fetch = async () => new Response(JSON.stringify({ error }), { status: 500 });
"""


def test_failed_answer(page):
    """What was there stays, with a word on it; without that the word alone."""
    page.open("#top/clients")
    page.js(FAILED)
    page.keys("r")
    page.until("document.querySelector('.said .warn')")
    assert "The disk is <i>gone</i>" in page.texts(".said .warn")[0] and page.rows("Clients")
    page.click("#views a[data-view=rcode]")
    page.until("document.querySelector('.state.error')")
    assert page.texts(".state.error .state-title") == ["The disk is <i>gone</i>"] and "log" in page.texts(".state.error")[0]


def test_a_part_of_the_line(page):
    """Drawing over the line chooses the time."""
    page.open("#health?since=1h")
    page.js("document.querySelector('.plot').scrollIntoView({ block: 'center' })")
    page.drag(page.one(".plot"), -100, 160)
    page.until("/since=2\\d\\d\\d-.*until=2/.test(location.hash)")
    page.loaded()
    assert page.texts("#range [aria-pressed=true]") == ["Other"] and page.texts(".state.error") == []
