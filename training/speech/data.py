"""Sounds as the network sees them: sequences of 56 rows and statistics of windows."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.speech.model import CEPSTRA, SEQUENCE, cosine_basis
from training.speech.prepare import ROOT, load_features
from training.speech.windows import (
    BANDS,
    FRAMES,
    HOP,
    MEAN,
    SPREAD,
    library_windows,
    random_frames,
)

#: Rows that are transformed at a time, to bound the memory.
AT_ONCE = 50_000


def statistics_names() -> tuple[list[str], int]:
    """Names of the statistics in order, and the version of the list, from the built library."""
    script = (
        "const s = require(process.argv[1]);"
        "console.log(JSON.stringify([s.STATISTICS_NAMES, s.STATISTICS_VERSION]))"
    )
    lib = Path(os.environ.get("EMOTION_LIB", ROOT / "dist" / "lib"))
    command = ["node", "-e", script, str((lib / "audio" / "statistics.js").resolve())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    names, version = json.loads(done.stdout)
    return names, version


def sequences(rows: np.ndarray) -> np.ndarray:
    """Rows `[n, 144]` of a copy to `[n, 56]`: cepstra of the normalised picture, chroma, prosody."""
    out = np.empty((len(rows), SEQUENCE), np.float32)
    basis = cosine_basis().T.astype(np.float32)
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE].astype(np.float32)
        here = out[start : start + AT_ONCE]
        here[:, :CEPSTRA] = ((part[:, :BANDS] - MEAN) / SPREAD) @ basis
        here[:, CEPSTRA:] = part[:, BANDS:]
    return out


@dataclass(frozen=True)
class Sounds:
    """Copies of the sounds, `[copies, sounds]` where they begin and how long they are in `rows` and `windows`."""

    rows: np.ndarray
    windows: np.ndarray
    starts: np.ndarray
    frames: np.ndarray
    first_windows: np.ndarray
    counts: np.ndarray

    def draw(
        self,
        chosen: np.ndarray,
        copies: np.ndarray,
        random: np.random.Generator,
        stretch: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """A random window of each chosen sound: `[rows, 56, 64]`, and the statistics of the nearest that the nodes cut."""
        frames = self.frames[copies, chosen]
        at = random_frames(frames, random, stretch)
        picked = self.rows[at + self.starts[copies, chosen][:, None]]
        window = np.where(frames > FRAMES, np.rint(at[:, 0] / HOP), 0).astype(int)
        window = np.minimum(window, self.counts[copies, chosen] - 1)
        values = self.windows[self.first_windows[copies, chosen] + window]
        return picked.transpose(0, 2, 1), values

    def library(self, sound: int, copy: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The windows that the nodes cut: `[windows, 56, 64]` and `[windows, names]`."""
        start, frames = self.starts[copy, sound], self.frames[copy, sound]
        first, count = self.first_windows[copy, sound], self.counts[copy, sound]
        pictures = library_windows(self.rows[start : start + frames])
        if len(pictures) != count:
            raise ValueError(
                f"sound {sound}: {len(pictures)} windows here, {count} in lib"
            )
        return pictures, self.windows[first : first + count]


def load_sounds_of(runs: Path, copies: Sequence[str]) -> Sounds:
    """What `prepare` wrote of some copies. Raises FileNotFoundError when it did not."""
    loaded = [load_features(runs, copy) for copy in copies]
    rows = [sequences(features.rows) for features in loaded]
    row_offsets = np.cumsum([0, *(len(part) for part in rows)])[:-1]
    window_offsets = np.cumsum([0, *(len(f.windows) for f in loaded)])[:-1]
    return Sounds(
        rows=np.concatenate(rows),
        windows=np.concatenate([f.windows for f in loaded]),
        starts=np.stack(
            [f.starts + o for f, o in zip(loaded, row_offsets, strict=True)]
        ),
        frames=np.stack([f.frames for f in loaded]),
        first_windows=np.stack(
            [f.first_windows + o for f, o in zip(loaded, window_offsets, strict=True)]
        ),
        counts=np.stack([f.counts for f in loaded]),
    )
