#!/usr/bin/env python3
"""Measures lcnode's text dialects: memcached's beside memcached, HTTP beside nginx; and what watching costs.

    benches/dialects/run.py [--rounds N] [--lcnode PATH] [--only memcached,http,watching]

Installs what it needs (Debian packages build-essential, memcached, nginx-light, wrk) and builds loadgen and a release lcnode.
Servers take turns within each round, another one first each time; 50 connections; operations per CPU second of the server.

    memcached   gets and sets at depth 1 and 32, 100,000 keys drawn uniformly, values of 32 bytes: lcnode by memcached's
                protocol and by its own, on disk; memcached with -t 1
    http        keep-alive GETs of 100 bytes by wrk with one thread: lcnode on disk; nginx without a master process, sending a
                static file, its log off, its cache of open files on
    watching    gets and sets by the binary protocol: one lcnode with --admin, one without, in turns of a quarter of a second
"""
import argparse
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
from common import cpu_model, install, markdown, run, short, version  # noqa: E402
from server import KEYS, Server, build_loadgen, built_lcnode, free_port  # noqa: E402

BODY = b"x" * 100
ALTERNATIONS = 8  # of the two in a round of what watching costs
NGINX = """daemon off; master_process off; pid %(folder)s/nginx.pid; error_log stderr warn;
events { worker_connections 256; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=10;
  client_body_temp_path %(folder)s/a; proxy_temp_path %(folder)s/b; fastcgi_temp_path %(folder)s/c;
  uwsgi_temp_path %(folder)s/d; scgi_temp_path %(folder)s/e; types {} default_type application/octet-stream;
  server { listen 127.0.0.1:%(port)d; root %(folder)s/www; } }
"""


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Table:
    """What was measured, by row, a figure for each round."""

    def __init__(self):
        self.figures = {}

    def add(self, row, turn, figure):
        self.figures.setdefault(row, []).append(figure)
        print(f"round {turn + 1} {' '.join(map(str, row)):28} {short(figure)} per CPU s", file=sys.stderr)

    def ratio(self, one, other):
        each = [a / b for a, b in zip(self.figures[one], self.figures[other])]
        return f"{statistics.median(each):.3g} ({min(each):.3g} to {max(each):.3g})"

    def median(self, row):
        return short(statistics.median(self.figures[row]))


def in_turns(field, turn):
    return field[turn % len(field):] + field[:turn % len(field)]


def compared(args, folder, field, operations, pairs):
    """Measures servers under loadgen; prints medians, and ratios of the pairs."""
    table = Table()
    try:
        for server in field:
            server.start(folder)
            server.load("load", 32, 50, KEYS)
        for turn in range(args.rounds):
            for op, depth in operations:
                for server in in_turns(field, turn):
                    table.add((server.name, op, depth), turn, server.measure(op, depth, 50)["per_cpu"])
    finally:
        for server in field:
            server.stop()
    rows = [["", *(f"{op}, depth {depth}" for op, depth in operations)]]
    for server in field:
        rows.append([server.name, *(table.median((server.name, *operation)) for operation in operations)])
    for one, other in pairs:
        ratios = (table.ratio((one, *operation), (other, *operation)) for operation in operations)
        rows.append([f"{one} / {other}", *ratios])
    print(f"\n{markdown(rows)}")


def memcached(args, lcnode, folder):
    def node(name, protocol):
        return Server(name, protocol, [lcnode, "-host", "127.0.0.1", "-port", "PORT", f"{folder}/{name}.tch"], "")

    user = ["-u", "nobody"] if os.getuid() == 0 else []
    peer = Server("memcached", "mc", ["memcached", "-l", "127.0.0.1", "-p", "PORT", "-t", "1", "-m", "1024", *user], "")
    operations = [(op, depth) for op in ("get", "set") for depth in (1, 32)]
    field = [node("lcnode", "mc"), node("binary", "tt"), peer]
    compared(args, folder, field, operations, [("lcnode", "memcached"), ("binary", "lcnode")])


