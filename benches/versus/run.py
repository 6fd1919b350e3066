#!/usr/bin/env python3
"""Measures lcnode's engine in process beside Tokyo Cabinet's hash database, Kyoto Cabinet's HashDB and tkrzw's HashDBM.

    benches/versus/run.py [--rounds N] [--records 1m,10m] [--sizes 8/8,16/100] [--threads 1,2] [--library] [--batch K]
                          [--only lcnode,tkrzw] [--lcnode-bench PATH] [--json FILE] [--chart FILE] [--wire] [--dir DIR]

Installs the peers (Debian packages tokyocabinet-bin, kyotocabinet-utils, tkrzw-utils; libraries where sizes need them),
builds a release lcnode-bench, and lets all take turns: in every round, each phase by one after the other, another one first
each time. It prints medians as Markdown and draws them as SVG (target/bench/versus.svg). With --wire it goes on to
benches/wire/run.py, without and with --durable.

A round has, for each number of records, sizes of key and value, and number of threads, these phases:

    put seq    all records, keys one after the other, into a new database
    get seq    all of them again, in the same order, by a new process
    get rand   as many, each key drawn evenly, from the same database
    put rand   as many, each key drawn evenly, into a new database: 63 % are new, the rest overwrites

What a phase has written is on disk before the next one begins. With keys and values of 8 bytes each peer runs its own test
command, with buckets that suit it and its whole file mapped, and its time is the one that it prints:

    Tokyo Cabinet   tchtest write|read, on two threads tchmttest; 2 buckets a record; opening and closing are in its time.
                    On two threads the command draws random keys otherwise: gets are clustered (normally distributed), a put
                    stays below the number of puts so far.
    Kyoto Cabinet   kchashtest order -set|-get; 4 buckets a record. With random keys every eighth call is followed by one
                    more of another kind, uncounted; its cursors are what costs on two threads.
    tkrzw           tkrzw_dbm_perf sequence --dbm hash; 2 buckets a record; synchronizing (without the disk) is in its time.

None of these commands has keys of 16 bytes, and only tkrzw's has values of 100. So other sizes than 8/8, and all sizes with
--library, are measured by peers.cc: the loop of lcnode-bench, with the libraries of the three. lcnode begins with the table
of its defaults and syncs every 100 ms, as it does by default; the peers never sync.

lcnode's time is the loop of calls, as Kyoto Cabinet and tkrzw count theirs; beside Tokyo Cabinet's commands, opening and
closing (which makes all durable) are added. A ratio is lcnode's rate divided by the peer's of the same round, both counted
alike; the best peer is the one with the highest median rate.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
from common import cpu_model, install, markdown, run, version  # noqa: E402

BUILT = ROOT / "target" / "bench"
PHASES = (("put", "seq"), ("get", "seq"), ("get", "rand"), ("put", "rand"))
PACKAGES = {"tchtest": "tokyocabinet-bin", "kchashtest": "kyotocabinet-utils", "tkrzw_dbm_perf": "tkrzw-utils"}
LIBRARIES = {"g++": "build-essential", "/usr/include/tchdb.h": "libtokyocabinet-dev",
             "/usr/include/kchashdb.h": "libkyotocabinet-dev", "/usr/include/tkrzw_dbm_hash.h": "libtkrzw-dev"}
LINE = re.compile(r"^(\w+): (.*=.*)$", re.M)


class Case:
    """What is asked of all: records, sizes, threads."""

    def __init__(self, records, key, value, threads):
        self.records, self.key, self.value, self.threads = records, key, value, threads
        self.share = records // threads
        self.calls = self.share * threads

    def by_command(self, args):
        """Whether the peers' own commands can do it."""
        return not args.library and (self.key, self.value) == (8, 8)

    def mapped(self, buckets):
        """More than any of the peers' files becomes."""
        return (64 << 20) + buckets * 8 + self.records * (self.key + self.value + 64)


