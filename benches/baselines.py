#!/usr/bin/env python3
"""Asks llmfit and whichllm (PyPI packages) for their estimates on single-stream decode rows, offline.

Usage: baselines.py MEASUREMENTS.csv > crates/roofmark-theory/data/baselines.csv
Both get the catalogued bandwidth and memory of the machine, the row's quantization, and (whichllm) its file size,
which whichllm's own table of bytes per weight replaces where the row does not state it.
Rows whose model llmfit's database lacks, or whose machine has no catalogued bandwidth, are left out.
"""
import csv, json, os, subprocess, sys, tempfile, tomllib
from datetime import date
from importlib.metadata import version
from pathlib import Path

from whichllm.data.quantization import QUANT_BYTES_PER_WEIGHT
from whichllm.engine.performance import estimate_tok_per_sec
from whichllm.hardware.types import GPUInfo
from whichllm.models.types import GGUFVariant, ModelInfo

DATA = Path(__file__).parent.parent / "crates/roofmark-facts/data"
LLMFIT = os.environ.get("LLMFIT", "llmfit")
OWNERS = ["meta-llama", "qwen", "google", "openai", "mistralai", "microsoft", "nvidia", "zai-org", "ibm-granite", "liquidai",
          "deepseek-ai", "tencent", "minimaxai", "huggingfacetb", "rednote-hilab", "unsloth"]
MACHINES = {m["slug"]: m for m in tomllib.load(open(DATA / "machines.toml", "rb"))["machine"]}
MODELS = {}
for part in ("a", "b"):
    for model in tomllib.load(open(DATA / f"models_{part}.toml", "rb"))["model"]:
        for name in [model["slug"], *model["aliases"]]:
            MODELS.setdefault(name, model)


def fact(machine, name):
    return machine["facts"].get(name, {}).get("value")


def llmfit(*arguments):
    run = subprocess.run([LLMFIT, "--json", *arguments], capture_output=True, text=True, timeout=60)
    return json.loads(run.stdout) if run.returncode == 0 and run.stdout.strip() else None


def database():
    entries = llmfit("list")
    entries = entries.get("models", entries) if isinstance(entries, dict) else entries
    names = {}
    for entry in entries:
        owner, _, base = entry["name"].lower().rpartition("/")
        rank = OWNERS.index(owner) if owner in OWNERS else 99
        names.setdefault(base, []).append((rank, entry["name"]))
    return {base: min(found)[1] for base, found in names.items() if min(found)[0] < 99}


def their_name(names, model):
    for base in [model.lower(), MODELS.get(model.lower(), {}).get("slug", "")]:
        for end in ["-instruct", "-it", "-instruct-2507", "-gguf", "-chat", ""]:
            for start in ["", "meta-"]:
                if start + base + end in names:
                    return names[start + base + end]
    return None


def profile(folder, slug):
    machine = MACHINES[slug]
    memory = fact(machine, "memory_gib") or 64
    hardware = {"gpu_memory_bandwidth_gbps": fact(machine, "bandwidth_gb_s"), "total_ram_gb": float(max(memory, 64)),
                "unified_memory": machine["kind"] == "unified"}
    if machine["kind"] != "unified":
        hardware["gpu_vram_gb"] = float(memory)
    path = Path(folder) / f"{slug}.json"
    path.write_text(json.dumps({"schema_version": 1, "name": slug, "hardware": hardware}))
    return str(path)


def ask_llmfit(folder, names, row, cache):
    name = their_name(names, row["model"])
    key = (row["machine"], name, row["quant"])
    if name and key not in cache:
        answer = llmfit("--profile", profile(folder, row["machine"]), "plan", name, "--context", "4096", "--quant", row["quant"])
        paths = (answer or {}).get("run_paths", [])
        cache[key] = paths[0].get("estimated_tps") if paths else None
    return cache.get(key) if name else None


def ask_whichllm(row):
    machine, model = MACHINES[row["machine"]], MODELS.get(row["model"].lower())
    if not model or "params_b" not in model:
        return None
    total = int(model["params_b"] * 1e9)
    active = model.get("active_b")
    info = ModelInfo(id=model["slug"], family_id=model["slug"], name=model["slug"], parameter_count=total,
                     parameter_count_active=int(active * 1e9) if active else None, is_moe=bool(active) and active < model["params_b"])
    quant = row["quant"].upper().removeprefix("UD-")
    quant = {"Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M", "MLX-4BIT": "Q4_K_M", "MLX-8BIT": "Q8_0", "Q4_K_XL": "Q4_K_M", "Q8_K_XL": "Q8_0"}.get(quant, quant)
    size = float(row["file_size_gb"] or 0) * 1e9 or total * QUANT_BYTES_PER_WEIGHT.get(quant, 0.6)
    variant = GGUFVariant(filename="", quant_type=quant, file_size_bytes=int(size))
    card = GPUInfo(name=machine["name"], vendor=machine["vendor"].lower(), vram_bytes=int((fact(machine, "memory_gib") or 64) * 2**30),
                   memory_bandwidth_gbps=fact(machine, "bandwidth_gb_s"), shared_memory=machine["kind"] == "unified")
    return estimate_tok_per_sec(info, variant, card)


def main():
    names, cache = database(), {}
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["id", "llmfit", "whichllm"])
    print(f"llmfit {version('llmfit')}, whichllm {version('whichllm')}, asked {date.today()}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        for row in csv.DictReader(open(sys.argv[1])):
            machine = MACHINES.get(row["machine"])
            if row["phase"] != "decode" or not row["quant"] or not machine or not fact(machine, "bandwidth_gb_s"):
                continue
            answers = [ask_llmfit(folder, names, row, cache), ask_whichllm(row)]
            if any(answers):
                out.writerow([row["id"], *(f"{rate:.4g}" if rate else "" for rate in answers)])


main()
