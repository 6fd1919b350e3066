#!/usr/bin/env python3
"""Drives Python's http.client and urllib, unchanged, through every method of HTTP that a node serves.

    http_drive.py HOST PORT [--ext]

With --ext the node must have the bundled script incr.lua, which is called too. Prints a line for each check; the last line is
'N passed, N failed'.
"""
import http.client
import io
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

HOST, PORT = sys.argv[1], int(sys.argv[2])
URL = f"http://{HOST}:{PORT}"
BINARY = bytes(range(256))
TEXT = "na\u00efve \u65e5\u672c/?#&=+%"
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def connection():
    return http.client.HTTPConnection(HOST, PORT, timeout=30)


def ask(c, method, target, body=None, headers={}, **kw):
    """Status and body."""
    c.request(method, target, body, dict(headers), **kw)
    response = c.getresponse()
    return response.status, response.read()


def equal(got, want):
    assert got == want, f"wanted {want!r:.200}, got {got!r:.200}"


def path(key):
    return "/" + urllib.parse.quote(key, safe="")


@check
def put_get_head_delete(c):
    for key, value in [("k", b"value"), (TEXT, BINARY), (BINARY, b""), ("", b"of the empty key"), ("/", BINARY * 5000)]:
        equal(ask(c, "GET", path(key)), (404, b"Not Found\n"))
        equal(ask(c, "PUT", path(key), value), (201, b"Created\n"))
        equal(ask(c, "GET", path(key)), (200, value))
        c.request("HEAD", path(key))
        response = c.getresponse()
        equal((response.status, response.length, response.headers["Content-Length"], response.read()),
              (200, 0, str(len(value)), b""))
        equal(ask(c, "DELETE", path(key)), (200, b"OK\n"))
        equal(ask(c, "DELETE", path(key)), (404, b"Not Found\n"))
        equal(ask(c, "HEAD", path(key)), (404, b""))


@check
def modes_of_put(c):
    keep, append = {"X-TT-PDMODE": "1"}, {"X-TT-PDMODE": "2"}
    equal(ask(c, "PUT", "/k", b"a", keep), (201, b"Created\n"))
    equal(ask(c, "PUT", "/k", b"b", keep), (409, b"Conflict\n"))
    equal(ask(c, "PUT", "/k", b"c", append), (201, b"Created\n"))
    equal(ask(c, "GET", "/k"), (200, b"ac"))


@check
def exact_headers(c):
    ask(c, "PUT", "/k", b"value")
    c.request("GET", "/k")
    response = c.getresponse()
    equal(response.getheaders(), [("Content-Type", "application/octet-stream"), ("Content-Length", "5")])
    equal((response.version, response.will_close, response.read()), (11, False, b"value"))


@check
def a_body_in_chunks(c):
    pieces = [BINARY * n for n in range(1, 60)]
    equal(ask(c, "PUT", "/k", iter(pieces), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})[0], 201)
    equal(ask(c, "GET", "/k"), (200, b"".join(pieces)))
    equal(ask(c, "PUT", "/f", io.BytesIO(BINARY * 9000))[0], 201)  # of no known length: in chunks too
    equal(ask(c, "GET", "/f"), (200, BINARY * 9000))


@check
def options(c):
    ask(c, "PUT", "/k", b"v")
    c.request("OPTIONS", "*")
    response = c.getresponse()
    equal((response.status, response.read(), response.headers["X-TT-RNUM"]), (200, b"", "1"))
    equal(response.headers["Allow"], "OPTIONS, GET, HEAD, PUT, POST, DELETE")


@check
def functions_of_the_database(c):
    def call(name, *args):
        body = urllib.parse.urlencode([(str(number), arg) for number, arg in enumerate(args)])
        code, got = ask(c, "POST", "/", body, {"X-TT-MNAME": name, "Content-Type": "application/x-www-form-urlencoded"})
        if code != 200:
            return code
        return [urllib.parse.unquote_to_bytes(pair.split(b"=", 1)[1]) for pair in got.split(b"&") if pair]
    equal(call("putlist", b"a b", BINARY, b"k", b""), [])
    equal(call("get", b"a b"), [BINARY])
    equal(call("getlist", b"k", TEXT, b"a b"), [b"k", b"", b"a b", BINARY])
    equal(call("nosuch"), 500)
    equal(ask(c, "POST", "/", b"x"), (400, b"Bad Request\n"))