def call(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def lines(printed):
    """What lcnode-bench and peers print: `name: key=value ...`."""
    return {name: {k: float(v) for k, v in (pair.split("=") for pair in rest.split())}
            for name, rest in LINE.findall(printed)}


class Contestant:
    """One of those that take turns. `measure` returns what a phase took: calls, seconds, and where known open and close."""

    def __init__(self, title, edition):
        self.title, self.edition = title, edition

    def whole(self, case, args):
        """Whether opening and closing are in its time."""
        return False

    def by_library(self, name, case, op, order, path, buckets):
        command = [BUILT / "peers", name, op, path, case.records, case.key, case.value, order, case.threads, buckets,
                   case.mapped(buckets)]
        return phase(lines(call(command)), op)


def phase(got, op):
    return {"calls": got[op]["calls"], "seconds": got[op]["seconds"], "open": got["open"]["seconds"],
            "close": got["close"]["seconds"], "figures": got["figures"]}


class Lcnode(Contestant):
    def __init__(self, title, program, *extra):
        super().__init__(title, "")
        self.program, self.extra = program, extra

    def measure(self, case, op, order, path, args):
        command = [self.program, "--records", case.records, "--key-size", case.key, "--value-size", case.value,
                   "--order", order, "--threads", case.threads, "--phase", op, "--dir", path, *self.extra]
        return phase(lines(call(command)), op)


class Tokyo(Contestant):
    def whole(self, case, args):
        return case.by_command(args)

    def measure(self, case, op, order, path, args):
        buckets = case.records * 2
        if not case.by_command(args):
            return self.by_library("tokyo", case, op, order, path, buckets)
        verb = "write" if op == "put" else "read"
        options = ["-xm", case.mapped(buckets), *(["-rnd"] if order == "rand" else [])]
        if case.threads == 1:
            command = ["tchtest", verb, *options, path, *([case.calls, buckets] if op == "put" else [])]
        else:
            command = ["tchmttest", verb, *options, path, case.threads, *([case.share, buckets] if op == "put" else [])]
        printed = call(command)
        # It gets as often as there are records.
        there = int(re.search(r"^record number: (\d+)", printed, re.M).group(1))
        calls = case.calls if op == "put" else there // case.threads * case.threads
        return {"calls": calls, "seconds": float(re.search(r"^time: (\S+)", printed, re.M).group(1))}


class Kyoto(Contestant):
    def measure(self, case, op, order, path, args):
        buckets = case.records * 4
        if not case.by_command(args):
            return self.by_library("kyoto", case, op, order, path, buckets)
        command = ["kchashtest", "order", "-th", case.threads, "-set" if op == "put" else "-get",
                   *(["-rnd"] if order == "rand" else []), "-bnum", buckets, "-msiz", case.mapped(buckets), path, case.share]
        printed = call(command)
        opened, counted, closed = map(float, re.findall(r"^time: (\S+)", printed, re.M))
        return {"calls": case.calls, "seconds": counted, "open": opened, "close": closed}


class Tkrzw(Contestant):
    def measure(self, case, op, order, path, args):
        buckets = case.records * 2
        if not case.by_command(args):
            return self.by_library("tkrzw", case, op, order, path, buckets)
        command = ["tkrzw_dbm_perf", "sequence", "--dbm", "hash", "--buckets", buckets, "--path", path, "--iter", case.share,
                   "--threads", case.threads, "--size", case.value, "--set_only" if op == "put" else "--get_only",
                   *(["--random_key"] if order == "rand" else [])]
        return {"calls": case.calls, "seconds": float(re.search(r" done: elapsed_time=(\S+)", call(command)).group(1))}


def contestants(args):
    program = args.lcnode_bench or ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release" / "lcnode-bench"
    everyone = {
        "lcnode": lambda: Lcnode("lcnode", program, *args.lcnode_arg),
        "batch": lambda: Lcnode(f"lcnode, batches of {args.batch}", program, "--batch", args.batch, *args.lcnode_arg),
        "tokyo": lambda: Tokyo("Tokyo Cabinet", version(["tchmgr", "version"])),
        "kyoto": lambda: Kyoto("Kyoto Cabinet", version(["kchashmgr", "version"])),
        "tkrzw": lambda: Tkrzw("tkrzw", version(["tkrzw_build_util", "version"])),
    }
    return {name: make() for name, make in everyone.items() if name in args.only}


def settle(path):
    """Waits until the files are on disk, so that nobody pays for what the one before has left."""
    files = path.rglob("*") if path.is_dir() else path.parent.glob(path.name + "*")
    for file in filter(pathlib.Path.is_file, files):
        fd = os.open(file, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
    for file in path.parent.glob(path.name + "*"):
        file.unlink()


def measure_round(turn, case, field, folder, args, results):
    suffixes = {"tokyo": "tch", "kyoto": "kch", "tkrzw": "tkh"}
    paths = {name: folder / f"{name}.{suffixes.get(name, 'lcnode')}" for name in field}
    for number, (op, order) in enumerate(PHASES):
        first = (turn + number) % len(field)
        for name in [*field, *field][first:first + len(field)]:
            if op == "put":
                remove(paths[name])
            got = field[name].measure(case, op, order, paths[name], args)
            if op == "put":
                settle(paths[name])
            results.append({"round": turn, "name": name, "records": case.records, "key": case.key, "value": case.value,
                            "threads": case.threads, "op": op, "order": order,
                            "whole": field[name].whole(case, args), **got})
            print(f"round {turn + 1} {case.records:,} {case.key}/{case.value} threads {case.threads} {op} {order:4} {name:7}"
                  f" {got['calls'] / got['seconds'] / 1e6:.2f} M/s", file=sys.stderr)
    for path in paths.values():
        remove(path)


class Table:
    """Medians and ratios of the results of one case and phase."""

    def __init__(self, results, case, op, order):
        key = (case.records, case.key, case.value, case.threads, op, order)
        self.rows = [r for r in results if (r["records"], r["key"], r["value"], r["threads"], r["op"], r["order"]) == key]

    def rate(self, name, whole=False):
        return statistics.median(speed(r, whole) for r in self.rows if r["name"] == name)

    def ratios(self, name, mine="lcnode"):
        peers = {r["round"]: r for r in self.rows if r["name"] == name}
        return [speed(r, peers[r["round"]]["whole"]) / speed(peers[r["round"]]) for r in self.rows if r["name"] == mine]

    def best(self, peers):
        return max(peers, key=self.rate)


def speed(result, whole=False):
    """Millions of calls a second; with opening and closing, where they are asked for."""
    seconds = result["seconds"] + (result["open"] + result["close"] if whole else 0)
    return result["calls"] / seconds / 1e6


def labelled(cases):
    for case in cases:
        for op, order in sorted(PHASES, reverse=True):
            threads = "1 thread" if case.threads == 1 else f"{case.threads} threads"
            yield case, op, order, f"{op} {order}, {case.key}/{case.value} bytes, {threads}"


def report(results, cases, field):
    peers = [name for name in field if name not in ("lcnode", "batch")]
    ours = [name for name in field if name not in peers]
    rows = [["M calls/s"] + [field[name].title for name in field]
            + [f"{field[name].title} / best peer" for name in ours if peers]]
    for case, op, order, label in labelled(cases):
        table = Table(results, case, op, order)
        row = [label] + [f"{table.rate(name):.2f}" for name in field]
        for name in ours if peers else []:
            best = table.best(peers)
            ratios = table.ratios(best, name)
            row.append(f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}), {field[best].title}")
        rows.append(row)
    print(f"\n{cases[0].records:,} records: medians, and the ratio within a round: its median, lowest and highest.\n\n"
          f"{markdown(rows)}")
    if "lcnode" in field and peers:
        rows = [["lcnode divided by"] + [field[name].title for name in peers] + ["opening and closing, s"]]
        for case, op, order, label in labelled(cases):
            table = Table(results, case, op, order)
            extra = statistics.median(r["open"] + r["close"] for r in table.rows if r["name"] == "lcnode")
            rows.append([label] + [f"{statistics.median(table.ratios(name)):.2f}" for name in peers] + [f"{extra:.2f}"])
        print(f"\nThe ratio to each peer, counted as it counts; and what opening and closing took lcnode.\n\n"
              f"{markdown(rows)}")
    if "lcnode" in field:
        rows = [["lcnode", "bytes of log a record, over key and value", "bytes of table a record"]]
        for case in (c for c in cases if c.threads == cases[0].threads):
            figures = next(r["figures"] for r in Table(results, case, "put", "seq").rows if r["name"] == "lcnode")
            over = figures["log_bytes"] / figures["records"] - case.key - case.value
            table = figures["table_bytes"] / figures["records"]
            rows.append([f"{case.key}/{case.value} bytes", f"{over:.1f}", f"{table:.1f}"])
        print(f"\n{markdown(rows)}")


# Okabe and Ito's colours, which are told apart with any eyes.
COLOURS = {"lcnode": "#0072b2", "batch": "#56b4e9", "tokyo": "#d55e00", "kyoto": "#e69f00", "tkrzw": "#009e73"}


def chart(results, cases, field, about):
    """Bars, a panel for each number of records."""
    def text(x, y, what, more=""):
        escaped = what.replace("&", "&amp;").replace("<", "&lt;")
        return f'<text x="{x:.0f}" y="{y:.0f}" {more}>{escaped}</text>'

    bar, gap, left, width, margin = 8, 7, 240, 520, 60
    out, y = [], 26
    out.append(text(16, y, "Millions of calls per second, medians; longer is better", 'font-size="15" font-weight="bold"'))
    y += 22
    x = 16
    for name in field:
        out.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{COLOURS[name]}"/>')
        out.append(text(x + 17, y, field[name].title))
        x += 34 + 7 * len(field[name].title)
    for records, group in cases.items():
        rates = [(label, [(name, Table(results, case, op, order).rate(name)) for name in field])
                 for case, op, order, label in labelled(group)]
        longest = max(rate for _, bars in rates for _, rate in bars)
        y += 34
        out.append(text(16, y, f"{records:,} records", 'font-weight="bold"'))
        y += 12
        for label, bars in rates:
            out.append(text(left - 8, y + bar * len(bars) / 2 + 4, label, 'text-anchor="end"'))
            for name, rate in bars:
                long = rate / longest * width
                out.append(f'<rect x="{left}" y="{y}" width="{long:.1f}" height="{bar - 1}" fill="{COLOURS[name]}"/>')
                out.append(text(left + long + 4, y + bar - 1, f"{rate:.2f}", 'font-size="8"'))
                y += bar
            y += gap
    y += 18
    out.append(text(16, y, about, 'font-size="10" fill="#555"'))
    size = f'width="{left + width + margin}" height="{y + 16}"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">\n'
            f'<rect {size} fill="white"/>\n' + "\n".join(out) + "\n</svg>\n")


