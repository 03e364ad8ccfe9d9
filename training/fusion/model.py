"""The attention network: which modality to believe, and what each one's scores mean together."""

from __future__ import annotations

import torch
from torch import nn

LABELS = 7
MODALITIES = ("text", "audio", "video")
#: Length M of a modality's features, `ATTENTION_FEATURES` in lib/fusion/attention.ts.
FEATURES = 3 * LABELS + len(MODALITIES) + 1
HIDDEN = 64


class FusionAttention(nn.Module):
    """`Linear(M, 64) → Tanh → Linear(64, 1) → softmax` over the modalities that are present.

    The weights average each modality's reading of its own log scores, a linear map to logits, so a
    model that confuses two labels, or knows its own bias, is read accordingly. What is read from two
    or three is surer than from one: the logits are divided by a temperature of the subset that is
    present, text counting 1, audio 2, video 4.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(FEATURES, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)
        self.value = nn.Parameter(torch.eye(LABELS).repeat(len(MODALITIES), 1, 1))
        self.bias = nn.Parameter(torch.zeros(len(MODALITIES), LABELS))
        self.log_temperature = nn.Parameter(torch.zeros(2 ** len(MODALITIES) - 1))

    def forward(
        self, features: torch.Tensor, present: torch.Tensor, log_scores: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`features` `[batch, 3, M]`, `present` `[batch, 3]`, `log_scores` `[batch, 3, 7]` →
        logits `[batch, 7]`, weights `[batch, 3]`."""
        relevance = self.score(torch.tanh(self.hidden(features))).squeeze(-1)
        weights = torch.softmax(relevance + (present - 1) * 1e4, dim=1)
        # [batch, 3, 1, 7 in] · [3, 7 out, 7 in] → [batch, 3, 7 out]
        read = (log_scores.unsqueeze(2) * self.value).sum(-1) + self.bias
        subset = present @ torch.tensor([1.0, 2.0, 4.0])
        numbers = torch.arange(1, 2 ** len(MODALITIES), dtype=present.dtype)
        is_subset = (subset.unsqueeze(1) - numbers).abs().lt(0.5).to(present.dtype)
        temperature = (is_subset * self.log_temperature.exp()).sum(dim=1, keepdim=True)
        logits = (weights.unsqueeze(-1) * read).sum(1) / temperature
        return logits, weights
