"""Makes models/speech-crnn of finished runs:

    python -m training.speech.export training/speech/packages/speech-crnn.yaml [OUT]

Writes model.onnx and model.yaml. The temperature and the metrics are those of the fold runs of the
same recipe (`evaluate.py`), since the shipped network has heard every speaker.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import yaml
from onnx import TensorProto, helper, numpy_helper

from training.speech.corpora import LABELS
from training.speech.model import BANDS, FRAMES, Committee, Crnn, CrnnConfig, Moments
from training.speech.prepare import ROOT
from training.speech.recipe import read_recipe
from training.speech.windows import HOP, MEAN, SPREAD

STEPS = FRAMES // 2
OPSET = 17


class Graph:
    """ONNX nodes and weights in the making; every `add` answers the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """One node; its output's name, or a list of them."""
        names = [f"{kind.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def weight(self, value: Any, dtype: Any = np.float32) -> str:
        """A constant tensor."""
        if isinstance(value, torch.Tensor):
            value = value.detach().float().numpy()
        name = f"w{len(self.weights)}"
        array = np.ascontiguousarray(np.asarray(value, dtype=dtype))
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def linear(self, x: str, layer: torch.nn.Linear) -> str:
        """`x · Wᵀ + b`."""
        product = self.add("MatMul", x, self.weight(layer.weight.T))
        return self.add("Add", product, self.weight(layer.bias))


def _gates(x: torch.Tensor) -> np.ndarray:
    """PyTorch's gate order i, f, g, o to ONNX's i, o, f, c along the first axis."""
    i, f, g, o = np.split(x.detach().float().numpy(), 4)
    return np.concatenate([i, o, f, g])


def _affine(g: Graph, x: str, norm: torch.nn.BatchNorm1d, shape: list[int]) -> str:
    """Batch normalisation as it is after training: a scale and a shift a channel."""
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    scaled = g.add("Mul", x, g.weight(scale.reshape(shape)))
    return g.add("Add", scaled, g.weight(shift.reshape(shape)))


def _convolution(g: Graph, x: str, layer: torch.nn.Conv1d) -> str:
    """Convolution over time and ReLU."""
    (pad,) = layer.padding
    x = g.add(
        "Conv",
        x,
        g.weight(layer.weight),
        g.weight(layer.bias),
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        pads=[pad, pad],
    )
    return g.add("Relu", x)


def _member(g: Graph, mel: str, model: Crnn) -> tuple[str, str]:
    """One network: names of its normalised logits and of its weights."""
    picture = g.add("Squeeze", mel, g.weight([1], np.int64))
    cepstra = g.add("MatMul", g.weight(model.basis), picture)
    cepstra = _affine(g, cepstra, model.standard, [1, -1, 1])
    x = _affine(g, _convolution(g, cepstra, model.first), model.norm, [1, -1, 1])
    x = _convolution(g, x, model.second)
    # [batch, channels, time] → [time, batch, channels]
    x = g.add("Transpose", x, perm=[2, 0, 1])
    w = model.lstm.state_dict()
    stacked = {
        part: np.stack([_gates(w[f"{part}_l0{side}"]) for side in ("", "_reverse")])
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    states = g.add(
        "LSTM",
        x,
        g.weight(stacked["weight_ih"]),
        g.weight(stacked["weight_hh"]),
        g.weight(np.concatenate([stacked["bias_ih"], stacked["bias_hh"]], axis=1)),
        direction="bidirectional",
        hidden_size=model.config.hidden,
    )
    # [time, 2, batch, hidden] → [batch, time, 2 · hidden]
    states = g.add("Transpose", states, perm=[2, 0, 1, 3])
    states = g.add("Reshape", states, g.weight([0, 0, -1], np.int64))
    pooling = model.pooling
    score = g.linear(g.add("Tanh", g.linear(states, pooling.hidden)), pooling.score)
    weights = g.add("Softmax", score, axis=1)
    attended = g.add(
        "ReduceSum", g.add("Mul", weights, states), g.weight([1], np.int64), keepdims=0
    )
    hidden = g.add("Relu", g.linear(attended, model.dense))
    logits = g.add("LogSoftmax", g.linear(hidden, model.classify), axis=1)
    return logits, g.add("Squeeze", weights, g.weight([2], np.int64))


def _moments(g: Graph, cepstra: str) -> str:
    """As `model.moments`: cepstra `[batch, size, 64]` to `[batch, 6 · size]`."""
    axis, zero, one = (g.weight([v], np.int64) for v in (2, 0, 1))
    last, end = g.weight([-1], np.int64), g.weight([FRAMES], np.int64)

    def total(x: str) -> str:
        return g.add("ReduceSum", x, axis, keepdims=1)

    def neighbours(x: str) -> tuple[str, str]:
        return g.add("Slice", x, one, end, axis), g.add("Slice", x, zero, last, axis)

    step = g.add("Abs", g.add("Sub", *neighbours(cepstra)))
    level = g.add("Slice", cepstra, zero, one, one)
    loud = g.add("Softmax", level, axis=2)
    between = g.add("Add", *neighbours(loud))
    even = g.weight(np.full((1, 1, FRAMES), 1 / FRAMES))
    even_steps = g.weight(np.full((1, 1, FRAMES - 1), 1 / (FRAMES - 1)))
    parts = []
    for weight, of_steps in (
        (even, even_steps),
        (loud, g.add("Div", between, total(between))),
    ):
        mean = total(g.add("Mul", weight, cepstra))
        away = g.add("Sub", cepstra, mean)
        variance = total(g.add("Mul", weight, g.add("Mul", away, away)))
        spread = g.add("Sqrt", g.add("Add", variance, g.weight(1e-4)))
        parts += [mean, spread, total(g.add("Mul", of_steps, step))]
    return g.add("Squeeze", g.add("Concat", *parts, axis=1), axis)


def _reader(g: Graph, mel: str, model: Moments) -> str:
    """One perceptron: name of its normalised logits."""
    picture = g.add("Squeeze", mel, g.weight([1], np.int64))
    values = _moments(g, g.add("MatMul", g.weight(model.basis), picture))
    x = g.add("Sub", values, g.weight(model.mean))
    x = g.add("Div", x, g.weight(model.spread))
    x = g.add("Clip", x, g.weight(-5.0), g.weight(5.0))
    for layer in model.classify:
        if isinstance(layer, torch.nn.Linear):
            x = g.linear(x, layer)
        elif isinstance(layer, torch.nn.ReLU):
            x = g.add("Relu", x)
    return g.add("LogSoftmax", x, axis=1)


def export_graph(model: Committee, path: Path) -> None:
    """Writes the network as ONNX: `mel` `[batch, 1, 128, 64]` to `logits` `[batch, 8]` and `time-weights` `[batch, 32]`."""
    model.eval()
    g = Graph()

    def mean(parts: list[str]) -> str:
        return g.add("Mean", *parts) if len(parts) > 1 else parts[0]

    answers = [_member(g, "mel", member) for member in model.members]
    logits = mean([logits for logits, _ in answers])
    if len(model.readers):
        read = mean([_reader(g, "mel", reader) for reader in model.readers])
        logits = g.add(
            "Add",
            g.add("Mul", logits, g.weight(1 - model.share)),
            g.add("Mul", read, g.weight(model.share)),
        )
    weights = mean([weights for _, weights in answers])
    for name, value in (("logits", logits), ("time-weights", weights)):
        g.nodes.append(helper.make_node("Identity", [value], [name]))
    graph = helper.make_graph(
        g.nodes,
        "speech-crnn",
        [
            helper.make_tensor_value_info(
                "mel", TensorProto.FLOAT, ["batch", 1, BANDS, FRAMES]
            )
        ],
        [
            helper.make_tensor_value_info(
                "logits", TensorProto.FLOAT, ["batch", len(LABELS)]
            ),
            helper.make_tensor_value_info(
                "time-weights", TensorProto.FLOAT, ["batch", STEPS]
            ),
        ],
        g.weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    made.ir_version = 8
    onnx.checker.check_model(made, full_check=True)
    path.write_bytes(made.SerializeToString())


def run_graph(path: Path, mel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits and weights that ONNX Runtime gives on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    logits, weights = session.run(
        ["logits", "time-weights"], {"mel": mel.astype(np.float32)}
    )
    return logits, weights


def load_run(run: Path) -> torch.nn.Module:
    """The network of a finished run, of either kind."""
    if (run / "moments.yaml").exists():
        settings = yaml.safe_load((run / "moments.yaml").read_text(encoding="utf-8"))
        model: torch.nn.Module = Moments(settings.get("hidden", 128))
    else:
        model = Crnn(CrnnConfig(**read_recipe(run / "recipe.yaml").model))
    model.load_state_dict(torch.load(run / "model.pt", weights_only=True))
    return model.eval()


def file_entry(path: Path) -> dict[str, Any]:
    """Path, SHA-256 and size as a manifest states them."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return {"path": path.name, "sha256": digest, "bytes": len(content)}


def metric_entries(
    package: dict[str, Any], result: dict[str, Any]
) -> list[dict[str, Any]]:
    """The manifest's metrics from what `evaluate.py` wrote, the headline first."""
    entries = []
    for name, text in package["metrics"].items():
        line = result["table"][name]
        corpus, _, classes = name.partition(", ")
        entry = {
            "name": "unweighted accuracy",
            "value": round(line["clean"], 4),
            "dataset": f"{package['datasets'][corpus]}, {classes}",
            "split": "held-out speakers",
            "protocol": text,
        }
        if name == package["headline"]:
            entry["headline"] = True
        entries.append(entry)
    entries.append(
        {
            "name": "ECE",
            "value": round(result["calibration"]["ece"], 4),
            "dataset": "all four corpora",
            "split": "held-out speakers",
            "protocol": package["calibration"],
        }
    )
    return sorted(entries, key=lambda e: not e.get("headline", False))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "speech")
    arguments = parser.parse_args()
    package = yaml.safe_load(arguments.package.read_text(encoding="utf-8"))
    out = arguments.out or ROOT / "models" / package["id"]
    out.mkdir(parents=True, exist_ok=True)
    members = [load_run(arguments.runs / run) for run in package["runs"]]
    readers = [load_run(arguments.runs / run) for run in package["readers"]]
    result = json.loads((arguments.runs / package["evaluation"]).read_text())
    model = Committee(members, readers, result["share"]).eval()
    export_graph(model, out / "model.onnx")
    mel = torch.randn(7, 1, BANDS, FRAMES)
    with torch.inference_mode():
        logits, weights = model(mel)
    found, attention = run_graph(out / "model.onnx", mel.numpy())
    print(
        f"graph against PyTorch: logits {np.abs(found - logits.numpy()).max():.1e}, ",
        end="",
    )
    print(f"weights {np.abs(attention - weights.numpy()).max():.1e}")
    manifest = {
        "schema": 1,
        "id": package["id"],
        "version": package["version"],
        "title": package["title"],
        "modality": "audio",
        "architecture": package["architecture"],
        "languages": package["languages"],
        "labels": list(LABELS),
        "mapping": {"calm": "neutral"},
        "files": {"default": "fp32", "fp32": file_entry(out / "model.onnx")},
        "inputs": {
            "mel": {
                "type": "float32",
                "shape": ["batch", 1, BANDS, FRAMES],
                "padding": None,
            }
        },
        "outputs": {
            "logits": {"kind": "logits", "shape": ["batch", len(LABELS)]},
            "time-weights": {"kind": "time-weights", "shape": ["batch", STEPS]},
        },
        "preprocessing": {
            "kind": "audio",
            "frontEnd": 1,
            "sampleRateHz": 16000,
            "preEmphasis": 0,
            "spectrum": {"fftSize": 1024, "frameLength": 1024, "hopLength": 640},
            "mel": {
                "bands": BANDS,
                "minHz": 50,
                "maxHz": 8000,
                "scale": "slaney",
                "norm": "area",
            },
            "window": {"frames": FRAMES, "hopFrames": HOP, "fill": "repeat"},
            "normalisation": {"kind": "fixed", "mean": MEAN, "spread": SPREAD},
            "inputs": {"mel": "log-mel"},
        },
        "calibration": {"temperature": result["calibration"]["temperature"]},
        "licence": package["licence"],
        "metrics": metric_entries(package, result),
        "minimumRuntime": "1.17.0",
    }
    path = out / "model.yaml"
    text = yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False, width=100)
    path.write_text(text, encoding="utf-8")
    subprocess.run(["npx", "prettier", "--write", str(path)], check=True, cwd=ROOT)
    parameters = sum(p.numel() for p in model.parameters())
    print(
        f"{out}: {parameters:,} parameters, {(out / 'model.onnx').stat().st_size / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    main()
