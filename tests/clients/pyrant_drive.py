"""Drives pyrant 0.6.5, unchanged, through every method of its two classes.

    jython pyrant_drive.py HOST PORT FOLDER_OF_PYRANT

pyrant knows the numbers of Tokyo Tyrant 1.1.41 and has what pytyrant lacks: addint, adddouble and a working vanish and copy.
Its setmst and restore lack the last fields of that version. What only a table database serves must be refused cleanly.
"""
import os
import shutil
import sys
import tempfile

from drive import covers, equal, raises, run, unanswered

sys.path.insert(0, sys.argv[3])
HOST, PORT = sys.argv[1], int(sys.argv[2])

import pyrant
from pyrant.exceptions import InvalidOperation, TyrantError
from pyrant.protocol import TyrantProtocol

BINARY = ''.join(map(chr, range(256)))
TEXT = u'na\xefve \u65e5\u672c'
RECORDS = {'a': '1', 'b': '2'}
CONNECTIONS = []


def fresh():
    """An empty database's protocol face, and a dict face over another connection that leaves values as bytes."""
    for old in CONNECTIONS:
        old._sock._sock.close()
    p = TyrantProtocol(HOST, PORT, timeout=30)
    d = pyrant.Tyrant(HOST, PORT, literal=True)
    d.proto._sock._sock.settimeout(30)
    CONNECTIONS[:] = [p, d.proto]
    p.vanish()
    return p, d


# The face that follows the protocol.

@covers('TyrantProtocol.put')
def _(p, d):
    p.put('k', 'v')
    p.put(TEXT, TEXT)
    p.put('k', BINARY)
    equal((p.get('k', literal=True), p.get(TEXT)), (BINARY, TEXT))


@covers('TyrantProtocol.putkeep')
def _(p, d):
    p.putkeep('k', 'v')
    raises(InvalidOperation, p.putkeep, 'k', 'w')
    equal(p.get('k'), 'v')


@covers('TyrantProtocol.putcat')
def _(p, d):
    p.putcat('k', 'foo')
    p.putcat('k', 'bar')
    equal(p.get('k'), 'foobar')


@covers('TyrantProtocol.putshl')
def _(p, d):
    p.putshl('k', 'abcde', 3)
    p.putshl('k', 'xyz', 4)
    equal(p.get('k'), 'exyz')


@covers('TyrantProtocol.putnr')
def _(p, d):
    for i in range(100):
        p.putnr('k%d' % i, 'v')
    equal(p.rnum(), 100)


@covers('TyrantProtocol.out')
def _(p, d):
    p.put('k', 'v')
    p.out('k')
    raises(InvalidOperation, p.out, 'k')


@covers('TyrantProtocol.get')
def _(p, d):
    raises(InvalidOperation, p.get, 'k')
    p.put('k', TEXT)
    equal((p.get('k'), p.get('k', literal=True)), (TEXT, TEXT.encode('utf-8')))


@covers('TyrantProtocol.mget')
def _(p, d):
    p.put('a', '1')
    p.put('b', BINARY)
    equal(p.mget(['b', 'none', 'a']), [('b', BINARY), ('a', '1')])


@covers('TyrantProtocol.vsiz')
def _(p, d):
    p.put('k', BINARY)
    equal(p.vsiz('k'), 256)
    raises(InvalidOperation, p.vsiz, 'none')


@covers('TyrantProtocol.iterinit')
def _(p, d):
    p.put('k', 'v')
    p.iterinit()
    p.iterinit()
    equal(p.iternext(), 'k')


@covers('TyrantProtocol.iternext')
def _(p, d):
    raises(InvalidOperation, p.iternext)
    p.put('a', '1')
    p.put('b', '2')
    p.iterinit()
    equal(sorted([p.iternext(), p.iternext()]), ['a', 'b'])
    raises(InvalidOperation, p.iternext)


@covers('TyrantProtocol.fwmkeys')
def _(p, d):
    for k in ('ab', 'abc', 'b'):
        p.put(k, 'v')
    equal(sorted(p.fwmkeys('ab', 10)), ['ab', 'abc'])
    equal(len(p.fwmkeys('ab', 1)), 1)


@covers('TyrantProtocol.addint')
def _(p, d):
    equal((p.addint('n', 5), p.addint('n', 7), p.addint('n')), (5, 12, 12))
    equal(p.get('n', literal=True), '\x0c\0\0\0')
    p.put('text', 'hello')
    raises(InvalidOperation, p.addint, 'text', 1)
    equal(p.get('text'), 'hello')


@covers('TyrantProtocol.getint')
def _(p, d):
    p.addint('n', 41)
    equal(p.getint('n'), 41)
    equal((p.getint('none'), p.rnum()), (0, 2))


@covers('TyrantProtocol.adddouble')
def _(p, d):
    equal((p.adddouble('n', 1.5), p.adddouble('n', 0.25)), (1.5, 1.75))
    equal(p.get('n', literal=True), '\0\0\0\0\0\0\xfc\x3f')
    p.put('text', 'hello')
    raises(InvalidOperation, p.adddouble, 'text', 1.0)


