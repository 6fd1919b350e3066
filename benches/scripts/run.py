#!/usr/bin/env python3
"""Measures calls of scripts: beside Redis and the original, and what others notice of calls that reach a limit.

    benches/scripts/run.py [--rounds N] [--original PATH] [--lcnode PATH] [--latency]

Installs what it needs (Debian packages build-essential and redis-server) and builds loadgen and a release lcnode.

Without --latency: the same increment of a number in decimal text, 100,000 keys drawn uniformly, 50 connections, depth 1 and
32, servers taking turns within each round; operations per CPU second of the server.

    lcnode        lua/scripts/incr.lua by ext, on disk
    function      the same as a function in Lua that calls _incr
    get-put       benches/scripts/original.lua, a get and a put in Lua
    addint        no script: addint (of one key for each connection)
    gets          no script: gets of the lcnode that has scripts
    plain         gets of an lcnode without scripts
    redis         INCRBY by EVALSHA, no persistence
    original      with --original: a ttserver on disk with #bnum=1000000, benches/scripts/original.lua

With --latency: four connections, depth 1, get from a node while another one calls a function that reaches a limit again and
again; the 99th percentile of their time beside the one of gets while nothing is called, in turns.
"""
import argparse
import os
import pathlib
import platform
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
from common import cpu_model, install, markdown, run, short, version  # noqa: E402
from server import KEYS, Server, build_loadgen, built_lcnode  # noqa: E402

LIMITS = ("time", "wait", "memory", "double", "recurse", "writes", "walk")
OPERATIONS = {"addint": "incr", "gets": "get", "plain": "get"}


def call(port, name, key=b"own"):
    """Calls a function; whether it answered."""
    name = name.encode()
    with socket.create_connection(("127.0.0.1", port)) as node:
        node.sendall(b"\xC8\x68" + struct.pack(">IIII", len(name), 0, len(key), 0) + name + key)
        return node.recv(1) == b"\0"


def throughput(args, lcnode, folder):
    def node(name, *script):
        options = ["-host", "127.0.0.1", "-port", "PORT", *script]
        return Server(name, "tt", [lcnode, *options, f"{folder}/{name}.tch"], "")

    bundled = ["-ext", ROOT / "lua" / "scripts" / "incr.lua"]
    field = [
        node("lcnode", *bundled),
        node("function", "-ext", "@function incr(key, value) return _incr(key, value) end"),
        node("get-put", "-ext", HERE / "original.lua"),
        node("addint", *bundled),
        node("gets", *bundled),
        node("plain"),
        Server("redis", "resp", ["redis-server", "--bind", "127.0.0.1", "--port", "PORT", "--dir", folder, "--save", "",
                                 "--appendonly", "no"], version(["redis-server", "-v"])),
    ]
    if args.original:
        field.append(Server("original", "tt", [args.original, "-host", "127.0.0.1", "-port", "PORT", "-le", "-ext",
                                               HERE / "original.lua", f"{folder}/original.tch#bnum=1000000"], ""))
    results = {}
    try:
        for server in field:
            server.start(folder)
            if server.name in ("gets", "plain"):
                server.load("load", 32, 50, KEYS)
        for turn in range(args.rounds):
            for depth in (1, 32):
                for server in field[turn % len(field):] + field[:turn % len(field)]:
                    got = server.measure(OPERATIONS.get(server.name, "script"), depth, 50)["per_cpu"]
                    results.setdefault((server.name, depth), []).append(got)
                    print(f"round {turn + 1} {server.name:9} d={depth} {short(got)} per CPU s", file=sys.stderr)
    finally:
        for server in field:
            server.stop()
    rows = [["", "depth 1", "depth 32", "lcnode / it, depth 1", "lcnode / it, depth 32"]]
    for server in field:
        ratios = []
        for depth in (1, 32):
            each = [a / b for a, b in zip(results["lcnode", depth], results[server.name, depth])]
            ratios.append(f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})")
        medians = [short(statistics.median(results[server.name, depth])) for depth in (1, 32)]
        rows.append([server.name, *medians, *ratios])
    print(f"\nOperations per CPU second of the server, 50 connections; medians, and of ratios within a round the lowest and the "
          f"highest.\n\n{markdown(rows)}")


def latency(args, lcnode, folder):
    command = [lcnode, "-host", "127.0.0.1", "-port", "PORT", "-ext", HERE / "limits.lua", "--ext-max-time", "0.5",
               f"{folder}/a.tch"]
    node = Server("lcnode", "tt", command, "")
    results = {}
    try:
        node.start(folder)
        node.load("load", 32, 50, KEYS)
        gets = int(node.load("get", 1, 4, 20_000)["ops"] * 2)
        for turn in range(args.rounds):
            for limit in LIMITS:
                for name in (None, limit):
                    over = threading.Event()

                    def hit():
                        while not over.is_set():
                            if call(node.port, name):
                                raise SystemExit(f"{name} has answered")

                    thread = threading.Thread(target=hit, daemon=True)
                    if name:
                        thread.start()
                        time.sleep(0.1)
                    got = node.load("get", 1, 4, gets)
                    over.set()
                    if name:
                        thread.join()
                    results.setdefault((limit, name is not None), []).append(got)
                    print(f"round {turn + 1} {name or 'idle':8} p50 {got['p50']:.0f} p99 {got['p99']:.0f} us", file=sys.stderr)
    finally:
        node.stop()
    rows = [["limit reached again and again by", "p50 idle", "p50", "p99 idle", "p99", "p99 / idle beside it"]]
    for limit in LIMITS:
        def median(what, busy):
            return f"{statistics.median(got[what] for got in results[limit, busy]):.0f}"
        each = [b["p99"] / a["p99"] for a, b in zip(results[limit, False], results[limit, True])]
        rows.append([limit, median("p50", False), median("p50", True), median("p99", False), median("p99", True),
                     f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"])
    print(f"\nGets of four connections, microseconds; medians of the rounds.\n\n{markdown(rows)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lcnode", help="a binary to take instead of building one")
    parser.add_argument("--original", help="a ttserver binary to measure as well")
    parser.add_argument("--latency", action="store_true", help="what others notice of calls that reach a limit")
    args = parser.parse_args()
    install({"gcc": "build-essential"} | ({} if args.latency else {"redis-server": "redis-server"}))
    build_loadgen()
    if not args.lcnode:
        run("cargo", "build", "--release", "--locked", "--bin", "lcnode", cwd=ROOT)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="lcnode-bench.") as name:
        (latency if args.latency else throughput)(args, args.lcnode or built_lcnode(), pathlib.Path(name))
    print(f"\n{cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}; rounds: {args.rounds}, load average {before:.1f} "
          f"when they began")


if __name__ == "__main__":
    main()
