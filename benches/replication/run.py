#!/usr/bin/env python3
"""Measures what replication costs and how fast it is, between lcnodes on this machine.

    benches/replication/run.py [--parts cost,lag,sync] [--rounds N] [--seconds N] [--records N] [--conns N]
                               [--lcnode PATH] [--lcnode-arg=ARG ...] [--json FILE]

Installs what it needs (Debian package build-essential), builds the load generator of benches/wire and a release lcnode, and
measures in three parts. All nodes are on disk with their default settings; keys have 16 bytes, values 32, and 100,000 keys
are set uniformly unless told otherwise.

    cost  sets at depth 32 at a node alone and at one that has a follower, taking turns; between turns the follower catches up.
          Sets per second, and per CPU second of the node that is asked.
    lag   sets at depth 32 for a minute (--seconds) without a pause; each second how long a record takes from the put at the
          master until it can be read at the follower, and what the follower's stat says of how far it is behind, which knows
          the end of the master's log as of what it was told last; and how long after the last set nothing is left.
    sync  2,000,000 records (--records) are loaded and have reached the follower; an empty third node joins. Records per second
          from its start until it has as many, and until the digests of all three are equal.

It prints Markdown. Three nodes and the load generator share the processors: with fewer processors than busy threads the wall
times are those of the machine, and figures per CPU second are the ones to compare.
"""
import argparse
import json
import os
import pathlib
import platform
import socket
import statistics
import struct
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from common import cpu_model, install, markdown, run, short  # noqa: E402
from server import KEYS, ROOT, Server, build_loadgen, built_lcnode  # noqa: E402

PARTS = ("cost", "lag", "sync")
DEPTH = 32
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 600  # seconds for a follower to catch up


class Node(Server):
    """An lcnode, perhaps one that follows others."""

    def __init__(self, args, folder, name, sid, masters=()):
        self.log = folder / f"{name}.log"
        follow = [word for master in masters for word in ("--master", f"127.0.0.1:{master.port}")]
        command = [args.lcnode or built_lcnode(), "-host", "127.0.0.1", "-port", "PORT", "-sid", sid, *follow, *args.lcnode_arg,
                   f"{folder}/{name}.tch"]
        super().__init__(name, "tt", command, "")

    def ask(self, request, words):
        """The numbers and bytes of a reply: a code byte, then for each word a number of 4 or 8 bytes, or bytes with a size."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.settimeout(60)
            connection.sendall(request)
            reply = connection.makefile("rb")

            def take(size):
                got = reply.read(size)
                if len(got) < size:
                    raise SystemExit(f"{self.name} closed the connection; its log ends with\n{self.log_end()}")
                return got

            if take(1) != b"\0":
                raise SystemExit(f"{self.name} refused {request!r}; its log ends with\n{self.log_end()}")
            numbers = {"4": lambda: int.from_bytes(take(4), "big"), "8": lambda: int.from_bytes(take(8), "big"),
                       "bytes": lambda: take(int.from_bytes(take(4), "big"))}
            return [numbers[word]() for word in words]

    def put(self, key, value):
        self.ask(struct.pack(">BBII", 0xC8, 0x10, len(key), len(value)) + key + value, [])

    def get(self, key):
        return self.ask(struct.pack(">BBI", 0xC8, 0x30, len(key)) + key, ["bytes"])[0]

    def records(self):
        return self.ask(b"\xc8\x80", ["8"])[0]

    def digest(self):
        """A digest of all records: equal on nodes that have the same."""
        name = b"digest"
        return self.ask(struct.pack(">BBIII", 0xC8, 0x90, len(name), 0, 0) + name, ["4", "bytes"])[1].decode()

    def stat(self):
        text = self.ask(b"\xc8\x88", ["bytes"])[0].decode()
        return dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)

    def behind(self):
        """What stat says of the master that this node follows, without its number."""
        stat = self.stat()
        numbers = [key.split("_")[1] for key, role in stat.items()
                   if key.startswith("peer_") and key.endswith("_role") and role == "master"]
        if len(numbers) != 1:
            raise SystemExit(f"{self.name} should follow one master: {stat}; its log ends with\n{self.log_end()}")
        prefix = f"peer_{numbers[0]}_"
        return {key.removeprefix(prefix): value for key, value in stat.items() if key.startswith(prefix)}

    def log_end(self):
        return self.log.read_text()[-2000:] if self.log.exists() else ""

    def cpu(self):
        """CPU seconds so far, in user and system mode."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def number(text):
    """A figure of stat; none where it says that it does not know."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def wait_until(what, true, node, pause=0.05):
    """Seconds until `true()` is."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"{what}: not within {PATIENCE} s; {node.name} says {node.behind()} and its log ends with\n"
                             f"{node.log_end()}")
        time.sleep(pause)
    return time.monotonic() - began


