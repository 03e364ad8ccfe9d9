"""The hand-annotated portraits of `face/landmarks68`, matched with the faces that the nodes find."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .frontend import video_features

# Mean error over the distance of the outer eye corners up to which a face counts as found.
FOUND = 0.25


@dataclass(frozen=True)
class Portrait:
    file: str
    split: str
    # [68, 2] in pixels; as annotated, so that the middle of the first pixel is 0.
    annotated: np.ndarray
    # What the nodes found there, or None: landmarks [68, 2] and mesh [468, 3], same origin.
    landmarks: np.ndarray | None
    mesh: np.ndarray | None

    @property
    def eye_distance(self) -> float:
        return float(np.hypot(*(self.annotated[36] - self.annotated[45])))

    def errors(self, landmarks: np.ndarray | None = None) -> np.ndarray:
        """[68]: distance of each point over the distance of the outer eye corners."""
        found = self.landmarks if landmarks is None else landmarks
        return np.hypot(*(found - self.annotated).T) / self.eye_distance


def load(folder: Path, *options: str) -> list[Portrait]:
    pictures = json.loads((folder / "gt.json").read_text())
    lines = [{"id": p["file"], "path": str(folder / p["file"])} for p in pictures]
    found = video_features(lines, "--max-faces", "50", "--min-size", "10", "--mesh", *options)
    portraits = []
    for picture, seen in zip(pictures, found, strict=True):
        for face in picture["faces"]:
            annotated = np.array(face["pts"], np.float32)
            distance = float(np.hypot(*(annotated[36] - annotated[45])))
            best, error = None, FOUND
            for candidate in seen["faces"]:
                # Our points count from the corner of the first pixel.
                miss = np.hypot(*(candidate["landmarks"] - 0.5 - annotated).T).mean() / distance
                if miss < error:
                    best, error = candidate, miss
            portraits.append(
                Portrait(
                    picture["file"],
                    picture["split"],
                    annotated,
                    None if best is None else best["landmarks"] - 0.5,
                    None if best is None else best["mesh"] - np.float32([0.5, 0.5, 0]),
                )
            )
    return portraits
