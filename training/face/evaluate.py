"""Any number of the cards of `models/face-*`, through the very library that the nodes run.

    python -m training.face.evaluate models/face-cnn-lstm fer2013 --data DIR
    python -m training.face.evaluate models/face-cnn-lstm sequences --data DIR

Sets: `fer2013` (official test), `validation`, `robustness` (the test under bad light, blur and
compression), `ck48` (single frames of CK+, whose people the trunk never saw), `posed` (CK+'s last three
frames as clips; the temporal head was trained on such), `motion` (clips made from FER2013's
validation stills; needs `read_landmarks`), `sequences` (whole CK+ sequences as MP4 files, decoded,
faces found and cut out, clips classified). Numbers are written to `runs/face/evaluation/<model>.json`.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from . import ck48, fer2013
from .evaluate_trunk import calibration_error
from .fer2013 import LABELS
from .frontend import ROOT
from .train_cnn_lstm import table

PREDICT = Path(__file__).with_name("predict.mjs")


def crop_line(name: int, frames: np.ndarray) -> dict:
    """Crops uint8 [frames, 48, 48] of one face as an input line."""
    data = base64.b64encode(np.ascontiguousarray(frames, np.uint8).tobytes()).decode()
    return {"id": name, "frames": len(frames), "crops": data}


def predict(model: Path, lines: Iterable[dict], count: int, precision: str | None = None) -> np.ndarray:
    """Calibrated probabilities [count, 7]; zeros where no face was found."""
    command = ["node", str(PREDICT), str(model), *([precision] if precision else [])]
    text = "\n".join(json.dumps(line) for line in lines) + "\n"
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"predict.mjs: {done.stderr.strip()[-2000:]}")
    out = np.zeros((count, len(LABELS)))
    for line in done.stdout.splitlines():
        answer = json.loads(line)
        for label, score in answer["scores"].items():
            out[answer["id"], LABELS.index(label)] = score
    return out


def scores(name: str, p: np.ndarray, labels: np.ndarray) -> dict:
    """Prints one line and returns its numbers."""
    chosen = np.where(p.sum(1) > 0, p.argmax(1), -1)
    print(table(name, chosen, labels), f"ECE {calibration_error(p, labels):.4f}", flush=True)
    confusion = np.zeros((len(LABELS), len(LABELS)), int)
    found = chosen >= 0
    np.add.at(confusion, (labels[found], chosen[found]), 1)
    recalls = [(chosen[labels == k] == k).mean() for k in np.unique(labels)]
    return {
        "rows": len(labels),
        "accuracy": float((chosen == labels).mean()),
        "unweighted_recall": float(np.mean(recalls)),
        "ece": calibration_error(p, labels),
        "without_face": int((~found).sum()),
        "confusion": confusion.tolist(),
    }


def dark(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A fifth of the light, and the noise of a sensor at its limit (3 grey levels)."""
    return image * 0.2 + random.normal(0, 3, image.shape)


