"""Drives pytyrant 1.1.17, unchanged, through every method of its classes.

    jython pytyrant_drive.py HOST PORT FOLDER_OF_PYTYRANT

pytyrant was written for Tokyo Tyrant 1.1.17, whose numbers for vanish, copy and restore were moved by 1.1.41 (0x71 became
optimize, 0x72 vanish) and whose setmst was shorter. Against any later server those four do something else than their
names say; the checks hold the node to what such a server does with these bytes.
"""
import os
import socket
import sys

from drive import covers, equal, raises, run, skip, unanswered

sys.path.insert(0, sys.argv[3])
HOST, PORT = sys.argv[1], int(sys.argv[2])

import pytyrant
from pytyrant import PyTyrant, Tyrant, TyrantError

BINARY = ''.join(map(chr, range(256)))


def connect():
    t = Tyrant.open(HOST, PORT)
    t.sock.settimeout(30)
    return t


def fresh():
    """A connection to an empty database, and a dict face over another."""
    t = connect()
    t.misc('vanish', 0, [])
    return t, PyTyrant(connect())


# The face that follows the protocol.

@covers('Tyrant.open')
def _(t, d):
    one, other = Tyrant.open(HOST, PORT), Tyrant.open(host=HOST, port=PORT)
    one.put('k', 'v')
    equal(other.get('k'), 'v')
    one.close(), other.close()


@covers('Tyrant.close')
def _(t, d):
    t.put('k', 'v')
    t.close()
    raises(socket.error, t.get, 'k')
    equal(d['k'], 'v')


@covers('Tyrant.put')
def _(t, d):
    t.put('k', 'v')
    t.put('k', 'w')
    t.put('', 'empty key')
    t.put('empty value', '')
    t.put(BINARY, BINARY)
    big = BINARY * 4096
    t.put('big', big)
    equal([t.get(k) for k in ('k', '', 'empty value', BINARY)], ['w', 'empty key', '', BINARY])
    equal(t.get('big') == big, True)
    equal(t.rnum(), 5)


@covers('Tyrant.putkeep')
def _(t, d):
    t.putkeep('k', 'v')
    equal(raises(TyrantError, t.putkeep, 'k', 'w').args, (1,))
    equal(t.get('k'), 'v')
    t.put('empty', '')
    raises(TyrantError, t.putkeep, 'empty', 'w')


@covers('Tyrant.putcat')
def _(t, d):
    for part in ('a', '', BINARY, 'z'):
        t.putcat('k', part)
    equal(t.get('k'), 'a' + BINARY + 'z')


@covers('Tyrant.putshl')
def _(t, d):
    t.putshl('k', 'abcde', 3)
    equal(t.get('k'), 'abcde')
    t.putshl('k', 'xyz', 4)
    equal(t.get('k'), 'exyz')
    t.putshl('k', 'q', 0)
    equal(t.get('k'), '')


@covers('Tyrant.putnr')
def _(t, d):
    for i in range(1000):
        t.putnr('k%d' % i, str(i))
    equal(t.rnum(), 1000)
    equal(t.get('k999'), '999')


@covers('Tyrant.out')
def _(t, d):
    t.put('k', 'v')
    t.out('k')
    equal(raises(TyrantError, t.out, 'k').args, (1,))
    equal(t.rnum(), 0)


@covers('Tyrant.get')
def _(t, d):
    raises(TyrantError, t.get, 'k')
    t.put('k', BINARY)
    equal(t.get('k'), BINARY)


@covers('Tyrant.mget')
def _(t, d):
    t.put('a', '1')
    t.put('b', '')
    equal(t.mget(['b', 'none', 'a', 'b']), [('b', ''), ('a', '1'), ('b', '')])
    equal(t.mget([]), [])
    for i in range(2000):
        t.putnr('k%04d' % i, str(i) * 20)
    names = ['k%04d' % i for i in range(2000)]
    equal(t.mget(names), [(k, str(i) * 20) for i, k in enumerate(names)])


