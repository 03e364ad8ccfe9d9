"""Losses over rows whose corpora know different classes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

#: Takes a class out of a softmax without the NaN that minus infinity times zero would give.
NEVER = -1e4


def masked_log_softmax(logits: Tensor, allowed: Tensor) -> Tensor:
    """Log-probabilities `[rows, classes]` over each row's allowed classes.

    A masked class takes part in neither the sum nor the gradient, so a corpus without disgust
    says nothing about disgust.
    """
    return F.log_softmax(logits.float().masked_fill(~allowed, NEVER), dim=-1)


def masked_cross_entropy(
    logits: Tensor,
    target: Tensor,
    allowed: Tensor,
    smoothing: float = 0.0,
    focal: float = 0.0,
) -> Tensor:
    """Cross-entropy with soft targets a row, `[rows]`.

    `smoothing` moves that share of the mass evenly onto the allowed classes. `focal` is gamma of
    Lin et al. 2017; a row's p_t is its probability under its own (unsmoothed) target.
    """
    log_p = masked_log_softmax(logits, allowed)
    spread = allowed.float() / allowed.sum(-1, keepdim=True)
    wanted = (1 - smoothing) * target + smoothing * spread
    loss = -(wanted * log_p * allowed).sum(-1)
    if focal > 0:
        p_t = (target * log_p.exp()).sum(-1).clamp(0, 1)
        loss = loss * (1 - p_t) ** focal
    return loss


def distillation(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL divergence from the teacher's softened classes, times T² (Hinton et al. 2015), `[rows]`."""
    log_p = F.log_softmax(logits.float() / temperature, dim=-1)
    q = F.softmax(teacher.float() / temperature, dim=-1)
    return (q * (q.clamp_min(1e-9).log() - log_p)).sum(-1) * temperature**2


def symmetric_kl(first: Tensor, second: Tensor, allowed: Tensor) -> Tensor:
    """R-Drop's term (Liang et al. 2021): mean of both KL divergences of two passes, `[rows]`."""
    p, q = masked_log_softmax(first, allowed), masked_log_softmax(second, allowed)
    return 0.5 * ((p.exp() - q.exp()) * (p - q) * allowed).sum(-1)
