import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors import safe_open

from training.face.fallback_video import MOST_DEVIATIONS, Softmax, mirrored, write
from training.face.motion import MIRRORED


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(2)
    labels = random.integers(0, 7, 1400)
    centres = random.normal(size=(7, 6)) * 3
    return (centres[labels] + random.normal(size=(1400, 6))) * 5 + 40, np.eye(7, dtype=np.float32)[labels]


def test_it_finds_what_tells_the_classes_apart(rows) -> None:
    x, y = rows
    model = Softmax(x, y, np.ones(len(x)), 1e-4)
    p = model.probabilities(x)
    assert np.allclose(p.sum(1), 1, atol=1e-5)
    assert (p.argmax(1) == y.argmax(1)).mean() > 0.9


def test_it_agrees_with_scikit_learn(rows) -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = rows
    penalty = 1e-2
    ours = Softmax(x, y, np.ones(len(x)), penalty)
    theirs = LogisticRegression(C=1 / (penalty * len(x)), max_iter=2000, tol=1e-8)
    theirs.fit(ours.standardise(x), y.argmax(1))
    expected = theirs.predict_proba(ours.standardise(x))
    assert np.abs(ours.probabilities(x) - expected).max() < 5e-3


def test_a_row_without_share_teaches_nothing(rows) -> None:
    x, y = rows
    share = np.ones(len(x))
    share[700:] = 0
    wrong = y.copy()
    wrong[700:] = np.roll(wrong[700:], 1, axis=1)
    one, other = (Softmax(x, t, share, 1e-3) for t in (y, wrong))
    assert np.allclose(one.weight, other.weight)


def test_mirroring_points_twice_gives_them_back() -> None:
    points = np.random.default_rng(1).uniform(0, 48, (3, 68, 2)).astype(np.float32)
    assert np.allclose(mirrored(mirrored(points)), points, atol=1e-4)
    assert np.allclose(mirrored(points)[:, MIRRORED[36], 0], 48 - points[:, 36, 0])


def test_the_file_holds_what_the_nodes_read(rows, tmp_path: Path) -> None:
    x, y = rows
    model = Softmax(x, y, np.ones(len(x)), 1e-3)
    folder = tmp_path / "fallback-video"
    write(folder, model, [f"f{i}" for i in range(6)], 1.25, [])
    with safe_open(folder / "model.safetensors", "np") as stored:
        specification = json.loads(stored.metadata()["emotion"])
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    assert specification["labels"][:2] == ["neutral", "happy"]
    assert specification["input"] == {"kind": "dense", "features": [f"f{i}" for i in range(6)]}
    assert specification["temperature"] == 1.25
    z = np.clip((x - tensors["mean"]) / tensors["std"], -MOST_DEVIATIONS, MOST_DEVIATIONS)
    logits = z @ tensors["weight"] + tensors["bias"]
    assert (logits.argmax(1) == model.probabilities(x).argmax(1)).mean() > 0.999
    manifest = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
    assert manifest["weights"]["bytes"] == (folder / "model.safetensors").stat().st_size
