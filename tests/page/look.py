#!/usr/bin/env python3
"""The status page in headless Chromium, on a node under load: look.py LCNODE [FOLDER]

Its figures change, text of the node stays text, nothing is asked for elsewhere, the console stays empty, and figures that
are old are shown as such. Pictures of it are put into FOLDER. Prints the usual count of tests.
"""

import http.client as http_client
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from browser import Browser

# As a name of a database it would run, were it not shown as text.
HOSTILE = "<img src=x onerror=document.title='run'>.tch"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Node:
    def __init__(self, program, folder):
        self.port, self.admin = free_port(), free_port()
        self.words = [program, "--host", "127.0.0.1", "--port", str(self.port), "--admin", f"127.0.0.1:{self.admin}",
                      "--segment-size", "1m", HOSTILE]
        self.folder = folder
        self.start()

    def start(self):
        with open(os.path.join(self.folder, "node.log"), "ab") as log:
            self.process = subprocess.Popen(self.words, cwd=self.folder, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)


class Load:
    """Puts and gets, every second one of a key that is not there, until it is ended."""

    def __init__(self, port):
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(port,), daemon=True)
        self.thread.start()

    def run(self, port):
        with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as replies:
            number = 0
            while not self.ended.is_set():
                key, value = b"key%d" % (number % 5000), b"v" * (number % 900)
                connection.sendall(struct.pack(">HII", 0xC810, len(key), len(value)) + key + value)
                assert replies.read(1) == b"\0"
                connection.sendall(struct.pack(">HI", 0xC830, len(key)) + key)
                assert replies.read(1) == b"\0"
                replies.read(struct.unpack(">I", replies.read(4))[0])
                connection.sendall(struct.pack(">HI", 0xC830, 4) + b"none")
                assert replies.read(1) == b"\1"
                number += 1

    def end(self):
        self.ended.set()
        self.thread.join(10)


