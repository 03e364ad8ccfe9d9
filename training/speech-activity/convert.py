"""Silero VAD as one graph over a whole sound, instead of one call every 32 ms.

    npm pack @ricky0123/vad-web@0.0.31 && tar xzf ricky0123-vad-web-0.0.31.tgz
    pip install numpy onnx onnxruntime
    python training/speech-activity/convert.py package/dist/silero_vad_v6.onnx models/vad-silero/silero-vad-16k.onnx

The published graph takes 512 samples and its state, once for 16 kHz and once for 8 kHz. Its spectrum
and its convolutions do not depend on the state, so here all frames go through them as one batch, and
an ONNX LSTM runs over the frames. Convolutions over a handful of steps are slow where each
frame is one of its own (WebAssembly most of all), so they are matrix products over the steps of all frames
here; the spectrum folds each stretch of 256 samples first, since cosines are the same forwards and
backwards and sines the same but for the sign, which halves its work. The weights are the published ones; the script
checks that both graphs give the same probabilities.

    input   frames [frames, 576] float32   64 samples of context before each 512
            state  [2, 1, 128]   float32   hidden and cell state, zeros at the beginning
    output  speech [frames]      float32   probability of speech in each frame
            stateN [2, 1, 128]   float32   for the frames that follow
"""

import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

CONTEXT, FRAME, UNITS = 64, 512, 128


def published_weights(path):
    """The constants of the 16 kHz branch by the name that PyTorch gave them."""
    graph = onnx.load(path).graph
    choice = next(node for node in graph.node if node.op_type == "If")
    branch = next(a.g for a in choice.attribute if a.name == "then_branch")
    prefix = "If_0_then_branch__Inline_0__"
    weights = {}
    for node in branch.node:
        if node.op_type == "Constant" and node.output[0].startswith(prefix):
            name = node.output[0].removeprefix(prefix)
            weights[name] = numpy_helper.to_array(node.attribute[0].t)
    convolutions = [
        {a.name: list(a.ints) for a in node.attribute if a.ints}
        for node in branch.node
        if node.op_type == "Conv"
    ]
    return weights, convolutions


def to_onnx_gates(matrix):
    """PyTorch keeps the gates as input, forget, cell, output; ONNX as input, output, forget, cell."""
    i, f, c, o = np.split(matrix, 4)
    return np.concatenate([i, o, f, c])


