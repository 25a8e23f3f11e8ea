#!/usr/bin/env bash
# Builds the Vulkan backend and runs a real model on Mesa's software driver (lavapipe). It shows that the
# code path works; the driver computes on the CPU, so its rates are never reported.
# Needs Debian or Ubuntu. Takes a long build (thousands of shaders).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/build-env.sh
source scripts/build-env.sh

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
packages=(libvulkan-dev glslc spirv-headers mesa-vulkan-drivers)
if ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

headers=$(sed -n 's/^#define VK_HEADER_VERSION \([0-9]*\)$/\1/p' /usr/include/vulkan/vulkan_core.h)
echo "Vulkan headers 1.3.$headers, $(glslc --version | head -1)"

ROOFMARK_SMOLLM2=$(scripts/fetch-smollm2.sh)
export ROOFMARK_SMOLLM2
# The engine leaves out devices that compute on the CPU unless they are named.
export GGML_VK_VISIBLE_DEVICES=0
VK_DRIVER_FILES=$(ls /usr/share/vulkan/icd.d/lvp_icd*.json)
export VK_DRIVER_FILES VK_ICD_FILENAMES=$VK_DRIVER_FILES
cargo test --locked -q -p roofmark --features vulkan --test real_model -- --ignored
