"""Both architectures: padding never changes a row, and the ONNX graph is the PyTorch model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from training.text.dataset import Batch
from training.text.export import session
from training.text.export_bilstm import export_bilstm
from training.text.export_encoder import export_encoder
from training.text.models.bilstm import (
    BiLstmClassifier,
    BiLstmConfig,
    reverse_by_length,
)
from training.text.models.encoder import EncoderClassifier, EncoderConfig
from training.text.smooth import input_ranges, smoothing
from training.text.soup import mean_state

IDS = torch.tensor(
    [
        [2, 9, 8, 7, 6, 5, 3],
        [2, 9, 8, 3, 0, 0, 0],
        [2, 3, 0, 0, 0, 0, 0],
    ]
)
MASK = (IDS > 0).long()


def models() -> list:
    torch.manual_seed(0)
    pair = [
        (BiLstmClassifier(BiLstmConfig(40, 24, 16, 12)), export_bilstm),
        (
            BiLstmClassifier(BiLstmConfig(40, 24, 16, 12, maximum=True)),
            export_bilstm,
        ),
        (EncoderClassifier(EncoderConfig(40, 32, 2, 4, 64, 16)), export_encoder),
    ]
    for model, _ in pair:
        torch.nn.init.normal_(model.pooling.score.weight)
        torch.nn.init.normal_(model.classify.weight)
        model.eval()
    return pair


@pytest.mark.parametrize("model,export", models())
def test_a_row_alone_equals_the_row_in_a_padded_batch(model, export) -> None:
    with torch.no_grad():
        logits, weights = model(IDS, MASK)
        for i in range(3):
            n = int(MASK[i].sum())
            alone, its_weights = model(IDS[i : i + 1, :n], MASK[i : i + 1, :n])
            assert torch.allclose(alone[0], logits[i], atol=1e-4)
            assert torch.allclose(its_weights[0], weights[i, :n], atol=1e-5)


@pytest.mark.parametrize("model,export", models())
def test_weights_sum_to_one_and_spare_the_special_tokens(model, export) -> None:
    with torch.no_grad():
        _, weights = model(IDS, MASK)
    assert torch.allclose(weights.sum(1), torch.ones(3), atol=1e-5)
    assert weights[0, 0] < 1e-6 and weights[1, 3:].max() < 1e-6


@pytest.mark.parametrize("model,export", models())
def test_the_exported_graph_answers_the_same(model, export, tmp_path: Path) -> None:
    export(model, tmp_path / "model.onnx", int8=False)
    graph = session(tmp_path / "model.onnx")
    feed = {"input_ids": IDS.numpy(), "attention_mask": MASK.numpy()}
    logits, weights = graph.run(["logits", "attention"], feed)
    with torch.no_grad():
        wanted, wanted_weights = model(IDS, MASK)
    assert np.abs(logits - wanted.numpy()).max() < 1e-4
    assert np.abs(weights - wanted_weights.numpy()).max() < 1e-5
    alone = {"input_ids": IDS[1:2, :4].numpy(), "attention_mask": MASK[1:2, :4].numpy()}
    assert np.abs(graph.run(["logits"], alone)[0][0] - logits[1]).max() < 1e-4


def test_smoothing_spares_int8_from_a_channel_that_dwarfs_the_others(
    tmp_path: Path,
) -> None:
    model, _ = models()[2]
    for layer in model.encoder.layers:
        with torch.no_grad():
            layer.attention_norm.weight[3] = 60.0
            layer.up.weight[:, 3] /= 60.0
    batch = Batch(IDS, MASK, *[torch.empty(0)] * 6)
    ranges = input_ranges(model, [batch], "encoder.layers.")
    assert set(ranges) == {
        f"encoder.layers.{i}.{name}"
        for i in range(2)
        for name in ("query", "key", "value", "out", "up", "down")
    }
    feed = {"input_ids": IDS.numpy(), "attention_mask": MASK.numpy()}
    with torch.no_grad():
        wanted = model(IDS, MASK)[0].numpy()
    errors = []
    for given in (None, ranges):
        export_encoder(model, tmp_path / "int8.onnx", int8=True, ranges=given)
        logits = session(tmp_path / "int8.onnx").run(["logits"], feed)[0]
        errors.append(float(np.abs(logits - wanted).mean()))
    assert errors[1] < 0.6 * errors[0]


def test_smoothing_factors_move_what_the_weights_can_take() -> None:
    ranges, weight = np.array([1.0, 100.0]), np.ones((3, 2))
    factors = smoothing(ranges, [weight], strength=1.0)
    assert np.allclose(ranges / factors, 10.0)
    assert np.isclose(np.log(factors).mean(), 0.0, atol=1e-6)
    silent = smoothing(np.zeros(2), [np.zeros((3, 2))])
    assert np.allclose(silent, 1.0)


def test_reversing_by_length_is_its_own_inverse() -> None:
    x = torch.arange(12.0).view(2, 3, 2)
    lengths = torch.tensor([3, 2])
    turned = reverse_by_length(x, lengths)
    assert turned[1].tolist() == [[8, 9], [6, 7], [10, 11]]
    assert torch.equal(reverse_by_length(turned, lengths), x)


def test_a_soup_is_the_weighted_mean() -> None:
    a, b = {"x": torch.tensor([1.0, 2.0])}, {"x": torch.tensor([3.0, 6.0])}
    assert mean_state([a, b], [3, 1])["x"].tolist() == [1.5, 3.0]
    with pytest.raises(ValueError, match="x: shapes differ"):
        mean_state([a, {"x": torch.zeros(3)}], [1, 1])
