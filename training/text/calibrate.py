"""Temperatures fitted on development sets (Guo et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from training.text.metrics import masked_probabilities


@dataclass(frozen=True)
class SavedSet:
    """A development set with a model's logits: float `[rows, 7]`, gold int64 `[rows]`, allowed bool `[rows, 7]`."""

    name: str
    logits: np.ndarray
    gold: np.ndarray
    allowed: np.ndarray


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
