"""Compares pieces of `roofmark probe` with other tools, and its own rows with themselves; see benches/probe.sh.

A memory bus of a virtual machine can double its rate from one second to the next. So every run of a tool stands
between two bursts of ours that are as short, and the ratio is ours (mean of the two) over the tool's; what counts
is the median of such ratios. `trust` is how far the two bursts of a pair lie apart, as a median.
"""

import glob
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from statistics import median

MIB = 1 << 20
BURST = 0.15
STATE = 0.03
BUILD = "target/probe"


class Worker:
    """A program that stays mapped and answers `what threads seconds` with the best and the median rate."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def rate(self, what, threads, seconds=BURST):
        """Median rate of one burst, in GB/s or GFLOP/s."""
        return float(self.ask(f"{what} {threads} {seconds}")[1])

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def output(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout


def found(pattern, text, scale):
    """The numbers that `pattern` finds, summed, in GB/s; None where there is none."""
    numbers = [float(number) for number in re.findall(pattern, text)]
    return sum(numbers) * scale / 1e9 if numbers else None


# Each takes the threads and gives GB/s, bytes counted as the probe counts them.
def likwid(kernel, mebibytes, passes):
    def run(threads):
        work = f"N:{mebibytes}MB:{threads}"
        return found(r"MByte/s:\s+([\d.]+)", output("likwid-bench", "-t", kernel, "-w", work, "-i", str(passes)), 1e6)
    return run


def sysbench(threads):
    text = output("sysbench", "memory", "--memory-block-size=256M", "--memory-oper=read", "--memory-total-size=8G",
                  f"--threads={threads}", "run")
    return found(r"\(([\d.]+) MiB/sec\)", text, MIB)


def mbw(_threads):
    # It counts a copied byte once.
    return found(r"Copy: ([\d.]+) MiB/s", output("mbw", "-q", "-n", "5", "-t0", "128").split("AVG")[-1], 2 * MIB)


def stress_ng(threads):
    # Copy, scale, add and triad in turn; each process says what it read and wrote.
    text = output("stress-ng", "--stream", str(threads), "--stream-l3-size", "32M", "--timeout", "4s")
    rates = re.findall(r"memory rate: ([\d.]+) MB read/sec, ([\d.]+) MB write/sec", text)
    total = sum(float(read) + float(write) for read, write in rates)
    # Some versions print the rate of the first process only.
    return total * MIB / 1e9 * threads / len(rates) if rates else None


def widest(kernels):
    """The widest of likwid's kernels that this processor can run."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = file.read()
    for flag, kernel in kernels:
        if re.search(rf"\b{flag}\b", flags):
            return kernel
    return kernels[-1][1]


def memory_rivals(stream, huge):
    load = widest([("avx512f", "load_avx512"), ("avx2", "load_avx"), ("sse2", "load_sse")])
    triad = widest([("avx512f", "stream_mem_avx512"), ("avx2", "stream_mem_avx"), ("sse2", "stream_mem_sse")])
    copy = widest([("avx512f", "copy_mem_avx512"), ("avx2", "copy_mem_avx"), ("sse2", "copy_mem_sse")])

    def worker(which, what):
        return lambda threads: which.rate(what, threads)

    def both(what):
        return [("STREAM form", "median pass", worker(stream, what)),
                ("STREAM form, huge pages", "median pass", worker(huge, what))]

    return {
        "read": both("read") + [(f"likwid-bench {load}", "mean", likwid(load, 256, 40)), ("sysbench", "mean", sysbench)],
        "triad": both("triad") + [(f"likwid-bench {triad}", "mean", likwid(triad, 384, 15)),
                                  ("stress-ng --stream (mix)", "mean", stress_ng)],
        "copy": both("copy") + [(f"likwid-bench {copy}", "mean", likwid(copy, 256, 20)), ("mbw (one thread)", "mean", mbw)],
    }


def pairs(ours, what, threads, rivals, rounds):
    """Bursts of ours before and after each run of each rival, round after round."""
    seen = {name: [] for name, *_ in rivals}
    for _ in range(rounds):
        before = ours.rate(what, threads)
        for name, _, run in rivals:
            theirs = run(threads)
            after = ours.rate(what, threads)
            if theirs:
                seen[name].append((before, theirs, after))
            before = after
    return seen


def table(what, threads, rivals, seen):
    for name, kind, _ in rivals:
        rows = seen[name]
        if not rows:
            print(f"| {what} | {threads} | {name} | not run here | | | | |")
            continue
        ratios = [(before + after) / 2 / theirs for before, theirs, after in rows]
        trust = median(abs(after - before) / max(before, after) for before, _, after in rows)
        ours = median((before + after) / 2 for before, _, after in rows)
        print(f"| {what} | {threads} | {name}, {kind} | {median(row[1] for row in rows):.1f} | {ours:.1f} "
              f"| {median(ratios):.3f} | {min(ratios):.2f} to {max(ratios):.2f} | {trust:.1%} |")
    sys.stdout.flush()