def caught_up(follower):
    behind = follower.behind()
    return number(behind.get("lag_bytes")) == 0 and number(behind.get("lag_entries")) == 0


def in_step(follower, master):
    """Waits until the follower has what the master has: it says so, and has as many records."""
    return wait_until("to catch up", lambda: caught_up(follower) and follower.records() == master.records(), follower)


def must_be_equal(*nodes):
    digests = {node.name: node.digest() for node in nodes}
    if len(set(digests.values())) != 1:
        raise SystemExit(f"nodes that should be equal are not: {digests}")


def cost(args, alone, followed, follower, results):
    for turn in range(args.rounds):
        for node in (alone, followed) if turn % 2 == 0 else (followed, alone):
            got = node.measure("set", DEPTH, args.conns)
            if node is followed:
                in_step(follower, followed)
            results.append({"part": "cost", "round": turn, "node": node.name, **got})
            print(f"round {turn + 1} {node.name:9} {short(got['per_cpu'])} per CPU s, {short(got['ops'])}/s", file=sys.stderr)
    must_be_equal(followed, follower)

    def of(node, what):
        return [r[what] for r in results if r["part"] == "cost" and r["node"] == node.name]

    def ratio(what):
        ratios = [b / a for a, b in zip(of(alone, what), of(followed, what))]
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"

    rows = [["sets at depth 32", "per second", "per CPU s of the node", "p99 µs"]]
    for node, title in ((alone, "alone"), (followed, "with a follower")):
        rows.append([title, short(statistics.median(of(node, "ops"))), short(statistics.median(of(node, "per_cpu"))),
                     f"{statistics.median(of(node, 'p99')):.0f}"])
    rows.append(["with / alone", ratio("ops"), ratio("per_cpu"), ratio("p99")])
    print(f"\nWhat a follower costs: connections {args.conns}, rounds {args.rounds}. Medians; ratios within a round: the median, "
          f"the lowest and the\nhighest.\n\n{markdown(rows)}")


def way(master, follower, value):
    """Seconds until what was put at the master is at the follower."""
    began = time.monotonic()
    master.put(b"marker", value)
    wait_until("to get the marker", lambda: follower.get(b"marker") == value, follower, 0.001)
    return time.monotonic() - began


def lag(args, master, follower, results):
    got = master.measure("set", DEPTH, args.conns)
    in_step(follower, master)
    n = int(got["ops"] * args.seconds)
    cpu = master.cpu(), follower.cpu()
    master.put(b"marker", b"0")
    in_step(follower, master)
    began = time.monotonic()
    load = master.begin_load("set", DEPTH, args.conns, n)
    samples = []
    while load.poll() is None:
        time.sleep(max(0.0, began + len(samples) + 1 - time.monotonic()))
        if load.poll() is not None:
            break
        behind = follower.behind()
        sample = {what: number(behind.get(f"lag_{what}")) for what in ("bytes", "entries", "seconds")}
        sample["way"] = way(master, follower, str(len(samples) + 1).encode())
        samples.append(sample)
        results.append({"part": "lag", "at": time.monotonic() - began, **sample})
    done = master.end_load(load)
    ended = time.monotonic()
    at_end = follower.behind()
    in_step(follower, master)
    after = time.monotonic() - ended
    spent = master.cpu() - cpu[0], follower.cpu() - cpu[1]
    must_be_equal(master, follower)
    if not samples:
        raise SystemExit("the load ended within a second: give more --seconds")
    ways = [s["way"] for s in samples]
    rows = [["behind", "median", "highest", "when the load ended"],
            ["seconds until a new record is there", f"{statistics.median(ways):.3f}", f"{max(ways):.3f}", ""]]
    for what, show in (("bytes", "{:,.0f}"), ("entries", "{:,.0f}"), ("seconds", "{:.2f}")):
        known = [s[what] for s in samples if s[what] is not None] or [float("nan")]
        end = number(at_end.get(f"lag_{what}"))
        rows.append([f"{what}, by stat", show.format(statistics.median(known)), show.format(max(known)),
                     "?" if end is None else show.format(end)])
    results.append({"part": "lag", "after": after, "cpu": spent, "load": done, "at_end": at_end})
    print(f"\nHow far the follower is behind: {short(done['ops'])} sets a second for {done['s']:.0f} s, connections {args.conns}, "
          f"samples {len(samples)}.\nCPU until nothing was left, for each set: the master {spent[0] / n * 1e9:.0f} ns, "
          f"the follower {spent[1] / n * 1e9:.0f} ns. Nothing was left\n{after:.2f} s after the load had ended.\n\n{markdown(rows)}")


