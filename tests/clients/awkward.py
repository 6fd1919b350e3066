#!/usr/bin/env python3
"""Awkward clients against a running node: half requests, silence, floods, lies and sudden ends.

    awkward.py HOST PORT --tout S [--pid PID] [--original]

--tout is what the node was started with (a few seconds at most). With --pid its memory and descriptors are watched too.
--original leaves out the rules that lcnode keeps and Tokyo Tyrant 1.1.41 does not. The database is emptied.
After every check the node must still serve. Prints a line for each and a last one 'N passed, N failed'.
"""
import argparse
import os
import random
import resource
import socket
import struct
import sys
import threading
import time
import traceback

ANSWER = 10.0  # seconds within which a node that lives answers
MIB = 1 << 20
CHECKS = []


def check(title, strict=False):
    def keep(function):
        CHECKS.append((title, strict, function))
        return function
    return keep


# Requests.

def request(command, *parts):
    """Numbers become 32-bit fields; bytes stay as they are."""
    fields = b"".join(struct.pack(">i", p) if isinstance(p, int) else p for p in parts)
    return bytes([0xC8, command]) + fields


def put(key, value):
    return request(0x10, len(key), len(value), key, value)


def get(key):
    return request(0x30, len(key), key)


def misc(name, *args):
    return request(0x90, len(name), 0, len(args), name, *[p for a in args for p in (len(a), a)])


RNUM = request(0x80)
VANISH = request(0x72)
KNOWN = {0x10, 0x11, 0x12, 0x13, 0x18, 0x20, 0x30, 0x31, 0x38, 0x50, 0x51, 0x58, 0x60, 0x61, 0x68,
         0x70, 0x71, 0x72, 0x73, 0x74, 0x78, 0x80, 0x81, 0x88, 0x90, 0xA0}
MOST = 256 * MIB


def fields(command, *values):
    return f"{command:02X} " + " ".join(str(v) for v in values), request(command, *values)


REFUSED = [fields(c, *v) for c, v in (
    (0x10, (-1, 1)), (0x10, (1, -1)), (0x10, (MOST + 1, 1)), (0x10, (1, MOST + 1)), (0x10, (-(1 << 31), (1 << 31) - 1)),
    (0x11, (-1, 1)), (0x12, (1, -1)), (0x13, (1, 1, -1)), (0x13, (-1, 1, 1)), (0x18, (1, -1)), (0x18, (MOST + 1, 1)),
    (0x20, (-1,)), (0x30, (-1,)), (0x30, (MOST + 1,)), (0x38, (-1,)),
    (0x31, (-1,)), (0x31, (1048577,)), (0x58, (-1, 1)), (0x60, (-1, 1)), (0x61, (-1, 0, 0, 0, 0)),
    (0x68, (1024, 0, 1, 1)), (0x68, (-1, 0, 1, 1)), (0x68, (1, 0, -1, 1)), (0x68, (1, 0, 1, MOST + 1)),
    (0x71, (-1,)), (0x73, (-1,)), (0x74, (-1, 0, 0, 0)), (0x78, (-1, 1, 0, 0, 0)), (0x78, (1, -1, 0, 0, 0)),
    (0x90, (-1, 0, 0)), (0x90, (1024, 0, 0)), (0x90, (1, 0, -1)), (0x90, (1, 0, 1048577)),
    (0xA0, (0, 0, 1)), (0xA0, (0, 1, 0)),
)]


