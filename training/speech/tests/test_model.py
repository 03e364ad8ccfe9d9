"""The network: shapes, attention, and a graph that is the PyTorch model."""

import numpy as np
import pytest
import torch

from training.speech.corpora import LABELS
from training.speech.export import export_graph, run_graph
from training.speech.model import (
    Committee,
    Crnn,
    CrnnConfig,
    Moments,
    StepDropout,
    cosine_basis,
    moments,
)

SMALL = CrnnConfig(cepstrum=12, width=16, hidden=10, dense=8)


@pytest.fixture
def network() -> Committee:
    torch.manual_seed(0)
    members = [Crnn(SMALL) for _ in range(2)]
    for member in members:
        for module in member.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                torch.nn.init.normal_(module.running_mean, std=0.1)
                torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    reader = Moments(6)
    torch.nn.init.normal_(reader.mean)
    return Committee(members, [reader], 0.4).eval()


def test_logits_and_weights_have_their_shapes(network: Committee) -> None:
    with torch.no_grad():
        logits, weights = network(torch.randn(3, 1, 128, 64))
    assert logits.shape == (3, len(LABELS))
    assert weights.shape == (3, 32)
    assert torch.allclose(weights.sum(1), torch.ones(3), atol=1e-5)
    assert torch.allclose(logits.exp().sum(1), torch.ones(3), atol=0.5)


def test_attention_follows_what_differs_in_time(network: Committee) -> None:
    quiet = torch.full((1, 1, 128, 64), -2.0)
    loud = quiet.clone()
    loud[..., 40:50] = 1.5
    quiet[..., ::2, :] -= 0.5
    with torch.no_grad():
        before, after = network(quiet)[1], network(loud)[1]
    change = (before - after).abs()[0]
    assert change[18:27].max() > 0
    assert not torch.allclose(before, after, atol=1e-4)


def test_the_shipped_network_is_small() -> None:
    assert sum(p.numel() for p in Crnn().parameters()) < 500_000


def test_the_graph_is_the_model_for_any_batch(network: Committee, tmp_path) -> None:
    export_graph(network, tmp_path / "model.onnx")
    for rows in (1, 5):
        mel = torch.randn(rows, 1, 128, 64)
        with torch.no_grad():
            logits, weights = network(mel)
        found, attention = run_graph(tmp_path / "model.onnx", mel.numpy())
        assert np.abs(found - logits.numpy()).max() < 1e-4
        assert np.abs(attention - weights.numpy()).max() < 1e-4


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
