"""Attention pooling, shared by both architectures."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Score of a token that must get no weight: e⁻³⁰ of the others, yet finite when nothing else is left.
_LAST_RESORT = -30.0
_PADDING = -1e4


class AttentionPooling(nn.Module):
    """Weighted mean of token states with learned weights (Yang et al. 2016, section 2.2).

    Starts as the plain mean: the scoring vector is zero. [CLS] and [SEP] get no weight unless the
    text has no other token, so the weights can be shown beside the words.
    """

    def __init__(self, width: int, hidden: int, special: tuple[int, int]) -> None:
        super().__init__()
        self.project = nn.Linear(width, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.special = special
        nn.init.zeros_(self.score.weight)

    def forward(
        self, states: Tensor, ids: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """States `[batch, tokens, width]`, ids and mask `[batch, tokens]` → pooled `[batch, width]`
        and weights `[batch, tokens]`, which sum to one over the real tokens of a row."""
        score = self.score(torch.tanh(self.project(states))).squeeze(-1).float()
        is_special = ((ids == self.special[0]) | (ids == self.special[1])).float()
        score = score + is_special * _LAST_RESORT + (1 - mask.float()) * _PADDING
        weights = torch.softmax(score, dim=-1) * mask.float()
        pooled = torch.bmm(weights.unsqueeze(1), states.float()).squeeze(1)
        return pooled, weights
