"""Windows of a sound: as `lib/audio/prepare.ts` cuts them, and at random for training."""

from __future__ import annotations

from typing import Any

import numpy as np

BANDS, CHROMA, PROSODY = 128, 12, 4
ROWS = BANDS + CHROMA + PROSODY
FRAMES = 64
#: Frames from window to window.
HOP = 32
#: Samples from frame to frame.
HOP_LENGTH = 1024
#: What is left over at the end gets a window of its own from this share of a hop on.
LEAST_REST = 0.25
#: Fixed normalisation of decibels: level is kept.
MEAN, SPREAD = -50.0, 20.0

#: The `preprocessing` of model.yaml, less `inputs`: frames of 85 ms every 64 ms, windows of 4.1 s.
PREPROCESSING: dict[str, Any] = {
    "kind": "audio",
    "frontEnd": 1,
    "sampleRateHz": 16000,
    "preEmphasis": 0,
    "spectrum": {"fftSize": 2048, "frameLength": 1360, "hopLength": HOP_LENGTH},
    "mel": {
        "bands": BANDS,
        "minHz": 50,
        "maxHz": 8000,
        "scale": "slaney",
        "norm": "area",
    },
    "window": {"frames": FRAMES, "hopFrames": HOP, "fill": "repeat"},
    "normalisation": {"kind": "fixed", "mean": MEAN, "spread": SPREAD},
}


def window_starts(frames: int) -> list[int]:
    """First frames of the library's windows; the last one ends with the sound."""
    starts = list(range(0, frames - FRAMES + 1, HOP))
    if not starts:
        return [0]
    if frames - (starts[-1] + FRAMES) >= LEAST_REST * HOP:
        starts.append(frames - FRAMES)
    return starts


def library_windows(rows: np.ndarray) -> np.ndarray:
    """Rows `[frames, n]` of a sound to `[windows, n, 64]`; a short sound is repeated."""
    frames = len(rows)
    return np.stack(
        [
            rows[(start + np.arange(FRAMES)) % frames].T
            for start in window_starts(frames)
        ]
    )


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
