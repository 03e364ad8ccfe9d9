"""Accuracy and calibration of a trained trunk on FER2013.

    python -m training.face.evaluate_trunk --data DIR --checkpoint runs/face-trunk/best.pt

The temperature is fitted on the validation part; the test part is only reported on.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch

from . import fer2013
from .train_trunk import build, predict


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that gives the labels the highest likelihood, from 0.1 to 5."""
    logits = np.log(np.maximum(probabilities, 1e-12))
    temperatures = np.exp(np.linspace(np.log(0.1), np.log(5), 400))

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        highest = scaled.max(1, keepdims=True)
        total = np.log(np.exp(scaled - highest).sum(1)) + highest[:, 0]
        return float((total - scaled[np.arange(len(labels)), labels]).mean())

    return float(min(temperatures, key=loss))


def scaled(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    powered = np.maximum(probabilities, 1e-12) ** (1 / temperature)
    return powered / powered.sum(1, keepdims=True)


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017) over bins of equal width."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[index == b].mean() - right[index == b].mean()) * (index == b).mean()
        for b in range(bins)
        if (index == b).any()
    ]
    return float(sum(gaps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTION_DATA"))
    parser.add_argument("--checkpoint", type=Path, required=True)
    arguments = parser.parse_args()
    stored = torch.load(arguments.checkpoint, weights_only=False)
    model = build(stored["recipe"])
    model.load_state_dict(stored["averaged"])
    model.to(memory_format=torch.channels_last)
    folder = Path(arguments.data) / "face/fer2013"
    temperature = None
    for part in ("validation", "test"):
        rows = fer2013.read_zip(folder / f"{part}.zip")
        raw = predict(model, torch.from_numpy(rows.images)).numpy()
        temperature = temperature or fit_temperature(raw, rows.labels)
        probabilities = scaled(raw, temperature)
        chosen = probabilities.argmax(1)
        recalls = [(chosen[rows.labels == k] == k).mean() for k in range(len(fer2013.LABELS))]
        print(
            f"{part}: accuracy {(chosen == rows.labels).mean():.4f}, unweighted recall "
            f"{np.mean(recalls):.4f}, ECE {calibration_error(raw, rows.labels):.4f} raw, "
            f"{calibration_error(probabilities, rows.labels):.4f} at temperature {temperature:.3f}"
        )
        print("  " + ", ".join(f"{n} {r:.3f}" for n, r in zip(fer2013.LABELS, recalls, strict=True)))


if __name__ == "__main__":
    main()
