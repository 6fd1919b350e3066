#!/usr/bin/env python3
"""Drives curl, unchanged, through every method of HTTP that a node serves.

    curl.py HOST PORT [--ext]

With --ext the node must have the bundled script incr.lua, which is called too. Prints a line for each check; the last line is
'N passed, N failed'.
"""
import os
import subprocess
import sys
import tempfile

HOST, PORT = sys.argv[1], int(sys.argv[2])
URL = f"http://{HOST}:{PORT}"
BINARY = bytes(range(256)) * 4000  # about a megabyte
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def curl(*args, body=b""):
    """What curl prints, which must end well."""
    command = ["curl", "-sS", "--max-time", "30", *args]
    done = subprocess.run(command, input=body, capture_output=True, timeout=60)
    assert done.returncode == 0, f"{command}: exit {done.returncode}: {done.stderr.decode()}"
    return done.stdout


def status(*args, body=b""):
    """The status of each transfer; bodies are thrown away."""
    return curl("-o", os.devnull, "-w", "%{http_code} ", *args, body=body).decode().split()


def equal(got, want):
    assert got == want, f"wanted {want!r:.200}, got {got!r:.200}"


@check
def put_get_delete(folder):
    equal(curl("-X", "PUT", "-d", "value", f"{URL}/k"), b"Created\n")
    equal(curl(f"{URL}/k"), b"value")
    equal(curl("-X", "DELETE", f"{URL}/k"), b"OK\n")
    equal(status("-X", "DELETE", f"{URL}/k"), ["404"])
    equal(status(f"{URL}/k"), ["404"])


@check
def head(folder):
    curl("-X", "PUT", "-d", "value", f"{URL}/k")
    equal(curl("-I", f"{URL}/k").decode().splitlines()[:3],
          ["HTTP/1.1 200 OK", "Content-Type: application/octet-stream", "Content-Length: 5"])
    equal(status("-I", f"{URL}/none"), ["404"])


@check
def modes_of_put(folder):
    equal(status("-X", "PUT", "-d", "a", "-H", "X-TT-PDMODE: 1", f"{URL}/k"), ["201"])
    equal(status("-X", "PUT", "-d", "b", "-H", "X-TT-PDMODE: 1", f"{URL}/k"), ["409"])
    equal(status("-X", "PUT", "-d", "c", "-H", "X-TT-PDMODE: 2", f"{URL}/k"), ["201"])
    equal(curl(f"{URL}/k"), b"ac")


@check
def options(folder):
    headers = curl("-i", "-X", "OPTIONS", f"{URL}/").decode()
    for wanted in ["200 OK", "Allow: OPTIONS, GET, HEAD, PUT, POST, DELETE", "X-TT-VERSION: 1.1.41", "X-TT-RNUM: 0"]:
        assert wanted in headers, f"{wanted} is not in {headers}"


@check
def upload_of_a_file(folder):
    path = os.path.join(folder, "upload")
    with open(path, "wb") as file:
        file.write(BINARY)
    equal(curl("-T", path, f"{URL}/file"), b"Created\n")
    equal(curl(f"{URL}/file"), BINARY)


@check
def upload_in_chunks(folder):
    equal(curl("-T", "-", f"{URL}/chunks", body=BINARY), b"Created\n")
    equal(curl(f"{URL}/chunks"), BINARY)
    equal(curl("-T", "-", "-H", "Transfer-Encoding: chunked", "-H", "Expect:", f"{URL}/empty", body=b""), b"Created\n")
    equal(curl(f"{URL}/empty"), b"")


@check
def upload_that_waits_to_go_on(folder):
    # Without a reply curl would wait this long, and fail.
    told = ["--expect100-timeout", "60", "-H", "Expect: 100-continue"]
    trace = curl("-i", *told, "-X", "PUT", "-d", "value", f"{URL}/k").decode()
    equal(trace.split()[:3], ["HTTP/1.1", "100", "Continue"])
    equal(trace.count("100 Continue"), 1)
    equal(curl(*told, "-T", "-", f"{URL}/c", body=b"chunks"), b"Created\n")
    equal([curl(f"{URL}/k"), curl(f"{URL}/c")], [b"value", b"chunks"])
    equal(status("-H", "Expect: something", "-X", "PUT", "-d", "x", f"{URL}/k"), ["417"])