def watching(args, lcnode, folder):
    def node(name, *options):
        command = [lcnode, "-host", "127.0.0.1", "-port", "PORT", *options, f"{folder}/{name}.tch"]
        return Server(name, "tt", command, "")

    plain, watched = field = [node("plain"), node("watched", "--admin", f"127.0.0.1:{free_port()}")]
    operations = [(op, depth) for op in ("get", "set") for depth in (1, 32)]
    ratios = {}
    try:
        for server in field:
            server.start(folder)
            server.load("load", 32, 50, KEYS)
        for op, depth in operations:
            n = int(plain.measure(op, depth, 50)["per_cpu"] / 4)
            for turn in range(args.rounds):
                used = dict.fromkeys(field, 0)
                # What is looked for is less than what a machine differs by from one second to the next.
                for short_turn in range(ALTERNATIONS):
                    for server in in_turns(field, turn + short_turn):
                        used[server] += server.load(op, depth, 50, n)["cpu"]
                ratios.setdefault((op, depth), []).append(used[plain] / used[watched])
                print(f"round {turn + 1} {op} {depth}: {ratios[op, depth][-1]:.3f}", file=sys.stderr)
    finally:
        for server in field:
            server.stop()
    each = [ratios[operation] for operation in operations]
    row = (f"{statistics.median(of):.3f} ({min(of):.3f} to {max(of):.3f})" for of in each)
    print(f"\n{markdown([['', *(f'{op}, depth {depth}' for op, depth in operations)], ['watched / plain', *row]])}")


def http(args, lcnode, folder):
    node = Server("lcnode", "http", [lcnode, "-host", "127.0.0.1", "-port", "PORT", f"{folder}/http.tch"], "")
    nginx = Server("nginx", "http", ["nginx", "-c", folder / "nginx.conf", "-p", folder], "")
    (folder / "www").mkdir(mode=0o755)
    (folder / "www" / "file").write_bytes(BODY)
    (folder / "nginx.conf").write_text(NGINX % {"folder": folder, "port": nginx.port})
    table = Table()
    try:
        for server in (node, nginx):
            server.start(folder)
        put = urllib.request.Request(f"http://127.0.0.1:{node.port}/file", data=BODY, method="PUT")
        assert urllib.request.urlopen(put).status == 201
        for turn in range(args.rounds):
            for server in in_turns([node, nginx], turn):
                url = f"http://127.0.0.1:{server.port}/file"
                assert urllib.request.urlopen(url).read() == BODY
                before = cpu_seconds(server.process.pid)
                told = subprocess.run(["wrk", "-t", "1", "-c", "50", "-d", "3s", url], capture_output=True, text=True)
                used = cpu_seconds(server.process.pid) - before
                done = re.search(r"(\d+) requests in", told.stdout)
                if not done or "Non-2xx" in told.stdout or "Socket errors" in told.stdout:
                    raise SystemExit(f"{server.name}: {told.stdout}{told.stderr}")
                table.add((server.name,), turn, int(done.group(1)) / used)
    finally:
        for server in (node, nginx):
            server.stop()
    rows = [["", "GET"], *([name, table.median((name,))] for name in ("lcnode", "nginx"))]
    print(f"\n{markdown([*rows, ['lcnode / nginx', table.ratio(('lcnode',), ('nginx',))]])}")


def main():
    parts = {"memcached": memcached, "http": http, "watching": watching}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lcnode", help="a binary to take instead of building one")
    parser.add_argument("--only", default=",".join(parts), help="parts, separated by commas")
    args = parser.parse_args()
    chosen = args.only.split(",")
    if unknown := set(chosen) - set(parts):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(parts)}")
    install({"gcc": "build-essential", "memcached": "memcached", "/usr/sbin/nginx": "nginx-light", "wrk": "wrk"})
    os.environ["PATH"] += ":/usr/sbin"
    build_loadgen()
    if not args.lcnode:
        run("cargo", "build", "--release", "--locked", "--bin", "lcnode", cwd=ROOT)
    lcnode = pathlib.Path(args.lcnode or built_lcnode()).resolve()
    print(f"{cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}; memcached {version(['memcached', '-V'])}, "
          f"nginx {version(['nginx', '-v'])}; 50 connections, operations per CPU second of the server; medians of "
          f"{args.rounds} rounds, and of ratios within a round the lowest and the highest.")
    for part in chosen:
        with tempfile.TemporaryDirectory(prefix="lcnode-dialects.") as folder:
            os.chmod(folder, 0o755)
            parts[part](args, lcnode, pathlib.Path(folder))


if __name__ == "__main__":
    main()
