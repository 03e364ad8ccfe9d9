"""The speech network: a recurrent reader of sequences beside a perceptron on statistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from training.speech.corpora import LABELS
from training.speech.windows import BANDS, CHROMA, FRAMES, PROSODY

CEPSTRA = 40
#: Steps of the recurrent part: the convolution has a stride of 2.
STEPS = FRAMES // 2
#: Rows of a sequence: cepstra of the normalised log-mel picture, chroma, prosody.
SEQUENCE = CEPSTRA + CHROMA + PROSODY


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes. `hidden` is that of each direction of the LSTM, `statistics` the numbers of a window."""

    statistics: int = 79
    width: int = 96
    hidden: int = 80
    layers: int = 1
    reader: int = 96
    dense: int = 96
    dropout: float = 0.4


def cosine_basis(coefficients: int = CEPSTRA, bands: int = BANDS) -> np.ndarray:
    """The orthonormal cosine transform (type II) `[coefficients, bands]`, as in `lib/audio/cepstrum.ts`."""
    c = np.arange(coefficients)[:, None]
    basis = np.sqrt(2 / bands) * np.cos(np.pi * c * (np.arange(bands) + 0.5) / bands)
    basis[0] /= np.sqrt(2)
    return basis


#: Numbers of `moments`.
MOMENTS = 6 * SEQUENCE


def moments(rows: Tensor) -> Tensor:
    """Mean, spread and mean step of each row, over all frames and over the loud ones.

    `[batch, size, time]` to `[batch, 6 · size]`. Loud frames weigh exp(c₀), where c₀ is the level: 20 dB
    on 128 bands are √128 of it.
    """
    loud = rows[:, :1].softmax(2)
    step = (rows[..., 1:] - rows[..., :-1]).abs()
    between = loud[..., 1:] + loud[..., :-1]
    parts = []
    for weight, of_steps in (
        (torch.full_like(loud, 1 / rows.shape[2]), None),
        (loud, between / between.sum(2, keepdim=True)),
    ):
        mean = (weight * rows).sum(2, keepdim=True)
        variance = (weight * (rows - mean).square()).sum(2)
        parts += [mean.squeeze(2), (variance + 1e-4).sqrt()]
        parts.append(step.mean(2) if of_steps is None else (of_steps * step).sum(2))
    return torch.cat(parts, 1)


class StepDropout(nn.Module):
    """Drops whole channels of a row, at every time alike (Gal and Ghahramani 2016): `[batch, time, size]`."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if not self.training or self.share == 0:
            return x
        keep = 1 - self.share
        mask = (torch.rand(x.shape[0], 1, x.shape[2]) < keep).to(x.dtype) / keep
        return x * mask


class AttentionPooling(nn.Module):
    """The mean over time, each moment weighing as much as it is attended to."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, 48)
        self.score = nn.Linear(48, 1)

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """`[batch, time, size]` to `[batch, size]` and weights `[batch, time]`, sum 1 a row."""
        score = self.score(torch.tanh(self.hidden(states))).squeeze(-1)
        weights = score.float().softmax(-1)
        pooled = torch.bmm(weights.unsqueeze(1).to(states.dtype), states).squeeze(1)
        return pooled, weights


class Network(nn.Module):
    """Sequences `[batch, 56, 64]` and statistics `[batch, n]` to logits `[batch, 8]` and time weights `[batch, 32]`.

    The perceptron beside the recurrent part also sees moments of the rows. All is standardised with what was measured on the training speakers, so
    that a batch of one corpus is read like any other. Three heads answer: on what the recurrent part
    heard, on the statistics, and on both; their mean log-probability is the answer, each has
    its own loss.
    """

    def __init__(self, config: NetworkConfig = NetworkConfig()) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("row_mean", torch.zeros(SEQUENCE))
        self.register_buffer("row_spread", torch.ones(SEQUENCE))
        values = config.statistics + MOMENTS
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("spread", torch.ones(values))
        self.first = nn.Conv1d(SEQUENCE, config.width, 6, stride=2, padding=2)
        self.norm = nn.LayerNorm(config.width)
        sizes = [config.width] + [2 * config.hidden] * config.layers
        self.lstms = nn.ModuleList(
            nn.LSTM(size, config.hidden, batch_first=True, bidirectional=True)
            for size in sizes[:-1]
        )
        self.pooling = AttentionPooling(2 * config.hidden)
        self.reader = nn.Linear(values, config.reader)
        both = 2 * config.hidden + config.reader
        self.dense = nn.Linear(both, config.dense)
        self.heads = nn.ModuleList(
            nn.Linear(size, len(LABELS))
            for size in (2 * config.hidden, config.reader, config.dense)
        )
        self.steps = StepDropout(config.dropout)
        self.drop = nn.Dropout(config.dropout)
        self.drop_statistics = nn.Dropout(0.2)

    def standardised(
        self, sequence: Tensor, statistics: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Deviations from the training speakers, within five."""
        rows = (sequence - self.row_mean[:, None]) / self.row_spread[:, None]
        values = torch.cat([statistics, moments(sequence)], 1)
        values = (values - self.mean) / self.spread
        return rows.clamp(-5, 5), values.clamp(-5, 5)

    def answers(self, rows: Tensor, values: Tensor) -> tuple[list[Tensor], Tensor]:
        """Logits of the three heads for standardised inputs, and the time weights."""
        x = relu(self.norm(self.first(rows).transpose(1, 2)))
        for i, lstm in enumerate(self.lstms):
            states, _ = lstm(self.steps(x))
            x = states if i == 0 else x + states
        heard, weights = self.pooling(self.steps(x))
        heard = self.drop(heard)
        read = self.drop(relu(self.reader(self.drop_statistics(values))))
        both = self.drop(relu(self.dense(torch.cat([heard, read], 1))))
        heads = [
            head(part)
            for head, part in zip(self.heads, (heard, read, both), strict=True)
        ]
        return heads, weights

    def forward(self, sequence: Tensor, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        heads, weights = self.answers(*self.standardised(sequence, statistics))
        logits = torch.stack([h.float().log_softmax(-1) for h in heads]).mean(0)
        return logits, weights


class Committee(nn.Module):
    """Networks, and a reader of the statistics alone, whose log-probabilities are averaged: one graph, one answer."""

    def __init__(self, members: list[Network], reader: nn.Module | None = None) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.reader = reader

    def forward(self, sequence: Tensor, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of the logits `[batch, 8]`, the reader's among them, and of the networks' weights `[batch, 32]`."""
        answers = [member(sequence, statistics) for member in self.members]
        logits = [a for a, _ in answers]
        if self.reader is not None:
            logits.append(self.reader(sequence, statistics)[0])
        weights = torch.stack([w for _, w in answers]).mean(0)
        return torch.stack(logits).mean(0), weights
