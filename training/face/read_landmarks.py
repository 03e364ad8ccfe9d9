"""The 68 points of every picture of FER2013 and of CK+, as the nodes find them.

    python -m training.face.read_landmarks --data DIR --runs runs/face

Writes `runs/face/landmarks-<set>.npz` with `points` float32 [n, 68, 2] in pixels of the 48 x 48
crop (NaN where no face was found), in the order of the set's pictures, and which of them have been
`read`. Reads them in a random order, in chunks, and goes on where it stopped; `--most` ends a call
after so many pictures, and a part of `train` is enough for what uses it.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from . import ck48, fer2013, frontend
from .train_trunk import prepared

SETS = ("validation", "test", "ck48", "train")
CHUNK = 250


def pictures(data: Path, runs: Path, name: str) -> np.ndarray:
    """uint8 [n, 48, 48]; of `train` those that are left after duplicates are removed."""
    if name == "ck48":
        return ck48.load(data / "face/ck48").images
    if name == "test":
        return fer2013.read_zip(data / "face/fer2013/test.zip").images
    train, validation = prepared(data / "face/fer2013", runs)
    return (train if name == "train" else validation).images


def read(images: np.ndarray) -> np.ndarray:
    """[n, 68, 2]; the largest face of each picture."""
    points = np.full((len(images), 68, 2), np.nan, np.float32)
    lines = (frontend.picture_line(str(i), image) for i, image in enumerate(images))
    for i, picture in enumerate(frontend.video_features(lines)):
        if picture["faces"]:
            points[i] = picture["faces"][0]["landmarks"]
    return points


def landmarks_file(runs: Path, name: str) -> Path:
    return runs / f"landmarks-{name}.npz"


def stored(runs: Path, name: str) -> np.ndarray:
    """Points [n, 68, 2] of a set; NaN where no face was found or nothing has been read yet."""
    with np.load(landmarks_file(runs, name)) as saved:
        return saved["points"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTION_DATA"))
    parser.add_argument("--runs", type=Path, default=Path("runs/face"))
    parser.add_argument("--most", type=int, default=10**9)
    arguments = parser.parse_args()
    arguments.runs.mkdir(parents=True, exist_ok=True)
    left = arguments.most
    for name in SETS:
        images = pictures(Path(arguments.data), arguments.runs, name)
        path = landmarks_file(arguments.runs, name)
        points, done = np.full((len(images), 68, 2), np.nan, np.float32), np.zeros(len(images), bool)
        if path.exists():
            with np.load(path) as saved:
                points, done = saved["points"], saved["read"]
        order = np.random.default_rng(0).permutation(len(images))
        while left > 0 and not done.all():
            chunk = order[~done[order]][: min(CHUNK, left)]
            points[chunk], done[chunk] = read(images[chunk]), True
            left -= len(chunk)
            np.savez(path.with_suffix(".part.npz"), points=points, read=done)
            path.with_suffix(".part.npz").replace(path)
        found = np.isfinite(points[done, 0, 0]).mean() if done.any() else 0
        print(f"{name}: {done.sum()} of {len(images)} read, a face in {found:.3f}", flush=True)


if __name__ == "__main__":
    main()
