#!/usr/bin/env bash
# Times a ledger of RUNS generated runs (one million unless said) on SQLite and, where given, PostgreSQL.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-1000000}
cargo build -q --release -p roofmark-ledger --example scale
echo "SQLite"
rm -f target/scale.db target/scale.db-wal target/scale.db-shm
target/release/examples/scale target/scale.db "$runs"
if [ -n "${ROOFMARK_TEST_POSTGRES:-}" ]; then
    echo "PostgreSQL"
    psql -q "$ROOFMARK_TEST_POSTGRES" -c "DROP DATABASE IF EXISTS scale" -c "CREATE DATABASE scale"
    target/release/examples/scale "${ROOFMARK_TEST_POSTGRES%/*}/scale" "$runs"
fi
