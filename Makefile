# The commands of a fresh clone. `make bench` runs the main job, `make test` runs the gate.

SHELL := /usr/bin/env bash
CARGO ?= cargo
BENCH ?=

.PHONY: bench build dist test needs test-arch test-vulkan parity probe-bench slices install clean truth clients test-engines scale test-browser test-web-load

## build what is missing, then measure this machine (add options with BENCH="--protocol standard")
bench: build
	target/release/roofmark bench $(BENCH)

## release build for this very processor
build: needs
	source scripts/build-env.sh && RUSTFLAGS="-Ctarget-cpu=native" $(CARGO) build --release --locked -p roofmark

## the archive to ship: the program, its libraries, and kernels for every processor of this architecture
dist: needs
	scripts/dist.sh

## the gate: format, lints, tests, docs, licences
test:
	.ci/run

## Debian packages (or brew formulae) that the build needs
needs:
	@scripts/install-needs.sh

## load a slice of every architecture of the catalog in the embedded engine
test-arch: needs
	scripts/test-arch.sh

## load-test real servers on the CPU: llama-server, MLX-LM and vLLM (15 minutes and 7 GB the first time)
test-engines: needs
	scripts/test-engines.sh
## the page in a real browser, and axe-core over every view; pictures in target/browser
test-browser:
	scripts/test-browser.sh

## 200 requests a second to the page for a minute, without an error
test-web-load:
	$(CARGO) test --release -p roofmark --no-default-features --test web -- --ignored --nocapture load::

## the Vulkan backend on Mesa's software driver: a code path, never a number to report
test-vulkan:
	scripts/test-vulkan.sh

## engine-direct rates against llama-bench built from the same source
parity: build
	benches/parity.sh

## the probe beside STREAM's loops, likwid-bench, stress-ng, mbw, sysbench, OpenBLAS, oneDNN, and itself
probe-bench: needs
	benches/probe.sh

## errors of the load generator against a server that knows the true times: leave the machine alone
truth:
	$(CARGO) test --release -p roofmark-measure --test truth -- --ignored --nocapture --test-threads 1

## streamed tokens per CPU-second, beside AIPerf, GuideLLM and vLLM's client
clients:
	benches/clients.sh

## what a rate from slices is worth: the full model against its slices
slices: build
	target/release/roofmark bench --verify-slices

## the ledger with a million runs, in SQLite and in PostgreSQL
scale: needs
	benches/scale.sh

install: needs
	source scripts/build-env.sh && RUSTFLAGS="-Ctarget-cpu=native" $(CARGO) install --locked --path crates/roofmark

clean:
	$(CARGO) clean
