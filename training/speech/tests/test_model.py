"""The network: shapes, attention, and a graph that is the PyTorch model."""

import numpy as np
import pytest
import torch

from training.speech.corpora import LABELS
from training.speech.export import INPUTS, compare, export_graph, run_graph, sequence_of
from training.speech.kernel import KernelReader
from training.speech.model import (
    MOMENTS,
    SEQUENCE,
    Committee,
    Network,
    NetworkConfig,
    StepDropout,
    cosine_basis,
    moments,
)

SMALL = NetworkConfig(statistics=7, width=16, hidden=10, layers=2, reader=9, dense=8)


@pytest.fixture
def network() -> Committee:
    torch.manual_seed(0)
    members = [Network(SMALL) for _ in range(2)]
    for member in members:
        torch.nn.init.normal_(member.row_mean, std=0.1)
        torch.nn.init.uniform_(member.row_spread, 0.5, 1.5)
        torch.nn.init.normal_(member.mean, std=0.1)
        torch.nn.init.uniform_(member.spread, 0.5, 1.5)
    reader = KernelReader(landmarks=11, statistics=7)
    torch.nn.init.normal_(reader.mean, std=0.1)
    torch.nn.init.uniform_(reader.spread, 0.5, 1.5)
    torch.nn.init.normal_(reader.landmarks)
    torch.nn.init.normal_(reader.weights)
    reader.width.fill_(0.1)
    return Committee(members, reader).eval()


def test_logits_and_weights_have_their_shapes(network: Committee) -> None:
    with torch.no_grad():
        logits, weights = network(torch.randn(3, SEQUENCE, 64), torch.randn(3, 7))
    assert logits.shape == (3, len(LABELS))
    assert weights.shape == (3, 32)
    assert torch.allclose(weights.sum(1), torch.ones(3), atol=1e-5)


def test_every_part_of_the_input_has_a_say(network: Committee) -> None:
    sequence, statistics = torch.randn(2, SEQUENCE, 64), torch.randn(2, 7)
    with torch.no_grad():
        before = network(sequence, statistics)[0]
        for row in (0, 39, 40, 51, 52, 55):
            changed = sequence.clone()
            changed[:, row] += 1
            assert not torch.allclose(before, network(changed, statistics)[0])
        assert not torch.allclose(before, network(sequence, statistics + 1)[0])


def test_a_damaged_number_cannot_drown_the_others(network: Committee) -> None:
    sequence, statistics = torch.zeros(1, SEQUENCE, 64), torch.zeros(1, 7)
    wild = statistics.clone()
    wild[0, 3] = 1e9
    with torch.no_grad():
        logits = network(sequence, wild)[0]
    assert torch.isfinite(logits).all() and logits.abs().max() < 20


def test_the_shipped_network_is_small() -> None:
    member = sum(p.numel() for p in Network().parameters())
    assert member < 400_000


def test_the_graph_is_the_model_for_any_batch(network: Committee, tmp_path) -> None:
    export_graph(network, tmp_path / "model.onnx")
    assert max(compare(network, tmp_path / "model.onnx")) < 1e-4
    random = np.random.default_rng(0)
    inputs = {
        name: random.standard_normal((1, *shape)) for name, (shape, _) in INPUTS.items()
    }
    inputs["statistics"] = random.standard_normal((1, 7))
    found, _ = run_graph(tmp_path / "model.onnx", inputs)
    with torch.no_grad():
        statistics = torch.from_numpy(inputs["statistics"]).float()
        logits, _ = network(sequence_of(inputs), statistics)
    assert np.abs(found - logits.numpy()).max() < 1e-4


def test_cepstra_are_those_of_the_cosine_transform() -> None:
    basis = cosine_basis(40)
    assert np.allclose(basis @ basis.T, np.eye(40))
    assert np.allclose(basis @ np.ones(128), [np.sqrt(128)] + [0] * 39)


def test_channels_are_dropped_for_the_whole_time() -> None:
    torch.manual_seed(0)
    x = StepDropout(0.5).train()(torch.ones(4, 32, 200))
    assert torch.equal(x, x[:, :1].expand_as(x))
    assert 0.4 < (x == 0).float().mean() < 0.6
    assert torch.equal(StepDropout(0.5).eval()(x), x)


def test_moments_of_a_ramp_and_of_its_loud_end() -> None:
    ramp = torch.arange(64.0).expand(2, 3, 64).clone()
    ramp[:, 0] *= 10
    values = moments(ramp)[0].reshape(6, 3)[:, 1].tolist()
    mean, spread, step, loud_mean, loud_spread, loud_step = values
    assert mean == pytest.approx(31.5)
    assert spread == pytest.approx(np.sqrt((64**2 - 1) / 12), rel=1e-4)
    assert loud_mean == pytest.approx(63, abs=0.01)
    assert loud_spread < 0.05
    assert step == pytest.approx(1) and loud_step == pytest.approx(1)
    assert moments(torch.randn(2, SEQUENCE, 64)).shape == (2, MOMENTS)