@check
def ranges(c):
    ask(c, "PUT", "/k", BINARY)
    equal(ask(c, "GET", "/k", headers={"Range": "bytes=10-19"}), (206, BINARY[10:20]))
    equal(ask(c, "GET", "/k", headers={"Range": "bytes=-6"}), (206, BINARY[-6:]))
    equal(ask(c, "GET", "/k", headers={"Range": "bytes=256-"}), (416, b"Range Not Satisfiable\n"))
    equal(ask(c, "GET", "/k", headers={"Range": "bytes=0-1,5-6"}), (200, BINARY))


@check
def errors_say_what_and_close(c):
    for method, target, headers, status in [("PATCH", "/k", {}, 405), ("BREW", "/k", {}, 501), ("GET", "/%zz", {}, 400),
                                            ("PUT", "/k", {"Content-Length": "-1"}, 400),
                                            ("PUT", "/k", {"Expect": "tea", "Content-Length": "1"}, 417)]:
        bad = connection()
        bad.putrequest(method, target)
        for header in headers.items():
            bad.putheader(*header)
        bad.endheaders()
        response = bad.getresponse()
        text = f"{response.reason}\n".encode()
        equal((response.status, response.will_close, response.read()), (status, True, text))
        bad.close()
    equal(ask(c, "GET", "/none")[0], 404)


@check
def one_connection(c):
    ask(c, "PUT", "/k", b"value")
    sock = c.sock
    for _ in range(200):
        equal(ask(c, "GET", "/k"), (200, b"value"))
        equal(ask(c, "GET", "/none")[0], 404)
    assert c.sock is sock, "the connection was closed"
    equal(ask(c, "GET", "/k", headers={"Connection": "close"}), (200, b"value"))
    equal(sock.recv(1), b"")


@check
def many_at_once(c):
    wrong = []

    def work(number):
        mine = connection()
        for turn in range(100):
            key, value = f"/{number}-{turn % 7}", f"{number}:{turn}".encode()
            if ask(mine, "PUT", key, value)[0] != 201 or ask(mine, "GET", key) != (200, value):
                wrong.append((number, turn))
    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(wrong, [])


@check
def urllib_request(c):
    put = urllib.request.Request(f"{URL}/{urllib.parse.quote(TEXT)}", BINARY, method="PUT")
    with urllib.request.urlopen(put, timeout=30) as response:
        equal((response.status, response.read()), (201, b"Created\n"))
    with urllib.request.urlopen(put.full_url, timeout=30) as response:
        equal(response.read(), BINARY)
    try:
        urllib.request.urlopen(f"{URL}/none", timeout=30)
    except urllib.error.HTTPError as error:
        equal((error.code, error.read()), (404, b"Not Found\n"))
    else:
        raise AssertionError("a key that is not there was found")


def function_of_the_script(c):
    equal(ask(c, "POST", "/n", b"5", {"X-TT-XNAME": "incr", "X-TT-XOPTS": "1"}), (200, b"5"))
    equal(ask(c, "POST", "/n", b"2", {"X-TT-XNAME": "incr"}), (200, b"7"))
    equal(ask(c, "POST", "/n", b"2", {"X-TT-XNAME": "nosuch"})[0], 500)


def main():
    failed = 0
    checks = CHECKS + [function_of_the_script] * ("--ext" in sys.argv)
    for function in checks:
        c = connection()
        try:
            equal(ask(c, "POST", "/", b"", {"X-TT-MNAME": "vanish"}), (200, b""))
            function(c)
            print(f"ok   {function.__name__}")
        except Exception as error:
            failed += 1
            print(f"FAIL {function.__name__}: {type(error).__name__}: {error}")
        finally:
            c.close()
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
