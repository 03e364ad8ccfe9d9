"""A thin writer of ONNX graphs: nodes by name, weights as initialisers, INT8 embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from training.text.calibrate import LEAST_TEMPERATURE, ODDS, TemperatureHead

OPSET = 17


class Graph:
    """Collects nodes and weights; every method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._constants: dict[tuple, str] = {}

    def weight(self, name: str, value: np.ndarray) -> str:
        """An initialiser."""
        self.weights.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def constant(self, value: object, dtype: type = np.float32) -> str:
        """A small shared constant."""
        array = np.array(value, dtype=dtype)
        key = (array.tobytes(), array.shape, str(array.dtype))
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = self.weight(name, array)
        return self._constants[key]

    def add(self, kind: str, *inputs: str, out: str = "", **attributes: object) -> str:
        """A node with one output."""
        name = out or f"{kind}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, list(inputs), [name], name=name, **attributes)
        )
        return name

    def int8_rows(self, name: str, table: np.ndarray, ids: str) -> str:
        """Gathers rows of a table stored as INT8 with one scale a row.

        `table` float32 `[rows, width]`, `ids` int64 `[…]` → float32 `[…, width]`. Only the rows
        that a text uses are turned back into float, so this costs nothing at run time.
        """
        scale = np.abs(table).max(axis=1, keepdims=True) / 127
        scale = np.where(scale == 0, 1, scale).astype(np.float32)
        stored = np.rint(table / scale).astype(np.int8)
        rows = self.add("Gather", self.weight(f"{name}.int8", stored), ids)
        scales = self.add("Gather", self.weight(f"{name}.scale", scale), ids)
        return self.add("Mul", self.add("Cast", rows, to=TensorProto.FLOAT), scales)

    def linear(
        self, name: str, x: str, weight: np.ndarray, bias: np.ndarray | None = None
    ) -> str:
        """`x Wᵀ + b` with PyTorch's weight layout `[out, in]`."""
        y = self.add("MatMul", x, self.weight(f"{name}.weight", weight.T))
        if bias is None:
            return y
        return self.add("Add", y, self.weight(f"{name}.bias", bias))

    def save(
        self, path: Path, inputs: dict[str, list], outputs: dict[str, list]
    ) -> None:
        """Checks and writes the model; inputs are int64, outputs float32, shapes as given."""
        graph = helper.make_graph(
            self.nodes,
            path.stem,
            [
                helper.make_tensor_value_info(n, TensorProto.INT64, s)
                for n, s in inputs.items()
            ],
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
                for n, s in outputs.items()
            ],
            self.weights,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8
        )
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)


TEXT_INPUTS = {
    "input_ids": ["batch", "tokens"],
    "attention_mask": ["batch", "tokens"],
}
TEXT_OUTPUTS = {"logits": ["batch", 7], "attention": ["batch", "tokens"]}


def attention_pooling(
    g: Graph, pooling: object, states: str, ids: str, mask: str
) -> tuple[str, str]:
    """`models/pooling.py` as a graph; returns pooled `[batch, width]` and the weights' name.

    `mask` is the float attention mask `[batch, tokens]`.
    """
    from training.text.models.pooling import _LAST_RESORT, _PADDING

    w = {k: v.detach().float().numpy() for k, v in pooling.state_dict().items()}
    hidden = g.add(
        "Tanh",
        g.linear("pooling.project", states, w["project.weight"], w["project.bias"]),
    )
    score = g.linear("pooling.score", hidden, w["score.weight"])
    score = g.add("Squeeze", score, g.constant([2], np.int64))
    first, last = (g.constant(i, np.int64) for i in pooling.special)
    special = g.add("Or", g.add("Equal", ids, first), g.add("Equal", ids, last))
    penalty = g.add(
        "Mul",
        g.add("Cast", special, to=TensorProto.FLOAT),
        g.constant(_LAST_RESORT),
    )
    padding = g.add("Mul", g.add("Sub", g.constant(1.0), mask), g.constant(_PADDING))
    score = g.add("Add", g.add("Add", score, penalty), padding)
    weights = g.add("Mul", g.add("Softmax", score, axis=-1), mask, out="attention")
    row = g.add("Unsqueeze", weights, g.constant([1], np.int64))
    pooled = g.add("Squeeze", g.add("MatMul", row, states), g.constant([1], np.int64))
    return pooled, weights


def finish(
    g: Graph,
    logits: str,
    pooled: str,
    head: TemperatureHead | None,
    features: bool,
) -> dict[str, list]:
    """Names the outputs of a text model and returns them; with a `head` the logits are first divided
    by the temperature that it reads from `pooled` `[batch, width]`. `features` gives `pooled` out."""
    if head is not None:
        logits = g.add("Div", logits, temperature(g, logits, pooled, head))
    g.add("Identity", logits, out="logits")
    if not features:
        return TEXT_OUTPUTS
    g.add("Identity", pooled, out="features")
    return TEXT_OUTPUTS | {"features": ["batch", "width"]}


def temperature(g: Graph, logits: str, pooled: str, head: TemperatureHead) -> str:
    """`TemperatureHead.temperatures` as a graph, `[batch, 1]`."""
    kinds = g.linear("kinds", pooled, head.kinds.weight.T, head.kinds.bias)
    shares = g.add("Softmax", kinds, axis=-1)
    top = g.add("ReduceMax", g.add("Softmax", logits, axis=-1), axes=[1], keepdims=1)
    rest = g.add("Add", g.add("Sub", g.constant(1.0), top), g.constant(1e-6))
    odds = g.add("Log", g.add("Div", top, rest))
    odds = g.add("Clip", odds, *(g.constant(bound) for bound in ODDS))
    level, slope = (
        g.add("MatMul", shares, g.weight(name, value[:, None].astype(np.float32)))
        for name, value in (("level", head.level), ("slope", head.slope))
    )
    z = g.add("Add", level, g.add("Mul", slope, odds))
    return g.add("Add", g.add("Softplus", z), g.constant(LEAST_TEMPERATURE))
