"""BiLSTM with attention pooling: Chinese and English in one small network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.text.models.pooling import AttentionPooling


@dataclass(frozen=True)
class BiLstmConfig:
    """Sizes; `hidden` is one direction's. `maximum` adds each state's largest value over the tokens
    to the pooled vector."""

    vocabulary: int
    width: int = 256
    hidden: int = 192
    dense: int = 256
    embedding_dropout: float = 0.3
    dropout: float = 0.4
    word_dropout: float = 0.05
    maximum: bool = False
    special: tuple[int, int] = (2, 3)
    unknown: int = 1


def reverse_by_length(x: Tensor, lengths: Tensor) -> Tensor:
    """Turns each row's first `length` steps round and leaves its padding where it is.

    `x` `[batch, tokens, …]`, `lengths` int64 `[batch]`. Its own inverse. It lets a plain LSTM read
    a padded batch backwards from each row's own last token.
    """
    steps = torch.arange(x.shape[1], device=x.device)[None, :]
    index = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return torch.gather(x, 1, index.unsqueeze(-1).expand(-1, -1, x.shape[2]))


class BiLstmClassifier(nn.Module):
    """Embedding → BiLSTM → attention pooling over [LSTM state; embedding] → two dense layers.

    Padding never changes a row: the forward direction meets it last, the backward direction reads
    by length, the pooling masks it.
    """

    def __init__(self, c: BiLstmConfig, classes: int = 7) -> None:
        super().__init__()
        self.config = c
        self.embedding = nn.Embedding(c.vocabulary, c.width, padding_idx=0)
        self.forwards = nn.LSTM(c.width, c.hidden, batch_first=True)
        self.backwards = nn.LSTM(c.width, c.hidden, batch_first=True)
        self.pooling = AttentionPooling(2 * c.hidden + c.width, 128, c.special)
        pooled = 2 * c.hidden + c.width + (2 * c.hidden if c.maximum else 0)
        self.dense = nn.Linear(pooled, c.dense)
        self.classify = nn.Linear(c.dense, classes)
        nn.init.normal_(self.embedding.weight, std=0.1)
        for lstm in (self.forwards, self.backwards):
            nn.init.orthogonal_(lstm.weight_hh_l0)
            # Forget gate open at the start (Jozefowicz et al. 2015); PyTorch's order is i, f, g, o.
            lstm.bias_ih_l0.data[c.hidden : 2 * c.hidden] = 1.0

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """`ids`, `mask` int64 `[batch, tokens]` → logits `[batch, 7]`, weights `[batch, tokens]`."""
        c = self.config
        if self.training and c.word_dropout:
            lost = (torch.rand(ids.shape) < c.word_dropout) & (ids > max(c.special))
            ids = ids.masked_fill(lost, c.unknown)
        lengths = mask.sum(1)
        x = F.dropout(self.embedding(ids), c.embedding_dropout, self.training)
        ahead, _ = self.forwards(x)
        back, _ = self.backwards(reverse_by_length(x, lengths))
        states = torch.cat([ahead, reverse_by_length(back, lengths), x], dim=-1)
        pooled, weights = self.pooling(states, ids, mask)
        if c.maximum:
            outside = (mask == 0).unsqueeze(-1)
            lstm = states[..., : 2 * c.hidden].float().masked_fill(outside, -1.0)
            pooled = torch.cat([pooled, lstm.amax(dim=1)], dim=-1)
        hidden = F.relu(self.dense(F.dropout(pooled, c.dropout, self.training)))
        return self.classify(F.dropout(hidden, c.dropout, self.training)), weights

    def forward_training(self, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Logits in the shape that the trainer takes from every model."""
        return {"logits": self(ids, mask)[0]}

    def parameter_depth(self, name: str) -> int:
        """0 for the embedding, 1 for the rest."""
        return 0 if name.startswith("embedding.") else 1
