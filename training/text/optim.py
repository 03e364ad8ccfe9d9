"""Optimiser, schedule, weight averaging and adversarial perturbation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def parameter_groups(
    model: nn.Module, rate: float, head_rate: float, decay: float, weight_decay: float
) -> list[dict]:
    """AdamW groups with a learning rate that falls by `decay` a layer from the top down.

    `model.parameter_depth(name)` tells the layer; the deepest are the heads, which get
    `head_rate`. Biases and norms are not decayed.
    """
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    top = max(model.parameter_depth(n) for n, _ in named)
    groups: dict[tuple[int, bool], dict] = {}
    for name, parameter in named:
        depth = model.parameter_depth(name)
        decayed = parameter.ndim > 1
        group = groups.setdefault(
            (depth, decayed),
            {
                "params": [],
                "lr": head_rate if depth == top else rate * decay ** (top - 1 - depth),
                "weight_decay": weight_decay if decayed else 0.0,
            },
        )
        group["params"].append(parameter)
    return list(groups.values())


def schedule(step: int, total: int, warmup: float, kind: str = "linear") -> float:
    """Factor of the learning rate: linear warm-up, then linear or cosine to zero."""
    rise = max(1, int(total * warmup))
    if step < rise:
        return (step + 1) / rise
    left = min(1.0, (step - rise) / max(1, total - rise))
    return 1 - left if kind == "linear" else 0.5 * (1 + math.cos(math.pi * left))


class Average:
    """Exponential moving average of a model's weights (Polyak averaging).

    The decay ramps up with the step, `min(decay, (1 + step) / (10 + step))`, so early weights are
    soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.step = 0
        self.shadow = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Call after every optimiser step."""
        self.step += 1
        keep = min(self.decay, (1 + self.step) / (10 + self.step))
        for name, value in model.state_dict().items():
            self.shadow[name].lerp_(value, 1 - keep)

    def swap(self, model: nn.Module) -> None:
        """Exchanges the model's weights with the averaged ones; call again to change back."""
        mine = {k: v.detach().clone() for k, v in model.state_dict().items()}
        model.load_state_dict(self.shadow)
        self.shadow = mine


class FastGradient:
    """FGM (Miyato et al. 2017): one step of length `epsilon` along the embedding's gradient."""

    def __init__(self, embedding: nn.Embedding, epsilon: float) -> None:
        self.embedding = embedding
        self.epsilon = epsilon
        self.kept: Tensor | None = None

    @torch.no_grad()
    def attack(self) -> bool:
        """Moves the embedding; False where it has no gradient to follow."""
        gradient = self.embedding.weight.grad
        norm = gradient.norm() if gradient is not None else torch.tensor(0.0)
        if not torch.isfinite(norm) or norm == 0:
            return False
        self.kept = self.embedding.weight.detach().clone()
        self.embedding.weight.add_(gradient, alpha=float(self.epsilon / norm))
        return True

    @torch.no_grad()
    def restore(self) -> None:
        """Puts the embedding back."""
        if self.kept is not None:
            self.embedding.weight.copy_(self.kept)
            self.kept = None
