"""Changes to batches of sequences and statistics while training.

Noise, calls, rooms and pace are rendered as sound by `prepare.py`; what is done here is what has an
exact counterpart in cepstra and statistics (another level, another colour), or none in sound (gaps).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.speech.model import CEPSTRA, SEQUENCE, cosine_basis
from training.speech.windows import BANDS, SPREAD

#: Bands of the mel bank that the statistics' MFCC come from (`lib/audio/statistics.ts`).
STATISTICS_BANDS = 40


def colour_basis() -> np.ndarray:
    """What one decibel of tilt and of a bow over the bands adds to the cepstra, `[2, 40]`."""
    x = np.linspace(-1, 1, BANDS)
    curves = np.stack([x, np.cos(np.pi * x)])
    return curves @ cosine_basis().T / SPREAD


def level_columns(names: list[str]) -> np.ndarray:
    """How much each statistic rises with a decibel of gain, `[names]`."""
    rise = np.zeros(len(names), np.float32)
    for i, name in enumerate(names):
        if name == "mfcc0.mean":
            rise[i] = np.sqrt(STATISTICS_BANDS)
        elif name.startswith("level.") and name.split(".")[1] in ("mean", "p10", "p50", "p90"):  # fmt: skip
            rise[i] = 1
    return rise


MIN_HZ, MAX_HZ = 50.0, 8000.0


def mel_of(hz: np.ndarray) -> np.ndarray:
    """Slaney's mel scale: linear up to 1 kHz, logarithmic above."""
    hz = np.asarray(hz, np.float64)
    step = np.log(6.4) / 27
    above = 15 + np.log(np.maximum(hz, 1000) / 1000) / step
    return np.where(hz < 1000, hz * 3 / 200, above)


def hz_of(mel: np.ndarray) -> np.ndarray:
    """The inverse of `mel_of`."""
    mel = np.asarray(mel, np.float64)
    return np.where(
        mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27)
    )


def warp_table(factor: float) -> np.ndarray:
    """Where band b of a voice whose formants lie `factor` higher is found, float `[128]` in bands."""
    edges = np.linspace(mel_of(MIN_HZ), mel_of(MAX_HZ), BANDS + 2)
    source = mel_of(hz_of(edges[1:-1]) / factor)
    return np.clip((source - edges[1]) / (edges[1] - edges[0]), 0, BANDS - 1)


def warp_matrix(factor: float) -> np.ndarray:
    """Vocal tract length perturbation (Jaitly and Hinton 2013) of cepstra, `[40, 40]`.

    What bands are at a place between two others is interpolated; what the cepstra left out stays out.
    """
    table = warp_table(factor)
    low = np.minimum(np.floor(table).astype(int), BANDS - 2)
    bands = np.zeros((BANDS, BANDS))
    bands[np.arange(BANDS), low] = 1 - (table - low)
    bands[np.arange(BANDS), low + 1] = table - low
    basis = cosine_basis()
    return basis @ bands @ basis.T


class Voices:
    """Other voices: the formants of half of the rows lie higher or lower, by up to `most`."""

    GRID = 21

    def __init__(self, most: float) -> None:
        factors = np.exp(np.linspace(-1, 1, self.GRID) * np.log1p(most))
        self.matrices = torch.from_numpy(
            np.stack([warp_matrix(f) for f in factors])
        ).float()

    def __call__(self, sequence: Tensor, random: np.random.Generator) -> Tensor:
        """`[batch, 56, 64]`, changed in place."""
        half = torch.from_numpy(np.flatnonzero(random.random(len(sequence)) < 0.5))
        picked = torch.from_numpy(random.integers(self.GRID, size=len(half)))
        cepstra = sequence[half, :CEPSTRA]
        sequence[half, :CEPSTRA] = torch.bmm(self.matrices[picked], cepstra)
        return sequence


class Microphone:
    """Another level and another microphone: a gain for both inputs, a smooth curve over frequency for cepstra."""

    def __init__(self, names: list[str], gain_db: float, tilt_db: float) -> None:
        self.gain_db, self.tilt_db = gain_db, tilt_db
        self.rise = torch.from_numpy(level_columns(names))
        self.colours = torch.from_numpy(colour_basis()).float()

    def __call__(
        self, sequence: Tensor, statistics: Tensor, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """`[batch, 56, 64]` and `[batch, names]`, changed in place."""
        size = len(sequence)
        gain = torch.from_numpy(random.normal(0, self.gain_db, (size, 1))).float()
        tilt = torch.from_numpy(random.normal(0, self.tilt_db, (size, 2))).float()
        change = tilt @ self.colours
        change[:, 0] += gain[:, 0] * np.sqrt(BANDS) / SPREAD
        sequence[:, :CEPSTRA] += change.unsqueeze(-1)
        statistics += gain * self.rise
        return sequence, statistics


def masked(
    rows: Tensor, random: np.random.Generator, frames: int, share: float
) -> Tensor:
    """A gap of up to so many frames, and a share of the features, get their mean: zero when standardised."""
    size, _, length = rows.shape
    width = random.integers(frames + 1, size=(size, 1))
    start = (random.random((size, 1)) * (length - width + 1)).astype(int)
    at = np.arange(length)
    gap = torch.from_numpy((at >= start) & (at < start + width))
    missing = torch.from_numpy(random.random((size, SEQUENCE)) < share)
    return rows.masked_fill(gap.unsqueeze(1) | missing.unsqueeze(2), 0)