@check
def ranges(folder):
    curl("-T", "-", f"{URL}/r", body=BINARY)
    for given, part in [("0-0", BINARY[:1]), ("1000-1999", BINARY[1000:2000]), ("1000000-", BINARY[1000000:]),
                        ("-10", BINARY[-10:])]:
        equal(curl("-r", given, f"{URL}/r"), part)
        equal(status("-r", given, f"{URL}/r"), ["206"])
    equal(status("-r", "2000000-", f"{URL}/r"), ["416"])
    # A download that goes on where it was broken off.
    path = os.path.join(folder, "download")
    with open(path, "wb") as file:
        file.write(BINARY[:500000])
    curl("-C", "-", "-o", path, f"{URL}/r")
    with open(path, "rb") as file:
        equal(file.read(), BINARY)


@check
def http_1_0(folder):
    equal(curl("--http1.0", "-X", "PUT", "-d", "value", f"{URL}/k"), b"Created\n")
    equal(curl("--http1.0", f"{URL}/k"), b"value")
    equal(status("--http1.0", f"{URL}/none"), ["404"])


@check
def one_connection_for_all(folder):
    curl("-X", "PUT", "-d", "value", f"{URL}/k")
    many = [part for _ in range(20) for part in ("-o", os.devnull, f"{URL}/k")]
    connects = curl("-w", "%{http_code}:%{num_connects} ", *many).decode().split()
    equal(connects, ["200:1"] + ["200:0"] * 19)
    # Errors that concern the request alone keep it too.
    mixed = [part for key in ("none", "k", "none") for part in ("-o", os.devnull, f"{URL}/{key}")]
    equal(curl("-w", "%{http_code}:%{num_connects} ", *mixed).decode().split(), ["404:1", "200:0", "404:0"])


@check
def keys_with_escapes(folder):
    for key in ["a%20b", "%00%ff", "caf%C3%A9", "a%2Fb%3Fc%23d", "x?y=z", "%25"]:
        curl("-X", "PUT", "-d", key, f"{URL}/{key}")
    for key in ["a+b", "%00%FF", "caf%c3%a9", "a/b%3fc%23d", "x%3Fy%3Dz", "%25"]:
        equal(status(f"{URL}/{key}"), ["200"])
    equal(status("-g", f"{URL}/%zz"), ["400"])


@check
def functions_of_the_database(folder):
    # Each argument under a name of its own: those of one name are one.
    equal(curl("-H", "X-TT-MNAME: putlist", "-d", "a=one&b=1&c=two", "-d", "d=%00%31", f"{URL}/"), b"")
    equal(curl("-H", "X-TT-MNAME: getlist", "-F", "a=one", "-F", "b=two", f"{URL}/"), b"res1=one&res2=1&res3=two&res4=%001")
    equal(curl("-H", "X-TT-MNAME: get", "--data-urlencode", "a=two", f"{URL}/"), b"res1=%001")
    equal(status("-H", "X-TT-MNAME: nosuch", "-d", "a=b", f"{URL}/"), ["500"])
    equal(status("-d", "a=b", f"{URL}/"), ["400"])


def function_of_the_script(folder):
    call = ["-H", "X-TT-XNAME: incr", "-H", "X-TT-XOPTS: 1"]
    equal(curl(*call, "-d", "5", f"{URL}/n"), b"5")
    equal(curl(*call, "-d", "2", f"{URL}/n"), b"7")
    equal(status("-H", "X-TT-XNAME: nosuch", "-d", "2", f"{URL}/n"), ["500"])


def main():
    failed = 0
    checks = CHECKS + [function_of_the_script] * ("--ext" in sys.argv)
    for function in checks:
        try:
            equal(curl("-H", "X-TT-MNAME: vanish", "-d", "", f"{URL}/"), b"")
            with tempfile.TemporaryDirectory() as folder:
                function(folder)
            print(f"ok   {function.__name__}")
        except Exception as error:
            failed += 1
            print(f"FAIL {function.__name__}: {type(error).__name__}: {error}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
