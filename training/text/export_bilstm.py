"""Writes the BiLSTM as ONNX: the ONNX LSTM takes each row's length, so padding changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto
from torch import Tensor

from training.text.calibrate import TemperatureHead
from training.text.models.bilstm import BiLstmClassifier
from training.text.onnx_graph import (
    TEXT_INPUTS,
    Graph,
    attention_pooling,
    finish,
)


def _gates(x: Tensor) -> np.ndarray:
    """PyTorch's gate order i, f, g, o to ONNX's i, o, f, c along the first axis."""
    i, f, g, o = np.split(x.detach().float().numpy(), 4)
    return np.concatenate([i, o, f, g])


def export_bilstm(
    model: BiLstmClassifier,
    path: Path,
    int8: bool,
    head: TemperatureHead | None = None,
    features: bool = False,
) -> None:
    """Writes `path`; with `int8` the embedding table is stored in eight bits, one scale a row.

    `head` divides each text's logits by its own temperature; `features` adds the output that such a
    head is fitted on, the pooled states `[batch, pooled]`.
    """
    g = Graph()
    w = {k: v.detach().float().numpy() for k, v in model.state_dict().items()}
    if int8:
        x = g.int8_rows("embedding", w["embedding.weight"], "input_ids")
    else:
        x = g.add("Gather", g.weight("embedding", w["embedding.weight"]), "input_ids")
    mask = g.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    lengths = g.add(
        "Cast",
        g.add("ReduceSum", "attention_mask", g.constant([1], np.int64), keepdims=0),
        to=TensorProto.INT32,
    )
    both = (model.forwards, model.backwards)
    stacked = {
        part: np.stack([_gates(getattr(lstm, f"{part}_l0")) for lstm in both])
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    bias = np.concatenate([stacked["bias_ih"], stacked["bias_hh"]], axis=1)
    y = g.add(
        "LSTM",
        g.add("Transpose", x, perm=[1, 0, 2]),
        g.weight("lstm.W", stacked["weight_ih"]),
        g.weight("lstm.R", stacked["weight_hh"]),
        g.weight("lstm.B", bias),
        lengths,
        direction="bidirectional",
        hidden_size=model.config.hidden,
    )
    # [tokens, 2, batch, hidden] → [batch, tokens, 2 · hidden]
    y = g.add("Transpose", y, perm=[2, 0, 1, 3])
    y = g.add("Reshape", y, g.constant([0, 0, 2 * model.config.hidden], np.int64))
    states = g.add("Concat", y, x, axis=2)
    pooled, _ = attention_pooling(g, model.pooling, states, "input_ids", mask)
    if model.config.maximum:
        # Padding counts as -1, below which no state of an LSTM can be.
        inside = g.add("Unsqueeze", mask, g.constant([2], np.int64))
        lowered = g.add(
            "Add",
            g.add("Mul", y, inside),
            g.add("Sub", inside, g.constant(1.0)),
        )
        largest = g.add("ReduceMax", lowered, axes=[1], keepdims=0)
        pooled = g.add("Concat", pooled, largest, axis=1)
    hidden = g.add(
        "Relu", g.linear("dense", pooled, w["dense.weight"], w["dense.bias"])
    )
    logits = g.linear("classify", hidden, w["classify.weight"], w["classify.bias"])
    outputs = finish(g, logits, pooled, head, features)
    g.save(path, TEXT_INPUTS, outputs)
