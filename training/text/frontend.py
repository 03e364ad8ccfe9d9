"""Runs texts through the suite's own front end (`lib/text`), the very code that the nodes run.

There is no second normalisation or segmentation in Python: this module starts the built
`emotion-features text` command and keeps what it answers in `runs/features/`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ROOT / "dist" / "lib" / "cli" / "emotion-features.js"


def normalise(
    rows: Sequence[tuple[str, str]], segmentation: str, cache: Path
) -> list[str]:
    """Normalised texts of `(text, language)` rows, in their order.

    `segmentation` is `characters` or `words`, as in a model's `preprocessing.segmentation`. The
    cache's name holds a hash of texts and of the built front end, so a change of either asks anew.

    Raises RuntimeError when the command is not built or answers fewer rows than it was asked.
    """
    digest = hashlib.sha256(f"{segmentation}\n{_front_end_hash()}\n".encode())
    lines = [
        json.dumps({"id": i, "text": text, "language": language}, ensure_ascii=False)
        for i, (text, language) in enumerate(rows)
    ]
    for line in lines:
        digest.update(line.encode())
    path = cache / f"{digest.hexdigest()[:20]}.jsonl"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        answer = _run("\n".join(lines) + "\n", segmentation)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(answer, encoding="utf-8")
        partial.rename(path)
    with path.open(encoding="utf-8") as answers:
        records = [json.loads(line) for line in answers]
    if [r["id"] for r in records] != list(range(len(rows))):
        raise RuntimeError(
            f"emotion-features answered {len(records)} rows for {len(rows)} texts"
        )
    return [r["text"] for r in records]


def _run(stdin: str, segmentation: str) -> str:
    if not COMMAND.exists():
        raise RuntimeError(f"{COMMAND} is missing: run `npm run build` first")
    done = subprocess.run(
        [
            "node",
            str(COMMAND),
            "text",
            "--segmentation",
            segmentation,
        ],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"emotion-features failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _front_end_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted((ROOT / "dist" / "lib" / "text").rglob("*.js")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
