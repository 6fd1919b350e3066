"""What the benchmarks share: packages, commands, versions, the machine, Markdown."""
import os
import platform
import re
import shutil
import subprocess
import sys


def run(*command, **kw):
    print("+", *command, file=sys.stderr)
    subprocess.run([str(c) for c in command], check=True, stdout=sys.stderr, **kw)


def install(commands):
    """The Debian packages of those commands (or files) that are not there."""
    lacking = [package for command, package in commands.items() if not (shutil.which(command) or os.path.isfile(command))]
    if lacking:
        root = [] if os.getuid() == 0 else ["sudo", "-n"]
        run(*root, "apt-get", "-qq", "update")
        run(*root, "apt-get", "-qq", "install", "-y", "--no-install-recommends", *lacking)


def version(command, pattern=r"\d+(\.\d+)+"):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(0) if found else "?"


def cpu_model():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":")[1].strip() for line in f if line.startswith("model name")), platform.machine())


def markdown(rows):
    head, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] + ["---:"] * (len(head) - 1), *body])


def short(n):
    return f"{n / 1e6:.2f}M" if n >= 1e6 else f"{n / 1e3:.0f}k" if n >= 1e4 else f"{n / 1e3:.1f}k"
