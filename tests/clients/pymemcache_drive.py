#!/usr/bin/env python3
"""Drives pymemcache, as published, against a node: its whole API, with and without noreply.

    pymemcache_drive.py HOST PORT CLIENT [--expiring]

CLIENT is the folder that pymemcache was unpacked to. --expiring says that the node runs with --honour-exptime. Prints a
line for each check that fails; the last line is 'N passed, N failed'.
"""
import sys
import threading
import time
import traceback

HOST, PORT = sys.argv[1], int(sys.argv[2])
sys.path.insert(0, sys.argv[3])
EXPIRING = "--expiring" in sys.argv

from pymemcache import serde  # noqa: E402
from pymemcache.client.base import Client, PooledClient  # noqa: E402
from pymemcache.client.hash import HashClient  # noqa: E402
from pymemcache.client.retrying import RetryingClient  # noqa: E402

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def equal(got, want):
    if got != want:
        raise AssertionError("wanted %.200r, got %.200r" % (want, got))


def client(**options):
    made = Client((HOST, PORT), connect_timeout=30, timeout=30, no_delay=True, **options)
    made.flush_all(noreply=False)
    return made


@check
def set_get_delete():
    for noreply in (False, True):
        c = client()
        equal(c.get("k"), None)
        equal(c.get("k", "other"), "other")
        equal(c.set("k", "value", noreply=noreply), True)
        equal(c.get("k"), b"value")
        equal(c.delete("k", noreply=noreply), True)
        equal(c.get("k"), None)
        equal(c.delete("k", noreply=False), False)


@check
def conditions():
    c = client()
    equal(c.replace("k", "v", noreply=False), False)
    equal(c.append("k", "v", noreply=False), False)
    equal(c.prepend("k", "v", noreply=False), False)
    equal(c.add("k", "v", noreply=False), True)
    equal(c.add("k", "w", noreply=False), False)
    equal(c.replace("k", "bc", noreply=False), True)
    equal(c.append("k", "d", noreply=False), True)
    equal(c.prepend("k", "a", noreply=False), True)
    equal(c.get("k"), b"abcd")
    for change in (c.add, c.replace, c.append, c.prepend):
        equal(change("k", "z", noreply=True), True)
    equal(c.get("k"), b"zzz")


@check
def cas():
    c, other = client(), client()
    equal(c.gets("k"), (None, None))
    equal(c.cas("k", "v", b"1", noreply=False), None)
    c.set("k", "one", noreply=False)
    value, unique = c.gets("k")
    equal(value, b"one")
    equal(c.gets("k")[1], unique)
    other.set("k", "two", noreply=False)
    equal(c.cas("k", "three", unique, noreply=False), False)
    value, unique = c.gets("k")
    equal((value, c.cas("k", "three", unique, noreply=False)), (b"two", True))
    value, unique = c.gets("k")
    equal(c.cas("k", "four", unique, noreply=True), True)
    equal(c.get("k"), b"four")


@check
def counting():
    c = client()
    equal(c.incr("n", 1), None)
    equal(c.decr("n", 1), None)
    c.set("n", "10", noreply=False)
    equal((c.incr("n", 5), c.decr("n", 3), c.decr("n", 100)), (15, 12, 0))
    equal((c.incr("n", 7, noreply=True), c.decr("n", 2, noreply=True)), (None, None))
    equal(c.get("n"), b"5")


@check
def many():
    for noreply in (False, True):
        c = client()
        values = {"key%d" % number: b"value %d" % number for number in range(2500)}
        equal(c.set_many(values, noreply=noreply), [])
        equal(c.get_many(list(values) + ["none"]), values)
        got = c.gets_many(list(values)[:50])
        equal({key: value for key, (value, _) in got.items()}, {key: values[key] for key in list(values)[:50]})
        equal(c.delete_many(list(values), noreply=noreply), True)
        equal(c.get_many(values), {})
        equal(c.get_many([]), {})


@check
def flags_are_kept():
    c = client(serde=serde.pickle_serde)
    for value in ("text", b"bytes", 12345, {"a": [1, None]}, 1.5):
        c.set("k", value, noreply=False)
        equal(c.get("k"), value)
    for flags in (0, 1, 2 ** 32 - 1):
        raw = client()
        raw.set("k", "v", flags=flags, noreply=False)
        raw.append("k", "w", flags=7, noreply=False)
        raw.sock.sendall(b"get k\r\n")
        equal(raw.sock.recv(100), b"VALUE k %d 2\r\nvw\r\nEND\r\n" % flags)


