"""Makes `models/face-cnn-lstm` or `models/face-3dcnn-lstm` of a finished run.

    python -m training.face.export face-cnn-lstm --data DIR --runs runs/face

Fits the temperature on FER2013's validation part with the exported graph, compares the graph with
eight-bit weights with the one without (accuracy, and time on one thread), and writes the smaller
one unless `--fp32` is given, and `model.yaml`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import yaml

from . import fer2013
from .clip_models import FRAMES, FaceCnnLstm
from .evaluate_trunk import calibration_error, fit_temperature, scaled
from .frontend import ROOT
from .onnx_face import write_3dcnn_lstm, write_cnn_lstm
from .pair import build as build_trunk
from .train_3dcnn_lstm import build as build_3d

TITLES = {
    "face-cnn-lstm": {"en": "Faces, CNN + LSTM", "zh": "人脸,CNN + LSTM"},
    "face-3dcnn-lstm": {"en": "Faces, 3D-CNN + LSTM", "zh": "人脸,3D-CNN + LSTM"},
}
VERSIONS = {"face-cnn-lstm": "1.2.0", "face-3dcnn-lstm": "1.1.0"}
LICENCE = {
    "weights": "research and non-commercial use, as the training data asks",
    "data": "FER2013 (no clear grant), CK+ (research agreement)",
}


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def logits(graph: onnxruntime.InferenceSession, images: np.ndarray, frames: int) -> np.ndarray:
    """Logits [n, 7] of stills uint8 [n, 48, 48], each repeated to `frames`."""
    out = []
    for start in range(0, len(images), 32):
        x = images[start : start + 32, None, None].astype(np.float32) / 255
        out.append(graph.run(["logits"], {"faces": np.repeat(x, frames, 1)})[0])
    return np.concatenate(out)


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def milliseconds(graph: onnxruntime.InferenceSession, frames: int, seconds: float = 2) -> float:
    """Median time of one clip of random frames."""
    clip = np.random.default_rng(0).random((1, frames, 1, 48, 48), np.float32)
    graph.run(["logits"], {"faces": clip})
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        graph.run(["logits"], {"faces": clip})
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def manifest(name: str, path: Path, precision: str, temperature: float) -> dict:
    flexible = name == "face-cnn-lstm"
    return {
        "schema": 1,
        "id": name,
        "version": VERSIONS[name],
        "title": TITLES[name],
        "modality": "video",
        "architecture": "cnn-lstm" if flexible else "3dcnn-lstm",
        "labels": list(fer2013.LABELS),
        "files": {
            "default": precision,
            precision: {
                "path": path.name,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "bytes": path.stat().st_size,
            },
        },
        "inputs": {
            "faces": {
                "type": "float32",
                "shape": ["batch", "frames" if flexible else FRAMES, 1, 48, 48],
                "padding": None if flexible else 0,
            }
        },
        "outputs": {
            "logits": {"kind": "logits", "shape": ["batch", 7]},
            "attention": {"kind": "time-weights", "shape": ["batch", "frames" if flexible else FRAMES // 2]},
            "saliency": {"kind": "saliency", "shape": ["batch", 6, 6]},
        },
        "preprocessing": {
            "kind": "video",
            "frontEnd": 1,
            "crop": {"side": 48, "colour": "grey"},
            "clip": {
                "frames": FRAMES, "seconds": 1.6, "stepSeconds": 0.8, "fill": "none" if flexible else "repeat",
            },
            "inputs": {"faces": "face-clip"},
        },
        "calibration": {"temperature": round(temperature, 4)},
        "licence": LICENCE,
        "metrics": [],
    }


def load(name: str, runs: Path) -> torch.nn.Module:
    """The finished network of a run."""
    saved = torch.load(runs / f"{name.removeprefix('face-')}.pt", weights_only=False)
    if name == "face-cnn-lstm":
        trunk = build_trunk(saved["trunk_recipe"])
        model = FaceCnnLstm(trunk, saved["recipe"]["mirror"], saved["recipe"]["hidden"])
    else:
        model = build_3d(saved["recipe"], saved["trunk_recipe"])
    model.load_state_dict(saved["model"])
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=sorted(TITLES))
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTION_DATA"))
    parser.add_argument("--runs", type=Path, default=Path("runs/face"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fp32", action="store_true", help="ship the graph with float32 weights")
    parser.add_argument("--rows", type=int, help="fit and compare on so many validation pictures only")
    arguments = parser.parse_args()
    name = arguments.model
    out = arguments.out or ROOT / "models" / name
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    model = load(name, arguments.runs)
    write = write_cnn_lstm if name == "face-cnn-lstm" else write_3dcnn_lstm
    frames = 1 if name == "face-cnn-lstm" else FRAMES
    held = fer2013.read_zip(Path(arguments.data) / "face/fer2013/validation.zip")
    chosen = np.random.default_rng(0).permutation(len(held.images))[: arguments.rows]
    images, labels = held.images[chosen], held.labels[chosen]

    precision = "fp32" if arguments.fp32 else "int8"
    path = out / ("model.onnx" if arguments.fp32 else "model.int8.onnx")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("fp32", "int8"):
            file = path if kind == precision else Path(folder) / f"{kind}.onnx"
            write(model, file, int8=kind == "int8")
            graph = session(file)
            found[kind] = logits(graph, images, frames)
            print(
                f"{kind}: {file.stat().st_size / 1e6:.2f} MB, validation accuracy "
                f"{(found[kind].argmax(1) == labels).mean():.4f}, "
                f"{milliseconds(graph, 1) if frames == 1 else float('nan'):.2f} ms a picture, "
                f"{milliseconds(graph, FRAMES):.1f} ms a clip of {FRAMES}", flush=True,
            )
    with torch.no_grad():
        x = torch.from_numpy(images[:64])[:, None, None].float().expand(-1, frames, -1, -1, -1) / 255
        drift = np.abs(model(x).logits.numpy() - found["fp32"][:64]).max()
    print(f"graph against PyTorch, fp32: {drift:.1e}; eight bits against fp32: "
          f"{np.abs(found['fp32'] - found['int8']).max():.2f}")
    p = softmax(found[precision])
    temperature = fit_temperature(p, labels)
    print(f"temperature {temperature:.4f}: ECE {calibration_error(p, labels):.4f} → "
          f"{calibration_error(scaled(p, temperature), labels):.4f} on validation")
    text = yaml.safe_dump(manifest(name, path, precision, temperature), allow_unicode=True, sort_keys=False)
    (out / "model.yaml").write_text(text, encoding="utf-8")
    subprocess.run(["npx", "prettier", "--write", str(out / "model.yaml")], check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