@covers('TyrantProtocol.getdouble')
def _(p, d):
    p.adddouble('n', 2.5)
    equal(p.getdouble('n'), 2.5)


@covers('TyrantProtocol.ext', 'no script is loaded: refused, connection kept')
def _(p, d):
    raises(InvalidOperation, p.ext, 'nosuch', 0, 'k', 'v')
    equal(p.rnum(), 0)


@covers('TyrantProtocol.sync')
def _(p, d):
    p.put('k', 'v')
    p.sync()


@covers('TyrantProtocol.vanish')
def _(p, d):
    for i in range(100):
        p.put(str(i), 'v')
    p.vanish()
    equal((p.rnum(), p.fwmkeys('', 10)), (0, []))
    p.put('k', 'v')
    equal(p.rnum(), 1)


@covers('TyrantProtocol.copy')
def _(p, d):
    folder = tempfile.mkdtemp()
    try:
        p.put('k', 'v')
        p.copy(os.path.join(folder, 'copy.tch'))
        equal(os.listdir(folder), ['copy.tch'])
        raises(InvalidOperation, p.copy, os.path.join(folder, 'none', 'copy.tch'))
        raises(InvalidOperation, p.copy, '')
        equal(p.get('k'), 'v')
    finally:
        shutil.rmtree(folder)


@covers('TyrantProtocol.restore', 'lacks its options: waited for; no such folder: refused')
def _(p, d):
    unanswered(p._sock._sock, p.restore, '', 0L)
    p._sock._sock.sendall('\0\0\0\0')
    equal(p._sock.get_byte(), '\1')
    equal(p.rnum(), 0)


@covers('TyrantProtocol.setmst', 'lacks time and options: waited for, then done')
def _(p, d):
    unanswered(p._sock._sock, p.setmst, '', 0)
    p._sock._sock.sendall('\0' * 12)
    equal(p._sock.get_byte(), '\0')
    equal(p.rnum(), 0)


@covers('TyrantProtocol.rnum')
def _(p, d):
    p.put('k', 'v')
    equal(p.rnum(), 1)


@covers('TyrantProtocol.size')
def _(p, d):
    p.put('k', 'v')
    equal(p.size() > 0, True)


@covers('TyrantProtocol.stat')
def _(p, d):
    equal(p.stat().startswith('version\t'), True)


@covers('TyrantProtocol.misc')
def _(p, d):
    equal(p.misc('putlist', ['a', '1', 'b', '2']), [])
    equal(p.misc('getlist', ['b', 'none', 'a'], TyrantProtocol.RDBMONOULOG), ['b', '2', 'a', '1'])
    raises(InvalidOperation, p.misc, 'nosuch', [])
    raises(InvalidOperation, p.misc, 'get', ['none'])
    equal(p.misc('regex', ['^[ab]$', '1'])[1] in '12', True)
    equal(p.rnum(), 2)


@covers('TyrantProtocol.genuid', 'tables only: refused')
def _(p, d):
    raises(InvalidOperation, p.genuid)
    equal(p.rnum(), 0)


@covers('TyrantProtocol.search', 'tables only: refused')
def _(p, d):
    raises(InvalidOperation, p.search, [('name', 0, 'x')])
    equal(p.rnum(), 0)


@covers('TyrantProtocol.add_index', 'tables only: refused')
def _(p, d):
    equal((p.add_index('name'), p.rnum()), (False, 0))


@covers('TyrantProtocol.optimize_index', 'tables only: refused')
def _(p, d):
    equal((p.optimize_index('name'), p.rnum()), (False, 0))


@covers('TyrantProtocol.drop_index', 'tables only: refused')
def _(p, d):
    equal((p.drop_index('name'), p.rnum()), (False, 0))


# The dict face.

@covers('Tyrant.__setitem__')
def _(p, d):
    d['k'] = BINARY
    equal(p.get('k', literal=True), BINARY)
    d['hash'] = {'name': 'foo'}  # goes out as misc put, whose surplus arguments count for nothing on a hash database
    equal(p.get('hash'), 'name')
    listed = pyrant.Tyrant(HOST, PORT, separator=', ')
    listed['l'] = ['x', 'y']
    equal((p.get('l'), listed['l']), ('x, y', ['x', 'y']))


@covers('Tyrant.__getitem__')
def _(p, d):
    p.put('k', BINARY)
    equal(d['k'], BINARY)
    raises(KeyError, lambda: d['none'])


@covers('Tyrant.__delitem__')
def _(p, d):
    d['k'] = 'v'
    del d['k']
    raises(KeyError, d.__delitem__, 'k')


@covers('Tyrant.__contains__')
def _(p, d):
    d['k'] = ''
    equal(('k' in d, 'none' in d), (True, False))


@covers('Tyrant.has_key')
def _(p, d):
    d['k'] = ''
    equal((d.has_key('k'), d.has_key('none')), (True, False))


