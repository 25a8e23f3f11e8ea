#!/usr/bin/env bash
# Builds the Vulkan backend and runs a real model on Mesa's software driver (lavapipe): a code path, never a
# rate to report, because that driver computes on the CPU. Takes a long build (thousands of shaders).
# Debian 12 is too old: its headers (1.3.239) lack VK_EXT_layer_settings, which llama.cpp's Vulkan backend
# uses without asking. Debian 13 or a newer SDK (VULKAN_SDK) has it.
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

include=${VULKAN_SDK:+$VULKAN_SDK/include}
include=${include:-/usr/include}
headers=$(sed -n 's/^#define VK_HEADER_VERSION \([0-9]*\)$/\1/p' "$include/vulkan/vulkan_core.h")
if ! grep -q VK_EXT_layer_settings "$include/vulkan/vulkan_core.h"; then
    echo "not tested: the Vulkan headers in $include (header version $headers) lack VK_EXT_layer_settings" >&2
    exit 1
fi
echo "Vulkan header version $headers, $(glslc --version | head -1)"

ROOFMARK_SMOLLM2=$(scripts/fetch-smollm2.sh)
export ROOFMARK_SMOLLM2
# The engine leaves out devices that compute on the CPU unless they are named.
export GGML_VK_VISIBLE_DEVICES=0
VK_DRIVER_FILES=$(ls /usr/share/vulkan/icd.d/lvp_icd*.json)
export VK_DRIVER_FILES VK_ICD_FILENAMES=$VK_DRIVER_FILES
cargo test --locked -q -p roofmark --features vulkan --test real_model -- --ignored
