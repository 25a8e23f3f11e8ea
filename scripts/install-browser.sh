#!/usr/bin/env bash
# Installs what the tests of the page need, where it lacks: Debian's chromium with its driver, and the rules of axe-core
# out of the PyPI package axe-playwright-python. Prints the path of axe-core.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
if ! command -v chromedriver >/dev/null; then
    as_root apt-get update -qq >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        chromium chromium-driver >/dev/null
fi

version=0.1.8
axe=${CARGO_TARGET_DIR:-target}/axe-core/axe.min.js
if [ ! -s "$axe" ]; then
    mkdir -p "$(dirname "$axe")"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" "axe-playwright-python==$version" >&2
    python3 - "$work" "$axe" <<'PYTHON'
import pathlib, sys, zipfile
with zipfile.ZipFile(next(pathlib.Path(sys.argv[1]).glob("*.whl"))) as wheel:
    name = next(name for name in wheel.namelist() if name.endswith("axe.min.js"))
    pathlib.Path(sys.argv[2]).write_bytes(wheel.read(name))
PYTHON
fi
realpath "$axe"
