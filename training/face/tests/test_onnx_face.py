from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from training.face.clip_models import FRAMES, Face3dCnnLstm, FaceCnnLstm
from training.face.onnx_face import write_3dcnn_lstm, write_cnn_lstm
from training.face.pair import Pair
from training.face.trunk import Trunk

WIDTHS = (12, 16, 24)


def lively(model: torch.nn.Module) -> torch.nn.Module:
    """As after some training: no zeros in the head, no statistics that do nothing."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    return model.eval()


def compare(model: torch.nn.Module, path: Path, clip: torch.Tensor, tolerance: float) -> None:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(["logits", "attention", "saliency"], {"faces": clip.numpy()})
    with torch.no_grad():
        expected = model(clip)
    for graph, torch_ in zip(found, expected, strict=True):
        assert graph.shape == tuple(torch_.shape)
        np.testing.assert_allclose(graph, torch_.numpy(), atol=tolerance, rtol=1e-3)


@pytest.mark.parametrize("mirror", [False, True])
def test_the_graph_of_the_plane_network_answers_as_pytorch_does(tmp_path: Path, mirror: bool) -> None:
    torch.manual_seed(1)
    model = lively(FaceCnnLstm(Trunk(8, WIDTHS, 2), mirror=mirror, hidden=8))
    path = tmp_path / "model.onnx"
    write_cnn_lstm(model, path, int8=False)
    for shape in ((1, 1), (3, 1), (2, 5), (1, FRAMES)):
        compare(model, path, torch.rand(*shape, 1, 48, 48), 1e-3)


def test_the_graph_of_a_pair_answers_as_pytorch_does(tmp_path: Path) -> None:
    torch.manual_seed(4)
    pair = Pair([Trunk(8, WIDTHS, 2), Trunk(8, (8, 12, 20), (1, 2, 1), gate=4)], [0.4, 0.7])
    model = lively(FaceCnnLstm(pair, mirror=True, hidden=8))
    path = tmp_path / "model.onnx"
    write_cnn_lstm(model, path, int8=False)
    for shape in ((1, 1), (2, 5)):
        compare(model, path, torch.rand(*shape, 1, 48, 48), 1e-3)


def test_the_graph_of_the_3d_network_answers_as_pytorch_does(tmp_path: Path) -> None:
    torch.manual_seed(2)
    model = lively(Face3dCnnLstm(8, WIDTHS, 2, 0.3, hidden=8))
    path = tmp_path / "model.onnx"
    write_3dcnn_lstm(model, path, int8=False)
    for batch in (1, 3):
        compare(model, path, torch.rand(batch, FRAMES, 1, 48, 48), 1e-3)


@pytest.mark.parametrize("kind", ["plane", "3d"])
def test_eight_bits_make_it_smaller_and_hardly_change_it(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(3)
    if kind == "plane":
        model, write = lively(FaceCnnLstm(Trunk(8, WIDTHS, 2), mirror=False, hidden=8)), write_cnn_lstm
    else:
        model, write = lively(Face3dCnnLstm(8, WIDTHS, 2, 0.3, hidden=8)), write_3dcnn_lstm
    write(model, tmp_path / "full.onnx", int8=False)
    write(model, tmp_path / "small.onnx", int8=True)
    assert (tmp_path / "small.onnx").stat().st_size < 0.6 * (tmp_path / "full.onnx").stat().st_size
    clip = torch.rand(4, FRAMES, 1, 48, 48).numpy()
    full, small = (
        onnxruntime.InferenceSession(str(tmp_path / f"{n}.onnx")).run(["logits"], {"faces": clip})[0]
        for n in ("full", "small")
    )
    assert np.abs(full - small).max() < 0.05 * np.abs(full).max() + 0.02
