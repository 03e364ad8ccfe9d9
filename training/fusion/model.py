"""The attention network: which modality to believe, and what each one's scores mean together."""

from __future__ import annotations

import math

import torch
from torch import nn

LABELS = 7
MODALITIES = ("text", "audio", "video")
SUBSET_COUNT = 2 ** len(MODALITIES) - 1
#: Length M of a modality's features, `ATTENTION_FEATURES` in lib/fusion/attention.ts.
FEATURES = 3 * LABELS + len(MODALITIES) + 1
HIDDEN = 64
#: What a temperature depends on, `TEMPERATURE_COEFFICIENTS` in lib/fusion/fused-temperature.ts.
COEFFICIENTS = LABELS + 2 + SUBSET_COUNT + 1


def temperature_inputs(
    logits: torch.Tensor, scores: torch.Tensor, present: torch.Tensor
) -> torch.Tensor:
    """What tells how sure an answer ought to be, `[batch, COEFFICIENTS]`: the fused distribution, its
    entropy over ln 7, what the modalities' distributions share with it on average, which subset is
    present (one-hot; text counts 1, audio 2, video 4), and the logarithm of the leading score.

    `logits` `[batch, 7]`, `scores` `[batch, 3, 7]` (0 where a label is unknown), `present` `[batch, 3]`.
    """
    fused = torch.softmax(logits, dim=1)
    entropy = -(fused * fused.clamp(min=1e-9).log()).sum(1, keepdim=True)
    shared = torch.minimum(scores, fused.unsqueeze(1)).sum(-1)
    overlap = (shared * present).sum(1, keepdim=True) / present.sum(1, keepdim=True)
    subset = present @ torch.tensor([1.0, 2.0, 4.0])
    numbers = torch.arange(1, SUBSET_COUNT + 1, dtype=present.dtype)
    which = (subset.unsqueeze(1) - numbers).abs().lt(0.5).to(present.dtype)
    leading = fused.amax(1, keepdim=True).clamp(min=1e-9).log()
    return torch.cat(
        [fused, entropy / math.log(LABELS), overlap, which, leading], dim=1
    )


class FusionAttention(nn.Module):
    """`Linear(M, 64) → Tanh → Linear(64, 1) → softmax` over the modalities that are present.

    The weights average each modality's reading of its own log scores, a linear map to logits, so a
    model that confuses two labels, or knows its own bias, is read accordingly. The logits are divided by
    a temperature that depends on the answer, see :func:`temperature_inputs`: rare labels count more in
    training, so one number would leave them too sure and the common ones not sure enough. No
    temperature changes which label leads.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(FEATURES, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)
        self.value = nn.Parameter(torch.eye(LABELS).repeat(len(MODALITIES), 1, 1))
        self.bias = nn.Parameter(torch.zeros(len(MODALITIES), LABELS))
        #: Of the logarithm of the temperature; fitted afterwards, zeros while the rest is trained.
        self.register_buffer("coefficients", torch.zeros(COEFFICIENTS))

    def read(
        self, features: torch.Tensor, present: torch.Tensor, log_scores: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As :meth:`forward`, before the temperature."""
        relevance = self.score(torch.tanh(self.hidden(features))).squeeze(-1)
        weights = torch.softmax(relevance + (present - 1) * 1e4, dim=1)
        # [batch, 3, 1, 7 in] · [3, 7 out, 7 in] → [batch, 3, 7 out]
        read = (log_scores.unsqueeze(2) * self.value).sum(-1) + self.bias
        return (weights.unsqueeze(-1) * read).sum(1), weights

    def forward(
        self, features: torch.Tensor, present: torch.Tensor, log_scores: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`features` `[batch, 3, M]`, `present` `[batch, 3]`, `log_scores` `[batch, 3, 7]` →
        logits `[batch, 7]`, weights `[batch, 3]`."""
        logits, weights = self.read(features, present, log_scores)
        inputs = temperature_inputs(logits, features[:, :, :LABELS], present)
        temperature = (inputs @ self.coefficients).exp().unsqueeze(1)
        return logits / temperature, weights
