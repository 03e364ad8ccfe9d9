"""Trains `fallback-video`: logistic regression on the geometry of the 68 points.

    python -m training.face.fallback_video --data DIR --runs runs/face

Needs `read_landmarks` before it. Learns from FER2013's training part (with what `fer2013.load` puts
right) and from CK+'s last frames; the strength of the penalty, the weight of CK+ and the temperature
are chosen on FER2013's validation part. Writes `models/fallback-video/model.safetensors`, its
`model.yaml`, and prints the numbers of the card. The test part is only reported on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import yaml
from safetensors.numpy import save_file
from scipy.optimize import minimize

from . import ck48, fer2013
from .evaluate_trunk import calibration_error, fit_temperature, scaled
from .frontend import ROOT
from .motion import MIRRORED
from .read_landmarks import stored
from .train_cnn_lstm import table
from .train_trunk import prepared

# As in lib/resilience/logistic-regression.ts.
MOST_DEVIATIONS = 10


def geometry(points: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names, and float64 [n, features] of points [n, 68, 2]; NaN rows where there are none."""
    lines = [
        json.dumps(None if np.isnan(p[0, 0]) else [[float(v) for v in point] for point in p]) for p in points
    ]
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("geometry.mjs"))],
        input="\n".join(lines) + "\n", capture_output=True, text=True, check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"geometry.mjs: {done.stderr.strip()}")
    names, *rows = done.stdout.splitlines()
    values = [json.loads(row) for row in rows]
    width = len(json.loads(names))
    return json.loads(names), np.array([[np.nan] * width if v is None else v for v in values])


def mirrored(points: np.ndarray, side: int = 48) -> np.ndarray:
    """The points [n, 68, 2] of the mirror pictures."""
    return points[:, MIRRORED] * np.float32([-1, 1]) + np.float32([side, 0])


class Softmax:
    """Multinomial logistic regression on standardised features, fitted to soft targets."""

    def __init__(self, x: np.ndarray, targets: np.ndarray, share: np.ndarray, penalty: float) -> None:
        self.mean, self.std = x.mean(0), x.std(0)
        x = self.standardise(x)
        features, classes = x.shape[1], targets.shape[1]
        share = (share / share.sum())[:, None]

        def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
            weight, bias = flat[:-classes].reshape(features, classes), flat[-classes:]
            logits = x @ weight.astype(np.float32) + bias
            logits -= logits.max(1, keepdims=True)
            log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
            slope = (np.exp(log_p) - targets) * share
            loss = -(share * targets * log_p).sum() + penalty * (weight**2).sum() / 2
            gradient = x.T @ slope.astype(np.float32) + penalty * weight
            return float(loss), np.concatenate([gradient.ravel(), slope.sum(0)]).astype(np.float64)

        found = minimize(
            cost, np.zeros((features + 1) * classes), jac=True, method="L-BFGS-B", options={"maxiter": 300}
        )
        self.weight = found.x[:-classes].reshape(features, classes).astype(np.float32)
        self.bias = found.x[-classes:].astype(np.float32)

    def standardise(self, x: np.ndarray) -> np.ndarray:
        return np.clip((x - self.mean) / self.std, -MOST_DEVIATIONS, MOST_DEVIATIONS).astype(np.float32)

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        logits = self.standardise(x) @ self.weight + self.bias
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)