@check
def touching():
    c = client()
    equal(c.touch("k", 100, noreply=False), False)
    equal(c.raw_command(b"gat 100 k", end_tokens=b"END\r\n"), b"")
    c.set("k", "v", noreply=False)
    equal(c.touch("k", 100, noreply=False), True)
    equal(c.touch("k", 100, noreply=True), True)
    # It has no methods for these.
    equal(c.raw_command(b"gat 100 k none", end_tokens=b"END\r\n"), b"VALUE k 0 1\r\nv\r\n")
    head = c.raw_command(b"gats 100 k", end_tokens=b"END\r\n").split(b"\r\n")[0]
    equal(c.cas("k", "w", head.split()[-1], noreply=False), True)


@check
def expiry():
    c = client()
    c.set("soon", "v", expire=1, noreply=False)
    c.set("late", "v", expire=1000, noreply=False)
    c.set("touched", "v", expire=1000, noreply=False)
    c.touch("touched", 1, noreply=False)
    time.sleep(1.5)
    wanted = {"late": b"v"} if EXPIRING else {"soon": b"v", "late": b"v", "touched": b"v"}
    equal(c.get_many(["soon", "late", "touched"]), wanted)
    c.set("k", "v", expire=-1, noreply=False)
    equal(c.get("k"), None if EXPIRING else b"v")


@check
def large_values():
    c = client()
    for size in (1, 65535, 1 << 20, 30 << 20):
        value = bytes(range(256)) * (size // 256) + b"\r\n" * (size % 256)
        equal(c.set("big", value, noreply=False), True)
        if c.get("big") != value:
            raise AssertionError("%d bytes came back as others" % size)


@check
def administration():
    c = client()
    equal(c.version(), b"1.1.41")
    stats = c.stats()
    equal(stats[b"pointer_size"], 64)
    equal((stats[b"curr_items"], stats[b"cmd_get"] >= 0), (0, True))
    c.set("k", "v", noreply=False)
    equal((c.flush_all(noreply=False), c.get("k")), (True, None))
    equal((c.flush_all(delay=1000, noreply=True), c.flush_all(noreply=True)), (True, True))
    equal(c.raw_command(b"verbosity 1"), b"OK")
    c.quit()
    equal(c.version(), b"1.1.41")
    c.close()


@check
def as_a_mapping():
    c = client()
    c["k"] = b"v"
    equal(c["k"], b"v")
    del c["k"]
    try:
        c["k"]
        raise AssertionError("a key that is not there has a value")
    except KeyError:
        pass


@check
def prefixes_and_unicode():
    c = client(key_prefix=b"prefix:", allow_unicode_keys=True, encoding="utf8")
    equal(c.set("schl\u00fcssel", "v", noreply=False), True)
    equal(c.get("schl\u00fcssel"), b"v")
    equal(Client((HOST, PORT), allow_unicode_keys=True).get("prefix:schl\u00fcssel"), b"v")


@check
def a_pool_of_threads():
    client()
    pool = PooledClient((HOST, PORT), max_pool_size=8, timeout=30)
    pool.set("sum", "0", noreply=False)
    failures = []

    def work(number):
        try:
            for step in range(300):
                key = "%d %d" % (number, step)
                key = key.replace(" ", "_")
                equal(pool.set(key, key, noreply=False), True)
                # Whoever looks next may do so over another connection, and before this comes.
                equal(pool.set("quiet", key, noreply=True), True)
                equal(pool.get(key), key.encode())
                pool.incr("sum", 1)
                equal(set(pool.get_many([key, "sum"])), {key, "sum"})
                equal(pool.delete(key, noreply=False), True)
        except Exception:  # told below
            failures.append(traceback.format_exc())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(failures[0])
    equal(pool.get("sum"), b"2400")
    pool.close()


@check
def other_clients():
    client()
    ring = HashClient([(HOST, PORT)], use_pooling=True, timeout=30)
    equal((ring.set("k", "v", noreply=False), ring.get("k")), (True, b"v"))
    ring.set_many({"a": "1", "b": "2"}, noreply=False)
    equal(ring.get_many(["a", "b", "c"]), {"a": b"1", "b": b"2"})
    retrying = RetryingClient(Client((HOST, PORT), timeout=30), attempts=2)
    equal((retrying.set("k", "w", noreply=False), retrying.get("k")), (True, b"w"))


def main():
    passed = failed = 0
    for function in CHECKS:
        try:
            function()
            passed += 1
        except Exception:
            failed += 1
            print("FAIL %s\n%s" % (function.__name__, traceback.format_exc()))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


sys.exit(main())
