"""Time a text takes and memory it needs: python -m training.text.timing GRAPH.onnx…

Rows of 32 tokens, ONNX Runtime on the CPU, median of the runs; the resident set is that of this
process, with Python's own share, after the last run.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from training.text.export import session

TOKENS = 32


def resident_mb() -> float:
    """Resident set of this process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graphs", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=2)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    for path in arguments.graphs:
        for threads in (1, 2):
            graph = session(path, threads)
            for batch in (1, 32):
                ids = random.integers(5, 5000, (batch, TOKENS))
                ids[:, 0], ids[:, -1] = 2, 3
                feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
                graph.run(["logits"], feed)
                times = []
                end = time.perf_counter() + arguments.seconds
                while time.perf_counter() < end or len(times) < 5:
                    start = time.perf_counter()
                    graph.run(["logits"], feed)
                    times.append(time.perf_counter() - start)
                print(
                    f"{path}: {threads} threads, batch {batch}: "
                    f"{1000 * np.median(times) / batch:.2f} ms a text, "
                    f"{resident_mb():.0f} MB resident",
                    flush=True,
                )


if __name__ == "__main__":
    main()