def sync(args, folder, master, follower, third, results):
    print(f"loading {args.records:,} records", file=sys.stderr)
    master.load("load", DEPTH, args.conns, args.records, args.records)
    in_step(follower, master)
    records = master.records()
    if records < args.records:
        raise SystemExit(f"{records} records instead of {args.records}")
    before, began = (master.cpu(), follower.cpu()), time.monotonic()
    third.start(folder)
    wait_until("to have as many", lambda: third.records() >= records, third, 0.02)
    seconds = time.monotonic() - began
    cpu = master.cpu() - before[0], third.cpu()
    wait_until("to catch up", lambda: caught_up(third), third)
    must_be_equal(master, follower, third)
    equal = time.monotonic() - began
    results.append({"part": "sync", "records": records, "seconds": seconds, "equal": equal, "cpu": cpu})
    rows = [["an empty node joins", "seconds", "records per second", "per CPU s of the joining node", "per CPU s of its master"],
            [f"{records:,} records", f"{seconds:.2f}", short(records / seconds), short(records / max(cpu[1], 0.01)),
             short(records / max(cpu[0], 0.01))]]
    print(f"\nFull sync, from the start of the process on. All three were compared and found equal after {equal:.2f} s.\n\n"
          f"{markdown(rows)}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=5, help="turns of cost")
    parser.add_argument("--seconds", type=int, default=60, help="length of lag")
    parser.add_argument("--records", type=int, default=2_000_000, help="records of sync")
    parser.add_argument("--conns", type=int, default=50, help="connections of the load generator")
    parser.add_argument("--lcnode", help="a binary to take instead of building one")
    parser.add_argument("--lcnode-arg", action="append", default=[], help="one more argument for each lcnode; may be repeated")
    parser.add_argument("--json", help="a file for every single measurement")
    args = parser.parse_args()
    args.parts = args.parts.split(",")
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"unknown part {unknown}")
    if min(args.rounds, args.seconds, args.conns) < 1 or args.records < KEYS:
        parser.error(f"rounds, seconds and connections are at least 1, records at least {KEYS}")
    return args


def main():
    args = arguments()
    install({"gcc": "build-essential"})
    build_loadgen()
    if not args.lcnode:
        run("cargo", "build", "--release", "--locked", "--bin", "lcnode", cwd=ROOT)
    results, before = [], os.getloadavg()[0]
    print(f"{cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}; {KEYS:,} keys of 16 bytes, values of 32 bytes, "
          f"load average {before:.1f} when it began", flush=True)
    with tempfile.TemporaryDirectory(prefix="lcnode-bench.") as name:
        folder = pathlib.Path(name)
        alone, master = Node(args, folder, "alone", 9), Node(args, folder, "master", 1)
        follower, third = Node(args, folder, "follower", 2, [master]), Node(args, folder, "third", 3, [master])
        nodes = (alone, master, follower, third)
        try:
            for node in (alone, master) if "cost" in args.parts else (master,):
                node.start(folder)
                node.load("load", DEPTH, args.conns, KEYS)
            follower.start(folder)
            in_step(follower, master)
            if "cost" in args.parts:
                cost(args, alone, master, follower, results)
                alone.stop()
            if "lag" in args.parts:
                lag(args, master, follower, results)
            if "sync" in args.parts:
                sync(args, folder, master, follower, third, results)
        finally:
            for node in nodes:
                node.stop()
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"commands": {n.name: n.command for n in nodes}, "results": results}, f, indent=1)


if __name__ == "__main__":
    main()
