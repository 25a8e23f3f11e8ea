#!/usr/bin/env bash
# The probe's rows beside STREAM's loops, likwid-bench, stress-ng, mbw, sysbench, OpenBLAS and oneDNN, in turns, and
# beside themselves. Takes about eight minutes; leave the machine alone.
#
#   benches/probe.sh                  builds, runs everything, prints the tables
#   benches/probe.sh build            builds only
#   benches/probe.sh memory 9         read, triad and copy: rounds
#   benches/probe.sh products 9       f32 and int8 matrix products: rounds
#   benches/probe.sh repeat 10        whole parts of the probe again and again: runs
#
# On Debian the tools come from `apt-get install likwid stress-ng mbw sysbench libopenblas-dev libdnnl-dev`; one that is
# missing is left out. ENGINE=--no-default-features builds the program without llama.cpp.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/build-env.sh
source scripts/build-env.sh

target=${CARGO_TARGET_DIR:-target}
threads=$(nproc)
# Debian's OpenBLAS takes kernels for AVX2 on AMD's processors with AVX-512; those for SkylakeX are its best there.
if [ -z "${OPENBLAS_CORETYPE-}" ] && grep -qw avx512f /proc/cpuinfo; then export OPENBLAS_CORETYPE=SkylakeX; fi

build() {
    # shellcheck disable=SC2086
    cargo build --release --locked -q -p roofmark ${ENGINE-} >&2
    cargo build --release --locked -q -p roofmark-measure --example pieces >&2
    mkdir -p target/probe
    cc -O3 -march=native -fopenmp benches/probe/stream.c -o target/probe/stream
    cc -O3 -march=native -fopenmp -DHUGE benches/probe/stream.c -o target/probe/stream-huge
    c++ -O2 -fopenmp benches/probe/products.cpp -o target/probe/products -lopenblas -ldnnl
}

compare() { python3 benches/probe/compare.py "$1" "$target/release/roofmark" "$threads" "$2"; }

case ${1:-all} in
build) build ;;
memory | products | repeat) compare "$1" "${2:-9}" ;;
all)
    build
    compare memory 9
    compare products 9
    compare repeat 10
    ;;
*) sed -n '2,14s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
