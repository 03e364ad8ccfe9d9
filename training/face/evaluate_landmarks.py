"""How many annotated portraits are found, and how far the 68 points are off.

    python -m training.face.evaluate_landmarks --data DIR
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from . import landmarks68


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTION_DATA"))
    portraits = landmarks68.load(Path(parser.parse_args().data) / "face/landmarks68")
    found = [p for p in portraits if p.landmarks is not None]
    print(f"found {len(found)} of {len(portraits)}")
    for portrait in portraits:
        if portrait.landmarks is None:
            print(f"  missed in {portrait.file}, eye distance {portrait.eye_distance:.0f} pixels")
    for split in ("training", "testing"):
        errors = np.stack([p.errors() for p in found if p.split == split])
        print(
            f"{split}: {len(errors)} faces, error over outer-eye distance {errors.mean():.4f} "
            f"(jaw {errors[:, :17].mean():.4f}, others {errors[:, 17:].mean():.4f})"
        )


if __name__ == "__main__":
    main()