@covers('Tyrant.vsiz')
def _(t, d):
    raises(TyrantError, t.vsiz, 'k')
    t.put('k', BINARY)
    equal(t.vsiz('k'), 256)
    t.put('k', '')
    equal(t.vsiz('k'), 0)


@covers('Tyrant.iterinit')
def _(t, d):
    t.iterinit()
    raises(TyrantError, t.iternext)
    t.put('k', 'v')
    t.iterinit()
    equal(t.iternext(), 'k')
    t.iterinit()
    equal(t.iternext(), 'k')


@covers('Tyrant.iternext')
def _(t, d):
    raises(TyrantError, t.iternext)
    want = set('k%d' % i for i in range(500))
    for k in want:
        t.put(k, 'v')
    t.iterinit()
    got = [t.iternext() for _ in range(250)] + [d.t.iternext() for _ in range(250)]  # one iterator a server
    equal(sorted(got), sorted(want))
    raises(TyrantError, t.iternext)


@covers('Tyrant.fwmkeys')
def _(t, d):
    for k in ('ab', 'abc', 'abd', 'b', ''):
        t.put(k, 'v')
    equal(sorted(t.fwmkeys('ab', 10)), ['ab', 'abc', 'abd'])
    equal(len(t.fwmkeys('ab', 2)), 2)
    equal(t.fwmkeys('ab', 0), [])
    equal(sorted(t.fwmkeys('', 100)), ['', 'ab', 'abc', 'abd', 'b'])
    equal(t.fwmkeys('x', 10), [])


@covers('Tyrant.ext', 'no script is loaded: refused, connection kept')
def _(t, d):
    for opts in (0, pytyrant.RDBXOLCKREC, pytyrant.RDBXOLCKGLB):
        equal(raises(TyrantError, t.ext, 'nosuch', opts, 'k', 'v').args, (1,))
    equal(t.rnum(), 0)


@covers('Tyrant.sync')
def _(t, d):
    t.put('k', 'v')
    t.sync()
    equal(t.get('k'), 'v')


@covers('Tyrant.vanish', 'sends 71, optimize without its parameters: waited for, then done')
def _(t, d):
    t.put('k', 'v')
    unanswered(t.sock, t.vanish)
    equal(len(d), 1)
    t.sock.sendall('\0\0\0\0')
    pytyrant.socksuccess(t.sock)
    equal(t.get('k'), 'v')


def empties(t, d, function, *args):
    """copy and restore send 72, vanish, and then bytes that are no request: the node may hang up on those."""
    t.put('k', 'v')
    try:
        function(*args)
    except socket.error:
        pass
    equal(len(d), 0)
    t.close()
    d['k'] = 'w'
    equal(d['k'], 'w')


@covers('Tyrant.copy', 'sends 72, vanish: done')
def _(t, d):
    empties(t, d, t.copy, 'no-such-copy')
    equal(os.path.exists('no-such-copy'), False)


@covers('Tyrant.restore', 'sends 72, vanish: done')
def _(t, d):
    empties(t, d, t.restore, 'no-such-folder', 0)


@covers('Tyrant.setmst', 'sends a shorter form: the rest is waited for, then done')
def _(t, d):
    t.put('k', 'v')
    unanswered(t.sock, t.setmst, '', 0)
    equal(len(d), 1)
    t.sock.sendall('\0' * 12)
    pytyrant.socksuccess(t.sock)
    equal(t.get('k'), 'v')


@covers('Tyrant.rnum')
def _(t, d):
    equal(t.rnum(), 0)
    for i in range(10):
        t.put(str(i), 'v')
        t.put(str(i), 'w')
    equal(t.rnum(), 10)
    t.out('3')
    equal(t.rnum(), 9)


@covers('Tyrant.size')
def _(t, d):
    t.put('k', 'v')
    equal(t.size() > 0, True)


@covers('Tyrant.stat')
def _(t, d):
    t.put('k', 'v')
    lines = [l.split('\t') for l in t.stat().splitlines()]
    equal([len(l) for l in lines], [2] * len(lines))
    equal(dict(lines)['rnum'], '1')


