"""Changes to batches of log-mel windows in decibels, `[batch, 128, 64]`, while training.

Noise and second voices are added as powers, which is what sound does on average; everything else is
geometry. What cannot be done to a picture (rooms, codecs, resampling) is rendered by `prepare.py`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from training.speech.model import BANDS, FRAMES
from training.speech.windows import MEAN, SPREAD

FLOOR_DB = -100.0
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


def warp(pictures: Tensor, factors: np.ndarray) -> Tensor:
    """Vocal tract length perturbation (Jaitly and Hinton 2013): one factor a row."""
    tables = torch.from_numpy(np.stack([warp_table(f) for f in factors])).float()
    low = tables.floor().long().clamp_max(BANDS - 2)
    share = (tables - low).unsqueeze(-1)
    index = low.unsqueeze(-1).expand(-1, -1, pictures.shape[-1])
    return torch.lerp(pictures.gather(1, index), pictures.gather(1, index + 1), share)


def add_power(first: Tensor, second: Tensor) -> Tensor:
    """Decibels of the sum of two powers."""
    return torch.logaddexp(first * (np.log(10) / 10), second * (np.log(10) / 10)) * (
        10 / np.log(10)
    )


def speech_level(pictures: Tensor) -> Tensor:
    """Decibels of the mean power of the louder half of the frames, `[batch]`."""
    power = (pictures * (np.log(10) / 10)).exp().mean(1)
    louder = power.sort(1, descending=True).values[:, : FRAMES // 2].mean(1)
    return 10 * louder.clamp_min(1e-10).log10()


def add_noise(pictures: Tensor, noise: Tensor, ratio_db: Tensor) -> Tensor:
    """Noise `[batch, 128, 64]` of any level added so that speech is `ratio_db` `[batch]` louder."""
    gain = speech_level(pictures) - speech_level(noise) - ratio_db
    return add_power(pictures, noise + gain[:, None, None])


def mask_rows(
    pictures: Tensor, random: np.random.Generator, bands: int, frames: int, count: int
) -> Tensor:
    """`count` stripes of up to so many bands and frames get the row's mean (SpecAugment)."""
    rows = len(pictures)
    hidden = torch.zeros(pictures.shape, dtype=torch.bool)
    for _ in range(count):
        for axis, most in ((1, bands), (2, frames)):
            size = pictures.shape[axis]
            width = random.integers(most + 1, size=rows)
            start = (random.random(rows) * (size - width + 1)).astype(int)
            at = np.arange(size)
            stripe = (at >= start[:, None]) & (at < (start + width)[:, None])
            hidden |= torch.from_numpy(stripe).unsqueeze(3 - axis)
    return torch.where(hidden, pictures.mean((1, 2), keepdim=True), pictures)


def colour(
    pictures: Tensor, random: np.random.Generator, gain_db: float, tilt_db: float
) -> Tensor:
    """Another level and another microphone: a gain, and a smooth curve over frequency, a row."""
    rows = len(pictures)
    gain = torch.from_numpy(random.normal(0, gain_db, (rows, 1, 1))).float()
    x = np.linspace(-1, 1, BANDS)
    curve = np.stack([x, np.cos(np.pi * x)])
    tilt = random.normal(0, tilt_db, (rows, 2)) @ curve
    return (pictures + gain + torch.from_numpy(tilt).float().unsqueeze(-1)).clamp_min(
        FLOOR_DB
    )


def narrow(pictures: Tensor, random: np.random.Generator, calls: float = 0.0) -> Tensor:
    """A channel with less bandwidth: 50 to 400 Hz below, 3 to 7 kHz above, 20 to 80 dB an octave outside.

    A share `calls` of the rows are telephone calls: nothing above 3.4 to 4 kHz is left of them.
    """
    rows = len(pictures)
    centres = hz_of(np.linspace(mel_of(MIN_HZ), mel_of(MAX_HZ), BANDS + 2)[1:-1])
    low = np.exp(random.uniform(np.log(50), np.log(400), (rows, 1)))
    high = np.exp(random.uniform(np.log(3000), np.log(7000), (rows, 1)))
    slope = random.uniform(20, 80, (rows, 1))
    octaves = np.maximum(0, np.log2(low / centres)) + np.maximum(
        0, np.log2(centres / high)
    )
    loss = slope * octaves
    if calls > 0:
        call = random.random((rows, 1)) < calls
        edge = random.uniform(3400, 4000, (rows, 1))
        loss = np.where(call & (centres > edge), 200, loss)
    return (pictures - torch.from_numpy(loss).float().unsqueeze(-1)).clamp_min(FLOOR_DB)


def ring(
    pictures: Tensor, random: np.random.Generator, frame_s: float = 0.04
) -> Tensor:
    """A room: the power of each frame dies away over the next ones, 60 dB in 0.2 to 0.8 s.

    The late part of Lebart, Boucher and Denbigh's model of reverberation (2001), on a picture.
    """
    rows = len(pictures)
    decay = torch.from_numpy(
        10 ** (-6 * frame_s / random.uniform(0.2, 0.8, (rows, 1)))
    ).float()
    late = torch.from_numpy(10 ** (-random.uniform(0, 9, (rows, 1)) / 10)).float()
    power = (pictures * (np.log(10) / 10)).exp()
    tail = torch.zeros(rows, BANDS)
    for t in range(FRAMES):
        dry = power[:, :, t].clone()
        power[:, :, t] = dry + late * tail
        tail = decay * (tail + dry)
    return 10 * power.clamp_min(1e-10).log10()


class Source(Protocol):
    """What `augmented` needs to know: how strong, what chance, and where noise comes from."""

    recipe: Any
    random: np.random.Generator

    def noises(self, count: int) -> Tensor:
        """Pieces of noise, `[count, 128, 64]` decibels."""


def augmented(pictures: Tensor, rows: Source) -> Tensor:
    """Voice, microphone, noise and gaps of a batch, normalised `[batch, 1, 128, 64]`."""
    strength, random = rows.recipe.augment, rows.random
    size = len(pictures)
    if strength["warp"] > 0:
        half = np.flatnonzero(random.random(size) < 0.5)
        factors = np.exp(random.uniform(-1, 1, len(half)) * np.log1p(strength["warp"]))
        pictures[half] = warp(pictures[half], factors)
    voices = np.flatnonzero(random.random(size) < strength["voice"])
    if len(voices):
        others = pictures[torch.from_numpy((voices + size // 2) % size)]
        ratio = torch.from_numpy(random.uniform(8, 20, len(voices))).float()
        pictures[voices] = add_noise(pictures[voices], others, ratio)
    noisy = np.flatnonzero(random.random(size) < strength["noise"])
    if len(noisy):
        ratio = torch.from_numpy(random.uniform(5, 30, len(noisy))).float()
        pictures[noisy] = add_noise(pictures[noisy], rows.noises(len(noisy)), ratio)
    calls = strength.get("calls", 0.0)
    for change, chance in (
        (partial(narrow, calls=calls), strength["narrow"]),
        (ring, strength["room"]),
    ):
        chosen = np.flatnonzero(random.random(size) < chance)
        if len(chosen):
            pictures[chosen] = change(pictures[chosen], random)
    pictures = colour(pictures, random, strength["gain"], strength["tilt"])
    pictures = mask_rows(
        pictures,
        random,
        int(strength["bands"]),
        int(strength["frames"]),
        int(strength["stripes"]),
    )
    return ((pictures - MEAN) / SPREAD).unsqueeze(1)
