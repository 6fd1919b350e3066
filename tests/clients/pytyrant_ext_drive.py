"""Calls the bundled scripts with pytyrant 1.1.17, unchanged, as LightCloud's client does: with its function names, its
arguments and without a lock.

    jython pytyrant_ext_drive.py HOST PORT FOLDER_OF_PYTYRANT

The node has been started with lua/scripts/incr.lua and lua/scripts/list.lua.
"""
import sys
import threading

from drive import covers, equal, raises, run

sys.path.insert(0, sys.argv[3])
HOST, PORT = sys.argv[1], int(sys.argv[2])

from pytyrant import Tyrant, TyrantError

RDBXOLCKREC, RDBXOLCKGLB = 1, 2


def fresh():
    t = Tyrant.open(HOST, PORT)
    t.sock.settimeout(30)
    t.misc('vanish', 0, [])
    return (t,)


def items(t, key):
    return [item for item in t.get(key).split('~') if item]


@covers('incr')
def _(t):
    equal([t.ext('incr', 0, 'hits', value) for value in ('1', '1', '-5', ' 7 ', '0x10', '1e3', '0.5')],
          ['1', '2', '-3', '4', '20', '1020', '1020.5'])
    equal(t.get('hits'), '1020.5')
    raises(TyrantError, t.ext, 'incr', 0, 'hits', 'abc')
    equal(t.get('hits'), '1020.5')
    t.put('text', 'hello')
    equal(t.ext('incr', 0, 'text', '4'), '4')
    t.put('large', '99999999999999')
    equal([t.ext('incr', 0, 'large', '1') for _ in range(2)], ['100000000000000', '100000000000001'])


@covers('list_add')
def _(t):
    equal(t.ext('list_add', 0, 'll_news', 'a~b~'), 'ok')
    equal(t.ext('list_add', 0, 'll_news', 'b~c~'), 'ok')
    equal(t.get('ll_news'), 'a~b~c~')
    equal(t.ext('list_add', 0, 'll_news', '2009-06-01~50%~(x~'), 'ok')
    equal(t.ext('list_add', 0, 'll_news', '2009-06-01~50%~(x~'), 'ok')
    equal(items(t, 'll_news'), ['a', 'b', 'c', '2009-06-01', '50%', '(x'])


@covers('list_add, limited')
def _(t):
    for number in range(103):
        equal(t.ext('list_add', 0, '3|ll_short', '%d~' % number), 'ok')
    equal(items(t, 'll_short'), ['100', '101', '102'])


@covers('list_remove')
def _(t):
    t.put('ll_news', 'foobar~bar~11~1~21~')
    equal(t.ext('list_remove', 0, 'll_news', 'bar~'), 'ok')
    equal(t.ext('list_remove', 0, 'll_news', '1~'), 'ok')
    equal(items(t, 'll_news'), ['foobar', '11', '21'])
    equal(t.ext('list_remove', 0, 'll_none', 'a~'), 'ok')


@covers('several clients at once')
def _(t):
    clients = [fresh()[0] for _ in range(4)]

    def work(number):
        for turn in range(200):
            clients[number].ext('incr', (0, RDBXOLCKREC, RDBXOLCKGLB)[turn % 3], 'n', '1')
            clients[number].ext('list_add', 0, '10000|ll_all', '%d-%d~' % (number, turn))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    equal(t.get('n'), '800')
    equal(len(set(items(t, 'll_all'))), 800)


@covers('unknown functions')
def _(t):
    raises(TyrantError, t.ext, 'missing', 0, 'k', 'v')
    raises(TyrantError, t.ext, '_put', 0, 'k', 'v')


run([], fresh)
