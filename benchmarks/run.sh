#!/bin/sh
# Runs the benchmarks in a virtual environment of their own. As root on Debian it uses the distribution's Python (and
# installs python3-venv), as the servers it is compared with come from the distribution too; else the Python at hand.
set -eu
cd "$(dirname "$0")/.."
usable() { "$1" -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
if ! usable /usr/bin/python3 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq >/dev/null 2>&1 && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null 2>&1 || true
fi
for python in /usr/bin/python3 python3.11 python3.12 python3.13 python3; do
    usable "$python" && break
done
venv=.venv-bench
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[bench]'
exec "$venv/bin/python" -m benchmarks "$@"