class Look:
    def __init__(self, node, browser):
        self.node, self.browser = node, browser
        self.address = f"http://127.0.0.1:{node.admin}/"

    def text(self, selector):
        return self.browser.run(f"document.querySelector({selector!r}).textContent")

    def figure(self, list_id, name):
        return self.browser.run(f"[...document.querySelectorAll('#{list_id} div')].find(pair => "
                                f"pair.firstChild.textContent === {name!r})?.lastChild.textContent")

    def eventually(self, what, holds, seconds=40):
        until = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > until:
                raise AssertionError(f"still not: {what}")
            self.browser.rest(0.3)

    def is_stale(self):
        return self.browser.run("document.body.classList.contains('stale') && !document.getElementById('stale').hidden")

    # ---- What is seen, in this order ----

    def figures_of_a_quiet_node(self):
        self.browser.open(self.address)
        self.eventually("ready", lambda: self.browser.run("document.readyState") == "complete"
                        and self.text("#condition") == "ready")
        self.eventually("no requests", lambda: self.figure("rates", "all") == "0")
        assert self.figure("data", "records") == "0" and self.figure("latencies", "p99") == "–"
        assert self.text("#version").startswith("version ") and self.text("#uptime").startswith("up ")
        assert self.text("#level") == "info"

    def text_of_the_node_stays_text(self):
        assert self.text("#database") == f"database {HOSTILE}", self.text("#database")
        assert self.browser.run("document.images.length") == 0 and self.browser.run("document.title") != "run"

    def figures_change_under_load(self):
        load = Load(self.node.port)
        try:
            self.eventually("requests", lambda: self.figure("rates", "all") not in ("0", None))
            seen = set()
            self.eventually("they change", lambda: seen.add(self.figure("rates", "all")) or len(seen) > 2)
            assert self.figure("data", "records") != "0" and self.figure("connections", "open") == "1"
            assert self.figure("latencies", "p99")[-2:] in ("µs", "ms", " s"), self.figure("latencies", "p99")
            assert self.figure("rates", "failed or not found") != "0"
            names = self.browser.run("document.querySelector('#commands + .legend').textContent")
            assert "get" in names and "put" in names, names
            self.eventually("lines are drawn", lambda: self.browser.run(
                "[...document.querySelectorAll('#commands path, #latency path')].every(p => /L/.test(p.getAttribute('d')))"))
            rows = self.browser.run("[...document.querySelectorAll('#calls tr')].map(r => r.firstChild.textContent)")
            assert rows == ["get", "put"], rows
        finally:
            load.end()

    def each_dialect_has_a_line(self):
        memcached = socket.create_connection(("127.0.0.1", self.node.port)).makefile("rwb")
        http = http_client.HTTPConnection("127.0.0.1", self.node.port, timeout=30)

        def rates():
            memcached.write(b"set word 0 0 5\r\nhello\r\n")
            memcached.flush()
            assert memcached.readline() == b"STORED\r\n"
            http.request("GET", "/word")
            assert http.getresponse().read() == b"hello"
            entries = self.browser.run("[...document.querySelectorAll('#dialects + .legend span')].map(e => e.textContent)")
            return {name: rate for name, rate in (entry.split(" ", 1) for entry in entries)}

        self.eventually("memcached and http", lambda: all(rates().get(name) not in (None, "0") for name in ("memcached", "http")))
        assert set(rates()) == {"binary", "memcached", "http"}, rates()
        http.close()

    def it_fits_a_phone_and_both_colours(self):
        grounds = set()
        for scheme in ("light", "dark"):
            self.browser.colours(scheme)
            for name, width, height in (("phone", 360, 800), ("tablet", 820, 1180), ("desktop", 1400, 900)):
                self.browser.size(width, height)
                self.browser.rest(1.5)
                wide = self.browser.run("document.documentElement.scrollWidth")
                assert wide <= width, f"{name}: {wide}"
                beyond = self.browser.run("[...document.querySelectorAll('td')].filter(cell => cell.offsetParent && "
                                          "cell.getBoundingClientRect().right > innerWidth).length")
                assert beyond == 0, f"{name}: {beyond} cells are beyond the edge"
                if len(sys.argv) > 2:
                    self.browser.picture(os.path.join(sys.argv[2], f"{name}-{scheme}.png"))
            grounds.add(self.browser.run("getComputedStyle(document.body).backgroundColor"))
        assert len(grounds) == 2, grounds

    def a_node_that_hangs_is_seen(self):
        assert not self.is_stale()
        self.node.process.send_signal(signal.SIGSTOP)
        try:
            self.eventually("the figures are old", self.is_stale)
            assert "cannot be reached" in self.text("#stale") and " old" in self.text("#stale"), self.text("#stale")
            assert self.text("#condition") == "not reached"
        finally:
            self.node.process.send_signal(signal.SIGCONT)
        self.eventually("new figures", lambda: not self.is_stale() and self.text("#condition") == "ready")

    def the_console_is_empty_and_nothing_is_fetched_elsewhere(self):
        asked = {address for address in self.browser.requests if not address.startswith("data:")}
        assert asked == {self.address, self.address + "status.json"}, asked
        assert not self.browser.complaints, self.browser.complaints

    def what_is_wrong_is_said(self):
        hostile = "<img src=x onerror=document.title='run'>"
        self.browser.run(f"""window.fetch = async () => ({{ ok: true, json: async () => ({{
            host: {hostile!r}, pid: 1, version: {hostile!r}, database: {hostile!r}, log_level: {hostile!r}, ready: false,
            condition: 'opening the database', disk_full: {hostile!r}, metrics: {{ }}, peers: [{{ host: {hostile!r},
            role: 'master', sid: 7, state: 'waiting', lag_bytes: 5000, lag_seconds: 61, agrees: 'no', error: {hostile!r},
            full_sync_percent: null }}] }}) }})""")
        self.eventually("not ready", lambda: self.text("#condition") == "not ready")
        assert "does not serve: opening the database" in self.text("#trouble") and "disk is full" in self.text("#trouble")
        cells = self.browser.run("[...document.querySelectorAll('#peers td')].map(cell => cell.textContent)")
        assert cells == [hostile, "master", "7", "waiting", "4.88 KiB", "61 s", "no", hostile], cells
        assert self.browser.run("document.images.length") == 0 and "run" not in self.browser.run("document.title").split()

    def a_node_that_was_started_anew_is_seen(self):
        self.browser.open(self.address)
        self.eventually("ready", lambda: self.browser.run("document.readyState") == "complete"
                        and self.text("#condition") == "ready")
        assert self.node.stop() == 0
        self.eventually("the figures are old", self.is_stale)
        assert "no connection" in self.text("#stale"), self.text("#stale")
        self.node.start()
        self.eventually("new figures", lambda: not self.is_stale() and self.text("#condition") == "ready")
        assert f"process {self.node.process.pid}" in self.text("#version")
        self.eventually("rates again", lambda: self.figure("rates", "all") == "0")


def main():
    passed, failed = 0, 0
    with tempfile.TemporaryDirectory(prefix="lcnode-page-") as folder:
        node = Node(os.path.abspath(sys.argv[1]), folder)
        browser = Browser()
        look = Look(node, browser)
        for test in (look.figures_of_a_quiet_node, look.text_of_the_node_stays_text, look.figures_change_under_load,
                     look.each_dialect_has_a_line, look.it_fits_a_phone_and_both_colours, look.a_node_that_hangs_is_seen,
                     look.the_console_is_empty_and_nothing_is_fetched_elsewhere, look.what_is_wrong_is_said,
                     look.a_node_that_was_started_anew_is_seen):
            try:
                test()
                print(f"ok      {test.__name__}")
                passed += 1
            except Exception:
                print(f"FAILED  {test.__name__}\n{traceback.format_exc()}")
                failed += 1
        browser.close()
        node.process.kill()
        node.process.wait()
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
