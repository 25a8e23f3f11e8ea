#!/usr/bin/env bash
# One million generated runs in SQLite and in PostgreSQL: appends, lists, trends. About 2.5 GB each while it runs.
# usage: benches/scale.sh [RUNS]
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-1000000}
cargo build --release --locked -q -p roofmark-ledger --example scale
folder=$(mktemp -d -p target)
# shellcheck source=scripts/start-postgres.sh
source scripts/start-postgres.sh
name=scale_$$
server=${ROOFMARK_TEST_POSTGRES%/*}
clean() { psql -q "$ROOFMARK_TEST_POSTGRES" -c "DROP DATABASE IF EXISTS $name"; stop_postgres; rm -rf "$folder"; }
trap clean EXIT
echo "SQLite"
target/release/examples/scale "$folder/scale.db" "$runs"
du -h "$folder/scale.db" | cut -f1
rm -rf "${folder:?}"/*
psql -q "$ROOFMARK_TEST_POSTGRES" -c "CREATE DATABASE $name"
echo "PostgreSQL"
target/release/examples/scale "$server/$name" "$runs"
psql -qAt "$ROOFMARK_TEST_POSTGRES" -c "SELECT pg_size_pretty(pg_database_size('$name'))"
