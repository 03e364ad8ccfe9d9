"""Temperatures fitted on development sets: one for all (Guo et al. 2017), or one a text.

Corpora differ in how far their readers agreed, so a temperature that is right for one is wrong for
another. `TemperatureHead` reads it from the network's own states, which tell what kind of text it is:
all logits of a text are divided by the same number, so no label ever changes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from training.text.losses import NEVER
from training.text.metrics import expected_calibration_error, masked_probabilities

#: No text's temperature is lower, whatever its features are.
LEAST_TEMPERATURE = 0.25
#: Log-odds of the likeliest label are held within these bounds before the head reads them.
ODDS = (-3.0, 5.0)
#: Weight of the squared length of the head's coefficients.
RIDGE = 1e-3


@dataclass(frozen=True)
class SavedSet:
    """A development set with a model's logits: float `[rows, 7]`, gold int64 `[rows]`, allowed bool
    `[rows, 7]`.

    `features` float `[rows, width]` is what the head reads; `weight` float `[rows]`, sum 1, what the
    rows count for, all the same when left out.
    """

    name: str
    logits: np.ndarray
    gold: np.ndarray
    allowed: np.ndarray
    features: np.ndarray | None = None
    weight: np.ndarray | None = None

    def some(self, chosen: np.ndarray) -> SavedSet:
        """Some of the rows; `chosen` bool `[rows]`."""
        weight = self.shares()[chosen]
        return SavedSet(
            self.name,
            self.logits[chosen],
            self.gold[chosen],
            self.allowed[chosen],
            None if self.features is None else self.features[chosen],
            weight / weight.sum(),
        )

    def shares(self) -> np.ndarray:
        """What each row counts for, float `[rows]`, sum 1."""
        if self.weight is not None:
            return self.weight
        return np.full(len(self.gold), 1 / len(self.gold))


@dataclass(frozen=True)
class Kinds:
    """Which corpus a text is like: softmax of `features · weight + bias`, `weight` float32
    `[width, kinds]`, `bias` float32 `[kinds]`."""

    weight: np.ndarray
    bias: np.ndarray

    def shares(self, features: np.ndarray) -> np.ndarray:
        """`[rows, kinds]`, sum 1 a row, of features `[rows, width]`."""
        z = features.astype(np.float64) @ self.weight + self.bias
        return masked_probabilities(z, np.ones(z.shape[1], dtype=bool))


@dataclass(frozen=True)
class TemperatureHead:
    """`LEAST_TEMPERATURE + softplus(kinds · (level + slope · m))`, where m are the log-odds of the
    likeliest label at temperature 1; `level`, `slope` float `[kinds]`."""

    kinds: Kinds
    level: np.ndarray
    slope: np.ndarray

    def temperatures(self, features: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """A temperature a row, `[rows]`, of features `[rows, width]` and logits `[rows, 7]`."""
        inputs = head_inputs(self.kinds, features, logits)
        z = inputs @ np.concatenate([self.level, self.slope])
        return LEAST_TEMPERATURE + np.logaddexp(0, z)

    def scaled(self, s: SavedSet) -> SavedSet:
        """The set with every row's logits divided by the row's temperature."""
        t = self.temperatures(s.features, s.logits)
        return replace(s, logits=s.logits / t[:, None])


def fit_temperature(sets: Sequence[SavedSet]) -> float:
    """The temperature with the least negative log-likelihood, every set counting the same."""

    def cost(log_t: float) -> float:
        total = 0.0
        for s in sets:
            p = masked_probabilities(s.logits, s.allowed, float(np.exp(log_t)))
            picked = p[np.arange(len(s.gold)), s.gold]
            total -= (np.log(np.clip(picked, 1e-12, 1)) * s.shares()).sum()
        return total / len(sets)

    found = minimize_scalar(cost, bounds=(np.log(0.2), np.log(5)), method="bounded")
    return round(float(np.exp(found.x)), 4)


def as_in_training(s: SavedSet, frequencies: np.ndarray) -> SavedSet:
    """The set with its rows weighted so that its labels are as frequent as `frequencies` `[7]`, those
    of the corpus' training rows: a small development set may hold its classes in other shares."""
    own = np.bincount(s.gold, minlength=len(frequencies)) / len(s.gold)
    ratio = np.divide(frequencies, own, out=np.ones(len(own)), where=own > 0)
    weight = np.clip(ratio, 1 / 3, 3)[s.gold]
    return replace(s, weight=weight / weight.sum())


def fit_kinds(features: Sequence[np.ndarray], strength: float = 0.003) -> Kinds:
    """Tells corpora apart by features `[rows, width]` of texts of each, in the order given.

    Logistic regression on standardised features, every corpus counting the same; `strength` is the
    inverse of its penalty. No labels are needed, so training rows will do.
    """
    x = np.concatenate(features).astype(np.float64)
    mean, spread = x.mean(0), x.std(0) + 1e-3
    which = np.concatenate([np.full(len(f), i) for i, f in enumerate(features)])
    model = LogisticRegression(
        C=strength, max_iter=200, tol=1e-3, class_weight="balanced"
    ).fit((x - mean) / spread, which)
    weight, bias = model.coef_.T / spread[:, None], model.intercept_
    if weight.shape[1] == 1:
        weight, bias = weight * [-0.5, 0.5], bias * np.array([-0.5, 0.5])
    return Kinds(weight.astype(np.float32), (bias - mean @ weight).astype(np.float32))


