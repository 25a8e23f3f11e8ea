#!/usr/bin/env bash
# Loads a small synthetic slice of every architecture of the catalog in the embedded engine and decodes with it.
# One architecture alone: ROOFMARK_ARCH=qwen3next scripts/test-arch.sh
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/build-env.sh
exec "${CARGO:-cargo}" test --locked -p roofmark --test arch -- --ignored --nocapture
