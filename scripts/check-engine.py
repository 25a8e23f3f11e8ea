#!/usr/bin/env python3
"""Checks the record of a load test of a real server: check-engine.py ENGINE STREAMS RECORD.json

Demands that every request succeeded, that the server's own counts are there and right, and that nothing made a row
void. A steady window that is too short to be sure of a rate is no fault of the server: it stays a remark on the row.
"""

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
        if row["failed"] or not row["succeeded"]:
            found.append(f"{label}: {row['failed']} requests failed")
        if row["void"] and not bad:
            found.append(f"{label}: void")
        for metric, value in [("ttft", row["ttft"]["p50"]), ("tpot", row["tpot"]["p50"]),
                              ("output_throughput", row["output_throughput"])]:
            if not value:
                found.append(f"{label}: no {metric}")
    return found


def summary(document: dict) -> str:
    """One line a row."""
    server = document["run"]["server"]
    lines = [f"{server['engine']} {server['version']}, {server['model'].rsplit('/', 1)[-1]}"]
    for row in document["rows"]:
        lines.append(f"  {row['arrival']['concurrency']:>3} streams: {row['succeeded']} requests, "
                     f"{row['output_throughput'] or 0:.1f} tok/s, ttft {(row['ttft']['p50'] or 0) * 1e3:.1f} ms, "
                     f"tpot {(row['tpot']['p50'] or 0) * 1e3:.2f} ms")
    return "\n".join(lines)


def main() -> None:
    engine, streams, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    print(summary(document))
    found = faults(engine, [int(count) for count in streams.split(",")], document)
    for fault in found:
        print(f"{engine}: {fault}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
