#!/usr/bin/env bash
# Makes the archive that is shipped: the program, the libraries that it is linked to, and kernels for every processor
# of this architecture, of which the program loads the fastest that the machine at hand can run.
#
#   scripts/dist.sh                    target/dist/roofmark-VERSION-ARCH-SYSTEM.tar.gz
#   FEATURES=vulkan scripts/dist.sh    with a GPU backend beside the processor's
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/build-env.sh
source scripts/build-env.sh

out=target/dist
case $(uname -s) in
Darwin) suffix=dylib rpath="-Clink-arg=-Wl,-rpath,@executable_path/lib" ;;
# The older kind of path also holds for the libraries that the libraries need.
*) suffix=so rpath='-Clink-arg=-Wl,-rpath,$ORIGIN/lib -Clink-arg=-Wl,--disable-new-dtags' ;;
esac

# No -Ctarget-cpu: the program itself runs on any processor of the architecture.
RUSTFLAGS=$rpath cargo build --release --locked -p roofmark --target-dir "$out" \
    --features "dynamic-backends${FEATURES:+,$FEATURES}" --message-format json-render-diagnostics >"$out.json"
engine=$(python3 - "$out.json" <<'PYTHON'
import json, sys
messages = (json.loads(line) for line in open(sys.argv[1]))
print(next(m["out_dir"] for m in messages if m["reason"] == "build-script-executed" and "llama-cpp-sys-2" in m["package_id"]))
PYTHON
)
rm "$out.json"

# The folder gets its name from the program in it, which shows that it starts from there.
stage=$out/stage
rm -rf "$stage"
mkdir -p "$stage/lib" "$stage/backends"
cp "$out/release/roofmark" README.md LICENSE LICENSE-APACHE LICENSE-MIT "$stage/"
cp "$engine"/backends/*."$suffix" "$stage/backends/"
# Each library once, under the name that the program asks for.
for library in "$engine"/lib/lib*."$suffix".[0-9] "$engine"/lib/lib*.[0-9]."$suffix"; do
    if [ -e "$library" ]; then cp -L "$library" "$stage/lib/"; fi
done
strip "$stage/roofmark"
version=$("$stage/roofmark" --version)
name=roofmark-${version#roofmark }-$(uname -m)-$(uname -s | tr '[:upper:]' '[:lower:]')
rm -rf "${out:?}/$name"
mv "$stage" "$out/$name"
tar -C "$out" -czf "$out/$name.tar.gz" "$name"
echo "$out/$name.tar.gz"