def memory(ours, all_threads, rounds):
    stream, huge = Worker(f"{BUILD}/stream"), Worker(f"{BUILD}/stream-huge")
    print("\n| | threads | beside | GB/s | probe, GB/s | ratio | smallest to largest | trust |\n|---|--:|---|--:|--:|--:|--:|--:|")
    for what, rivals in memory_rivals(stream, huge).items():
        counts = [1] if what == "copy" else sorted({1, all_threads})
        for threads in counts:
            table(what, threads, rivals, pairs(ours, what, threads, rivals, rounds))
    stream.end()
    huge.end()


def products(ours, all_threads, rounds):
    theirs = Worker(f"{BUILD}/products")
    core, kernel = theirs.ask("names 0 0")
    print(f"\nOpenBLAS chose its kernels for {core}, oneDNN `{kernel}`.\n\n"
          "| | threads | beside | GFLOP/s | probe, GFLOP/s | ratio | smallest to largest | trust |\n"
          "|---|--:|---|--:|--:|--:|--:|--:|")
    for what, name in [("fp32", "OpenBLAS"), ("int8", "oneDNN")]:
        rivals = [(name, "median pass", lambda threads, what=what: theirs.rate(what, threads))]
        for threads in sorted({1, all_threads}):
            for worker in (ours, theirs):
                worker.rate(what, threads)
            table(what, threads, rivals, pairs(ours, what, threads, rivals, rounds))
    theirs.end()


def spread(values):
    return (max(values) - min(values)) / median(values)


def clusters(readings):
    """Groups of neighbours in order whose gap is below the rule's 3 %, as lists of indices, largest first."""
    order = sorted(range(len(readings)), key=lambda index: readings[index])
    groups = [[order[0]]]
    for last, index in zip(order, order[1:]):
        if readings[index] > readings[last] * (1 + STATE):
            groups.append([])
        groups[-1].append(index)
    return sorted(groups, key=len, reverse=True)


def repeat(ours, program, all_threads, runs):
    """Whole parts of the probe, each run a new process, between two readings of the state."""
    work = tempfile.mkdtemp()
    command = [program, "probe", "--only", "memory,arithmetic", "--json"]
    rows, states = {}, []
    for _ in range(runs):
        before = [ours.rate("read", all_threads), ours.rate("fp32", all_threads)]
        text = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
                              env={"ROOFMARK_DATA": work, "PATH": "/usr/bin:/bin"}).stdout
        after = [ours.rate("read", all_threads), ours.rate("fp32", all_threads)]
        states.append((before, after))
        record = json.loads(text)
        for row in record["memory"]["rows"]:
            rows.setdefault((row["operation"], row["threads"], 0), []).append(row["best"] / 1e9)
        for row in record["arithmetic"]:
            name = row["number"] + (" product" if row["form"] == "gemm" else "")
            rows.setdefault((name, row["threads"], 1), []).append(row["best"] / 1e9)
    report(rows, states)
    shutil.rmtree(work)


def report(rows, states):
    """Spread over all runs, and over those in the most frequent state."""
    middles, groups = [], []
    for kind, name in enumerate(["read roof", "fp32 product"]):
        readings = [(before[kind] + after[kind]) / 2 for before, after in states]
        inside = [abs(before[kind] - after[kind]) / max(before[kind], after[kind]) for before, after in states]
        found_groups = clusters(readings)
        largest = [index for index in found_groups[0] if inside[index] <= STATE]
        sizes = ", ".join(str(len(group)) for group in found_groups)
        print(f"\nState by the {name}: readings {min(readings):.1f} to {max(readings):.1f}; groups of {sizes} runs; "
              f"{len(largest)} runs of the largest began and ended alike.")
        middles.append(readings)
        groups.append(largest)
    print("\n| row | threads | median | spread, all runs | runs in one state | spread |\n|---|--:|--:|--:|--:|--:|")
    for (name, threads, kind), values in rows.items():
        chosen = [values[index] for index in groups[kind]]
        one = f"{len(chosen)} | {spread(chosen):.1%}" if len(chosen) > 1 else f"{len(chosen)} | -"
        print(f"| {name} | {threads} | {median(values):.1f} | {spread(values):.1%} | {one} |")


def main():
    what, program, threads, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    pieces = glob.glob(f"{program.rsplit('/', 1)[0]}/examples/pieces")[0]
    ours = Worker(pieces)
    print(time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))
    if what == "memory":
        memory(ours, threads, rounds)
    elif what == "products":
        products(ours, threads, rounds)
    else:
        repeat(ours, program, threads, rounds)
    ours.end()


if __name__ == "__main__":
    main()
