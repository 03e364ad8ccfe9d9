"""Fits the 17 contour points of `lib/video/ibug68.ts` on the training faces of `face/landmarks68`.

    python -m training.face.fit_jaw --data DIR

Each point becomes a vertex of the mesh's outline, or a point on the edge between two neighbours in
steps of a quarter; left and right are fitted together and mirrored, because the 18 faces are few.
Prints the table of `JAW` in the order of the file.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from . import landmarks68

# The outline of MediaPipe's mesh from the forehead over the left of the picture to the chin.
LEFT = [10, 109, 67, 103, 54, 21, 162, 127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152]
RIGHT = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152]


def candidates(mesh: np.ndarray, outline: list[int]) -> np.ndarray:
    """[4 * (n - 1) + 1, 2]: the outline's vertices and the quarters between them."""
    xy = mesh[outline, :2]
    parts = [xy[:-1] + (xy[1:] - xy[:-1]) * share for share in (0, 0.25, 0.5, 0.75)]
    return np.concatenate([np.stack(parts, 1).reshape(-1, 2), xy[-1:]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTION_DATA"))
    folder = Path(parser.parse_args().data) / "face/landmarks68"
    faces = [p for p in landmarks68.load(folder) if p.split == "training" and p.mesh is not None]
    left = np.stack([candidates(p.mesh, LEFT) for p in faces])
    right = np.stack([candidates(p.mesh, RIGHT) for p in faces])
    scale = np.array([p.eye_distance for p in faces])[:, None]
    print(f"fitted on {len(faces)} faces")
    for point in range(9):
        there = np.stack([p.annotated[point] for p in faces])[:, None]
        across = np.stack([p.annotated[16 - point] for p in faces])[:, None]
        error = (
            np.linalg.norm(left - there, axis=2) / scale + np.linalg.norm(right - across, axis=2) / scale
        ).mean(0) / 2
        best = int(error.argmin()) if point < 8 else len(error) - 1
        vertex, quarter = divmod(best, 4)
        entry = [LEFT[vertex]] if quarter == 0 else [LEFT[vertex], LEFT[vertex + 1], quarter / 4]
        print(f"  {entry},  // {point}: error {error[best]:.4f}")


if __name__ == "__main__":
    main()
