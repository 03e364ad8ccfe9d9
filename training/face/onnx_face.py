"""The clip networks as ONNX graphs, batch normalisation folded into the convolutions.

A three-dimensional convolution is written as a plane one over neighbouring steps laid side by side
in the channels: the same sums, which ONNX Runtime computes several times faster than its own 5-D
convolution. Weights may be stored in eight bits, one scale an output channel; the runtime multiplies
them out once when it loads the graph, so the arithmetic is float32 either way.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import nn

from training.text.onnx_graph import OPSET, Graph

from .clip_models import FRAMES, Face3dCnnLstm, FaceCnnLstm, Residual3d, TemporalHead
from .pair import Pair
from .trunk import Gate, Residual, Trunk

SIDE, PLACES, CLASSES = 48, 6, 7


def array(tensor) -> np.ndarray:
    return tensor.detach().float().numpy()


class FaceGraph(Graph):
    """`Graph` with what the two networks have in common. Input `faces` [batch, frames, 1, 48, 48]."""

    def __init__(self, int8: bool) -> None:
        super().__init__()
        self.int8 = int8

    def ints(self, *values: int) -> str:
        return self.constant(list(values), np.int64)

    def stored(self, name: str, value: np.ndarray) -> str:
        """A weight whose first axis are the outputs."""
        if not self.int8:
            return self.weight(name, value)
        axes = tuple(range(1, value.ndim))
        scale = np.abs(value).max(axes, keepdims=True) / 127
        scale = np.where(scale == 0, 1, scale).astype(np.float32)
        whole = np.rint(value / scale).astype(np.int8)
        parts = self.weight(f"{name}.int8", whole), self.weight(f"{name}.scale", scale)
        return self.add("Mul", self.add("Cast", parts[0], to=TensorProto.FLOAT), parts[1])

    def convolution(
        self, name: str, x: str, conv: nn.Conv2d | nn.Conv3d, norm: nn.BatchNorm2d | nn.BatchNorm3d
    ) -> str:
        """Convolution and normalisation; of a `Conv3d` the time axis lies in the channels of `x`."""
        factor = array(norm.weight) / np.sqrt(array(norm.running_var) + norm.eps)
        weight = array(conv.weight) * factor.reshape(-1, *[1] * (conv.weight.ndim - 1))
        if weight.ndim == 5:
            # [out, in, time, h, w] → [out, time · in, h, w], as `steps` lays them out.
            weight = weight.transpose(0, 2, 1, 3, 4).reshape(len(weight), -1, *weight.shape[3:])
        bias = array(norm.bias) - array(norm.running_mean) * factor
        up, stride = conv.padding[-1], conv.stride[-1]
        return self.add(
            "Conv", x, self.stored(f"{name}.weight", weight), self.weight(f"{name}.bias", bias),
            kernel_shape=list(weight.shape[2:]), strides=[stride] * 2, pads=[up] * 4,
        )

    def linear_stored(self, name: str, x: str, layer: nn.Linear) -> str:
        """`x Wᵀ + b` of a layer."""
        bias = None if layer.bias is None else array(layer.bias)
        return self.linear(name, x, array(layer.weight), bias)

    def standardised(self) -> str:
        """The frames of all clips one after the other, each without its mean and contrast: [n, 1, 48, 48]."""
        x = self.add("Reshape", "faces", self.ints(-1, 1, SIDE, SIDE))
        centred = self.add("Sub", x, self.add("ReduceMean", x, axes=[2, 3]))
        variance = self.add("ReduceMean", self.add("Mul", centred, centred), axes=[2, 3])
        floor = self.add("Add", variance, self.constant(1e-6))
        return self.add("Div", centred, self.add("Sqrt", floor))

    def size(self, name: str, axis: int) -> str:
        """One number of a shape, as a tensor of one element."""
        shape = self.add("Shape", name)
        return self.add("Slice", shape, self.ints(axis), self.ints(axis + 1))

    def residual(self, name: str, x: str, block: Residual | Residual3d) -> str:
        body = block.body
        first = x if isinstance(block, Residual) else self.steps(x, [-1, 0, 1])
        y = self.add("Relu", self.convolution(f"{name}.0", first, body[0], body[1]))
        y = self.convolution(f"{name}.1", y, body[3], body[4])
        if isinstance(body[-1], Gate):
            y = self.gate(f"{name}.gate", y, body[-1])
        for layer in block.shortcut:
            if isinstance(layer, nn.AvgPool2d | nn.AvgPool3d):
                x = self.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
        convs = [i for i, layer in enumerate(block.shortcut) if isinstance(layer, nn.Conv2d | nn.Conv3d)]
        for i in convs:
            x = self.convolution(f"{name}.shortcut", x, block.shortcut[i], block.shortcut[i + 1])
        return self.add("Relu", self.add("Add", y, x))

    def gate(self, name: str, x: str, gate: Gate) -> str:
        """`Gate` on [n, c, h, w]."""
        means = self.add("ReduceMean", x, axes=[2, 3], keepdims=0)
        inner = self.add("Relu", self.linear_stored(f"{name}.squeeze", means, gate.squeeze))
        share = self.add("Sigmoid", self.linear_stored(f"{name}.excite", inner, gate.excite))
        return self.add("Mul", x, self.add("Unsqueeze", share, self.ints(2, 3)))

    def trunk(self, name: str, x: str, trunk: Trunk) -> str:
        """`Trunk.layers` on crops without mean and contrast: the maps [n, width, 6, 6]."""
        layers = trunk.layers
        x = self.add("Relu", self.convolution(f"{name}stem", x, layers[0], layers[1]))
        for i, block in enumerate(layers[3:]):
            x = self.residual(f"{name}block{i}", x, block)
        return x

    def steps(self, x: str, offsets: list[int], count: int = FRAMES // 2) -> str:
        """Each step [n · count, c, h, w] beside its neighbours, in the channels; zeros outside the clip."""
        shape = self.add("Shape", x)
        rest = self.add("Slice", shape, self.ints(1), self.ints(4))
        clips = self.add("Reshape", x, self.add("Concat", self.ints(-1, count), rest, axis=0))
        # Pads are the starts of all axes and then the ends.
        padded = self.add("Pad", clips, self.ints(0, 1, 0, 0, 0, 0, 1, 0, 0, 0))
        parts = [
            self.add("Slice", padded, self.ints(1 + o), self.ints(1 + o + count), self.ints(1)) for o in offsets
        ]
        together = self.add("Concat", *parts, axis=2)
        last = self.add("Slice", self.add("Shape", together), self.ints(2), self.ints(5))
        return self.add("Reshape", together, self.add("Concat", self.ints(-1), last, axis=0))

    def head(self, head: TemporalHead, features: str, classify: nn.Linear) -> tuple[str, str]:
        """`TemporalHead` on features [batch, steps, width]; writes `logits` and `attention`."""
        first = self.add("Slice", features, self.ints(0), self.ints(1), self.ints(1))
        before = self.add("Slice", features, self.ints(0), self.ints(-1), self.ints(1))
        change = self.add("Sub", features, self.add("Concat", first, before, axis=1))
        w = head.lstm.state_dict()

        def gates(name: str) -> np.ndarray:
            """PyTorch's gate order i, f, g, o to ONNX's i, o, f, c."""
            i, f, g, o = np.split(array(w[name]), 4)
            return np.concatenate([i, o, f, g])[None]

        states = self.add(
            "LSTM", self.add("Transpose", change, perm=[1, 0, 2]),
            self.weight("lstm.W", gates("weight_ih_l0")), self.weight("lstm.R", gates("weight_hh_l0")),
            hidden_size=head.hidden,
        )
        states = self.add("Transpose", self.add("Squeeze", states, self.ints(1)), perm=[1, 0, 2])
        seen = self.linear_stored("look", features, head.look)
        inner = self.add("Tanh", self.add("Add", seen, self.linear_stored("recall", states, head.recall)))
        score = self.add("Squeeze", self.linear_stored("score", inner, head.score), self.ints(2))
        weights = self.add("Softmax", score, axis=1, out="attention")
        row = self.add("Unsqueeze", weights, self.ints(1))

        def pooled(x: str) -> str:
            return self.add("Squeeze", self.add("MatMul", row, x), self.ints(1))

        logits = self.add(
            "Add", self.linear_stored("classify", pooled(features), classify),
            self.linear_stored("motion", pooled(states), head.motion), out="logits",
        )
        return logits, weights

    def saliency(self, maps: str, logits: str, classify: nn.Linear) -> str:
        """Class activation map of the winner over `maps` [batch, width, 36]; writes `saliency`."""
        winner = self.add("ArgMax", logits, axis=1, keepdims=0)
        row = self.add("Gather", self.weight("classify.rows", array(classify.weight)), winner)
        place = self.add("MatMul", self.add("Unsqueeze", row, self.ints(1)), maps)
        shape = self.ints(-1, PLACES, PLACES)
        return self.add("Relu", self.add("Reshape", place, shape), out="saliency")

    def save_clips(self, path: Path, frames: int | str, steps: int | str) -> None:
        """Checks and writes the model."""
        outputs = {
            "logits": ["batch", CLASSES], "attention": ["batch", steps], "saliency": ["batch", PLACES, PLACES]
        }

        def info(name: str, shape: list) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self.nodes, path.stem.split(".")[0], [info("faces", ["batch", frames, 1, SIDE, SIDE])],
            [info(name, shape) for name, shape in outputs.items()], self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)


def write_cnn_lstm(model: FaceCnnLstm, path: Path, int8: bool) -> None:
    """Takes clips of any number of frames."""
    g = FaceGraph(int8)
    x = g.standardised()
    if model.mirror:
        x = g.add("Concat", x, mirror_picture(g, x), axis=0)
    if isinstance(model.trunk, Pair):
        x = g.add("Concat", *(g.trunk(f"trunk{i}.", x, part) for i, part in enumerate(model.trunk.trunks)), axis=1)
    else:
        x = g.trunk("", x, model.trunk)
    if model.mirror:
        half = g.add("Div", g.add("Shape", x), g.ints(2))
        middle = g.add("Slice", half, g.ints(0), g.ints(1))
        straight = g.add("Slice", x, g.ints(0), middle, g.ints(0))
        other = mirror_picture(g, g.add("Slice", x, middle, g.ints(2**31), g.ints(0)))
        x = g.add("Mul", g.add("Add", straight, other), g.constant(0.5))
    width = model.trunk.width
    batch, frames = g.size("faces", 0), g.size("faces", 1)
    maps = g.add("Concat", batch, frames, g.ints(width, PLACES * PLACES), axis=0)
    maps = g.add("Reshape", x, maps)
    features = g.add("ReduceMean", maps, axes=[3], keepdims=0)
    logits, _ = g.head(model.head, features, model.trunk.classify)
    last = g.add("Gather", maps, g.constant(-1, np.int64), axis=1)
    g.saliency(last, logits, model.trunk.classify)
    g.save_clips(path, "frames", "frames")


def mirror_picture(g: FaceGraph, x: str) -> str:
    """Left and right of [n, c, h, w] exchanged."""
    return g.add("Slice", x, g.ints(-1), g.ints(-(2**31)), g.ints(3), g.ints(-1))


def write_3dcnn_lstm(model: Face3dCnnLstm, path: Path, int8: bool) -> None:
    """Takes clips of sixteen frames."""
    g = FaceGraph(int8)
    x = g.standardised()
    # Two frames a step, with the one before and the one behind them.
    clips = g.add("Reshape", x, g.ints(-1, FRAMES, SIDE, SIDE))
    padded = g.add("Pad", clips, g.ints(0, 1, 0, 0, 0, 1, 0, 0))
    count = FRAMES // 2
    parts = []
    for tap in range(4):
        every = g.add(
            "Slice", padded, g.ints(tap), g.ints(tap + FRAMES - 1), g.ints(1), g.ints(2)
        )
        parts.append(g.add("Unsqueeze", every, g.ints(2)))
    x = g.add("Reshape", g.add("Concat", *parts, axis=2), g.ints(-1, 4, SIDE, SIDE))
    x = g.add("Relu", g.convolution("stem", x, model.layers[0], model.layers[1]))
    for i, block in enumerate(model.layers[3:]):
        x = g.residual(f"block{i}", x, block)
    width = model.classify.in_features
    maps = g.add("Reshape", x, g.ints(-1, count, width, PLACES * PLACES))
    features = g.add("ReduceMean", maps, axes=[3], keepdims=0)
    logits, _ = g.head(model.head, features, model.classify)
    last = g.add("Gather", maps, g.constant(-1, np.int64), axis=1)
    g.saliency(last, logits, model.classify)
    g.save_clips(path, FRAMES, count)