@covers('Tyrant.misc')
def _(t, d):
    equal(t.misc('putlist', 0, ['a', '1', 'b', '2', 'c', '']), [])
    equal(t.misc('getlist', pytyrant.RDBMONOULOG, ['c', 'none', 'a']), ['c', '', 'a', '1'])
    equal(t.misc('getlist', 0, []), [])
    equal(t.misc('outlist', 0, ['a', 'none']), [])
    equal(t.rnum(), 2)
    equal(t.misc('getpart', 0, ['b', '0', '1']), ['2'])
    equal(t.misc('get', 0, ['b']), ['2'])
    raises(TyrantError, t.misc, 'nosuch', 0, [])
    equal(pytyrant.sockrecv(t.sock, 4), '\0\0\0\0')  # the count of a refusal, which this client leaves unread
    equal(t.rnum(), 2)


# The dict face.

@covers('PyTyrant.open')
def _(t, d):
    one = PyTyrant.open(HOST, PORT)
    one['k'] = 'v'
    equal(d['k'], 'v')
    one.close()


@covers('PyTyrant.close')
def _(t, d):
    d['k'] = 'v'
    d.close()
    raises(socket.error, d.t.rnum)
    equal(t.get('k'), 'v')


@covers('PyTyrant.__repr__')
def _(t, d):
    equal('PyTyrant' in repr(d), True)


@covers('PyTyrant.__setitem__')
def _(t, d):
    d['k'] = 'v'
    d['k'] = BINARY
    equal(t.get('k'), BINARY)


@covers('PyTyrant.__getitem__')
def _(t, d):
    raises(KeyError, lambda: d['k'])
    t.put('k', BINARY)
    equal(d['k'], BINARY)


@covers('PyTyrant.__delitem__')
def _(t, d):
    d['k'] = 'v'
    del d['k']
    raises(KeyError, d.__delitem__, 'k')
    equal(len(d), 0)


@covers('PyTyrant.__contains__')
def _(t, d):
    d['k'] = ''
    equal(('k' in d, 'none' in d), (True, False))


@covers('PyTyrant.has_key')
def _(t, d):
    d['k'] = ''
    equal((d.has_key('k'), d.has_key('none')), (True, False))


@covers('PyTyrant.__len__')
def _(t, d):
    equal(len(d), 0)
    d['k'] = 'v'
    equal(len(d), 1)


@covers('PyTyrant.get')
def _(t, d):
    d['k'] = 'v'
    equal((d.get('k'), d.get('none'), d.get('none', 'x')), ('v', None, 'x'))


@covers('PyTyrant.setdefault')
def _(t, d):
    equal(d.setdefault('k', 'v'), 'v')
    equal(d.setdefault('k', 'w'), 'v')
    equal(d['k'], 'v')


@covers('PyTyrant.pop')
def _(t, d):
    d['k'] = 'v'
    equal(d.pop('k'), 'v')
    equal(d.pop('k', 'x'), 'x')
    raises(KeyError, d.pop, 'k')
    equal(len(d), 0)


@covers('PyTyrant.popitem')
def _(t, d):
    d.update(a='1', b='2')
    equal(sorted([d.popitem(), d.popitem()]), [('a', '1'), ('b', '2')])
    raises(KeyError, d.popitem)


@covers('PyTyrant.update')
def _(t, d):
    class Keyed(object):
        def keys(self):
            return ['f']

        def __getitem__(self, key):
            return key * 2
    d.update()
    d.update({'a': '1', 'b': '2'})
    d.update([('b', '3'), ('c', '4')])
    d.update(Keyed())
    d.update({'d': '5'}, e='6')
    equal(dict(d.iteritems()), {'a': '1', 'b': '3', 'c': '4', 'd': '5', 'e': '6', 'f': 'ff'})


@covers('PyTyrant.multi_set')
def _(t, d):
    d.multi_set([('k%d' % i, str(i)) for i in range(3000)])
    equal(len(d), 3000)
    d.multi_set({'k1': 'x'}.iteritems(), no_update_log=True)
    equal((d['k1'], d['k2999']), ('x', '2999'))


