#!/usr/bin/env python3
"""Measures lcnode beside its peers over the wire, with one load generator, in one run.

    benches/wire/run.py [--rounds N] [--conns 1,50] [--only lcnode,redis] [--lcnode-arg=ARG ...] [--original PATH]
                        [--lcnode PATH] [--durable] [--json FILE]

Installs what it needs (Debian packages build-essential, memcached, redis-server), builds loadgen and ceiling into
target/bench/ and a release lcnode, loads 100,000 keys with values of 32 bytes into each server, then measures get and set at
depth 1 and 32, taking turns: one measurement of each server after the other, in every round. It prints medians as Markdown.

    ceiling    stores nothing: what bare sockets cost here (epoll, one thread)
    memcached  one worker thread (-t 1), else its defaults
    redis      no persistence (--save '' --appendonly no), else its defaults
    lcnode     a database on disk, its default settings
    original   with --original: a ttserver, on disk with #bnum=1000000, else its defaults

With --durable it measures sets at depth 1 instead, where every reply waits for the disk, and prints operations per second:

    lcnode         as above: durable within 100 ms
    lcnode-always  --sync always
    redis          as above: nothing on disk
    redis-always   --appendonly yes --appendfsync always

A measurement is as long as it takes to keep the server busy for more than a CPU second, because the kernel counts that time
in ticks of 10 ms. Operations per CPU second of the server are the steadier figure where machines are shared.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
from common import cpu_model, install, markdown, run, short, version  # noqa: E402
from server import BUILT, KEYS, VALUE, Server, build_loadgen, built_lcnode  # noqa: E402

CASES = (("get", 1), ("get", 32), ("set", 1), ("set", 32))
PEERS = ("ceiling", "memcached", "redis", "original", "lcnode")
DURABLE = ("redis", "redis-always", "lcnode", "lcnode-always")


def build(args):
    build_loadgen()
    run("gcc", "-O2", "-o", BUILT / "ceiling", HERE / "ceiling.c")
    if {"lcnode", "lcnode-always"} & set(args.only) and not args.lcnode:
        run("cargo", "build", "--release", "--locked", "--bin", "lcnode", cwd=ROOT)


def servers(args, folder):
    """Only what was asked for, in the order in which they take turns."""
    lcnode = args.lcnode or built_lcnode()
    user = ["-u", "root"] if os.getuid() == 0 else []

    def redis(name, *durability):
        (folder / name).mkdir()
        command = ["redis-server", "--bind", "127.0.0.1", "--port", "PORT", "--dir", folder / name, "--save", "", *durability]
        return Server(name, "resp", command, version(["redis-server", "-v"]))

    def node(name, *durability):
        command = [lcnode, "-host", "127.0.0.1", "-port", "PORT", *durability, *args.lcnode_arg, f"{folder}/{name}.tch"]
        return Server(name, "tt", command, " ".join(args.lcnode_arg))

    make = {
        "ceiling": lambda: Server("ceiling", "tt", [BUILT / "ceiling", "PORT", VALUE], ""),
        "memcached": lambda: Server("memcached", "mc", ["memcached", "-l", "127.0.0.1", "-p", "PORT", "-t", "1", *user],
                                    version(["memcached", "-V"])),
        "redis": lambda: redis("redis", "--appendonly", "no"),
        "redis-always": lambda: redis("redis-always", "--appendonly", "yes", "--appendfsync", "always"),
        "original": lambda: Server("original", "tt", [args.original, "-host", "127.0.0.1", "-port", "PORT", "-le",
                                                      f"{folder}/original.tch#bnum=1000000"],
                                   version([args.original, "--version"])),
        "lcnode": lambda: node("lcnode"),
        "lcnode-always": lambda: node("lcnode-always", "--sync", "always"),
    }
    return [make[name]() for name in make if name in args.only]


def median(results, server, case, what):
    return statistics.median(r[what] for r in results if (r["server"], r["case"]) == (server, case))


def ratio(results, peer, case, what="per_cpu", mine="lcnode"):
    """lcnode beside a peer within the same round: what else the machine did meanwhile weighs on both."""
    got = {(r["round"], r["server"]): r[what] for r in results if r["case"] == case}
    ratios = [v / got[turn, peer] for (turn, server), v in got.items() if server == mine]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def tables(results, names, conns):
    cases = [(op, depth, conns) for op, depth in CASES]
    titles = [f"{op}, depth {depth}" for op, depth, _ in cases]
    rows = [["server"] + [f"{t}: ops per CPU s" for t in titles] + [f"{t}: ops/s, p99 µs" for t in titles]]
    for name in names:
        rows.append([name] + [short(median(results, name, c, "per_cpu")) for c in cases]
                    + [f"{short(median(results, name, c, 'ops'))}, {median(results, name, c, 'p99'):.0f}" for c in cases])
    print(f"\nConnections: {conns}. Medians; operations per CPU second of the server, then operations per second and the\n"
          f"99th percentile of a batch's time:\n\n{markdown(rows)}")
    if "lcnode" in names and len(names) > 1:
        rows = [["operations per CPU second"] + titles]
        for name in names:
            if name != "lcnode":
                rows.append([f"lcnode / {name}"] + [ratio(results, name, c) for c in cases])
        print(f"\nEach round's ratio: the median, the lowest and the highest.\n\n{markdown(rows)}")


def durable_table(results, names, conns):
    case, mine = ("set", 1, conns), "lcnode-always"
    rows = [["server", "sets/s", "p50 µs", "p99 µs", "ops per CPU s", f"{mine} beside it, sets/s"]]
    for name in names:
        rows.append([name, short(median(results, name, case, "ops")), f"{median(results, name, case, 'p50'):.0f}",
                     f"{median(results, name, case, 'p99'):.0f}", short(median(results, name, case, "per_cpu")),
                     ratio(results, name, case, "ops", mine) if mine in names and name != mine else ""])
    print(f"\nConnections: {conns}, depth 1. Medians; ratios within a round: the median, the lowest and the highest.\n\n"
          f"{markdown(rows)}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--conns", default="50", help="numbers of connections, separated by commas")
    parser.add_argument("--only", help=f"some of {','.join(PEERS)}; with --durable some of {','.join(DURABLE)}")
    parser.add_argument("--lcnode", help="a binary to take instead of building one")
    parser.add_argument("--lcnode-arg", action="append", default=[], help="one more argument for lcnode; may be repeated")
    parser.add_argument("--original", help="a ttserver binary to measure as well")
    parser.add_argument("--durable", action="store_true", help="what --sync always costs, beside Redis's appendfsync always")
    parser.add_argument("--json", help="a file for every single measurement")
    args = parser.parse_args()
    peers = DURABLE if args.durable else PEERS
    args.only = args.only.split(",") if args.only else [p for p in peers if p != "original" or args.original]
    args.conns = [int(c) for c in args.conns.split(",")]
    unknown = set(args.only) - set(peers)
    if unknown or ("original" in args.only and not args.original):
        parser.error(f"unknown server {unknown}" if unknown else "original needs --original PATH")
    return args


def main():
    args = arguments()
    needed = {"gcc": "build-essential", "memcached": "memcached", "redis-server": "redis-server"}
    wanted = {"build"} | {name.split("-")[0] for name in args.only}
    install({c: p for c, p in needed.items() if p.split("-")[0] in wanted})
    build(args)
    results, before = [], os.getloadavg()[0]
    measured = (("set", 1),) if args.durable else CASES
    with tempfile.TemporaryDirectory(prefix="lcnode-bench.") as name:
        folder = pathlib.Path(name)
        field = servers(args, folder)
        try:
            for server in field:
                server.start(folder)
                server.load("load", 32, 50, KEYS)
            for turn in range(args.rounds):
                for case in [(op, depth, conns) for conns in args.conns for op, depth in measured]:
                    order = field[turn % len(field):] + field[:turn % len(field)]
                    for server in order:
                        got = server.measure(*case)
                        results.append({"round": turn, "server": server.name, "case": case, **got})
                        print(f"round {turn + 1} {server.name:13} {case[0]} c={case[2]} d={case[1]} "
                              f"{short(got['per_cpu'])} per CPU s, {short(got['ops'])}/s", file=sys.stderr)
        finally:
            for server in field:
                server.stop()
    print(f"{cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}; {KEYS:,} keys, values of {VALUE} bytes, "
          f"rounds: {args.rounds}, load average {before:.1f} when they began; " + ", ".join(f"{s.name} {s.version}".strip() for s in field))
    for conns in args.conns:
        (durable_table if args.durable else tables)(results, [s.name for s in field], conns)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"commands": {s.name: s.command for s in field}, "results": results}, f, indent=1)


if __name__ == "__main__":
    main()
