"""Confusion matrices and reliability diagrams of a model card, from `evaluate.py`'s results.

python -m training.text.figures models/text-bilstm smp-usual-test goemotions-test
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from training.text.frontend import ROOT
from training.text.labels import EMOTIONS


def draw_confusion(axes: plt.Axes, matrix: np.ndarray, title: str) -> None:
    """Shares of each gold class, `matrix` counts `[gold, predicted]`; absent classes left out."""
    shown = np.flatnonzero(matrix.sum(0) + matrix.sum(1))
    part = matrix[np.ix_(shown, shown)].astype(float)
    share = part / np.clip(part.sum(1, keepdims=True), 1, None)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = [EMOTIONS[i] for i in shown]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    axes.set_title(title, fontsize=9)
    for row in range(len(names)):
        for column in range(len(names)):
            value = share[row, column]
            axes.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if value > 0.5 else "black",
            )


def draw_reliability(
    axes: plt.Axes, confidence: np.ndarray, correct: np.ndarray, title: str
) -> None:
    """Accuracy over confidence in 15 equal bins; the diagonal is a calibrated model."""
    index = np.clip((confidence * 15).astype(int), 0, 14)
    middles, heights, shares = [], [], []
    for b in range(15):
        chosen = index == b
        if chosen.any():
            middles.append((b + 0.5) / 15)
            heights.append(correct[chosen].mean())
            shares.append(chosen.mean())
    axes.bar(middles, heights, width=1 / 15, color="tab:blue", edgecolor="white")
    axes.plot(
        middles, shares, "o-", color="tab:orange", ms=3, lw=1, label="share of rows"
    )
    axes.plot([0, 1], [0, 1], "--", color="grey", lw=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("confidence")
    axes.set_ylabel("accuracy")
    axes.legend(fontsize=7, loc="upper left")
    axes.set_title(title, fontsize=9)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("sets", nargs="+")
    arguments = parser.parse_args()
    folder = ROOT / "runs" / "evaluation" / arguments.model.name
    for stem in arguments.sets:
        with np.load(folder / f"{stem}.npz") as saved:
            p, gold, matrix = (
                saved["probabilities"],
                saved["gold"],
                saved["confusion"],
            )
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.9), dpi=90)
        draw_confusion(left, matrix, f"{arguments.model.name}: {stem}")
        draw_reliability(right, p.max(1), p.argmax(1) == gold, "reliability")
        figure.tight_layout()
        figure.savefig(arguments.model / f"{stem}.png", metadata={"Software": None})
        plt.close(figure)


if __name__ == "__main__":
    main()