@covers('Tyrant.__len__')
def _(p, d):
    equal(len(d), 0)
    d['k'] = 'v'
    equal(len(d), 1)


@covers('Tyrant.__repr__')
def _(p, d):
    equal(repr(d), '<Tyrant %s:%d>' % (HOST, PORT))


@covers('Tyrant.get')
def _(p, d):
    d['k'] = 'v'
    equal((d.get('k'), d.get('none'), d.get('none', 'x')), ('v', None, 'x'))


@covers('Tyrant.__iter__')
def _(p, d):
    d.multi_set(RECORDS)
    equal(sorted(d), ['a', 'b'])


@covers('Tyrant.iterkeys')
def _(p, d):
    d.multi_set(RECORDS)
    equal(sorted(d.iterkeys()), ['a', 'b'])


@covers('Tyrant.keys')
def _(p, d):
    d.multi_set(RECORDS)
    equal(sorted(d.keys()), ['a', 'b'])


@covers('Tyrant.iteritems')
def _(p, d):
    want = [('%04d' % i, str(i)) for i in range(1500)]
    d.multi_set(want)
    equal(sorted(d.iteritems()) == want, True)


@covers('Tyrant.items')
def _(p, d):
    d.multi_set(RECORDS)
    equal(sorted(d.items()), [('a', '1'), ('b', '2')])


@covers('Tyrant.itervalues')
def _(p, d):
    d.multi_set(RECORDS)
    equal(sorted(d.itervalues()), ['1', '2'])


@covers('Tyrant.values')
def _(p, d):
    d.multi_set(RECORDS)
    equal(sorted(d.values()), ['1', '2'])


@covers('Tyrant.setdefault')
def _(p, d):
    equal((d.setdefault('k', 'v'), d.setdefault('k', 'w')), ('v', 'v'))


@covers('Tyrant.update')
def _(p, d):
    d.update({'a': '1'}, b='2')
    d.update([('b', '3')])
    equal(dict(d.iteritems()), {'a': '1', 'b': '3'})


@covers('Tyrant.multi_set')
def _(p, d):
    d.multi_set(RECORDS, no_update_log=True)
    d.multi_set([('c', '3')])
    equal(len(d), 3)


@covers('Tyrant.multi_get')
def _(p, d):
    d.multi_set(RECORDS)
    equal(d.multi_get(['b', 'none', 'a']), [('b', '2'), ('a', '1')])
    equal(d.multi_get(['none']), [])


@covers('Tyrant.multi_del')
def _(p, d):
    d.multi_set(RECORDS)
    d.multi_del(['a', 'none'], no_update_log=True)
    equal(d.keys(), ['b'])


@covers('Tyrant.multi_add', 'needs generate_key: refused, nothing stored')
def _(p, d):
    raises(InvalidOperation, d.multi_add, ['v'])
    equal(len(d), 0)


@covers('Tyrant.generate_key', 'tables only: refused')
def _(p, d):
    raises(InvalidOperation, d.generate_key)
    equal(len(d), 0)


@covers('Tyrant.prefix_keys')
def _(p, d):
    d.update(ab='1', abc='2', b='3')
    equal(sorted(d.prefix_keys('ab')), ['ab', 'abc'])
    equal(len(d.prefix_keys('ab', 1)), 1)


@covers('Tyrant.concat')
def _(p, d):
    d.concat('k', 'foo')
    d.concat('k', 'bar')
    d.concat('k', 'baz', 4)
    equal(d['k'], 'rbaz')


@covers('Tyrant.clear')
def _(p, d):
    d.multi_set(RECORDS)
    d.clear()
    equal((len(d), d.keys()), (0, []))


@covers('Tyrant.get_size')
def _(p, d):
    d['k'] = BINARY
    equal(d.get_size('k'), 256)
    raises(KeyError, d.get_size, 'none')


@covers('Tyrant.get_stats')
def _(p, d):
    d['k'] = 'v'
    equal(d.get_stats()['rnum'], '1')


@covers('Tyrant.db_type')
def _(p, d):
    equal(d.db_type in ('hash', 'on-memory hash'), True)


@covers('Tyrant.db_path')
def _(p, d):
    equal(d.db_path == '*' or d.db_path.endswith('.tch'), True)


@covers('Tyrant.table_enabled')
def _(p, d):
    equal(d.table_enabled, False)


@covers('Tyrant.query', 'tables only: the client itself refuses')
def _(p, d):
    raises(TypeError, lambda: d.query)


@covers('Tyrant.call_func', 'no script is loaded: refused, connection kept')
def _(p, d):
    raises(TyrantError, d.call_func, 'nosuch', 'k', 'v')
    raises(TyrantError, d.call_func, 'nosuch', 'k', 'v', record_locking=True, global_locking=True)
    equal(len(d), 0)


@covers('Tyrant.sync')
def _(p, d):
    d['k'] = 'v'
    d.sync()


run([TyrantProtocol, pyrant.Tyrant], fresh)
