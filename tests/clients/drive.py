"""Runs one check for each public method of a client's classes (Python 2.7, for Jython).

A driver writes its checks with @covers('Class.method'); run() then calls every check on a fresh, empty database and
prints a line for it. The list of methods is read from the client's own classes, so a method without a check, and
without a reason for having none, is a failure. The last line is 'N passed, N failed'.
"""
import os
import socket
import sys
import threading
import traceback

LIMIT = 30.0  # seconds for one check: a client that waits forever must not hold up the tests

CHECKS = []   # (name, function, note)
SKIPPED = {}  # name -> why no check is made


def covers(name, note=''):
    def keep(function):
        CHECKS.append((name, function, note))
        return function
    return keep


def skip(name, why):
    SKIPPED[name] = why


def equal(got, want):
    if got != want:
        raise AssertionError('wanted %.200r, got %.200r' % (want, got))


def raises(kind, function, *args, **kw):
    """The exception that function raises; no exception, or one of another kind, is a failure."""
    try:
        got = function(*args, **kw)
    except kind as e:
        return e
    raise AssertionError('wanted %s, got %.200r' % (kind.__name__, got))


def unanswered(sock, function, *args):
    """Calls a method whose request lacks its last fields: the server must wait for them, and say nothing."""
    sock.settimeout(0.5)
    raises(socket.timeout, function, *args)
    sock.settimeout(LIMIT)


def methods(classes):
    """Every method that the classes, or bases of theirs, define: public ones and those of the dict protocol."""
    plain = set(dir(object)) | set(['__dict__', '__doc__', '__module__', '__weakref__', '__init__', '__metaclass__'])
    names = []
    for cls in classes:
        for name in sorted(dir(cls)):
            own = any(name in vars(base) for base in cls.__mro__ if base is not object)
            if not own or (name.startswith('_') and not name.startswith('__')) or (name in plain and name != '__repr__'):
                continue
            if callable(getattr(cls, name)) or isinstance(getattr(cls, name), property):
                names.append('%s.%s' % (cls.__name__, name))
    return names


def report(ok, failed):
    print '%d passed, %d failed' % (ok, failed)
    sys.stdout.flush()


def run(classes, fresh):
    """Calls every check with what fresh() gives it; ends the process with 1 where one fails."""
    ok = failed = 0
    for name, function, note in CHECKS:
        def hangs(name=name, ok=ok, failed=failed):
            print 'FAIL %s: no end after %d s; the rest was not run' % (name, LIMIT)
            report(ok, failed + 1)
            os._exit(1)
        watch = threading.Timer(LIMIT, hangs)
        watch.setDaemon(True)
        watch.start()
        try:
            function(*fresh())
        except Exception as e:
            failed += 1
            line = [l for path, l, _, _ in traceback.extract_tb(sys.exc_info()[2]) if path.endswith('_drive.py')][-1]
            print 'FAIL %s: %s: %s (line %s)' % (name, type(e).__name__, e, line)
        else:
            ok += 1
            print 'ok   %s%s' % (name, note and '  (%s)' % note)
        watch.cancel()
        sys.stdout.flush()
    done = set(name for name, _, _ in CHECKS)
    for name in methods(classes):
        if name in SKIPPED:
            print 'none %s: %s' % (name, SKIPPED[name])
        elif name not in done:
            failed += 1
            print 'FAIL %s: the driver has no check for it' % name
    report(ok, failed)
    sys.stdout.flush()
    os._exit(1 if failed or not ok else 0)
