#!/usr/bin/env python3
"""Streamed tokens that a load generator handles per second of its own processor time.

Each client runs twice at each number of streams against `null_server`, a server that answers as fast as it
can: with few requests and with many. The figure is the difference of tokens over the difference of processor
time (user and system, all descendants), so that start-up is left out. Clients alternate within a round. Rows are
appended to target/clients/rows.csv; the table is made of the medians over all rows there.

    benches/clients.py --streams 64 --mode burst     # one round; `--table` prints what there is
"""

import argparse
import csv
import ctypes
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "clients"
ROWS = WORK / "rows.csv"
OUTPUT = 256
FIELDS = ["client", "mode", "streams", "tokens", "cpu_s", "tokens_per_cpu_s", "peak_mb"]
VLLM = "import argparse; from vllm.benchmarks import serve as s; p = argparse.ArgumentParser(); s.add_cli_args(p); s.main(p.parse_args())"


def commands(args, port, streams, requests):
    """The clients' command lines for one run."""
    url = f"http://127.0.0.1:{port}"
    tokenizer = str(WORK / "tokenizer")
    aiperf = [f"{args.venv}/bin/aiperf", "profile", "-m", "nothing", "--url", url, "--endpoint-type", "chat", "--streaming",
              "--concurrency", str(streams), "--request-count", str(requests), "--isl", "128", "--osl", str(OUTPUT),
              "--tokenizer", tokenizer, "--num-dataset-entries", "64", "--ui", "none",
              "--output-artifact-dir", str(WORK / "aiperf")]
    return {
        "roofmark": [args.roofmark, "bench", "--endpoint", url, "--concurrency", str(streams), "--requests",
                     str(requests), "--input-tokens", "128", "--output-tokens", str(OUTPUT)],
        "aiperf": aiperf,
        "aiperf, server's counts": [*aiperf, "--use-server-token-count"],
        "guidellm": [f"{args.venv}/bin/guidellm", "run", "--backend", f"kind=openai_http,target={url},model=nothing",
                     "--profile", f"kind=concurrent,streams={streams}",
                     "--constraint", f"kind=max_requests,count={requests}",
                     "--data", f"kind=synthetic_text,prompt_tokens=128,output_tokens={OUTPUT}",
                     "--tokenizer", f"kind=huggingface_auto,model={tokenizer}", "--disable-console-interactive",
                     "--output", "kind=console"],
        "vllm bench serve": [f"{args.vllm}/bin/python", "-c", VLLM, "--backend", "openai-chat", "--base-url", url,
                             "--endpoint", "/v1/chat/completions", "--model", "nothing", "--tokenizer", tokenizer,
                             "--dataset-name", "random", "--random-input-len", "128", "--random-output-len", str(OUTPUT),
                             "--num-prompts", str(requests), "--max-concurrency", str(streams), "--ignore-eos",
                             "--disable-tqdm", "--ready-check-timeout-sec", "0"],
    }


def run(command, log):
    """Processor seconds of a command with all its descendants, and the peak memory of its largest process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = dict(os.environ, VLLM_NO_USAGE_STATS="1")
    with open(log, "wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=WORK)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = status
    time.sleep(0.2)
    while any_ended():
        pass
    if status != 0:
        sys.exit(f"failed to run {' '.join(command)}\n{pathlib.Path(log).read_text()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, used.ru_maxrss / 1000


def any_ended():
    """Takes in one ended descendant whose parent is gone (this process is the subreaper), so that it counts."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def tokenizer(args):
    """A small byte-level tokenizer, trained on this repository's documents: nothing is fetched."""
    if (WORK / "tokenizer" / "tokenizer.json").exists():
        return
    code = """
import sys, tokenizers as t, transformers
k = t.Tokenizer(t.models.BPE()); k.pre_tokenizer = t.pre_tokenizers.ByteLevel(); k.decoder = t.decoders.ByteLevel()
k.train(sys.argv[2:], t.trainers.BpeTrainer(vocab_size=4000, initial_alphabet=t.pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<s>", "</s>"]))
transformers.PreTrainedTokenizerFast(tokenizer_object=k, bos_token="<s>", eos_token="</s>", pad_token="</s>", chat_template="{% for m in messages %}{{ m.content }}{% endfor %}").save_pretrained(sys.argv[1])
"""
    texts = [str(path) for path in sorted(ROOT.glob("docs/*.md")) + [ROOT / "README.md"]]
    subprocess.run([f"{args.venv}/bin/python", "-c", code, str(WORK / "tokenizer"), *texts], check=True)


def round_of(args):
    """One round: every client once, the order turned by the number of rows so far."""
    names = [name for name in commands(args, 0, 1, 1) if not args.only or args.only in name]
    turn = sum(1 for _ in open(ROWS)) % len(names) if ROWS.exists() else 0
    for name in names[turn:] + names[:turn]:
        few, many = (2048, 34816) if name == "roofmark" else (args.streams, args.streams + args.more * (4 if "vllm" in name else 1))
        port = free_port()
        server = subprocess.Popen([args.server, str(port), args.mode])
        try:
            time.sleep(0.3)
            used = [run(commands(args, port, args.streams, count)[name], WORK / "log") for count in (few, many)]
        finally:
            server.kill()
            server.wait()
        tokens = (many - few) * OUTPUT
        cpu = used[1][0] - used[0][0]
        save([name, args.mode, args.streams, tokens, f"{cpu:.3f}", f"{tokens / cpu:.0f}", f"{used[1][1]:.0f}"])


def free_port():
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def save(row):
    """Appends a row and shows it."""
    new = not ROWS.exists()
    with open(ROWS, "a", newline="") as out:
        writer = csv.writer(out)
        if new:
            writer.writerow(FIELDS)
        writer.writerow(row)
    print(*row, sep="\t", flush=True)


def table():
    """Medians over all rows, as a Markdown table."""
    rows = list(csv.DictReader(open(ROWS)))
    print("| server | streams | client | runs | tokens per CPU-second, median | range | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for key in sorted({(row["mode"], int(row["streams"]), row["client"]) for row in rows}):
        of = [row for row in rows if (row["mode"], int(row["streams"]), row["client"]) == key]
        rates = sorted(float(row["tokens_per_cpu_s"]) for row in of)
        peak = max(float(row["peak_mb"]) for row in of)
        print(f"| {key[0]} | {key[1]} | {key[2]} | {len(of)} | {statistics.median(rates):,.0f} | "
              f"{rates[0]:,.0f} to {rates[-1]:,.0f} | {peak:.0f} |")


def main():
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--mode", choices=["burst", "each"], default="burst")
    parser.add_argument("--only", help="clients whose name holds this")
    parser.add_argument("--more", type=int, default=1024, help="requests of the longer run of the other clients")
    parser.add_argument("--venv", default=str(WORK / "venv"), help="virtual environment with aiperf and guidellm")
    parser.add_argument("--vllm", default=str(WORK / "venv-vllm"), help="virtual environment with vLLM")
    parser.add_argument("--roofmark", default=str(ROOT / "target/release/roofmark"))
    parser.add_argument("--server", default=str(ROOT / "target/release/examples/null_server"))
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    if args.table:
        return table()
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    tokenizer(args)
    round_of(args)


main()
