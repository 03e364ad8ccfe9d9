"""Faces as the nodes see them: runs the built `emotion-features video` over pictures."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def picture_line(name: str, grey: np.ndarray) -> dict:
    """A grey picture [h, w] uint8 as one input line."""
    height, width = grey.shape
    data = base64.b64encode(np.ascontiguousarray(grey).tobytes()).decode()
    return {"id": name, "width": width, "height": height, "channels": 1, "data": data}


def video_features(lines: Iterable[dict], *options: str) -> Iterator[dict]:
    """One dict a picture; `mesh` becomes float32 [468, 3], `crop` uint8 [48, 48]."""
    command = ["node", str(ROOT / "dist/lib/cli/emotion-features.js"), "video", *options]
    text = "\n".join(json.dumps(line) for line in lines)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"emotion-features video: {done.stderr.strip()}")
    for line in done.stdout.splitlines():
        picture = json.loads(line)
        for face in picture["faces"]:
            face["landmarks"] = np.array(face["landmarks"], np.float32)
            if "mesh" in face:
                face["mesh"] = np.frombuffer(base64.b64decode(face["mesh"]), "<f4").reshape(468, 3)
            if "crop" in face:
                face["crop"] = np.frombuffer(base64.b64decode(face["crop"]), np.uint8).reshape(48, 48)
        yield picture
