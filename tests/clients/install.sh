#!/usr/bin/env bash
# Fetches the clients of requirements.txt into target/clients/, once. Needs python3 with pip.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
to=$here/../../target/clients
mkdir -p "$to"
cd "$to"
cmp -s "$here/requirements.txt" installed.txt && exit 0
rm -rf -- *
python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: -r "$here/requirements.txt"
for archive in *.tar.gz; do
  tar --no-same-owner -xzf "$archive"
done
cp "$here/requirements.txt" installed.txt
