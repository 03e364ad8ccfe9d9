"""Makes models/speech-crnn of finished runs:

    python -m training.speech.export training/speech/packages/speech-crnn.yaml [OUT]

Writes model.onnx and model.yaml. The temperature and the metrics are those of the fold runs of the
same recipe and as many seeds (`evaluate.py`), since the shipped network has heard every speaker.
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
from training.speech.data import statistics_names
from training.speech.kernel import MOST, KernelReader, load_reader
from training.speech.model import CEPSTRA, STEPS, Committee, Network, cosine_basis
from training.speech.prepare import ROOT
from training.speech.train import load_run
from training.speech.windows import BANDS, CHROMA, FRAMES, PREPROCESSING, PROSODY

OPSET = 17
#: Inputs of the graph beside the batch, and what the library fills them with.
INPUTS = {
    "mel": ([1, BANDS, FRAMES], "log-mel"),
    "chroma": ([CHROMA, FRAMES], "chroma"),
    "prosody": ([PROSODY, FRAMES], "prosody"),
}


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


def _standardised(
    g: Graph, x: str, mean: torch.Tensor, spread: torch.Tensor, most: float = 5.0
) -> str:
    """Deviations within `most`; `mean` and `spread` shaped to fit."""
    deviations = g.add("Sub", x, g.weight(mean))
    deviations = g.add("Mul", deviations, g.weight(1 / spread))
    return g.add("Clip", deviations, g.weight(-most), g.weight(most))


def _recurrent(g: Graph, x: str, lstm: torch.nn.LSTM) -> str:
    """`[time, batch, size]` to `[time, batch, 2 · hidden]`."""
    w = lstm.state_dict()
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
        hidden_size=lstm.hidden_size,
    )
    # [time, 2, batch, hidden] → [time, batch, 2 · hidden]
    states = g.add("Transpose", states, perm=[0, 2, 1, 3])
    return g.add("Reshape", states, g.weight([0, 0, -1], np.int64))


def _moments(g: Graph, rows: str) -> str:
    """As `model.moments`: rows `[batch, size, 64]` to `[batch, 6 · size]`."""
    axis, zero, one = (g.weight([v], np.int64) for v in (2, 0, 1))
    last, end = g.weight([-1], np.int64), g.weight([FRAMES], np.int64)

    def total(x: str) -> str:
        return g.add("ReduceSum", x, axis, keepdims=1)

    def neighbours(x: str) -> tuple[str, str]:
        return g.add("Slice", x, one, end, axis), g.add("Slice", x, zero, last, axis)

    step = g.add("Abs", g.add("Sub", *neighbours(rows)))
    level = g.add("Slice", rows, zero, one, one)
    loud = g.add("Softmax", level, axis=2)
    between = g.add("Add", *neighbours(loud))
    even = g.weight(np.full((1, 1, FRAMES), 1 / FRAMES))
    even_steps = g.weight(np.full((1, 1, FRAMES - 1), 1 / (FRAMES - 1)))
    parts = []
    for weight, of_steps in (
        (even, even_steps),
        (loud, g.add("Div", between, total(between))),
    ):
        mean = total(g.add("Mul", weight, rows))
        away = g.add("Sub", rows, mean)
        variance = total(g.add("Mul", weight, g.add("Mul", away, away)))
        spread = g.add("Sqrt", g.add("Add", variance, g.weight(1e-4)))
        parts += [mean, spread, total(g.add("Mul", of_steps, step))]
    return g.add("Squeeze", g.add("Concat", *parts, axis=1), axis)


def _member(g: Graph, sequence: str, values: str, model: Network) -> tuple[str, str]:
    """One network: names of its normalised logits and of its weights."""
    rows = _standardised(
        g, sequence, model.row_mean[:, None], model.row_spread[:, None]
    )
    values = _standardised(g, values, model.mean, model.spread)
    first, norm = model.first, model.norm
    x = g.add(
        "Conv",
        rows,
        g.weight(first.weight),
        g.weight(first.bias),
        kernel_shape=list(first.kernel_size),
        strides=list(first.stride),
        pads=[first.padding[0]] * 2,
    )
    # [batch, channels, time] → [time, batch, channels]
    x = g.add("Transpose", x, perm=[2, 0, 1])
    x = g.add(
        "LayerNormalization",
        x,
        g.weight(norm.weight),
        g.weight(norm.bias),
        axis=-1,
        epsilon=norm.eps,
    )
    x = g.add("Relu", x)
    for i, lstm in enumerate(model.lstms):
        states = _recurrent(g, x, lstm)
        x = states if i == 0 else g.add("Add", x, states)
    states = g.add("Transpose", x, perm=[1, 0, 2])
    pooling = model.pooling
    score = g.linear(g.add("Tanh", g.linear(states, pooling.hidden)), pooling.score)
    weights = g.add("Softmax", score, axis=1)
    heard = g.add(
        "ReduceSum", g.add("Mul", weights, states), g.weight([1], np.int64), keepdims=0
    )
    read = g.add("Relu", g.linear(values, model.reader))
    both = g.add("Concat", heard, read, axis=1)
    both = g.add("Relu", g.linear(both, model.dense))
    answers = [
        g.add("LogSoftmax", g.linear(part, head), axis=1)
        for head, part in zip(model.heads, (heard, read, both), strict=True)
    ]
    return g.add("Mean", *answers), g.add("Squeeze", weights, g.weight([2], np.int64))


def _kernel(g: Graph, reader: KernelReader) -> str:
    """The kernel machine: the name of its normalised logits."""
    values = _standardised(g, "statistics", reader.mean, reader.spread, MOST)
    own = g.add(
        "ReduceSum", g.add("Mul", values, values), g.weight([1], np.int64), keepdims=1
    )
    squares = g.add("Add", own, g.weight(reader.landmarks.square().sum(1)))
    cross = g.add("MatMul", values, g.weight(2 * reader.landmarks.T))
    distance = g.add("Relu", g.add("Sub", squares, cross))
    near = g.add("Exp", g.add("Mul", distance, g.weight(-reader.width)))
    scores = g.add("MatMul", near, g.weight(reader.weights))
    return g.add("LogSoftmax", scores, axis=1)


def export_graph(model: Committee, path: Path) -> None:
    """Writes the network as ONNX: `mel` `[batch, 1, 128, 64]`, `chroma` `[batch, 12, 64]`, `prosody` `[batch, 4, 64]`
    and `statistics` `[batch, names]` to `logits` `[batch, 8]` and `time-weights` `[batch, 32]`."""
    model.eval()
    g = Graph()
    picture = g.add("Squeeze", "mel", g.weight([1], np.int64))
    cepstra = g.add("MatMul", g.weight(cosine_basis()), picture)
    sequence = g.add("Concat", cepstra, "chroma", "prosody", axis=1)
    values = g.add("Concat", "statistics", _moments(g, sequence), axis=1)
    answers = [_member(g, sequence, values, member) for member in model.members]
    readers = [] if model.reader is None else [_kernel(g, model.reader)]
    for name, parts in (
        ("logits", [logits for logits, _ in answers] + readers),
        ("time-weights", [weights for _, weights in answers]),
    ):
        mean = g.add("Mean", *parts)
        g.nodes.append(helper.make_node("Identity", [mean], [name]))
    width = model.members[0].config.statistics
    shapes = {name: shape for name, (shape, _) in INPUTS.items()}
    graph = helper.make_graph(
        g.nodes,
        "speech-crnn",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
            for name, shape in (shapes | {"statistics": [width]}).items()
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


def run_graph(
    path: Path, inputs: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and weights that ONNX Runtime gives on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    feeds = {name: value.astype(np.float32) for name, value in inputs.items()}
    logits, weights = session.run(["logits", "time-weights"], feeds)
    return logits, weights


def sequence_of(inputs: dict[str, np.ndarray]) -> torch.Tensor:
    """What the graph makes of its first three inputs: `[batch, 56, 64]`."""
    cepstra = cosine_basis(CEPSTRA) @ inputs["mel"][:, 0]
    joined = np.concatenate([cepstra, inputs["chroma"], inputs["prosody"]], axis=1)
    return torch.from_numpy(joined).float()


def compare(model: Committee, path: Path) -> tuple[float, float]:
    """Largest differences between the graph and PyTorch on noise: logits, time weights."""
    random = np.random.default_rng(1)
    inputs = {
        name: random.standard_normal((5, *shape)) for name, (shape, _) in INPUTS.items()
    }
    member = model.members[0]
    known = member.config.statistics
    scale = random.standard_normal((5, known))
    inputs["statistics"] = (
        member.mean[:known].numpy() + scale * member.spread[:known].numpy()
    )
    with torch.inference_mode():
        statistics = torch.from_numpy(inputs["statistics"]).float()
        logits, weights = model(sequence_of(inputs), statistics)
    found, attention = run_graph(path, inputs)
    return (
        float(np.abs(found - logits.numpy()).max()),
        float(np.abs(attention - weights.numpy()).max()),
    )


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
    result = json.loads((arguments.runs / package["evaluation"]).read_text())
    reader = load_reader(arguments.runs / package["reader"])
    model = Committee(members, reader).eval()
    export_graph(model, out / "model.onnx")
    logits, weights = compare(model, out / "model.onnx")
    print(f"graph against PyTorch: logits {logits:.1e}, weights {weights:.1e}")
    names, _ = statistics_names()
    shapes = {name: shape for name, (shape, _) in INPUTS.items()}
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
            name: {"type": "float32", "shape": ["batch", *shape], "padding": None}
            for name, shape in (shapes | {"statistics": [len(names)]}).items()
        },
        "outputs": {
            "logits": {"kind": "logits", "shape": ["batch", len(LABELS)]},
            "time-weights": {"kind": "time-weights", "shape": ["batch", STEPS]},
        },
        "preprocessing": PREPROCESSING
        | {
            "inputs": {name: source for name, (_, source) in INPUTS.items()}
            | {"statistics": "statistics"}
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
    parameters += sum(b.numel() for b in reader.buffers())
    print(
        f"{out}: {parameters:,} parameters, {(out / 'model.onnx').stat().st_size / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    main()
