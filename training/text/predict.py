"""Logits of a model over encoded rows, and of a finished run over a training set (for teachers).

python -m training.text.predict RUN [RUN…] writes RUN/teacher.npz: row ids with logits [rows, 7].
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.text.dataset import Encoded, collate, evaluation_batches


@torch.inference_mode()
def predict(
    model: nn.Module, rows: Sequence[Encoded], size: int = 128, bf16: bool = True
) -> np.ndarray:
    """Logits float32 `[rows, 7]` in the rows' order."""
    model.eval()
    out = np.zeros((len(rows), 7), dtype=np.float32)
    for index in evaluation_batches(rows, size):
        batch = collate([rows[i] for i in index], multiple=8)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits, _ = model(batch.ids, batch.mask)
        out[index] = logits.float().numpy()
    return out


def main() -> None:
    """Writes the training-set logits of finished runs, over the corpora of `--corpora`."""
    from training.text.build import build_model
    from training.text.prepare import RUNS, prepare
    from training.text.recipe import read_recipe

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EMOTION_DATA", "data"))
    )
    parser.add_argument(
        "--corpora", help="comma-separated; default: those of the run's recipe"
    )
    arguments = parser.parse_args()
    for name in arguments.runs:
        run = RUNS / name
        changes = {}
        if arguments.corpora:
            changes["corpora"] = dict.fromkeys(arguments.corpora.split(","), 1.0)
        recipe = read_recipe(run / "recipe.yaml", changes)
        torch.set_num_threads(recipe.threads)
        prepared = prepare(recipe, arguments.data, run)
        model = build_model(recipe, run)
        model.load_state_dict(torch.load(run / "best.pt", weights_only=True))
        logits = predict(model, prepared.train)
        np.savez(
            run / "teacher.npz",
            ids=np.array([r.row.id for r in prepared.train]),
            logits=logits,
        )
        print(f"{run}/teacher.npz: {len(logits)} rows", flush=True)


if __name__ == "__main__":
    main()
