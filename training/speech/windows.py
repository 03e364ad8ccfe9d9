"""Windows of a sound: as `lib/audio/prepare.ts` cuts them, and at random for training."""

from __future__ import annotations

import numpy as np

from training.speech.model import FRAMES

HOP = 32
#: What is left over at the end gets a window of its own from this share of a hop on.
LEAST_REST = 0.25
#: Fixed normalisation of decibels, as in model.yaml: level is kept.
MEAN, SPREAD = -50.0, 20.0


def window_starts(frames: int) -> list[int]:
    """First frames of the library's windows; the last one ends with the sound."""
    starts = list(range(0, frames - FRAMES + 1, HOP))
    if not starts:
        return [0]
    if frames - (starts[-1] + FRAMES) >= LEAST_REST * HOP:
        starts.append(frames - FRAMES)
    return starts


def library_windows(mel: np.ndarray) -> np.ndarray:
    """Decibels `[frames, 128]` to normalised float32 `[windows, 128, 64]`; a short sound is repeated."""
    frames = len(mel)
    rows = [
        mel[(start + np.arange(FRAMES)) % frames].T for start in window_starts(frames)
    ]
    return (np.stack(rows).astype(np.float32) - MEAN) / SPREAD


def random_frames(
    counts: np.ndarray, random: np.random.Generator, stretch: float
) -> np.ndarray:
    """Frames of one random window a row, int64 `[rows, 64]`, for sounds of so many frames.

    The sound plays up to `stretch` faster or slower (nearest frames). A sound shorter than the
    window begins at a random place and is repeated.
    """
    rows = len(counts)
    pace = np.exp(random.uniform(-1, 1, rows) * np.log1p(stretch))
    span = (FRAMES - 1) * pace
    room = counts - 1 - span
    begin = random.random(rows) * np.where(room >= 0, room, counts)
    at = np.rint(begin[:, None] + pace[:, None] * np.arange(FRAMES)).astype(np.int64)
    return at % counts[:, None]