def number(typed):
    found = re.fullmatch(r"(\d+)([km]?)", typed.lower())
    if not found:
        raise argparse.ArgumentTypeError(f"{typed}: a number, with k or m for thousands or millions")
    return int(found[1]) * {"": 1, "k": 1000, "m": 1_000_000}[found[2]]


def arguments():
    names = ["lcnode", "tokyo", "kyoto", "tkrzw"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", default="1m,10m", help="numbers of records, separated by commas")
    parser.add_argument("--sizes", default="8/8,16/100", help="bytes of key and value, separated by commas")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, separated by commas")
    parser.add_argument("--only", default=",".join(names), help=f"some of {','.join(names)}")
    parser.add_argument("--library", action="store_true", help="drive the peers' libraries by peers.cc, for 8/8 as well")
    parser.add_argument("--batch", type=int, default=0, help="measure lcnode in batches of that many keys as well")
    parser.add_argument("--lcnode-bench", help="a binary to take instead of building one")
    parser.add_argument("--lcnode-arg", action="append", default=[], help="one more argument for lcnode-bench")
    parser.add_argument("--dir", help="where databases are made; else $TMPDIR, else target/bench")
    parser.add_argument("--json", help="a file for every single measurement")
    parser.add_argument("--chart", default=str(BUILT / "versus.svg"), help="a file for the chart")
    parser.add_argument("--wire", action="store_true", help="then run benches/wire/run.py, without and with --durable")
    args = parser.parse_args()
    args.only = [name for name in args.only.split(",") if name]
    if not args.only or set(args.only) - set(names):
        parser.error(f"--only takes some of {','.join(names)}")
    if args.batch and "lcnode" in args.only:
        args.only.append("batch")
    args.records = [number(r) for r in args.records.split(",")]
    args.sizes = [tuple(map(int, size.split("/"))) for size in args.sizes.split(",")]
    args.threads = [int(t) for t in args.threads.split(",")]
    return args


def main():
    args = arguments()
    cases = {records: [Case(records, key, value, threads) for key, value in args.sizes for threads in args.threads]
             for records in args.records}
    install(PACKAGES)
    BUILT.mkdir(parents=True, exist_ok=True)
    if not all(case.by_command(args) for group in cases.values() for case in group):
        install(LIBRARIES)
        run("g++", "-std=c++17", "-O2", "-o", BUILT / "peers", HERE / "peers.cc",
            "-ltokyocabinet", "-lkyotocabinet", "-ltkrzw", "-lpthread")
    if "lcnode" in args.only and not args.lcnode_bench:
        run("cargo", "build", "--release", "--locked", "-p", "lcnode-bench", cwd=ROOT)
    field, results, before = contestants(args), [], os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="versus.", dir=args.dir or os.environ.get("TMPDIR", BUILT)) as name:
        for records, group in cases.items():
            for turn in range(args.rounds):
                for case in group:
                    measure_round(turn, case, field, pathlib.Path(name), args, results)
    about = (f"{cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}, {datetime.date.today()}; "
             f"rounds: {args.rounds}, load average {before:.1f} when they began, {os.getloadavg()[0]:.1f} when they ended")
    editions = ", ".join(f"{c.title} {c.edition}".strip() for c in field.values())
    print(f"{about}; {editions}")
    for group in cases.values():
        report(results, group, field)
    pathlib.Path(args.chart).write_text(chart(results, cases, field, about))
    print(f"\nchart: {args.chart}", file=sys.stderr)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"about": about, "editions": editions, "results": results}, f, indent=1)
    sys.stdout.flush()
    for more in ([], ["--durable"]) if args.wire else ():
        print(f"\n`benches/wire/run.py{' ' + more[0] if more else ''}`\n", flush=True)
        subprocess.run([sys.executable, HERE.parent / "wire" / "run.py", "--rounds", str(args.rounds), *more], check=True)


if __name__ == "__main__":
    main()