def build(weights, convolutions):
    constants, nodes = {}, []

    def constant(name, value):
        constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def ints(*values):
        name = "i_" + "_".join(map(str, values)).replace("-", "m")
        return constant(name, np.array(values, dtype=np.int64))

    def taps(x, starts, steps, stride, name):
        """Slices of axis 1, `[frames, steps, …]` from each start on, side by side."""
        parts = []
        for start in starts:
            end = start + stride * (steps - 1) + 1
            part = [x, ints(start), ints(end), ints(1), ints(stride)]
            parts.append(node("Slice", part, f"{name}_{start}"))
        return parts[0] if len(parts) == 1 else node("Concat", parts, f"{name}_taps", axis=2)

    # The spectrum: [frames, 640] → magnitudes [frames, 4, 129].
    basis = weights["stft.forward_basis_buffer"][:, 0]
    bins, width = basis.shape[0] // 2, basis.shape[1]
    half, (hop,) = width // 2, convolutions[0]["strides"]
    cosines, sines = basis[:bins], basis[bins:]
    mirrored = [(width - i) % width for i in range(width)]
    assert np.abs(cosines - cosines[:, mirrored]).max() < 1e-6
    assert np.abs(sines + sines[:, mirrored]).max() < 1e-6
    padded = node("Pad", ["frames", ints(0, 0, 0, CONTEXT)], "padded", mode="reflect")
    steps = (FRAME + 2 * CONTEXT - width) // hop + 1
    stretches = []
    for step in range(steps):
        at = [padded, ints(step * hop), ints(step * hop + width), ints(1)]
        stretches.append(node("Unsqueeze", [node("Slice", at, f"at{step}"), ints(1)], f"stretch{step}"))  # fmt: skip
    x = node("Concat", stretches, "stretches", axis=1)
    # Sample 0 and the middle one stand alone, every other has its mirror image.
    first = node("Slice", [x, ints(0), ints(1), ints(2)], "first")
    middle = node("Slice", [x, ints(half), ints(half + 1), ints(2)], "middle")
    ahead = node("Slice", [x, ints(1), ints(half), ints(2)], "ahead")
    back = node("Slice", [x, ints(width - 1), ints(half), ints(2), ints(-1)], "back")
    even = node("Concat", [first, node("Add", [ahead, back], "sum"), middle], "even", axis=2)
    odd = node("Sub", [ahead, back], "odd")
    real = node("MatMul", [even, constant("cosines", cosines[:, : half + 1].T)], "real")
    imaginary = node("MatMul", [odd, constant("sines", sines[:, 1:half].T)], "imaginary")
    squares = [node("Mul", [part, part], f"{part}2") for part in (real, imaginary)]
    x = node("Sqrt", [node("Add", squares, "power")], "magnitude")
    # Convolutions over time, as one matrix product each: [frames, steps, channels].
    for layer in range(4):
        weight = weights[f"encoder.{layer}.reparam_conv.weight"]
        bias = constant(f"b{layer}", weights[f"encoder.{layer}.reparam_conv.bias"])
        (stride,), (pad, _) = (convolutions[layer + 1][key] for key in ("strides", "pads"))
        size = weight.shape[2]
        made = (steps + 2 * pad - size) // stride + 1
        # A tap that only ever meets the padding is left out.
        starts = [k for k in range(size) if any(0 <= k - pad + stride * t < steps for t in range(made))]  # fmt: skip
        if starts == [pad] and stride == 1:
            x = taps(x, [0], made, 1, f"layer{layer}")
        else:
            x = node("Pad", [x, ints(0, pad, 0, 0, pad, 0)], f"padded{layer}")
            x = taps(x, starts, made, stride, f"layer{layer}")
        matrix = np.concatenate([weight[:, :, k].T for k in starts])
        x = node("MatMul", [x, constant(f"w{layer}", matrix)], f"product{layer}")
        x = node("Relu", [node("Add", [x, bias], f"biased{layer}")], f"relu{layer}")
        steps = made
    # One step is left, [frames, 1, 128]: time, batch, units for what follows.
    assert steps == 1
    gates = np.concatenate(
        [to_onnx_gates(weights["decoder.rnn.bias_ih"]), to_onnx_gates(weights["decoder.rnn.bias_hh"])]  # fmt: skip
    )
    hidden = node("Slice", ["state", ints(0), ints(1), ints(0)], "hidden")
    cell = node("Slice", ["state", ints(1), ints(2), ints(0)], "cell")
    nodes.append(
        helper.make_node(
            "LSTM",
            [
                x,
                constant("W", to_onnx_gates(weights["decoder.rnn.weight_ih"])[None]),
                constant("R", to_onnx_gates(weights["decoder.rnn.weight_hh"])[None]),
                constant("B", gates[None]),
                "",
                hidden,
                cell,
            ],
            ["outputs", "hiddenN", "cellN"],
            hidden_size=UNITS,
        )
    )
    node("Concat", ["hiddenN", "cellN"], "stateN", axis=0)
    # [frames, 1, 1, 128] → [frames, 128]
    x = node("Relu", [node("Reshape", ["outputs", ints(-1, UNITS)], "flat")], "rectified")
    x = node("MatMul", [x, constant("out", weights["decoder.decoder.2.weight"].reshape(UNITS, 1))], "product")  # fmt: skip
    x = node("Add", [x, constant("offset", weights["decoder.decoder.2.bias"])], "logit")
    node("Reshape", [node("Sigmoid", [x], "probability"), ints(-1)], "speech")

    floats = TensorProto.FLOAT
    state = [2, 1, UNITS]
    graph = helper.make_graph(
        nodes,
        "silero-vad-16k",
        [
            helper.make_tensor_value_info("frames", floats, ["frames", CONTEXT + FRAME]),
            helper.make_tensor_value_info("state", floats, state),
        ],
        [
            helper.make_tensor_value_info("speech", floats, ["frames"]),
            helper.make_tensor_value_info("stateN", floats, state),
        ],
        list(constants.values()),
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 16)], producer_name="emowire"
    )
    model.ir_version = 8
    model.doc_string = "Silero VAD v6, 16 kHz branch, (c) 2020-present Silero Team, MIT"
    onnx.checker.check_model(model, full_check=True)
    return model


def check(published, converted):
    """Largest difference between both graphs on tones, noise and silence."""
    rate = np.array(16000, dtype=np.int64)
    t = np.arange(FRAME * 100) / 16000
    rng = np.random.default_rng(1)
    voice = sum(np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 20)) * (np.sin(9 * t) > 0)
    sound = (0.1 * voice + 0.01 * rng.standard_normal(t.size)).astype(np.float32)
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), sound])
    frames = np.stack([padded[i : i + CONTEXT + FRAME] for i in range(0, sound.size, FRAME)])

    state, wanted = np.zeros((2, 1, UNITS), np.float32), []
    session = onnxruntime.InferenceSession(published)
    for frame in frames:
        speech, state = session.run(None, {"input": frame[None], "state": state, "sr": rate})
        wanted.append(speech.item())
    session = onnxruntime.InferenceSession(converted)
    zero = np.zeros((2, 1, UNITS), np.float32)
    speech, last = session.run(None, {"frames": frames, "state": zero})
    print(f"speech between {min(wanted):.3f} and {max(wanted):.3f}")
    print(f"largest difference: speech {np.abs(speech - wanted).max():.2e}, state {np.abs(last - state).max():.2e}")  # fmt: skip
    assert np.abs(speech - wanted).max() < 1e-4


def main():
    published, converted = sys.argv[1:3]
    onnx.save(build(*published_weights(published)), converted)
    check(published, converted)


main()
