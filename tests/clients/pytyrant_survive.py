"""Writes with pytyrant until the node dies under it; then, on the node started again, looks for all that was acknowledged.

    jython pytyrant_survive.py HOST PORT FOLDER_OF_PYTYRANT fill|check FILE

fill makes FILE.enough once a kill is worth while, ends when the connection does, and writes to FILE how many steps were
acknowledged. check prints 'N passed, N failed'.
"""
import socket
import sys

sys.path.insert(0, sys.argv[3])
from pytyrant import Tyrant, TyrantError

ENOUGH = 2000


class Lost(Exception):
    pass


class Sock(object):
    """A socket for pytyrant, which would wait forever at the end of a connection."""
    def __init__(self, host, port):
        self.sock = socket.create_connection((host, port), 30)
        self.sock.setsockopt(socket.SOL_TCP, socket.TCP_NODELAY, 1)

    def sendall(self, data):
        self.sock.sendall(data)

    def recv(self, most):
        data = self.sock.recv(most)
        if not data:
            raise Lost()
        return data


def steps():
    i = 0
    while True:
        key = 'key:%08d' % i
        yield 'put', key, 'value of %d ' % i * (i % 7 + 1)
        if i % 3 == 0:
            yield 'putcat', key, 'and a tail'
        if i % 5 == 4:
            yield 'out', 'key:%08d' % (i - 2), None
        i += 1


def do(t, step):
    name, key, value = step
    if name == 'out':
        t.out(key)
    else:
        getattr(t, name)(key, value)


def fill(t, path):
    acknowledged = 0
    try:
        for step in steps():
            do(t, step)
            acknowledged += 1
            if acknowledged == ENOUGH:
                open(path + '.enough', 'w').close()
    except (Lost, socket.error), e:
        print '%d steps were acknowledged before the connection ended (%s)' % (acknowledged, type(e).__name__)
    open(path, 'w').write(str(acknowledged))


def check(t, path):
    acknowledged = int(open(path).read())
    want = {}
    for n, (name, key, value) in enumerate(steps()):
        if n == acknowledged:
            want.pop(key, None)  # under way when the node died: either outcome is right
            break
        if name == 'out':
            want[key] = None
        elif name == 'putcat':
            want[key] += value
        else:
            want[key] = value
    wrong = []
    for key in sorted(want):
        try:
            got = t.get(key)
        except TyrantError:
            got = None
        if got != want[key]:
            wrong.append((key, want[key], got))
    living = len([v for v in want.values() if v is not None])
    results = [
        (acknowledged >= ENOUGH, '%d steps were acknowledged, at least %d make a trial' % (acknowledged, ENOUGH)),
        (not wrong, '%d of %d keys are as acknowledged %r' % (len(want) - len(wrong), len(want), wrong[:5])),
        (abs(t.rnum() - living) <= 1, '%d records where %d are expected' % (t.rnum(), living)),
    ]
    for ok, what in results:
        print '%s %s' % (ok and 'ok  ' or 'FAIL', what)
    failed = len([1 for ok, _ in results if not ok])
    print '%d passed, %d failed' % (len(results) - failed, failed)
    return 1 if failed else 0


t = Tyrant(Sock(sys.argv[1], int(sys.argv[2])))
sys.exit({'fill': fill, 'check': check}[sys.argv[4]](t, sys.argv[5]))
