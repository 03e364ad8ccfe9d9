"""How often a face is found where there is none.

    python -m training.face.evaluate_no_faces PICTURES… --count 200

Takes pictures without people from files and folders and cuts so many pictures of 640 × 480 out of them: one
of each whole picture, then parts at several scales, until there are enough. Prints where faces were found;
`--save DIR` keeps those pictures, to be looked at: a statue or a portrait on a wall is a face.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from .frontend import video_features

WIDTH, HEIGHT = 640, 480
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def files(places: list[Path]) -> list[Path]:
    """The pictures among files and in folders, in the order of their paths."""
    found = [p for place in places for p in ([place] if place.is_file() else place.rglob("*"))]
    # Resolved, so that a link to a picture is not another one.
    return sorted({p.resolve() for p in found if p.suffix.lower() in SUFFIXES and p.is_file()})


def cuts(paths: list[Path], count: int, seed: int = 1) -> Iterator[tuple[str, Image.Image]]:
    """`count` pictures with a name each: whole ones first, then parts of half to an eighth of their side."""
    random = np.random.default_rng(seed)
    for i in range(count):
        path = paths[i % len(paths)]
        picture = Image.open(path).convert("RGB")
        if i < len(paths):
            yield path.stem, ImageOps.fit(picture, (WIDTH, HEIGHT))
            continue
        share = float(random.choice([1 / 2, 1 / 4, 1 / 8]))
        width = min(picture.width, max(WIDTH // 4, round(picture.width * share)))
        height = min(picture.height, round(width * HEIGHT / WIDTH))
        left = int(random.integers(0, picture.width - width + 1))
        top = int(random.integers(0, picture.height - height + 1))
        part = picture.crop((left, top, left + width, top + height))
        yield f"{path.stem} at {left}, {top}, {width} wide", part.resize((WIDTH, HEIGHT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--save", type=Path)
    arguments = parser.parse_args()
    paths = files(arguments.pictures)
    if not paths:
        parser.error("no pictures there")
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        lines, made = [], {}
        for name, picture in cuts(paths, arguments.count):
            file = Path(folder) / f"{len(lines)}.png"
            picture.save(file)
            lines.append({"id": name, "path": str(file)})
            made[name] = file
        for seen in video_features(lines):
            if not seen["faces"]:
                continue
            wrong += 1
            print(f"{seen['id']}: {len(seen['faces'])} at {[f['box'] for f in seen['faces']]}")
            if arguments.save:
                arguments.save.mkdir(parents=True, exist_ok=True)
                Image.open(made[seen["id"]]).save(arguments.save / f"{wrong}.png")
    print(f"{wrong} of {arguments.count} pictures, cut out of {len(paths)}, with a face")


if __name__ == "__main__":
    main()
