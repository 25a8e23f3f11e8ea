#!/usr/bin/env bash
# The page in a real browser: installs chromium and axe-core where they lack, then runs the flows.
# Pictures of every flow are in target/browser.
set -euo pipefail
cd "$(dirname "$0")/.."
ROOFMARK_AXE=$(scripts/install-browser.sh)
export ROOFMARK_AXE CI=1
cargo test --locked -p roofmark --no-default-features --test web browser::
