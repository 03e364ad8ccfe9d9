"""Averages the weights of finished runs of one architecture (model soup, Wortsman et al. 2022).

python -m training.text.soup NAME RUN RUN… [--weights 0.5 0.5]

Runs must share a tokenizer, which runs that start from one another do. Writes runs/NAME, which
`export` takes like any other run, and prints development macro-F1 of the mean.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

import torch
import yaml
from torch import Tensor

from training.text.build import build_model
from training.text.prepare import RUNS, prepare
from training.text.recipe import read_recipe
from training.text.train import evaluate_sets


def mean_state(
    states: list[dict[str, Tensor]], weights: list[float]
) -> dict[str, Tensor]:
    """Weighted mean of equally shaped state dictionaries; the weights are divided by their sum.

    Raises ValueError when a tensor's shape differs between the runs.
    """
    total = sum(weights)
    out = {}
    for name, first in states[0].items():
        if any(s[name].shape != first.shape for s in states):
            raise ValueError(f"{name}: shapes differ, the runs do not fit together")
        out[name] = sum(
            w / total * s[name] for w, s in zip(weights, states, strict=True)
        )
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--weights", type=float, nargs="+")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EMOTION_DATA", "data"))
    )
    arguments = parser.parse_args()
    weights = arguments.weights or [1.0] * len(arguments.runs)
    sources = [RUNS / name for name in arguments.runs]
    tokenizers = {(s / "tokenizer.json").read_bytes() for s in sources}
    if len(tokenizers) > 1:
        parser.error("the runs have different tokenizers")
    run = RUNS / arguments.name
    run.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "embedding.npy"):
        shutil.copyfile(sources[-1] / name, run / name)
    values = yaml.safe_load((sources[-1] / "recipe.yaml").read_text())
    values |= {"name": arguments.name, "init": "", "tokenizer_of": ""}
    (run / "recipe.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    states = [torch.load(s / "best.pt", weights_only=True) for s in sources]
    mean = mean_state(states, weights)
    torch.save(mean, run / "best.pt")
    recipe = read_recipe(run / "recipe.yaml")
    torch.set_num_threads(recipe.threads)
    data = prepare(recipe, arguments.data, run)
    model = build_model(recipe, run)
    model.load_state_dict(mean)
    sets = {f"{n}/dev": data.evaluation[f"{n}/dev"] for n in recipe.select}
    scores, _ = evaluate_sets(model, sets, recipe.bf16)
    for name, score in scores.items():
        print(f"{name}: macro-F1 {score['macroF1']:.4f}, nll {score['nll']:.4f}")


if __name__ == "__main__":
    main()
