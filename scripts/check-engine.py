#!/usr/bin/env python3
"""Checks the record of a load test of a real server: check-engine.py ENGINE STREAMS RECORD.json"""

import json
import sys

NEVER = {"no_success", "failures", "bad_usage", "counts_disagree", "prompt_cut", "prefix_hits", "estimated",
         "schedule_lag", "client_busy"}


def faults(engine: str, streams: list[int], document: dict) -> list[str]:
    run, rows = document["run"], document["rows"]
    found = []
    if run["server"]["engine"] != engine:
        found.append(f"recognised as {run['server']['engine']} by {run['server']['recognised_by']}")
    if run["server"]["version"] is None:
        found.append("its version is unknown")
    if engine != "mlx-lm" and not run["server"]["context"]:
        found.append("its context length is unknown")
    if [row["arrival"].get("concurrency") for row in rows] != streams:
        found.append("not all concurrencies were run")
    for cell, row in zip(run["cells"], rows):
        label = row["arrival"]["concurrency"]
        sources = {request["token_source"] for request in cell["requests"]}
        if sources != {"server"}:
            found.append(f"{label}: output tokens counted by {sources}")
        bad = {doubt["kind"] for doubt in cell["doubts"]} & NEVER
        if bad:
            found.append(f"{label}: {', '.join(sorted(bad))}")
        if not row["ttft"]["p50"] or not row["tpot"]["p50"] or not row["output_throughput"]:
            found.append(f"{label}: a metric is missing")
    return found


def main() -> None:
    engine, streams, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        found = faults(engine, [int(count) for count in streams.split(",")], json.load(file))
    for fault in found:
        print(f"{engine}: {fault}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
