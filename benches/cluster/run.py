#!/usr/bin/env python3
"""Measures the client of clusters (crate lightcloud) beside a direct client and memcached.

    benches/cluster/run.py [--rounds N] [--keys N] [--threads N] [--one-core] [--lcnode PATH]

Installs what it needs (Debian packages build-essential and memcached) and builds a release lcnode and the client. On this
machine run then two lookup and three storage nodes as single servers, the same as pairs, and memcached; one process calls them,
in turns within each round, keys of 16 bytes, values of 100, every reply checked:

    get           of existing keys through the rings, beside direct gets from one node, and from three in turn; one by one, and 32 at once
    get_many      of 1,000 keys, beside as many gets one by one
    memcached     10,000 sets, then 10,000 gets, one by one: the cluster of pairs, beside memcached through a plain client

With --one-core all of them share one core. Calls one by one take mostly the time in which an idle core wakes up, which on virtual
machines is several times the work; without it the work shows.

Prints Markdown: microseconds of a call, ratios within a round (median, lowest, highest) with what is aimed at, and how many
requests each operation sends, as the servers count them.
"""
import argparse
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
from common import cpu_model, install, run, version  # noqa: E402
from server import Server, built_lcnode  # noqa: E402

NODES = ["lookup1_A", "lookup2_A", "storage1_A", "storage2_A", "storage3_A"]


def cluster(lcnode, folder, replicas):
    """Nodes of so many servers each, by name."""
    nodes = {}
    for name in NODES:
        servers = nodes[name] = []
        for at in range(replicas):
            own = f"{name}-{at + 1}of{replicas}"
            command = [lcnode, "--host", "127.0.0.1", "--port", "PORT", "--segment-size", "16m"]
            for script in ("incr.lua", "list.lua"):
                command += ["--ext", ROOT / "lua" / "scripts" / script]
            servers.append(Server(own, "tt", [*command, folder / f"{own}.tch"], ""))
        for server in servers:
            for other in servers:
                if other is not server:
                    server.command[-1:-1] = ["--master", f"127.0.0.1:{other.port}"]
    return nodes


def spelled(nodes):
    return [f"{name}={','.join(f'127.0.0.1:{server.port}' for server in servers)}" for name, servers in nodes.items()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keys", type=int, default=10_000, help="of a round")
    parser.add_argument("--threads", type=int, default=0, help="of the client; 0: the one that calls")
    parser.add_argument("--one-core", action="store_true", help="all on one core: what is left is work, without the waking of cores")
    parser.add_argument("--lcnode", help="a binary to take instead of building one")
    args = parser.parse_args()
    install({"gcc": "build-essential", "memcached": "memcached"})
    run("cargo", "build", "--release", "--locked", "-p", "lcnode-bench-cluster", cwd=ROOT)
    if not args.lcnode:
        run("cargo", "build", "--release", "--locked", "--bin", "lcnode", cwd=ROOT)
    lcnode = args.lcnode or built_lcnode()
    if args.one_core:  # whatever is started from here on stays there
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="lcnode-bench.") as name:
        folder = pathlib.Path(name)
        singles, pairs = cluster(lcnode, folder, 1), cluster(lcnode, folder, 2)
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        memcached = Server("memcached", "mc", ["memcached", *user, "-l", "127.0.0.1", "-p", "PORT", "-m", "256"],
                           version(["memcached", "-V"]))
        servers = [s for nodes in (singles, pairs) for each in nodes.values() for s in each] + [memcached]
        try:
            for server in servers:
                server.start(folder)
            client = built_lcnode().with_name("lcnode-bench-cluster")
            sys.stdout.flush()
            command = [client, "--singles", *spelled(singles), "--pairs", *spelled(pairs), "--memcached",
                       f"127.0.0.1:{memcached.port}", "--rounds", args.rounds, "--keys", args.keys, "--threads", args.threads]
            subprocess.run([str(word) for word in command], check=True)
        finally:
            for server in servers:
                server.stop()
    print(f"{cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}; memcached {memcached.version}; rounds: {args.rounds}, "
          f"load average {before:.1f} when they began")


if __name__ == "__main__":
    main()