@covers('PyTyrant.multi_get')
def _(t, d):
    d.update(a='1', b='2', c='3')
    equal(d.multi_get(['c', 'a']), ['3', '1'])
    equal(d.multi_get(iter(['b']), no_update_log=True), ['2'])
    equal(d.multi_get(['a', 'none', 'c']), ['1', None, '3'])
    raises(KeyError, d.multi_get, ['none', 'nor this'])  # this client cannot tell such an answer from an old server's


@covers('PyTyrant.multi_del')
def _(t, d):
    d.update(a='1', b='2', c='3')
    d.multi_del(['a', 'none'])
    d.multi_del(iter(['b']), no_update_log=True)
    equal(d.keys(), ['c'])


@covers('PyTyrant.iterkeys')
def _(t, d):
    d.update(a='1', b='2')
    equal(sorted(d.iterkeys()), ['a', 'b'])
    equal(sorted(d.iterkeys()), ['a', 'b'])


@covers('PyTyrant.__iter__')
def _(t, d):
    want = ['%03d' % i for i in range(300)]
    d.multi_set([(k, 'v') for k in want])
    got = []
    for k in d:  # other requests of the same connection come between its steps
        got.append(k)
        equal(d[k], 'v')
    equal(sorted(got), want)


@covers('PyTyrant.keys')
def _(t, d):
    equal(d.keys(), [])
    d.update(a='1', b='2')
    equal(sorted(d.keys()), ['a', 'b'])


@covers('PyTyrant.iteritems')
def _(t, d):
    d.update(a='1', b='2')
    equal(sorted(d.iteritems()), [('a', '1'), ('b', '2')])


@covers('PyTyrant.itervalues')
def _(t, d):
    d.update(a='1', b='2')
    equal(sorted(d.itervalues()), ['1', '2'])


@covers('PyTyrant.items')
def _(t, d):
    d.update(a='1', b='2')
    equal(sorted(d.items()), [('a', '1'), ('b', '2')])


@covers('PyTyrant.values')
def _(t, d):
    d.update(a='1', b='2')
    equal(sorted(d.values()), ['1', '2'])


@covers('PyTyrant.__cmp__')
def _(t, d):
    d.update(a='1', b='2')
    equal((d == {'a': '1', 'b': '2'}, d == {'a': '1'}), (True, False))


@covers('PyTyrant.clear', 'calls Tyrant.vanish, see there')
def _(t, d):
    d['k'] = 'v'
    unanswered(d.t.sock, d.clear)
    equal(t.rnum(), 1)


@covers('PyTyrant.concat')
def _(t, d):
    d.concat('k', 'foo')
    d.concat('k', 'bar')
    equal(d['k'], 'foobar')
    d.concat('k', 'baz', 4)
    equal(d['k'], 'rbaz')


@covers('PyTyrant.get_size')
def _(t, d):
    d['k'] = BINARY
    equal(d.get_size('k'), 256)
    raises(KeyError, d.get_size, 'none')


@covers('PyTyrant.get_stats')
def _(t, d):
    d['k'] = 'v'
    stats = d.get_stats()
    equal((stats['rnum'], stats['type'] in ('hash', 'on-memory hash')), ('1', True))
    equal([n for n in ('version', 'libver', 'protver', 'time', 'pid', 'sid', 'path', 'size', 'ru_real') if n not in stats], [])


@covers('PyTyrant.prefix_keys')
def _(t, d):
    d.update(ab='1', abc='2', b='3')
    equal(sorted(d.prefix_keys('ab')), ['ab', 'abc'])
    equal(len(d.prefix_keys('ab', 1)), 1)


@covers('PyTyrant.call_func', 'no script is loaded: refused, connection kept')
def _(t, d):
    raises(TyrantError, d.call_func, 'nosuch', 'k', 'v')
    raises(TyrantError, d.call_func, 'nosuch', 'k', 'v', record_locking=True)
    raises(TyrantError, d.call_func, 'nosuch', 'k', 'v', global_locking=True)
    equal(len(d), 0)


@covers('PyTyrant.sync')
def _(t, d):
    d['k'] = 'v'
    d.sync()
    equal(d['k'], 'v')


run([Tyrant, PyTyrant], fresh)