def blurred(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Gaussian, 1.2 pixels of 48: a face out of focus."""
    return gaussian_filter(image.astype(float), 1.2)


def compressed(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """JPEG at quality 15."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=15)
    return np.asarray(Image.open(file))


def coarse(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A face of 20 × 20 pixels, enlarged."""
    small = Image.fromarray(image).resize((20, 20), Image.Resampling.BOX)
    return np.asarray(small.resize((48, 48), Image.Resampling.BILINEAR))


def leaning(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Turned by 15 degrees to one side or the other."""
    picture = Image.fromarray(image)
    angle = float(random.choice([-15, 15]))
    fill = int(image.mean())
    return np.asarray(picture.rotate(angle, Image.Resampling.BILINEAR, fillcolor=fill))


def covered(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A flat square of 16 × 16 pixels somewhere on the face."""
    top, left = random.integers(4, 28, 2)
    out = image.copy()
    out[top : top + 16, left : left + 16] = 128
    return out


CONDITIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "dark": dark, "blurred": blurred, "jpeg": compressed, "20 pixels": coarse,
    "turned 15°": leaning, "covered": covered,
}


def stills(model: Path, images: np.ndarray, precision: str | None) -> np.ndarray:
    lines = (crop_line(i, image[None]) for i, image in enumerate(images))
    return predict(model, lines, len(images), precision)


def write_clip(frames: list[Path], path: Path, rate: int) -> None:
    """Frames as an MP4 file (H.264), `rate` of them a second."""
    with tempfile.TemporaryDirectory() as folder:
        for i, frame in enumerate(frames):
            Image.open(frame).convert("RGB").save(Path(folder) / f"{i:04d}.png")
        subprocess.run(
            ["ffmpeg", "-loglevel", "error", "-y", "-framerate", str(rate), "-i", f"{folder}/%04d.png",
             "-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", str(path)],
            check=True,
        )  # fmt: skip


def sequences(model: Path, folder: Path, rate: int, precision: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels of the whole sequences in `folder/<label>/<sequence>/*`."""
    found = sorted(p for label in LABELS for p in (folder / label).glob("*") if p.is_dir())
    if not found:
        raise FileNotFoundError(f"no <label>/<sequence> folders in {folder}")
    labels = np.array([LABELS.index(p.parent.name) for p in found])
    with tempfile.TemporaryDirectory() as clips:
        lines = []
        for i, sequence in enumerate(found):
            path = Path(clips) / f"{i}.mp4"
            write_clip(sorted(sequence.glob("*.jpg")) + sorted(sequence.glob("*.png")), path, rate)
            lines.append({"id": i, "path": str(path)})
        return predict(model, lines, len(found), precision), labels


def some(part: fer2013.Part, rows: int | None) -> fer2013.Part:
    """A random part of the rows, the same each time."""
    chosen = np.random.default_rng(0).permutation(len(part.images))[:rows]
    return fer2013.Part(part.images[chosen], part.targets[chosen], part.names[chosen])


def evaluate(
    model: Path, name: str, data: Path, runs: Path, precision: str | None, rows: int | None = None
) -> dict[str, dict]:
    """Results of one set by the name that the card gives them; of `rows` random rows of it."""
    fer = data / "face/fer2013"
    if name in ("fer2013", "validation"):
        part = some(fer2013.read_zip(fer / ("test.zip" if name == "fer2013" else "validation.zip")), rows)
        return {name: scores(name, stills(model, part.images, precision), part.labels)}
    if name == "robustness":
        part = some(fer2013.read_zip(fer / "test.zip"), rows)
        out = {}
        for condition, change in CONDITIONS.items():
            random = np.random.default_rng(1)
            images = np.stack([np.clip(change(i, random), 0, 255).astype(np.uint8) for i in part.images])
            out[condition] = scores(condition, stills(model, images, precision), part.labels)
        return out
    if name == "ck48":
        frames = ck48.load(data / "face/ck48")
        return {name: scores(name, stills(model, frames.images, precision), frames.labels)}
    if name == "posed":
        frames = ck48.load(data / "face/ck48")
        triples = ck48.triples(frames)
        lines = (crop_line(i, frames.images[t]) for i, t in enumerate(triples))
        return {name: scores(name, predict(model, lines, len(triples), precision), frames.labels[triples[:, 0]])}
    if name == "motion":
        from .clip_data import held_out, material

        clips, labels = held_out(material(data, runs), rows)
        lines = (crop_line(i, clip[:, 0].numpy()) for i, clip in enumerate(clips))
        return {name: scores(name, predict(model, lines, len(clips), precision), labels.numpy())}
    if name == "sequences":
        out = {}
        for rate in (30, 10):
            p, labels = sequences(model, data / "face/ckplus_sequences", rate, precision)
            out[f"sequences at {rate} fps"] = scores(f"sequences at {rate} fps", p, labels)
        return out
    raise ValueError(f"unknown set {name!r}; see --help")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTION_DATA"))
    parser.add_argument("--runs", type=Path, default=Path("runs/face"))
    parser.add_argument("--precision")
    parser.add_argument("--rows", type=int, help="so many random rows of a set, where it is large")
    arguments = parser.parse_args()
    kept = ROOT / "runs/face/evaluation" / f"{arguments.model.resolve().name}.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    for name in arguments.sets:
        found = evaluate(arguments.model, name, Path(arguments.data), arguments.runs, arguments.precision, arguments.rows)
        results.update(found)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
