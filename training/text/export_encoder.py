"""Writes the encoder as ONNX, in fp32 or with INT8 embeddings and dynamically quantised MatMuls."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto
from onnxruntime.quantization import QuantType, quantize_dynamic

from training.text.calibrate import TemperatureHead
from training.text.models.encoder import EncoderClassifier
from training.text.onnx_graph import (
    TEXT_INPUTS,
    Graph,
    attention_pooling,
    finish,
)
from training.text.smooth import smoothing


def _layer_norm(g: Graph, name: str, x: str, w: dict, epsilon: float) -> str:
    return g.add(
        "LayerNormalization",
        x,
        g.weight(f"{name}.weight", w[f"{name}.weight"]),
        g.weight(f"{name}.bias", w[f"{name}.bias"]),
        axis=-1,
        epsilon=epsilon,
    )


def _gelu(g: Graph, x: str) -> str:
    """x · Φ(x) in the shape that ONNX Runtime fuses into one kernel."""
    erf = g.add("Erf", g.add("Div", x, g.constant(2**0.5)))
    return g.add(
        "Mul",
        g.add("Mul", x, g.add("Add", erf, g.constant(1.0))),
        g.constant(0.5),
    )


def export_encoder(
    model: EncoderClassifier,
    path: Path,
    int8: bool,
    head: TemperatureHead | None = None,
    features: bool = False,
    ranges: dict[str, np.ndarray] | None = None,
) -> None:
    """Writes `path`; the graph's inputs and outputs are the same in both precisions.

    `head` divides each text's logits by its own temperature; `features` adds the output that such a
    head is fitted on, [CLS] beside the pooled states, `[batch, 2 · width]`. `ranges` of the layers'
    inputs (`smooth.input_ranges`) even these out before they are quantised.
    """
    c = model.encoder.config
    g = Graph()
    w = {k: v.detach().float().numpy() for k, v in model.state_dict().items()}
    table = w["encoder.tokens.weight"]
    if int8:
        x = g.int8_rows("tokens", table, "input_ids")
    else:
        x = g.add("Gather", g.weight("tokens", table), "input_ids")
    length = g.add("Shape", "input_ids", start=1, end=2)
    place = g.weight("positions", w["encoder.positions.weight"] + w["encoder.segment"])
    place = g.add(
        "Slice", place, g.constant([0], np.int64), length, g.constant([0], np.int64)
    )
    x = _layer_norm(g, "encoder.norm", g.add("Add", x, place), w, c.norm_epsilon)
    mask = g.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    bias = g.add("Mul", g.add("Sub", g.constant(1.0), mask), g.constant(-1e4))
    bias = g.add("Unsqueeze", bias, g.constant([1, 2], np.int64))
    size = c.width // c.heads
    apart = g.constant([0, 0, c.heads, size], np.int64)
    joined = g.constant([0, 0, c.width], np.int64)
    for i in range(c.layers):
        p = f"encoder.layers.{i}"

        def linear(y: str, *names: str, p: str = p) -> list[str]:
            weights = [w[f"{p}.{name}.weight"] for name in names]
            if int8 and ranges:
                factors = smoothing(ranges[f"{p}.{names[0]}"], weights)
                y = g.add("Mul", y, g.weight(f"{p}.{names[0]}.smooth", 1 / factors))
                weights = [weight * factors for weight in weights]
            return [
                g.linear(f"{p}.{name}", y, weight, w[f"{p}.{name}.bias"])
                for name, weight in zip(names, weights, strict=True)
            ]

        q, k, v = (
            g.add("Reshape", y, apart) for y in linear(x, "query", "key", "value")
        )
        q = g.add("Transpose", q, perm=[0, 2, 1, 3])
        k = g.add("Transpose", k, perm=[0, 2, 3, 1])
        v = g.add("Transpose", v, perm=[0, 2, 1, 3])
        scores = g.add("Div", g.add("MatMul", q, k), g.constant(size**0.5))
        share = g.add("Softmax", g.add("Add", scores, bias), axis=-1)
        mixed = g.add("Transpose", g.add("MatMul", share, v), perm=[0, 2, 1, 3])
        mixed = g.add("Reshape", mixed, joined)
        x = _layer_norm(
            g,
            f"{p}.attention_norm",
            g.add("Add", *linear(mixed, "out"), x),
            w,
            c.norm_epsilon,
        )
        (inner,) = linear(_gelu(g, *linear(x, "up")), "down")
        x = _layer_norm(g, f"{p}.norm", g.add("Add", inner, x), w, c.norm_epsilon)
    pooled, _ = attention_pooling(g, model.pooling, x, "input_ids", mask)
    first = g.add("Gather", x, g.constant(0, np.int64), axis=1)
    both = g.add("Concat", first, pooled, axis=1)
    logits = g.linear("classify", both, w["classify.weight"], w["classify.bias"])
    outputs = finish(g, logits, both, head, features)
    if not int8:
        g.save(path, TEXT_INPUTS, outputs)
        return
    layers = [
        n.name
        for n in g.nodes
        if n.op_type == "MatMul"
        and any(i.startswith("encoder.layers.") for i in n.input)
    ]
    with tempfile.TemporaryDirectory() as folder:
        float_path = Path(folder) / "float.onnx"
        g.save(float_path, TEXT_INPUTS, outputs)
        quantize_dynamic(
            float_path,
            path,
            op_types_to_quantize=["MatMul"],
            nodes_to_quantize=layers,
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
