"""Metrics and calibration against scikit-learn and known answers."""

import numpy as np
from sklearn.metrics import f1_score

from training.text.calibrate import SavedSet, fit_temperature
from training.text.metrics import (
    expected_calibration_error,
    masked_probabilities,
    report,
)

RANDOM = np.random.default_rng(0)


def test_f1_is_that_of_scikit_learn() -> None:
    gold = RANDOM.integers(0, 5, 500)
    p = masked_probabilities(RANDOM.normal(size=(500, 7)), np.arange(7) < 5)
    scores = report(p, gold)
    guess = p.argmax(1)
    assert abs(scores["macroF1"] - f1_score(gold, guess, average="macro")) < 1e-9
    assert abs(scores["weightedF1"] - f1_score(gold, guess, average="weighted")) < 1e-9


def test_a_masked_class_is_never_predicted() -> None:
    p = masked_probabilities(np.array([[0.0, 1.0, 9.0]]), np.array([True, True, False]))
    assert p[0, 2] == 0 and p.argmax() == 1
    assert abs(p.sum() - 1) < 1e-12


def test_calibration_error_of_a_model_that_is_sure_and_right_half_the_time() -> None:
    correct = np.arange(100) % 2 == 0
    assert abs(expected_calibration_error(np.full(100, 0.9), correct) - 0.4) < 1e-9
    assert expected_calibration_error(np.full(100, 0.5), correct) < 1e-9


def test_the_fitted_temperature_undoes_a_scale() -> None:
    logits = RANDOM.normal(size=(20000, 7)) * 2
    p = masked_probabilities(logits, np.ones(7, dtype=bool))
    gold = np.array([RANDOM.choice(7, p=row) for row in p])
    allowed = np.ones((len(gold), 7), dtype=bool)
    saved = SavedSet("goemotions-dev", logits * 3, gold, allowed)
    assert abs(fit_temperature([saved]) - 3) < 0.15
