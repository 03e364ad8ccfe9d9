"""Texts as hashed n-grams, computed by the very code that `emotion-fallback` runs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from training.text.frontend import ROOT

COMMAND = Path(__file__).with_name("ngrams.mjs")
CODE = [
    ROOT / "dist" / "lib" / "resilience" / f"{name}.js"
    for name in ("hashed-ngrams", "murmur-hash3")
]


def hashed(
    texts: Sequence[str], blocks: list[dict], cache: Path | None = None
) -> sparse.csr_matrix:
    """Float32 `[texts, features]` in CSR form; rows have Euclidean length 1, or 0 for a text
    without n-grams.

    With a `cache` folder the answer is kept under a hash of texts, blocks and the built code.
    Raises RuntimeError when the package is not built or the command fails.
    """
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
    size = sum(block["features"] for block in blocks)
    digest = hashlib.sha256(json.dumps(blocks).encode())
    for path in CODE:
        if not path.exists():
            raise RuntimeError(f"{path} is missing: run `npm run build` first")
        digest.update(path.read_bytes())
    digest.update(lines)
    kept = cache / f"ngrams-{digest.hexdigest()[:20]}.npz" if cache else None
    if kept is not None and kept.exists():
        return sparse.load_npz(kept)
    matrix = _read(_run(lines, blocks), len(texts), size)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}.npz")
        sparse.save_npz(partial, matrix, compressed=False)
        partial.rename(kept)
    return matrix


def _run(lines: bytes, blocks: list[dict]) -> bytes:
    done = subprocess.run(
        ["node", str(COMMAND), json.dumps(blocks)],
        input=lines,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"ngrams.mjs failed: {done.stderr.decode()[-2000:]}")
    return done.stdout


def _read(data: bytes, rows: int, size: int) -> sparse.csr_matrix:
    words = np.frombuffer(data, dtype="<u4")
    starts = np.zeros(rows + 1, dtype=np.int64)
    columns, values = [], []
    at = 0
    for row in range(rows):
        count = int(words[at])
        columns.append(words[at + 1 : at + 1 + count])
        values.append(words[at + 1 + count : at + 1 + 2 * count].view("<f4"))
        starts[row + 1] = starts[row] + count
        at += 1 + 2 * count
    if at != len(words):
        raise RuntimeError(f"ngrams.mjs answered {len(words)} words for {at}")
    return sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(columns).astype(np.int32), starts),
        shape=(rows, size),
    )
