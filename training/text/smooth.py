"""Evens out the inputs of INT8 matrix products (SmoothQuant, Xiao et al. 2023, arXiv:2211.10438).

Dynamic INT8 gives all inputs of a product one scale. Where a few channels are far larger than the
rest, these set the scale and the others lose their digits. Dividing each channel of the input by a
factor and multiplying the same column of the weights by it changes nothing in exact arithmetic, and
moves part of the spread into the weights, which have a scale for each of their rows.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from training.text.dataset import Batch

#: Share of the spread that moves into the weights: 0 none, 1 all of it.
STRENGTH = 0.8
#: Keeps a channel that was silent on the sample from a factor of nought.
LEAST = 1e-3


@torch.inference_mode()
def input_ranges(
    model: nn.Module, batches: Iterable[Batch], prefix: str
) -> dict[str, np.ndarray]:
    """Largest absolute input a channel, float32 `[in]`, of each linear layer whose name begins with
    `prefix`, over some batches (padding included, since the graph quantises it as well)."""
    found: dict[str, Tensor] = {}
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and name.startswith(prefix):

            def note(
                _: nn.Module, inputs: tuple[Tensor], __: Tensor, name: str = name
            ) -> None:
                top = inputs[0].abs().flatten(0, -2).amax(0).float()
                found[name] = torch.maximum(found[name], top) if name in found else top

            hooks.append(module.register_forward_hook(note))
    model.eval()
    try:
        for batch in batches:
            model(batch.ids, batch.mask)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: top.numpy() for name, top in found.items()}


def smoothing(
    inputs: np.ndarray, weights: Iterable[np.ndarray], strength: float = STRENGTH
) -> np.ndarray:
    """Factors float32 `[in]`, geometric mean 1, for an input with ranges `[in]` that the `weights`
    `[out, in]` are all applied to: divide the input by them, multiply the columns."""
    columns = np.max([np.abs(w).max(axis=0) for w in weights], axis=0)
    log = strength * np.log(np.maximum(inputs, LEAST))
    log -= (1 - strength) * np.log(np.maximum(columns, LEAST))
    return np.exp(log - log.mean()).astype(np.float32)
