"""A server under test and the load generator, for the benchmarks over the wire."""
import os
import pathlib
import re
import socket
import subprocess
import time

from common import run

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILT = ROOT / "target" / "bench"
KEYS, VALUE = 100_000, 32
CPU_SECONDS = 1.3  # aimed at; a little over the second that is wanted
RESULT = re.compile(r"s=(?P<s>\S+) ops/s=(?P<ops>\d+) p50us=(?P<p50>\d+) p99us=(?P<p99>\d+) p999us=(?P<p999>\d+)"
                    r" srv_cpu_s=(?P<cpu>\S+) ops/cpu_s=(?P<per_cpu>\d+)")


def build_loadgen():
    BUILT.mkdir(parents=True, exist_ok=True)
    run("gcc", "-O2", "-o", BUILT / "loadgen", ROOT / "benches" / "wire" / "loadgen.c")


def built_lcnode():
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release" / "lcnode"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server under test: its protocol, how it is started, and the process while it runs."""

    def __init__(self, name, protocol, command, version):
        self.name, self.protocol, self.version = name, protocol, version
        self.port = free_port()
        self.command = [str(c).replace("PORT", str(self.port)) for c in command]
        self.process = None
        self.enough = {}  # (op, depth, conns) -> operations that keep it busy for long enough

    def start(self, folder):
        log = open(folder / f"{self.name}.log", "w")
        self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise SystemExit(f"{self.name} did not start: {' '.join(self.command)}\n{open(log.name).read()[-2000:]}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def begin_load(self, op, depth, conns, n, keys=KEYS):
        """Begins a run of the load generator, which checks every reply; n counts for nothing in a load."""
        command = [BUILT / "loadgen", "-P", self.protocol, "-p", self.port, "-o", op, "-c", conns, "-d", depth, "-n", n,
                   "-k", keys, "-v", VALUE, "-S", self.process.pid]
        return subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end_load(self, load):
        """Waits for the run to end; its figures."""
        out, err = load.communicate()
        if load.returncode:
            raise SystemExit(f"{self.name}: {' '.join(load.args)}\n{err}")
        return {k: float(v) for k, v in RESULT.search(out).groupdict().items()}

    def load(self, op, depth, conns, n, keys=KEYS):
        return self.end_load(self.begin_load(op, depth, conns, n, keys))

    def measure(self, op, depth, conns):
        key = (op, depth, conns)
        if key not in self.enough:  # the first runs warm up and find out how many operations are enough
            n = 50_000
            while (got := self.load(op, depth, conns, n))["cpu"] < 0.25:
                n *= 3
            self.enough[key] = int(n * CPU_SECONDS / got["cpu"])
        while (got := self.load(op, depth, conns, self.enough[key]))["cpu"] < 1:
            self.enough[key] = int(self.enough[key] * CPU_SECONDS / got["cpu"])
        return got
