#!/usr/bin/env python3
"""Drives libmemcached's tools (Debian's libmemcached-tools) against a node, over memcached's text protocol.

    memcached_tools.py HOST PORT

Prints a line for each check that fails; the last line is 'N passed, N failed'.
"""
import os
import subprocess
import sys
import tempfile
import traceback

HOST, PORT = sys.argv[1], sys.argv[2]
SERVERS = "--servers=%s:%s" % (HOST, PORT)
CHECKS = []
LIMIT = 120  # seconds for one call


def check(function):
    CHECKS.append(function)
    return function


def tool(name, *args, status=0):
    """What a tool prints; it must end with this status."""
    done = subprocess.run([name, SERVERS, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
    if done.returncode != status:
        raise AssertionError("%s %r ended with %d: %.500r" % (name, args, done.returncode, done.stdout))
    return done.stdout


def equal(got, want):
    if got != want:
        raise AssertionError("wanted %.200r, got %.200r" % (want, got))


def write(name, content):
    with open(name, "wb") as file:
        file.write(content)
    return name


@check
def memping_tells_that_it_is_there():
    tool("memcping")


@check
def memcp_and_memcat():
    tool("memcflush")
    small, large = b"a value\n", bytes(range(256)) * 4096
    tool("memccp", write("small", small), write("large", large), write("empty", b""))
    # It ends what it prints with a line's end.
    equal(tool("memccat", "small").rstrip(b"\n"), small.rstrip(b"\n"))
    tool("memccat", "--file=came", "large")
    with open("came", "rb") as file:
        equal(file.read() == large, True)
    tool("memccp", "--flag=7", write("flagged", b"v"))
    equal(tool("memccat", "--flag", "flagged").split()[0], b"7")


@check
def memexist_and_memrm():
    tool("memcflush")
    tool("memccp", write("there", b"v"))
    tool("memcexist", "there")
    tool("memcexist", "nowhere", status=1)
    tool("memcrm", "there")
    tool("memcexist", "there", status=1)


@check
def memtouch():
    tool("memcflush")
    tool("memccp", write("touched", b"v"))
    tool("memctouch", "--expire=1000", "touched")
    tool("memctouch", "--expire=1000", "nowhere", status=1)


@check
def memstat():
    lines = tool("memcstat").decode()
    for name in ("pid", "uptime", "version", "pointer_size", "curr_items", "cmd_get_hits", "threads"):
        if name + ":" not in lines:
            raise AssertionError("%s is not in %.500r" % (name, lines))
    if "1.1.41" not in lines:
        raise AssertionError(lines)


@check
def memslap():
    tool("memcflush")
    tool("memcslap", "--concurrency=4", "--execute-number=200", "--initial-load=200", "--test=set", "--non-blocking")
    tool("memcslap", "--concurrency=4", "--execute-number=200", "--initial-load=200", "--test=get")
    tool("memcslap", "--concurrency=4", "--execute-number=200", "--initial-load=200", "--test=mget")


@check
def memcflush():
    tool("memccp", write("gone", b"v"))
    tool("memcflush")
    tool("memccat", "gone", status=1)


@check
def memcapable():
    # The others want an ERROR, and the connection to go on, where this server closes or is lenient as the original.
    for name in ("mget", "flush", "incr", "decr", "append", "prepend"):
        command = ["memccapable", "-h", HOST, "-p", PORT, "-a", "-T", "ascii " + name]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
        if b"All tests passed" not in done.stdout:
            raise AssertionError(done.stdout.decode())


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for function in CHECKS:
            try:
                function()
                passed += 1
            except Exception:
                failed += 1
                print("FAIL %s\n%s" % (function.__name__, traceback.format_exc()))
        os.chdir("/")
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


sys.exit(main())
