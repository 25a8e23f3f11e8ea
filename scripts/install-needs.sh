#!/usr/bin/env bash
# Installs what the build lacks: a C++ compiler, CMake and libclang (for the bindings to llama.cpp).
set -euo pipefail

have_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] || ls /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* \
        /opt/homebrew/opt/llvm/lib/libclang.dylib /Library/Developer/CommandLineTools/usr/lib/libclang.dylib >/dev/null 2>&1
}

missing=()
command -v cmake >/dev/null || missing+=(cmake)
command -v c++ >/dev/null || missing+=(g++)
have_libclang || missing+=(libclang-dev)
[ ${#missing[@]} -eq 0 ] && exit 0

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

if command -v apt-get >/dev/null; then
    echo "installing ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
elif command -v brew >/dev/null; then
    brew install cmake llvm
else
    echo "please install: ${missing[*]}" >&2
    echo "  Fedora: sudo dnf install cmake gcc-c++ clang-devel" >&2
    echo "  Arch:   sudo pacman -S cmake gcc clang" >&2
    exit 1
fi
