"""Logistic regression, one class against the rest, whose rows may know only some of the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class Linear:
    """`weight` float `[features, classes]`, `bias` float `[classes]`."""

    weight: np.ndarray
    bias: np.ndarray

    def logits(self, features: sparse.csr_matrix) -> np.ndarray:
        """Float `[rows, classes]`."""
        return np.asarray(features @ self.weight) + self.bias


def fit(
    features: sparse.csr_matrix,
    gold: np.ndarray,
    allowed: np.ndarray,
    share: np.ndarray,
    strength: float,
    iterations: int = 100,
) -> Linear:
    """One L2-regularised logistic regression a class (liblinear's dual solver, Yu et al. 2011).

    `features` `[rows, features]`; `gold` int `[rows]`; `allowed` bool `[rows, classes]`: a row takes
    no part in the regression of a class that its annotators could not give, so a corpus without a
    class does not teach that it is rare. `share` `[rows]` is what each row counts; `strength` is
    scikit-learn's `C`.

    Each column is multiplied by its inverse document frequency while it is fitted, which is taken
    back in the weights: it only says how dearly a feature is to be used.
    """
    rows, size = features.shape
    frequency = np.bincount(features.indices, minlength=size)
    rarity = np.log((1 + rows) / (1 + frequency)) + 1
    scaled = (features @ sparse.diags(rarity)).tocsr().astype(np.float64)
    unit = 1 / np.sqrt(scaled.multiply(scaled).sum(1).mean())
    scaled *= unit
    classes = allowed.shape[1]
    weight, bias = np.zeros((size, classes)), np.zeros(classes)
    for label in range(classes):
        mine = allowed[:, label]
        model = LogisticRegression(
            solver="liblinear",
            dual=True,
            C=strength,
            max_iter=iterations,
            random_state=1,
        )
        model.fit(scaled[mine], gold[mine] == label, sample_weight=share[mine])
        weight[:, label] = model.coef_[0] * rarity * unit
        bias[label] = model.intercept_[0]
    return Linear(weight, bias)


def class_shares(gold: np.ndarray, classes: int, power: float) -> np.ndarray:
    """What each row counts so that a class with the share s counts s^(1 − power) in all: 0 leaves
    the rows alike, 1 makes the classes equal. `[rows]`, mean 1."""
    frequency = np.bincount(gold, minlength=classes) / len(gold)
    share = np.maximum(frequency, 1e-9)[gold] ** -power
    return share / share.mean()


@dataclass(frozen=True)
class Quantised:
    """Weights as whole numbers: int8 `[features, classes]` times `scale` float32 `[classes]`."""

    weight: np.ndarray
    scale: np.ndarray
    bias: np.ndarray

    def logits(self, features: sparse.csr_matrix) -> np.ndarray:
        """Float `[rows, classes]`."""
        return np.asarray(features @ (self.weight * self.scale)) + self.bias


def quantise(model: Linear) -> Quantised:
    """Rounds each class's weights to 255 steps of one size."""
    scale = (np.maximum(np.abs(model.weight).max(0), 1e-12) / 127).astype(np.float32)
    weight = np.clip(np.round(model.weight / scale), -127, 127).astype(np.int8)
    return Quantised(weight, scale, model.bias.astype(np.float32))