def write(folder: Path, model: Softmax, names: list[str], temperature: float, metrics: list[dict]) -> None:
    """The weights as lib/resilience/logistic-regression.ts reads them, and the manifest."""
    specification = {
        "schema": 1, "id": folder.name, "modality": "video", "labels": list(fer2013.LABELS),
        "input": {"kind": "dense", "features": names}, "temperature": round(temperature, 4),
    }
    tensors = {
        "weight": model.weight, "bias": model.bias,
        "mean": model.mean.astype(np.float32), "std": model.std.astype(np.float32),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.safetensors"
    save_file(tensors, path, metadata={"emotion": json.dumps(specification)})
    manifest = {
        "schema": 1,
        "id": folder.name,
        "version": "1.0.0",
        "title": {"en": "Fallback for faces (logistic regression)", "zh": "人脸备用模型(逻辑回归)"},
        "modality": "video",
        "architecture": "logistic-regression",
        "labels": list(fer2013.LABELS),
        "weights": {
            "path": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        },
        "licence": {
            "weights": "research and non-commercial use, as the training data asks",
            "data": "FER2013 (no clear grant), CK+ (research agreement)",
        },
        "metrics": metrics,
    }
    text = yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False, width=100)
    (folder / "model.yaml").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTION_DATA"))
    parser.add_argument("--runs", type=Path, default=Path("runs/face"))
    parser.add_argument("--out", type=Path, default=ROOT / "models/fallback-video")
    arguments = parser.parse_args()
    data = Path(arguments.data)
    train, validation = prepared(data / "face/fer2013", arguments.runs)
    test = fer2013.read_zip(data / "face/fer2013/test.zip")
    posed = ck48.load(data / "face/ck48")

    def seen(name: str, targets: np.ndarray, mirror: bool) -> tuple[list[str], np.ndarray, np.ndarray]:
        points = stored(arguments.runs, name)
        found = np.isfinite(points[:, 0, 0])
        points, targets = points[found], targets[found]
        if mirror:
            points, targets = np.concatenate([points, mirrored(points)]), np.concatenate([targets, targets])
        names, x = geometry(points)
        return names, x, targets

    names, x_fer, y_fer = seen("train", train.targets, mirror=True)
    _, x_ck, y_ck = seen("ck48", np.eye(7, dtype=np.float32)[posed.labels], mirror=True)
    _, x_held, y_held = seen("validation", validation.targets, mirror=False)
    held = y_held.argmax(1)
    # A label whose landmarks have been read less often than others counts as often as it stands in the set.
    even = y_fer @ (train.targets.mean(0) / y_fer.mean(0))
    print(f"train {len(x_fer)} + {len(x_ck)} rows with their mirror pictures, {len(names)} features")
    x, y = np.concatenate([x_fer, x_ck]), np.concatenate([y_fer, y_ck])
    best = None
    for posed_share in (0.3, 1.0):
        share = np.concatenate([even, np.full(len(x_ck), posed_share)])
        for penalty in (1e-5, 1e-4, 1e-3):
            model = Softmax(x, y, share, penalty)
            p = model.probabilities(x_held)
            accuracy = (p.argmax(1) == held).mean()
            loss = -np.log(p[np.arange(len(held)), held]).mean()
            print(f"CK+ {posed_share}, penalty {penalty}: validation accuracy {accuracy:.4f}, loss {loss:.4f}")
            if best is None or loss < best[0]:
                best = (loss, model)
    model = best[1]
    temperature = fit_temperature(model.probabilities(x_held), held)

    _, x_test, y_test = seen("test", test.targets, mirror=False)
    p, labels = scaled(model.probabilities(x_test), temperature), y_test.argmax(1)
    found = len(labels) / len(test.labels)
    print(f"temperature {temperature:.3f}; a face in {found:.4f} of the test pictures")
    print(table("FER2013 test, pictures with a face", p.argmax(1), labels))
    error = calibration_error(p, labels)
    print(f"ECE {error:.4f}")
    accuracy = float((p.argmax(1) == labels).mean())
    protocol = f"official test, the {len(labels)} of {len(test.labels)} pictures in which a face is found; "
    protocol += "training cleared of duplicates of the evaluation parts"
    metrics = [
        {"name": "accuracy", "value": round(accuracy, 4), "dataset": "FER2013", "protocol": protocol,
         "headline": True},
        {"name": "ECE", "value": round(error, 4), "dataset": "FER2013", "protocol": protocol},
    ]
    write(arguments.out, model, names, temperature, metrics)
    subprocess.run(["npx", "prettier", "--write", str(arguments.out / "model.yaml")], check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