def head_inputs(kinds: Kinds, features: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """`[rows, 2 · kinds]`: shares of the kinds, and the same times the log-odds of the top label."""
    shares = kinds.shares(features)
    top = masked_probabilities(logits, np.ones(logits.shape[1], dtype=bool)).max(1)
    odds = np.clip(np.log(top / (1 - top + 1e-6)), *ODDS)
    return np.concatenate([shares, shares * odds[:, None]], axis=1)


def fit_head(
    sets: Sequence[SavedSet], kinds: Kinds, balance: float, steps: int = 100
) -> TemperatureHead:
    """The head with the least negative log-likelihood, every set counting the same, plus `balance`
    times what is left of miscalibration in each set.

    That is the squared difference between mean confidence and accuracy, and half the square of its
    covariance with the confidence before: likelihood alone trades the sets that look alike off
    against one another. Full-batch L-BFGS from the temperature 1 for every text.
    """
    x = torch.from_numpy(
        np.concatenate([head_inputs(kinds, s.features, s.logits) for s in sets])
    )
    allowed = torch.from_numpy(np.concatenate([s.allowed for s in sets]))
    logits = torch.from_numpy(np.concatenate([s.logits for s in sets])).double()
    logits = logits.masked_fill(~allowed, NEVER)
    gold = torch.from_numpy(np.concatenate([s.gold for s in sets]))
    share = torch.from_numpy(np.concatenate([s.shares() for s in sets]))
    top = logits.argmax(1)
    correct = (top == gold).double()
    before = torch.softmax(logits, dim=-1).max(1).values
    ends = np.cumsum([0] + [len(s.gold) for s in sets])
    parts = [slice(a, b) for a, b in itertools.pairwise(ends)]
    for p in parts:
        before[p] = (before[p] - before[p].mean()) / before[p].std()

    start = float(np.log(np.expm1(1 - LEAST_TEMPERATURE)))
    width = x.shape[1] // 2
    change = torch.zeros(2 * width, dtype=torch.float64, requires_grad=True)
    base = torch.cat([torch.full((width,), start), torch.zeros(width)]).double()
    optimiser = torch.optim.LBFGS(
        [change], max_iter=steps, line_search_fn="strong_wolfe"
    )

    def cost() -> Tensor:
        optimiser.zero_grad()
        t = LEAST_TEMPERATURE + torch.nn.functional.softplus(x @ (base + change))
        log_p = torch.log_softmax(logits / t[:, None], dim=-1)
        nll = -(log_p.gather(1, gold[:, None]).squeeze(1) * share).sum() / len(sets)
        off = (log_p.gather(1, top[:, None]).squeeze(1).exp() - correct) * share
        left = sum(
            off[p].sum().square() + 0.5 * (off[p] * before[p]).sum().square()
            for p in parts
        )
        loss = nll + balance * left + RIDGE * change.square().sum()
        loss.backward()
        return loss

    optimiser.step(cost)
    found = (base + change.detach()).numpy()
    return TemperatureHead(kinds, found[:width], found[width:])


def cross_validate(
    sets: Sequence[SavedSet], kinds: Kinds, balance: float, folds: int = 5
) -> dict[str, dict[str, float]]:
    """`nll` and `ece` a set when each row's temperature comes from a head that has not seen the row."""
    random = np.random.default_rng(0)
    fold = [random.permutation(len(s.gold)) % folds for s in sets]
    scaled = [np.zeros(s.logits.shape) for s in sets]
    for k in range(folds):
        seen = [s.some(f != k) for s, f in zip(sets, fold, strict=True)]
        head = fit_head(seen, kinds, balance)
        for s, f, out in zip(sets, fold, scaled, strict=True):
            out[f == k] = head.scaled(s.some(f == k)).logits
    found = {}
    for s, logits in zip(sets, scaled, strict=True):
        p = masked_probabilities(logits, s.allowed)
        picked = p[np.arange(len(s.gold)), s.gold]
        found[s.name] = {
            "nll": float(-(np.log(np.clip(picked, 1e-12, 1)) * s.shares()).sum()),
            "ece": expected_calibration_error(
                p.max(1), p.argmax(1) == s.gold, weight=s.shares()
            ),
        }
    return found


def choose_balance(
    sets: Sequence[SavedSet], kinds: Kinds, candidates: Sequence[float]
) -> tuple[float, dict[str, dict[str, float]]]:
    """The candidate with the least cross-validated calibration error, mean over the sets, and its
    scores."""
    tried = [(b, cross_validate(sets, kinds, b)) for b in candidates]
    return min(tried, key=lambda t: float(np.mean([s["ece"] for s in t[1].values()])))
