"""Decodes the corpora once, renders the channels and keeps everything's features:

    python -m training.speech.prepare --data DATA --runs RUNS [--copies clean noise10 …]

Writes, and leaves alone when it is there already, under RUNS:

    sounds/*.npz                  decoded sounds, float32
    features/COPY/rows.npy        float16 `[frames, 144]`: 128 bands in decibels, chroma, prosody,
                                  all sounds one behind the other
    features/COPY/frames.npy      int64 `[sounds]`
    features/COPY/statistics.npy  float32 `[sounds, names]` of whole sounds
    features/COPY/windows.npy     float32 `[windows, names]` of the windows that the nodes cut
    features/COPY/counts.npy      int64 `[sounds]`, windows of each sound
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.speech.corpora import CORPORA, Utterance, read_corpora
from training.speech.sounds import (
    babble,
    decode,
    phone,
    pink,
    reverberate,
    speed,
    through_codec,
    with_noise,
)
from training.speech.windows import PREPROCESSING

ROOT = Path(__file__).resolve().parents[2]
#: Sounds that one Node process gets at a time, to bound its memory.
BATCH = 500

Render = Callable[[list[np.ndarray], np.random.Generator], list[np.ndarray]]


def _noise(low_db: float, high_db: float) -> Render:
    """Half pink noise, half the babble of six other sounds of the batch, at a ratio between the two."""

    def render(
        sounds: list[np.ndarray], random: np.random.Generator
    ) -> list[np.ndarray]:
        out = []
        for i, sound in enumerate(sounds):
            if i % 2:
                noise = pink(len(sound), random)
            else:
                others = random.choice(len(sounds), 6, replace=False)
                noise = babble([sounds[j] for j in others], len(sound), random)
            ratio_db = random.uniform(low_db, high_db)
            out.append(with_noise(sound, noise, ratio_db))
        return out

    return render


def _far(sounds: list[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """A microphone in a room, 6 dB quieter or louder, with some noise."""
    wet = [reverberate(s, random) for s in sounds]
    gains = 10 ** (random.uniform(-6, 6, len(sounds)) / 20)
    return _noise(12, 35)(
        [(s * g).astype(np.float32) for s, g in zip(wet, gains, strict=True)], random
    )


def _speeds(sounds: list[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """Each by a factor between 0.85 and 0.95 or 1.05 and 1.15."""
    factors = random.uniform(0.05, 0.15, len(sounds)) * random.choice(
        [-1, 1], len(sounds)
    )
    return [speed(s, 1 + f) for s, f in zip(sounds, factors, strict=True)]


#: Name of a copy to how it is made. `TESTS` are what the robustness table is measured on, with the
#: sounds of held-out speakers; noise and rooms that are trained on are drawn anew, at other ratios.
COPIES: dict[str, Render] = {
    "clean": lambda sounds, _: sounds,
    "noisy": _noise(0, 25),
    "phone": lambda sounds, _: [phone(s) for s in sounds],
    "speed": _speeds,
    "far": _far,
    "noise10": _noise(10, 10),
    "opus16": lambda sounds, _: through_codec(sounds, "libopus", "16k"),
}
TESTS = ("clean", "noise10", "phone", "opus16")
#: Their place in this list seeds their random numbers.
ORDER = ("clean", "mp3", "noise10", "opus16", "phone", "room", "speed", "noisy", "far")


def library_features(sounds: list[np.ndarray]) -> dict[str, np.ndarray]:
    """`rows`, `frames`, `statistics`, `windows` and `counts` of the sounds: see above, all float32 or int64.

    Computed by `lib/audio` (built first: `npm run build`). Raises RuntimeError with its words.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.concatenate(sounds).astype("<f4").tofile(folder / "sounds.f32")
        (folder / "lengths.json").write_text(json.dumps([len(s) for s in sounds]))
        (folder / "preprocessing.json").write_text(json.dumps(PREPROCESSING))
        script = ROOT / "training" / "speech" / "features.mjs"
        inputs = ("sounds.f32", "lengths.json", "preprocessing.json", "out")
        done = subprocess.run(
            ["node", str(script), *(str(folder / n) for n in inputs)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"features.mjs: {done.stderr.strip()}")
        out = folder / "out"
        counted = {
            key: np.array(json.loads((out / f"{file}.json").read_text()), np.int64)
            for key, file in (("frames", "frames"), ("counts", "windows"))
        }
        lengths = {
            "rows": int(counted["frames"].sum()),
            "statistics": len(sounds),
            "windows": int(counted["counts"].sum()),
        }
        values = {
            key: np.fromfile(out / f"{key}.f32", "<f4").reshape(length, -1)
            for key, length in lengths.items()
        }
    return counted | values


def load_sounds(
    utterances: list[Utterance], data: Path, runs: Path
) -> list[np.ndarray]:
    """The decoded sounds, from the cache once they are in it; a cut-off decoding goes on where it was."""
    folder = runs / "sounds"
    folder.mkdir(parents=True, exist_ok=True)
    sounds: list[np.ndarray] = []
    for start in range(0, len(utterances), BATCH):
        part = utterances[start : start + BATCH]
        file = folder / f"{start // BATCH:03d}.npz"
        if not file.exists():
            decoded = decode([data / "speech" / u.path for u in part])
            temporary = file.with_suffix(".part")
            with temporary.open("wb") as stream:
                np.savez(
                    stream,
                    samples=np.concatenate(decoded),
                    lengths=[len(s) for s in decoded],
                    paths=[u.path for u in part],
                )
            temporary.rename(file)
            print(f"decoded {start + len(part)} of {len(utterances)}", flush=True)
        with np.load(file) as saved:
            if list(saved["paths"]) != [u.path for u in part]:
                raise ValueError(f"{file} holds other sounds; remove {folder}")
            sounds += np.split(saved["samples"], np.cumsum(saved["lengths"])[:-1])
    return sounds


@dataclass(frozen=True)
class Features:
    """Features of one copy, as the module's head says, and where each sound begins in `rows` and `windows`."""

    rows: np.ndarray
    frames: np.ndarray
    statistics: np.ndarray
    windows: np.ndarray
    counts: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """First row of each sound."""
        return np.concatenate([[0], np.cumsum(self.frames)[:-1]])

    @property
    def first_windows(self) -> np.ndarray:
        """First window of each sound."""
        return np.concatenate([[0], np.cumsum(self.counts)[:-1]])


PARTS = ("rows", "frames", "statistics", "windows", "counts")


def load_features(runs: Path, copy: str) -> Features:
    """What `prepare` wrote of a copy. Raises FileNotFoundError when it did not."""
    folder = runs / "features" / copy
    return Features(**{part: np.load(folder / f"{part}.npy") for part in PARTS})


def prepare_copy(copy: str, sounds: list[np.ndarray], runs: Path) -> None:
    """Renders one copy and writes its features, part by part, so that a cut-off call goes on."""
    folder = runs / "features" / copy
    if (folder / "counts.npy").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for start in range(0, len(sounds), BATCH):
        file = folder / f"{start:06d}.npz"
        files.append(file)
        if file.exists():
            continue
        random = np.random.default_rng([start, ORDER.index(copy)])
        rendered = COPIES[copy](sounds[start : start + BATCH], random)
        found = library_features(rendered)
        temporary = file.with_suffix(".part")
        with temporary.open("wb") as stream:
            np.savez(stream, **found | {"rows": found["rows"].astype(np.float16)})
        temporary.rename(file)
        print(f"{copy}: {start + len(rendered)} of {len(sounds)}", flush=True)
    loaded = [dict(np.load(file)) for file in files]
    for part in PARTS:
        joined = np.concatenate([found[part] for found in loaded])
        np.save(folder / f"{part}.npy", joined)
    for file in files:
        file.unlink()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("EMOTION_DATA", "data"))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "speech")
    parser.add_argument(
        "--copies", nargs="*", choices=list(COPIES), default=list(COPIES)
    )
    parser.add_argument(
        "--until",
        choices=CORPORA,
        help="leave out the corpora after this one, to save time on copies for a table",
    )
    arguments = parser.parse_args()
    utterances = read_corpora(arguments.data)
    sounds = load_sounds(utterances, arguments.data, arguments.runs)
    if arguments.until:
        last = max(i for i, u in enumerate(utterances) if u.corpus == arguments.until)
        sounds = sounds[: last + 1]
    for copy in arguments.copies:
        prepare_copy(copy, sounds, arguments.runs)


if __name__ == "__main__":
    main()
