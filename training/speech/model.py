"""The speech network: convolutions over cepstra, a bidirectional LSTM over time, attention pooling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d

from training.speech.corpora import LABELS

BANDS = 128
FRAMES = 64


@dataclass(frozen=True)
class CrnnConfig:
    """Sizes. `hidden` is that of each direction of the LSTM."""

    cepstrum: int = 40
    width: int = 128
    hidden: int = 96
    dense: int = 128
    dropout: float = 0.3


def cosine_basis(coefficients: int, bands: int = BANDS) -> np.ndarray:
    """The orthonormal cosine transform (type II) `[coefficients, bands]`, as in `lib/audio/cepstrum.ts`."""
    c = np.arange(coefficients)[:, None]
    basis = np.sqrt(2 / bands) * np.cos(np.pi * c * (np.arange(bands) + 0.5) / bands)
    basis[0] /= np.sqrt(2)
    return basis


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


class Crnn(nn.Module):
    """Log-mel windows `[batch, 1, 128, 64]`, normalised, to logits `[batch, 8]` and time weights `[batch, 32]`.

    A fixed cosine transform makes cepstra, which batch normalisation standardises: coefficients
    that hardly depend on each other are learnt from much faster than neighbouring bands. Two
    convolutions over time follow, the first with a stride of 2 (80 ms a step).
    """

    def __init__(self, config: CrnnConfig = CrnnConfig()) -> None:
        super().__init__()
        self.config = config
        basis = torch.from_numpy(cosine_basis(config.cepstrum)).float()
        self.register_buffer("basis", basis, persistent=False)
        self.standard = nn.BatchNorm1d(config.cepstrum)
        self.first = nn.Conv1d(config.cepstrum, config.width, 6, stride=2, padding=2)
        self.norm = nn.BatchNorm1d(config.width)
        self.second = nn.Conv1d(config.width, config.width, 3, padding=1)
        self.lstm = nn.LSTM(
            config.width, config.hidden, batch_first=True, bidirectional=True
        )
        self.pooling = AttentionPooling(2 * config.hidden)
        self.dense = nn.Linear(2 * config.hidden, config.dense)
        self.classify = nn.Linear(config.dense, len(LABELS))
        self.steps = StepDropout(config.dropout)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        cepstra = self.standard(conv1d(mel.squeeze(1), self.basis.unsqueeze(-1)))
        x = self.norm(torch.relu(self.first(cepstra)))
        x = torch.relu(self.second(x)).transpose(1, 2)
        states, _ = self.lstm(self.steps(x))
        pooled, weights = self.pooling(self.steps(states))
        hidden = self.drop(torch.relu(self.dense(self.drop(pooled))))
        return self.classify(hidden), weights


@dataclass(frozen=True)
class MomentsShape:
    """How many cepstra are looked at, and the moments of each: see `moments`."""

    coefficients: int = 40
    kinds: int = 6

    @property
    def size(self) -> int:
        """Numbers a window."""
        return self.coefficients * self.kinds


MOMENTS = MomentsShape()


def moments(cepstra: Tensor) -> Tensor:
    """Mean, spread and mean step of each coefficient, over all frames and over the loud ones.

    `[batch, size, time]` to `[batch, 6 · size]`. Loud frames weigh exp(c₀), where c₀ is the level: 20 dB
    on 128 bands are √128 of it.
    """
    loud = cepstra[:, :1].softmax(2)
    step = (cepstra[..., 1:] - cepstra[..., :-1]).abs()
    between = loud[..., 1:] + loud[..., :-1]
    parts = []
    for weight, of_steps in (
        (torch.full_like(loud, 1 / cepstra.shape[2]), None),
        (loud, between / between.sum(2, keepdim=True)),
    ):
        mean = (weight * cepstra).sum(2, keepdim=True)
        variance = (weight * (cepstra - mean).square()).sum(2)
        parts += [mean.squeeze(2), (variance + 1e-4).sqrt()]
        parts.append(step.mean(2) if of_steps is None else (of_steps * step).sum(2))
    return torch.cat(parts, 1)


class Moments(nn.Module):
    """A perceptron on the moments of the cepstra: windows `[batch, 1, 128, 64]` to logits `[batch, 8]`."""

    def __init__(self, hidden: int = 128, dropout: float = 0.5) -> None:
        super().__init__()
        basis = torch.from_numpy(cosine_basis(MOMENTS.coefficients)).float()
        self.register_buffer("basis", basis, persistent=False)
        self.register_buffer("mean", torch.zeros(MOMENTS.size))
        self.register_buffer("spread", torch.ones(MOMENTS.size))
        self.classify = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(MOMENTS.size, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, len(LABELS)),
        )

    def standardised(self, values: Tensor) -> Tensor:
        """Moments `[batch, moments]` as deviations, within five."""
        return ((values - self.mean) / self.spread).clamp(-5, 5)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and even weights `[batch, 32]`, for it does not attend."""
        cepstra = conv1d(mel.squeeze(1), self.basis.unsqueeze(-1))
        logits = self.classify(self.standardised(moments(cepstra)))
        return logits, torch.full((len(mel), FRAMES // 2), 2 / FRAMES)


class Committee(nn.Module):
    """Networks whose log-probabilities are averaged: one graph, one answer.

    `readers` of moments count `share` in all, the recurrent `members` the rest.
    """

    def __init__(
        self,
        members: list[nn.Module],
        readers: list[nn.Module] | None = None,
        share: float = 0.5,
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.readers = nn.ModuleList(readers or [])
        self.share = share if readers else 0.0

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of the normalised logits `[batch, 8]`, mean of the members' weights `[batch, 32]`."""
        answers = [member(mel) for member in self.members]
        logits = torch.stack([a.log_softmax(-1) for a, _ in answers]).mean(0)
        weights = torch.stack([w for _, w in answers]).mean(0)
        if len(self.readers):
            read = [reader(mel)[0].log_softmax(-1) for reader in self.readers]
            mean = torch.stack(read).mean(0)
            logits = (1 - self.share) * logits + self.share * mean
        return logits, weights
