#!/usr/bin/env bash
# Builds llama-server from the llama.cpp sources inside the PyPI package llama-cpp-python, into a folder.
#
#   scripts/build-llama-server.sh FOLDER        prints the path of the program; 5 minutes on two cores
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/build-env.sh
source scripts/build-env.sh

version=0.3.36
folder=${1:?the folder to build in}
mkdir -p "$folder"
folder=$(realpath "$folder")
if [ ! -x "$folder/llama-server" ]; then
    scripts/install-needs.sh >&2
    python3 -m pip download --quiet --no-deps --no-binary :all: --dest "$folder" "llama-cpp-python==$version" >&2
    tar -xzf "$folder/llama_cpp_python-$version.tar.gz" -C "$folder"
    cmake -S "$folder/llama_cpp_python-$version/vendor/llama.cpp" -B "$folder/build" -DCMAKE_BUILD_TYPE=Release \
        -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_TESTS=OFF \
        -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_OPENSSL=OFF >"$folder/build.log" 2>&1
    cmake --build "$folder/build" --parallel "$(nproc)" --target llama-server >>"$folder/build.log" 2>&1
    cp "$folder/build/bin/llama-server" "$folder/llama-server"
fi
echo "$folder/llama-server"
