#!/usr/bin/env bash
# Runs the tests that need a real model: fetches SmolLM2 and asks it for the capital of France.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/build-env.sh
source scripts/build-env.sh

ROOFMARK_SMOLLM2=$(scripts/fetch-smollm2.sh)
export ROOFMARK_SMOLLM2
cargo test --locked -q -p roofmark --test real_model --test model_files --test ledger_commands -- --ignored
