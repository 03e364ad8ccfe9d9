"""Logistic regression on statistics: what it learns, and the file that Node reads."""

import json

import numpy as np
import pytest
import yaml
from safetensors import safe_open

from training.speech.corpora import LABELS, class_mask
from training.speech.fallback import Logistic, fit, save, standardised, with_gain

NAMES = [
    "level.mean",
    "mfcc0.mean",
    "level.p10",
    "level.p50",
    "level.p90",
    "pitch.mean",
]


def test_it_learns_what_is_there_and_leaves_absent_classes_alone() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 400)
    values = random.normal(size=(400, 6)) * 50
    values[:, 5] += 100 * labels
    values[::7, 5] = np.nan
    allowed = np.tile(class_mask("casia"), (400, 1))
    model = fit(values, labels, allowed, np.ones(400), 1e-3)
    predicted = model.logits(values)[:, :2].argmax(1)
    there = np.isfinite(values[:, 5])
    assert (predicted == labels)[there].mean() > 0.8
    disgust = LABELS.index("disgust")
    assert np.abs(model.weight[:, disgust]).max() < 1e-3


def test_what_cannot_be_measured_counts_as_the_mean() -> None:
    mean, std = np.zeros(2), np.ones(2)
    values = np.array([[np.nan, 1e9], [np.inf, -2]])
    assert np.array_equal(standardised(values, mean, std), [[0, 10], [0, -2]])


def test_a_gain_moves_levels_only() -> None:
    values = np.zeros((1, 6))
    louder = with_gain(values, NAMES, 6)
    assert list(louder[0, [0, 2, 3, 4]]) == [6, 6, 6, 6]
    assert louder[0, 1] == pytest.approx(6 * np.sqrt(40))
    assert louder[0, 5] == 0 and values.sum() == 0


def test_the_file_says_all_that_node_needs(tmp_path) -> None:
    model = Logistic(
        np.zeros(6), np.ones(6), np.ones((6, len(LABELS))), np.arange(len(LABELS))
    )
    save(model, 1.5, NAMES, [], tmp_path)
    manifest = yaml.safe_load((tmp_path / "model.yaml").read_text(encoding="utf-8"))
    assert (
        manifest["weights"]["bytes"] == (tmp_path / "model.safetensors").stat().st_size
    )
    with safe_open(tmp_path / "model.safetensors", "np") as file:
        specification = json.loads(file.metadata()["emotion"])
        assert file.get_tensor("weight").shape == (6, 7)
        assert list(file.get_tensor("bias")) == list(range(7))
    assert specification["modality"] == "audio"
    assert specification["labels"][0] == "neutral" and len(specification["labels"]) == 7
    assert specification["input"] == {"kind": "dense", "features": NAMES}
    assert specification["temperature"] == 1.5