class Client:
    def __init__(self, node):
        self.node = node
        self.sock = socket.create_connection((node.host, node.port), timeout=ANSWER)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)
        return self

    def take(self, n):
        got = b""
        while len(got) < n:
            more = self.sock.recv(min(n - len(got), MIB))
            if not more:
                raise AssertionError(f"closed after {len(got)} of {n} bytes")
            got += more
        return got

    def ask(self, data, want):
        got = self.send(data).take(len(want))
        assert got == want, f"wanted {want[:40].hex()}, got {got[:40].hex()}"

    def rest(self, seconds=ANSWER):
        """All that comes until the node closes; staying open longer than this is a failure."""
        got, end = b"", time.monotonic() + seconds
        try:
            while True:
                self.sock.settimeout(max(0.01, end - time.monotonic()))
                more = self.sock.recv(MIB)
                if not more:
                    return got
                got += more
        except ConnectionError:
            return got
        except TimeoutError:
            raise AssertionError(f"not closed in {seconds} s") from None

    def quiet(self, seconds):
        """Nothing comes and the connection stays open."""
        self.sock.settimeout(seconds)
        try:
            got = self.sock.recv(1)
        except TimeoutError:
            self.sock.settimeout(ANSWER)
            return
        raise AssertionError(f"wanted silence, got {got.hex() or 'an end'}")

    def reset(self):
        """An end without a farewell: the peer gets a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Node:
    def __init__(self, args):
        self.host, self.port, self.pid, self.tout = args.host, args.port, args.pid, args.tout

    def client(self):
        return Client(self)

    def rnum(self):
        with self.client() as c:
            return struct.unpack(">Q", c.send(RNUM).take(9)[1:])[0]

    def resident(self):
        if not self.pid:
            return 0
        with open(f"/proc/{self.pid}/status") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))

    def descriptors(self):
        """How many it has open; 0 where that is not to be known."""
        try:
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        except OSError:
            return 0

    def serves(self):
        with self.client() as c:
            c.ask(put(b"alive", b"yes"), b"\0")
            c.ask(get(b"alive"), b"\0\0\0\0\3yes")

    def refuses(self, data, note=""):
        """Closed without a byte, and nothing done."""
        with self.client() as c:
            got = c.send(data).rest(ANSWER)
            assert got == b"", f"{note or data[:40].hex()} was answered: {got[:40].hex()}"


# Halves and silence.

@check("half a request, then silence: closed after --tout, nothing done")
def _(node):
    whole = put(b"half", b"value")
    for cut in (1, 2, 5, 10, 12, len(whole) - 1):
        with node.client() as c:
            c.ask(RNUM + whole[:cut], bytes(9))
            start = time.monotonic()
            got = c.rest(node.tout + 4)
            took = time.monotonic() - start
            assert got == b"", f"cut at {cut}: got {got.hex()}"
            assert took > node.tout * 0.8, f"cut at {cut}: closed after {took:.2f} s"
    assert node.rnum() == 0


@check("a request that trickles in and is whole within --tout: served")
def _(node):
    whole = put(b"slow", b"v")
    pause = node.tout * 0.8 / len(whole)
    with node.client() as c:
        for i in range(len(whole)):
            c.send(whole[i:i + 1])
            time.sleep(pause)
        c.ask(get(b"slow"), b"\0" + b"\0\0\0\0\1v")


@check("idle for longer than --tout between requests: still served")
def _(node):
    with node.client() as fresh, node.client() as used:
        used.ask(RNUM, bytes(9))
        fresh.quiet(node.tout + 2)
        used.ask(RNUM, bytes(9))
        fresh.ask(RNUM, bytes(9))


@check("20 half requests at once hold nobody up for long")
def _(node):
    halves = [node.client().send(put(b"half", b"value")[:-1]) for _ in range(20)]
    start = time.monotonic()
    node.serves()
    took = time.monotonic() - start
    for c in halves:
        c.sock.close()
    assert took < node.tout * 4 + 2, f"{took:.1f} s"


@check("half requests hold up nobody at all", strict=True)
def _(node):
    halves = [node.client().send(put(b"half", b"value")[:-1]) for _ in range(200)]
    start = time.monotonic()
    node.serves()
    took = time.monotonic() - start
    for c in halves:
        c.sock.close()
    assert took < 0.5, f"{took:.1f} s"


@check("half-close after whole requests: all answered, then closed")
def _(node):
    with node.client() as c:
        c.send(put(b"k", b"v") + get(b"k") + RNUM)
        c.sock.shutdown(socket.SHUT_WR)
        got = c.rest()
        assert got == b"\0" + b"\0\0\0\0\1v" + struct.pack(">bQ", 0, 1), got.hex()


@check("half-close in the middle of a request: closed, nothing done")
def _(node):
    for cut in (1, 2, 5, 10, 12):
        with node.client() as c:
            c.send(put(b"half", b"value")[:cut])
            c.sock.shutdown(socket.SHUT_WR)
            assert c.rest() == b""
    assert node.rnum() == 0


# What is no request.

@check("first bytes of no protocol: closed without a byte")
def _(node):
    for junk in (b"\xc9\n", b"\0\n", b"\xff\xfe\xfd\n", b"\n", b"\r\n", b"hello\r\n", b"\x16\x03\x01\x02\0\x01\0\n", b" \n"):
        node.refuses(junk)
    assert node.rnum() == 0


@check("64 KiB of noise: closed")
def _(node):
    for seed in range(20):
        noise = bytes(random.Random(seed).choices(range(0x80, 0xC8), k=65535)) + b"\n"
        with node.client() as c:
            try:
                c.send(noise)
            except ConnectionError:
                continue
            c.rest(node.tout + 4)
    assert node.rnum() == 0


@check("every unknown command: closed without a byte")
def _(node):
    for command in sorted(set(range(256)) - KNOWN):
        node.refuses(bytes([0xC8, command]))


@check("negative and oversized lengths and counts: closed without a byte, nothing done")
def _(node):
    for note, data in REFUSED:
        node.refuses(data, note)
    assert node.rnum() == 0


@check("the same with a good request right behind: that one is not done either", strict=True)
def _(node):
    good = put(b"behind", b"v")
    for note, data in REFUSED + [("C8 FF", b"\xc8\xff"), ("C9", b"\xc9")]:
        node.refuses(data + good, note)
    assert node.rnum() == 0


@check("good requests before a bad one: answered, then closed", strict=True)
def _(node):
    with node.client() as c:
        c.send(put(b"k", b"v") + get(b"k") + b"\xc8\xff" + RNUM)
        got = c.rest()
        assert got == b"\0" + b"\0\0\0\0\1v", got.hex()


@check("a bad length inside mget or misc: closed without a byte, nothing done", strict=True)
def _(node):
    one = request(0x31, 2, 1, b"k")
    for length in (-1, MOST + 1, -(1 << 31)):
        node.refuses(one + struct.pack(">i", length))
        name = b"putlist"
        node.refuses(request(0x90, len(name), 0, 4, name, 1, b"a", 1, b"1", 1, b"b", length))
    assert node.rnum() == 0


# Claims and floods.

@check("largest lengths declared and never sent: no memory taken", strict=True)
def _(node):
    before = node.resident()
    liars = [node.client().send(request(0x10, MOST, MOST) + b"x" * 100) for _ in range(50)]
    liars += [node.client().send(request(0x31, 1048576) + struct.pack(">i", MOST)) for _ in range(50)]
    liars += [node.client().send(request(0x90, 7, 0, 1048576, b"getlist", MOST)) for _ in range(50)]
    node.serves()
    grown = node.resident() - before
    for c in liars:
        c.sock.close()
    assert grown < 64 * MIB, f"{grown // MIB} MiB for 150 claims"


@check("20,000 requests in one go: all answered, in order")
def _(node):
    count = 10000
    data = b"".join(put(b"k%05d" % i, b"v%05d" % i) + get(b"k%05d" % i) for i in range(count))
    want = b"".join(b"\0" + b"\0\0\0\0\6v%05d" % i for i in range(count))
    with node.client() as c:
        sender = threading.Thread(target=c.send, args=(data,))
        sender.start()
        got = c.take(len(want))
        sender.join()
        assert got == want
    assert node.rnum() == count


@check("a request a byte at a time, and its replies too")
def _(node):
    with node.client() as c:
        for b in put(b"k", b"v" * 50) + get(b"k") + misc(b"getlist", b"k", b"none"):
            c.send(bytes([b]))
        want = b"\0" + b"\0\0\0\0\x32" + b"v" * 50 + struct.pack(">bii", 0, 2, 1) + b"k" + struct.pack(">i", 50) + b"v" * 50
        for i in range(len(want)):
            assert c.take(1) == want[i:i + 1], f"byte {i}"


@check("a 64 MiB value: stored and given back")
def _(node):
    value = random.Random(1).randbytes(MIB) * 64
    with node.client() as c:
        c.ask(put(b"big", value), b"\0")
        got = c.send(get(b"big")).take(5 + len(value))
        assert got[5:] == value
        c.ask(request(0x20, 3, b"big"), b"\0")


@check("clients that never read: bounded memory, others served at once")
def _(node):
    size, each = 256 * 1024, 400  # 100 MiB of replies for each of the four
    value = b"x" * size
    with node.client() as c:
        c.ask(put(b"v", value), b"\0")
    before = node.resident()
    deaf = [node.client() for _ in range(4)]
    for c in deaf:
        c.send(get(b"v") * each)
    time.sleep(node.tout / 2)
    start = time.monotonic()
    for _ in range(20):
        node.serves()
    took = time.monotonic() - start
    grown = node.resident() - before
    for c in deaf:
        c.sock.close()
    assert took < 2, f"20 rounds took {took:.1f} s"
    assert grown < 64 * MIB, f"{grown // MIB} MiB for 4 connections"


@check("a client that reads late, within --tout: gets every reply")
def _(node):
    size, each = 64 * 1024, 400
    with node.client() as c:
        c.ask(put(b"v", b"x" * size), b"\0")
        c.send(get(b"v") * each)
        time.sleep(node.tout * 0.5)
        reply = b"\0" + struct.pack(">i", size) + b"x" * size
        for i in range(each):
            assert c.take(len(reply)) == reply, f"reply {i}"


def crowd(node, many):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    before = node.resident()
    idle = [node.client() for _ in range(many)]
    start = time.monotonic()
    node.serves()
    took = time.monotonic() - start
    grown = node.resident() - before
    for c in idle[::10]:
        c.ask(get(b"alive"), b"\0\0\0\0\3yes")
    for c in idle:
        c.sock.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert took < 1, f"{took:.1f} s"
    assert grown < many * 32 * 1024, f"{grown // many} bytes a connection"


@check("900 idle connections: others served, and they too when they wake")
def _(node):
    crowd(node, 900)


@check("5,000 idle connections: the same", strict=True)  # the original dies of them
def _(node):
    crowd(node, 5000)


@check("500 connections that come and are reset at once")
def _(node):
    for i in range(500):
        c = node.client()
        if i % 2:
            c.send(put(b"half", b"value")[:i % 12])
        c.reset()


@check("resets in the middle of large replies")
def _(node):
    with node.client() as c:
        c.ask(put(b"v", b"x" * MIB), b"\0")
    for i in range(50):
        c = node.client().send(get(b"v") * 20)
        c.take(i * 1000 + 1)
        c.reset()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--tout", type=float, required=True)
    parser.add_argument("--pid", type=int)
    parser.add_argument("--original", action="store_true")
    args = parser.parse_args()
    node = Node(args)
    passed = failed = 0
    node.serves()
    descriptors = node.descriptors()
    for title, strict, function in CHECKS:
        if strict and args.original:
            print(f"none {title}: not so in the original")
            continue
        try:
            with node.client() as c:
                c.ask(VANISH, b"\0")
            function(node)
            node.serves()
        except (AssertionError, OSError) as e:
            failed += 1
            line = [f.lineno for f in traceback.extract_tb(e.__traceback__)][1]
            print(f"FAIL {title}: {type(e).__name__}: {e} (line {line})", flush=True)
        else:
            passed += 1
            print(f"ok   {title}", flush=True)
    end = time.monotonic() + ANSWER + args.tout
    while node.descriptors() > descriptors + 2 and time.monotonic() < end:
        time.sleep(0.2)
    if node.descriptors() > descriptors + 2:
        failed += 1
        print(f"FAIL descriptors: {descriptors} before, {node.descriptors()} after all connections were closed")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
