"""Temperatures fitted on development sets (Guo et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar

from training.text.corpora import CORPORA
from training.text.metrics import masked_probabilities


@dataclass(frozen=True)
class SavedSet:
    """Logits of one set: float `[rows, 7]`, gold int64 `[rows]`, allowed bool `[rows, 7]`."""

    name: str
    logits: np.ndarray
    gold: np.ndarray
    allowed: np.ndarray

    @property
    def language(self) -> str:
        """Of the corpus; `name` is `<corpus>-<split>`."""
        return CORPORA[self.name.rpartition("-")[0]].language


def read_set(path: Path) -> SavedSet:
    """Single-label rows of a `logits/<corpus>-<split>.npz` that `train.py` wrote."""
    with np.load(path) as saved:
        chosen = saved["single"]
        return SavedSet(
            name=path.stem,
            logits=saved["logits"][chosen],
            gold=saved["target"][chosen].argmax(axis=1),
            allowed=saved["allowed"][chosen],
        )


def fit_temperature(sets: Sequence[SavedSet]) -> float:
    """The temperature with the least negative log-likelihood, every set counting the same."""

    def cost(log_t: float) -> float:
        total = 0.0
        for s in sets:
            p = masked_probabilities(s.logits, s.allowed, float(np.exp(log_t)))
            picked = p[np.arange(len(s.gold)), s.gold]
            total -= np.log(np.clip(picked, 1e-12, 1)).mean()
        return total / len(sets)

    found = minimize_scalar(cost, bounds=(np.log(0.2), np.log(5)), method="bounded")
    return round(float(np.exp(found.x)), 4)
