#!/usr/bin/env bash
# Checks the licences and sources of all dependencies with cargo-deny (installed under target/tools when absent).
set -euo pipefail
cd "$(dirname "$0")/.."

deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
    deny=target/tools/bin/cargo-deny
    [ -x "$deny" ] || cargo install -q --locked cargo-deny --root target/tools
fi
"$deny" --log-level error check licenses bans sources
