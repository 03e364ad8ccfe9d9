"""Finds the square about a face's landmarks that looks as FER2013's crops do.

    python -m training.face.fit_framing --data DIR [--count 600]

FER2013 was cut by a face detector, upright, without landmarks. The mesh is fitted to enlarged
training pictures; for each definition of a face's size it prints the crop's side in that size, how
much that varies from picture to picture, and where the middle of the crop lies. `FRAMING` in
`lib/video/face-crop.ts` holds the median of the definition that varies least.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from PIL import Image

from . import fer2013
from .frontend import picture_line, video_features

ENLARGE = 3
EYES, MOUTH, CORNERS = [33, 133, 362, 263], [61, 291], [33, 263]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTION_DATA"))
    parser.add_argument("--count", type=int, default=600)
    arguments = parser.parse_args()
    part = fer2013.read_zip(Path(arguments.data) / "face/fer2013/train.zip")
    chosen = np.random.default_rng(0).choice(len(part.images), arguments.count, replace=False)
    side = fer2013.SIZE * ENLARGE
    # A face detector expects some of the world around a face.
    margin = side // 2
    lines = []
    for i in chosen:
        picture = Image.fromarray(part.images[i]).resize((side, side), Image.Resampling.BICUBIC)
        lines.append(picture_line(str(part.names[i]), np.pad(np.asarray(picture), margin, mode="edge")))
    sizes: dict[str, list[float]] = {}
    offsets: list[np.ndarray] = []
    box_offsets: list[np.ndarray] = []
    for picture in video_features(lines, "--mesh"):
        for face in picture["faces"]:
            pose = face["quality"]["pose"]
            if face["score"] < 0.7 or abs(pose["yaw"]) > 25 or abs(pose["pitch"]) > 25:
                continue
            xy = face["mesh"][:, :2]
            eyes, mouth = xy[EYES].mean(0), xy[MOUTH].mean(0)
            width = float(np.hypot(*(xy[CORNERS[1]] - xy[CORNERS[0]])))
            height = float(np.hypot(*(mouth - eyes)))
            box = np.ptp(xy, axis=0)
            for name, size in {
                "max(width, 1.1 height)": max(width, 1.1 * height),
                "width": width,
                "height": height,
                "sqrt(width * height)": float(np.sqrt(width * height)),
                "box": float(np.sqrt(box[0] * box[1])),
                "box height": float(box[1]),
            }.items():
                sizes.setdefault(name, []).append(side / size)
            roll = np.arctan2(*(xy[CORNERS[1]] - xy[CORNERS[0]])[::-1])
            turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
            offsets.append(turn @ (margin + side / 2 - (eyes + mouth) / 2) / max(width, 1.1 * height))
            box_offsets.append(turn @ (margin + side / 2 - (xy.min(0) + xy.max(0)) / 2) / box[1])
    print(f"{len(offsets)} of {arguments.count} pictures with a face that looks ahead")
    for name, ratios in sizes.items():
        logs = np.log(ratios)
        print(f"  side / {name}: median {np.median(ratios):.3f}, spread {logs.std():.3f}")
    across, down = np.median(offsets, axis=0)
    print(f"  middle: {across:.3f} to the right, {down:.3f} down (in max(width, 1.1 height))")
    across, down = np.median(box_offsets, axis=0)
    print(f"  middle: {across:.3f} right and {down:.3f} down of the middle of the box (in box heights)")


if __name__ == "__main__":
    main()
