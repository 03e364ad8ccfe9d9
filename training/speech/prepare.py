"""Decodes the corpora once, renders the channels and keeps everything's features:

    python -m training.speech.prepare --data DATA --runs RUNS [--copies clean noise10 …] [--statistics clean …]

Writes, and leaves alone when it is there already, under RUNS:

    sounds/*.npz                decoded sounds, float32
    features/noise.npy          noise to add while training
    features/COPY/log-mel.npy   float16 `[frames, 128]`, decibels, all sounds one behind the other
    features/COPY/frames.npy    int64 `[sounds]`
    features/COPY/statistics.npy  float32 `[sounds, names]`, of the copies that a table is measured on
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
    RATE,
    babble,
    decode,
    phone,
    pink,
    reverberate,
    speed,
    through_codec,
    with_noise,
)

ROOT = Path(__file__).resolve().parents[2]
#: Sounds that one Node process gets at a time, to bound its memory.
BATCH = 500

Render = Callable[[list[np.ndarray], np.random.Generator], list[np.ndarray]]


def _noise(ratio_db: float) -> Render:
    """Half pink noise, half the babble of six other sounds of the batch."""

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
            out.append(with_noise(sound, noise, ratio_db))
        return out

    return render


def _speeds(sounds: list[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """Each by a factor between 0.85 and 0.95 or 1.05 and 1.15."""
    factors = random.uniform(0.05, 0.15, len(sounds)) * random.choice(
        [-1, 1], len(sounds)
    )
    return [speed(s, 1 + f) for s, f in zip(sounds, factors, strict=True)]


#: Name of a copy to how it is made. `clean`, `noise10`, `phone` and `opus16` are also what the
#: robustness table is measured on, there with the sounds of held-out speakers.
COPIES: dict[str, Render] = {
    "clean": lambda sounds, _: sounds,
    "noise10": _noise(10),
    "phone": lambda sounds, _: [phone(s) for s in sounds],
    "opus16": lambda sounds, _: through_codec(sounds, "libopus", "16k"),
    "mp3": lambda sounds, _: through_codec(sounds, "libmp3lame", "32k"),
    "speed": _speeds,
    "room": lambda sounds, random: [reverberate(s, random) for s in sounds],
}


def library_features(
    sounds: list[np.ndarray], statistics: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Log-mel float32 `[frames, 128]` of all sounds, frames int64 `[sounds]`, statistics `[sounds, names]`.

    Computed by `lib/audio` (built first: `npm run build`). Raises RuntimeError with its words.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.concatenate(sounds).astype("<f4").tofile(folder / "sounds.f32")
        (folder / "lengths.json").write_text(json.dumps([len(s) for s in sounds]))
        script = ROOT / "training" / "speech" / "features.mjs"
        command = [
            "node",
            str(script),
            *(str(folder / n) for n in ("sounds.f32", "lengths.json", "out")),
        ]
        done = subprocess.run(
            command + (["--statistics"] if statistics else []),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"features.mjs: {done.stderr.strip()}")
        out = folder / "out"
        frames = np.array(json.loads((out / "frames.json").read_text()), np.int64)
        mel = np.fromfile(out / "log-mel.f32", "<f4").reshape(frames.sum(), -1)
        values = None
        if statistics:
            values = np.fromfile(out / "statistics.f32", "<f4").reshape(len(sounds), -1)
    return mel, frames, values


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
    """Features of one copy: log-mel float16 `[all frames, 128]`, where each sound begins, its frames."""

    mel: np.ndarray
    starts: np.ndarray
    frames: np.ndarray
    statistics: np.ndarray | None

    def of(self, index: int) -> np.ndarray:
        """Log-mel of one sound, `[frames, 128]`, decibels."""
        start = self.starts[index]
        return self.mel[start : start + self.frames[index]]


def load_features(runs: Path, copy: str) -> Features:
    """What `prepare` wrote of a copy. Raises FileNotFoundError when it did not."""
    folder = runs / "features" / copy
    frames = np.load(folder / "frames.npy")
    statistics = folder / "statistics.npy"
    return Features(
        mel=np.load(folder / "log-mel.npy"),
        starts=np.concatenate([[0], np.cumsum(frames)[:-1]]),
        frames=frames,
        statistics=np.load(statistics) if statistics.exists() else None,
    )


def prepare_copy(copy: str, sounds: list[np.ndarray], runs: Path) -> None:
    """Renders one copy and writes its features, part by part, so that a cut-off call goes on."""
    folder = runs / "features" / copy
    if (folder / "frames.npy").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, len(sounds), BATCH):
        file = folder / f"{start:06d}.npz"
        parts.append(file)
        if file.exists():
            continue
        random = np.random.default_rng([start, sorted(COPIES).index(copy)])
        rendered = COPIES[copy](sounds[start : start + BATCH], random)
        mel, frames, _ = library_features(rendered)
        temporary = file.with_suffix(".part")
        with temporary.open("wb") as stream:
            np.savez(stream, mel=mel.astype(np.float16), frames=frames)
        temporary.rename(file)
        print(f"{copy}: {start + len(rendered)} of {len(sounds)}", flush=True)
    loaded = [dict(np.load(file)) for file in parts]
    np.save(folder / "log-mel.npy", np.concatenate([part["mel"] for part in loaded]))
    np.save(folder / "frames.npy", np.concatenate([part["frames"] for part in loaded]))
    for file in parts:
        file.unlink()


def prepare_statistics(copy: str, sounds: list[np.ndarray], runs: Path) -> None:
    """Renders one copy as `prepare_copy` does and writes its utterance statistics."""
    folder = runs / "features" / copy
    if (folder / "statistics.npy").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, len(sounds), BATCH):
        file = folder / f"{start:06d}.npy"
        if not file.exists():
            random = np.random.default_rng([start, sorted(COPIES).index(copy)])
            rendered = COPIES[copy](sounds[start : start + BATCH], random)
            _, _, values = library_features(rendered, statistics=True)
            with file.with_suffix(".part").open("wb") as stream:
                np.save(stream, values)
            file.with_suffix(".part").rename(file)
            print(
                f"{copy}, statistics: {start + len(rendered)} of {len(sounds)}",
                flush=True,
            )
        parts.append(file)
    np.save(
        folder / "statistics.npy", np.concatenate([np.load(file) for file in parts])
    )
    for file in parts:
        file.unlink()


def prepare_noise(runs: Path) -> None:
    """A bank of steady noise to add while training: white, pink and brown, half a minute each.

    RUNS/features/noise.npy, float16 `[frames, 128]` decibels.
    """
    file = runs / "features" / "noise.npy"
    if file.exists():
        return
    random = np.random.default_rng(0)
    white = random.standard_normal(30 * RATE)
    brown = np.cumsum(pink(30 * RATE, random))
    brown -= np.linspace(brown[0], brown[-1], len(brown))
    noises = [0.05 * n / n.std() for n in (white, pink(30 * RATE, random), brown)]
    mel, _, _ = library_features([n.astype(np.float32) for n in noises])
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, mel.astype(np.float16))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("EMOTION_DATA", "data"))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "speech")
    parser.add_argument(
        "--copies", nargs="*", choices=list(COPIES), default=list(COPIES)
    )
    channels = ["clean", "noise10", "phone", "opus16"]
    parser.add_argument(
        "--statistics", nargs="*", choices=list(COPIES), default=channels
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
    prepare_noise(arguments.runs)
    for copy in arguments.copies:
        prepare_copy(copy, sounds, arguments.runs)
    for copy in arguments.statistics:
        prepare_statistics(copy, sounds, arguments.runs)


if __name__ == "__main__":
    main()
