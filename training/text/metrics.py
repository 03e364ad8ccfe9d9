"""Scores of a classifier: macro-F1, weighted-F1, accuracy, expected calibration error."""

from __future__ import annotations

import numpy as np


def masked_probabilities(
    logits: np.ndarray, allowed: np.ndarray, temperature: float = 1.0
) -> np.ndarray:
    """Softmax of `logits / temperature` over the classes a corpus knows.

    `logits` float `[rows, classes]`, `allowed` bool `[classes]` or `[rows, classes]`; the answer
    has zeros where a class is not allowed and sums to one a row.
    """
    scaled = np.where(allowed, logits.astype(np.float64) / temperature, -np.inf)
    scaled -= scaled.max(axis=1, keepdims=True)
    exp = np.exp(scaled)
    return exp / exp.sum(axis=1, keepdims=True)


def confusion(gold: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts `[gold, predicted]`, int64 `[classes, classes]`."""
    return np.bincount(gold * classes + predicted, minlength=classes * classes).reshape(
        classes, classes
    )


def f1_scores(matrix: np.ndarray) -> np.ndarray:
    """F1 a class from a confusion matrix; 0 where a class was neither there nor predicted."""
    hits = np.diag(matrix).astype(np.float64)
    both = matrix.sum(axis=0) + matrix.sum(axis=1)
    return np.divide(2 * hits, both, out=np.zeros_like(hits), where=both > 0)


def expected_calibration_error(
    confidence: np.ndarray,
    correct: np.ndarray,
    bins: int = 15,
    weight: np.ndarray | None = None,
) -> float:
    """ECE over equal-width bins (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    `weight` `[rows]`, sum 1, is what the rows count for, all the same when left out.
    """
    if weight is None:
        weight = np.full(len(confidence), 1 / max(1, len(confidence)))
    index = np.clip((confidence * bins).astype(int), 0, bins - 1)
    gap = np.bincount(index, weight * (correct - confidence), minlength=bins)
    return float(np.abs(gap).sum())


def report(probabilities: np.ndarray, gold: np.ndarray) -> dict[str, float]:
    """All scores of one set; macro-F1 over the classes that occur in `gold`."""
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    matrix = confusion(gold, predicted, classes)
    f1 = f1_scores(matrix)
    support = matrix.sum(axis=1)
    present = support > 0
    correct = predicted == gold
    return {
        "rows": len(gold),
        "macroF1": float(f1[present].mean()),
        "weightedF1": float((f1 * support).sum() / support.sum()),
        "accuracy": float(correct.mean()),
        "ece": expected_calibration_error(probabilities.max(axis=1), correct),
        "nll": float(
            -np.log(np.clip(probabilities[np.arange(len(gold)), gold], 1e-12, 1)).mean()
        ),
    }


def calibration_noise(
    confidence: np.ndarray, draws: int = 1000, seed: int = 0, repeats: int = 1
) -> tuple[float, float]:
    """Mean and 95th percentile of the calibration error that a perfectly calibrated model with these
    confidences `[rows]` would show on a set of this size: right answers drawn with the very
    probability that it states. Where the set is the same cases `repeats` times over, one after the
    other, what makes a case hard is the same each time."""
    random = np.random.default_rng(seed)
    cases = len(confidence) // repeats
    found = [
        expected_calibration_error(
            confidence, np.tile(random.random(cases), repeats) < confidence
        )
        for _ in range(draws)
    ]
    return float(np.mean(found)), float(np.quantile(found, 0.95))
