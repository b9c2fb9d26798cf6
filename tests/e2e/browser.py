# SPDX-License-Identifier: BSD-3-Clause
"""Debian's Chromium through its chromedriver: the page as a person has it. Polls, never sleeps."""

import json
import os
import shutil

import pytest
from conftest import wait_until

try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    MISSING = None
except ImportError as error:
    webdriver = Keys = None
    MISSING = "no selenium: %s" % error

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not MISSING and not (CHROMIUM and DRIVER):
    MISSING = "no chromium, or no chromedriver"

needs_browser = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")

SECONDS = 30

# Text on its ground: [ratio, words, selector] of what has less than 4.5, or 3 where it is large.
CONTRAST = r"""
const parse = text => { const n = (text.match(/[\d.]+(?:e-?\d+)?/g) || []).map(Number);
  return text.startsWith('color(srgb') ? [n[0] * 255, n[1] * 255, n[2] * 255, n[3] ?? 1] : [n[0], n[1], n[2], n[3] ?? 1]; };
const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = c => { const l = [0, 1, 2].map(i => linear(c[i] / 255));
  return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2]; };
const ground = node => { const layers = [];
  for (let n = node; n; n = n.parentElement) layers.push(parse(getComputedStyle(n).backgroundColor));
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]); };
const bad = [], seen = new Set(); let count = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || seen.has(node) || !node.checkVisibility()) continue;
  if (node.closest('.hidden, script, noscript, .skip')) continue;
  seen.add(node); count++;
  const style = getComputedStyle(node), below = ground(node), a = light(over(parse(style.color), below)), b = light(below);
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(style.fontSize), isLarge = size >= 24 || size >= 18.66 && +style.fontWeight >= 700;
  if (ratio < (isLarge ? 3 : 4.5)) bad.push([ratio, node.textContent.slice(0, 40), node.tagName + '.' + node.className]);
}
return [count, bad];
"""

# What a screen reader would have no word for.
NAMELESS = r"""
const named = id => (document.getElementById(id) || {}).textContent || '';
const words = node => (node.getAttribute('aria-label') || (node.getAttribute('aria-labelledby') || '').split(' ').map(named).join('')
  || (node.labels && [...node.labels].map(l => l.textContent).join('')) || node.textContent || '').trim();
const bad = [];
for (const node of document.querySelectorAll('a, button, input, dialog, section, [role]:not([role=alert])'))
  if (!words(node) && !node.hasAttribute('aria-hidden') && node.style.display !== 'none') bad.push(node.outerHTML.slice(0, 120));
for (const table of document.querySelectorAll('table')) {
  if (!table.caption || !table.caption.textContent.trim()) bad.push('no caption: ' + table.outerHTML.slice(0, 80));
  for (const th of table.querySelectorAll('th')) if (!th.scope) bad.push('no scope: ' + th.outerHTML.slice(0, 80));
}
const ids = [...document.querySelectorAll('[id]')].map(n => n.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) bad.push('twice: ' + id);
if (document.querySelectorAll('h1').length !== 1) bad.push('h1');
for (const name of ['main', 'nav', 'header', 'footer']) if (!document.querySelector(name)) bad.push(name);
if (!document.documentElement.lang || !document.title) bad.push('lang, title');
return bad;
"""


class Page:
    """The page of the collector at 127.0.0.1:port."""

    def __init__(self, port, folder, width=1280, height=900):
        options = Options()
        options.binary_location = CHROMIUM
        for word in ("--headless=new", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run", "--disable-gpu",
                     "--disable-component-update", "--disable-sync", "--user-data-dir=%s" % (folder / "chromium")):
            options.add_argument(word)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.folder, self.address = folder, "http://127.0.0.1:%d/" % port
        self.console, self.asked = [], []
        self.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
        self.size(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def size(self, width, height=900):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def prefers(self, scheme):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, condition, seconds=SECONDS):
        """Polls a script, or what can be called; nodes may go meanwhile."""
        def holds():
            try:
                return self.js("return " + condition) if isinstance(condition, str) else condition()
            except (StaleElementReferenceException, WebDriverException):
                return None
        return wait_until(holds, seconds, 0.05)

    def open(self, place="", wait=True):
        """A view from nothing, as from a link that was passed on."""
        self.driver.get("about:blank")
        self.driver.get(self.address + place)
        if wait:
            self.loaded()

    def loaded(self):
        self.until("!document.querySelector('.state.loading') && !/Asking/.test(document.getElementById('live').textContent)"
                   " && document.getElementById('live').textContent !== ''")

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.until(lambda: self.all(selector))[0]

    def texts(self, selector):
        return self.js("return [...document.querySelectorAll(arguments[0])].map(n => n.textContent)", selector)

    def panel(self, title):
        """A selector for the panel with this heading."""
        return self.until("(h2 => h2 && '#view [aria-labelledby=\"' + h2.id + '\"]')"
                          "([...document.querySelectorAll('#view h2')].find(h2 => h2.textContent === %s))" % json.dumps(title))

    def rows(self, title):
        """Of a panel's table: a list of texts for each row."""
        return self.js("return [...document.querySelectorAll(arguments[0] + ' tbody tr')].map("
                       "tr => [...tr.children].map(td => td.textContent))", self.panel(title))

    def click(self, selector, words=None):
        def found():
            nodes = [n for n in self.all(selector) if n.is_displayed() and (words is None or n.get_attribute("textContent") == words)]
            if nodes:
                self.js("arguments[0].scrollIntoView({block: 'center'})", nodes[0])
                nodes[0].click()
            return bool(nodes)
        self.until(found)

    def keys(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def drag(self, node, from_x, by):
        """With the mouse, beginning so far from the middle of it."""
        ActionChains(self.driver).move_to_element_with_offset(node, from_x, 0).click_and_hold().move_by_offset(by, 0).release().perform()

    def search(self, text):
        box = self.one("#q")
        box.clear()
        box.send_keys(text, Keys.ENTER)

    @property
    def title(self):
        return self.texts("h1")[0]

    @property
    def hash(self):
        return self.js("return location.hash")

    @property
    def focused(self):
        return self.js("const a = document.activeElement; return a.id || a.textContent")

    def complaints(self, *expected):
        """Errors and warnings of the console, but those with one of these words in them."""
        self.console += self.driver.get_log("browser")
        return [e["message"] for e in self.console if e["level"] in ("SEVERE", "WARNING") and not any(w in e["message"] for w in expected)]

    def requests(self):
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.asked.append(message["params"]["request"])
        return self.asked

    def elsewhere(self):
        """What was asked for of anybody but the collector."""
        here = self.address, "about:", "chrome:", "data:", "blob:" + self.address
        return [r["url"] for r in self.requests() if not r["url"].startswith(here)]

    def is_wider(self):
        """By how much the page is wider than its window."""
        return self.js("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
