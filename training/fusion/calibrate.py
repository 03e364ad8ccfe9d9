"""Temperatures that depend on the answer, fitted so that scores of leading labels are hit rates."""

from __future__ import annotations

import torch
from torch import nn

from training.fusion.model import COEFFICIENTS, temperature_inputs

#: Keeps coefficients that few rows bear small; in nats a row. Chosen with the inputs of the temperature
#: by cross-fitting on the development folds (of .0001, .0005, .001, .002 and .003).
PENALTY = 1e-3


def fit_coefficients(
    logits: torch.Tensor,
    scores: torch.Tensor,
    present: torch.Tensor,
    joint: torch.Tensor,
) -> torch.Tensor:
    """Coefficients `[COEFFICIENTS]` of the logarithm of the temperature with the least cross-entropy
    between the leading label's score and whether that label is right.

    The likelihood of all labels would not do: where rare labels count more in training the leading label
    is not always the likeliest, and only its score can be made honest without changing the answer.
    Shapes as in :func:`temperature_inputs`; `joint` int `[batch]`.
    """
    inputs = temperature_inputs(logits, scores, present)
    right = (logits.argmax(1) == joint).to(logits.dtype)
    coefficients = torch.zeros(COEFFICIENTS, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [coefficients], max_iter=200, line_search_fn="strong_wolfe"
    )

    def cost() -> torch.Tensor:
        optimiser.zero_grad()
        temperature = (inputs @ coefficients).exp().unsqueeze(1)
        led = torch.softmax(logits / temperature, 1).amax(1).clamp(1e-5, 1 - 1e-5)
        value = nn.functional.binary_cross_entropy(led, right)
        value = value + PENALTY * coefficients.square().sum()
        value.backward()
        return value

    optimiser.step(cost)
    return coefficients.detach()


def tempered(
    logits: torch.Tensor,
    scores: torch.Tensor,
    present: torch.Tensor,
    coefficients: torch.Tensor,
) -> torch.Tensor:
    """Scores `[batch, 7]` with their temperature."""
    inputs = temperature_inputs(logits, scores, present)
    return torch.softmax(logits / (inputs @ coefficients).exp().unsqueeze(1), 1)
