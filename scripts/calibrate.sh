#!/bin/sh
# Fits the shipped calibration table again, after the catalog or the evidence changed, and shows what it changes.
set -eu
cd "$(dirname "$0")/.."
table=crates/roofmark-theory/data/calibration.json
build="cargo build -q --release -p roofmark --no-default-features"
# The representatives depend on the numbers and back: the second round is the fixed point.
for round in 1 2; do
  $build
  ./target/release/roofmark calibrate --without-ledger --json > target/calibration.json
  cp target/calibration.json "$table"
done
$build
./target/release/roofmark calibrate --without-ledger | head -1
INSTA_UPDATE=always cargo test -q -p roofmark-theory --test matrix
git --no-pager diff --stat
