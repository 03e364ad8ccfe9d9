"""The temperature head: what it recovers, what it leaves alone, and the graph that carries it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from training.tests.test_models import IDS, MASK, models
from training.text.calibrate import (
    Kinds,
    SavedSet,
    TemperatureHead,
    as_in_training,
    choose_balance,
    cross_validate,
    fit_head,
    fit_kinds,
    fit_temperature,
)
from training.text.export import session
from training.text.metrics import (
    calibration_noise,
    expected_calibration_error,
    masked_probabilities,
)

EVERY = np.ones(7, dtype=bool)


def sets(rows: int = 3000) -> list[SavedSet]:
    """Two kinds of text, told apart by two of six features; the logits of the first are three times too
    large, those of the second half of what they should be."""
    random = np.random.default_rng(0)
    made = []
    for kind, scale in enumerate((3.0, 0.5)):
        logits = random.normal(size=(rows, 7)) * 2
        p = masked_probabilities(logits, EVERY)
        gold = (p.cumsum(1) > random.random((rows, 1))).argmax(1)
        features = random.normal(size=(rows, 6))
        features[:, kind] += 4
        allowed = np.ones((rows, 7), dtype=bool)
        made.append(SavedSet(str(kind), logits * scale, gold, allowed, features))
    return made


def error(s: SavedSet) -> float:
    p = masked_probabilities(s.logits, s.allowed)
    return expected_calibration_error(p.max(1), p.argmax(1) == s.gold)


def test_each_kind_of_text_gets_its_own_temperature() -> None:
    both = sets()
    kinds = fit_kinds([s.features for s in both])
    head = fit_head(both, kinds, balance=1.0)
    one = fit_temperature(both)
    for s, wanted in zip(both, (3.0, 0.5), strict=True):
        assert np.median(head.temperatures(s.features, s.logits)) == pytest.approx(
            wanted, rel=0.15
        )
        scaled = head.scaled(s)
        assert error(scaled) < 0.03
        alike = SavedSet(s.name, s.logits / one, s.gold, s.allowed)
        assert error(alike) > 0.1
        assert (scaled.logits.argmax(1) == s.logits.argmax(1)).all()


def test_rows_are_judged_by_heads_that_have_not_seen_them() -> None:
    both = sets(600)
    kinds = fit_kinds([s.features for s in both])
    balance, scores = choose_balance(both, kinds, (0.0, 1.0))
    assert balance in (0.0, 1.0)
    assert scores == cross_validate(both, kinds, balance)
    assert all(s["ece"] < 0.08 for s in scores.values())


def test_rows_count_by_how_frequent_their_label_is_in_training() -> None:
    gold = np.array([0, 0, 0, 1])
    s = SavedSet("x", np.zeros((4, 7)), gold, np.ones((4, 7), dtype=bool))
    weighted = as_in_training(s, np.array([0.5, 0.5, 0, 0, 0, 0, 0]))
    assert weighted.weight.sum() == pytest.approx(1)
    assert weighted.weight[:3].sum() == pytest.approx(0.5)


def test_a_calibrated_model_still_shows_an_error_on_few_rows() -> None:
    confidence = np.random.default_rng(0).uniform(0.3, 1, 500)
    mean, most = calibration_noise(confidence, draws=200)
    few, _ = calibration_noise(confidence[:100], draws=200)
    assert 0 < mean < most < few * 2 and mean < few


@pytest.mark.parametrize("model,export", models())
def test_the_graph_divides_by_the_heads_temperature(
    model, export, tmp_path: Path
) -> None:
    feed = {"input_ids": IDS.numpy(), "attention_mask": MASK.numpy()}
    export(model, tmp_path / "bare.onnx", int8=False, features=True)
    bare = session(tmp_path / "bare.onnx")
    logits, features = bare.run(["logits", "features"], feed)
    random = np.random.default_rng(0)
    kinds = Kinds(
        random.normal(size=(features.shape[1], 3)).astype(np.float32),
        random.normal(size=3).astype(np.float32),
    )
    head = TemperatureHead(kinds, random.normal(size=3), random.normal(size=3))
    export(model, tmp_path / "model.onnx", int8=False, head=head)
    own = session(tmp_path / "model.onnx").run(["logits", "attention"], feed)
    wanted = logits / head.temperatures(features, logits)[:, None]
    assert np.abs(own[0] - wanted).max() < 1e-4
    assert (own[0].argmax(1) == logits.argmax(1)).all()
    with torch.no_grad():
        assert np.abs(own[1] - model(IDS, MASK)[1].numpy()).max() < 1e-5
