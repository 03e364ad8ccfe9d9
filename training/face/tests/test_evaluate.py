import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from training.face import evaluate, export
from training.face.clip_models import FaceCnnLstm
from training.face.evaluate_trunk import calibration_error, fit_temperature, scaled
from training.face.trunk import Trunk


def test_scores_count_a_missing_face_as_wrong(capsys: pytest.CaptureFixture) -> None:
    p = np.zeros((4, 7))
    p[0, 1] = p[1, 1] = p[2, 2] = 1
    found = evaluate.scores("some", p, np.array([1, 2, 2, 1]))
    assert found["accuracy"] == 0.5
    assert found["without_face"] == 1
    assert np.array(found["confusion"]).sum() == 3
    assert found["confusion"][2][1] == 1
    assert "accuracy 0.5000" in capsys.readouterr().out


@pytest.mark.parametrize("condition", evaluate.CONDITIONS)
def test_a_condition_changes_a_picture_and_keeps_its_size(condition: str) -> None:
    image = np.random.default_rng(3).integers(0, 256, (48, 48), dtype=np.uint8)
    changed = np.asarray(evaluate.CONDITIONS[condition](image, np.random.default_rng(1)))
    assert changed.shape == (48, 48)
    assert np.abs(changed.astype(float) - image).mean() > 1


def test_the_temperature_calibrates_a_network_that_is_too_sure() -> None:
    random = np.random.default_rng(5)
    honest = random.dirichlet(np.full(7, 0.6), 6000)
    labels = np.array([random.choice(7, p=row) for row in honest])
    sure = scaled(honest, 0.5)
    temperature = fit_temperature(sure, labels)
    assert 1.7 < temperature < 2.3
    assert calibration_error(scaled(sure, temperature), labels) < calibration_error(sure, labels) / 2


def test_crops_travel_as_bytes() -> None:
    import base64

    frames = np.arange(2 * 48 * 48, dtype=np.uint32).astype(np.uint8).reshape(2, 48, 48)
    line = evaluate.crop_line(3, frames)
    assert line["frames"] == 2
    assert base64.b64decode(line["crops"]) == frames.tobytes()
    json.dumps(line)


def test_an_exported_network_is_described_as_it_is(tmp_path: Path) -> None:
    torch.manual_seed(1)
    recipe = {"stem": 8, "widths": [8, 16, 24], "blocks": 2, "dropout": 0.0}
    trunk = Trunk(8, (8, 16, 24), 2, 0.0)
    model = FaceCnnLstm(trunk, True, 8).eval()
    torch.save(
        {"recipe": {"mirror": True, "hidden": 8}, "trunk_recipe": recipe, "model": model.state_dict()},
        tmp_path / "cnn-lstm.pt",
    )
    loaded = export.load("face-cnn-lstm", tmp_path)
    clip = torch.rand(1, 2, 1, 48, 48)
    with torch.no_grad():
        assert torch.allclose(loaded(clip).logits, model(clip).logits)
    path = tmp_path / "model.int8.onnx"
    export.write_cnn_lstm(loaded, path, int8=True)
    found = yaml.safe_load(yaml.safe_dump(export.manifest("face-cnn-lstm", path, "int8", 1.3)))
    assert found["files"]["int8"]["bytes"] == path.stat().st_size
    assert found["inputs"]["faces"]["shape"] == ["batch", "frames", 1, 48, 48]
    assert found["calibration"]["temperature"] == 1.3
    images = np.random.default_rng(2).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    graph = export.session(path)
    assert export.logits(graph, images, 1).shape == (5, 7)
    # A still and its repetition are one and the same to this network.
    assert np.allclose(export.logits(graph, images, 1), export.logits(graph, images, 4), atol=1e-4)
