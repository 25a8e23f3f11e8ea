#!/usr/bin/env bash
# The page in a real browser: installs Debian's chromium with its driver and axe-core where they lack, then runs the flows.
# Pictures of every flow are in target/browser.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
missing=()
command -v chromedriver >/dev/null || missing+=(chromium chromium-driver)
command -v npm >/dev/null || missing+=(npm)
if [ ${#missing[@]} -gt 0 ]; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
axe=target/axe-core
if [ ! -f "$axe/package/axe.min.js" ]; then
    mkdir -p "$axe"
    (cd "$axe" && tar xzf "$(npm pack --silent axe-core@4.14.1)")
fi
ROOFMARK_AXE="$PWD/$axe/package/axe.min.js" \
    cargo test -p roofmark --no-default-features --test web -- --ignored --test-threads=1 browser::
