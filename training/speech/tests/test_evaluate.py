"""Protocols, decisions over windows, calibration, folds."""

import csv
import json

import numpy as np
import pytest

from training.speech.corpora import LABELS, Utterance, class_mask, read_corpora
from training.speech.evaluate import (
    CALM,
    NEUTRAL,
    PROTOCOLS,
    Predictions,
    calibration,
    collect,
    fit_temperature,
    is_held_out,
    scores,
    seven,
    table,
    unweighted_accuracy,
    utterance_probabilities,
)
from training.speech.train import row_weights, split


def utterance(corpus: str, label: str, fold: int = 1, speaker: str = "s") -> Utterance:
    return Utterance(
        corpus, "x.wav", f"{corpus}/{speaker}", "f", LABELS.index(label), fold
    )


@pytest.fixture
def sample() -> tuple[list[Utterance], np.ndarray]:
    random = np.random.default_rng(0)
    rows = [
        utterance(
            corpus, LABELS[int(random.choice(np.flatnonzero(class_mask(corpus))))], fold
        )
        for corpus in ("ravdess", "casia", "nemo", "emodb")
        for fold in (1, 2, 3)
        for _ in range(60)
    ]
    logits = random.normal(size=(len(rows), 2, len(LABELS))).astype(np.float32)
    for row, u in enumerate(rows):
        logits[row, :, u.label] += 1.5
    logits[::3, 1] = np.nan
    return rows, logits


def test_a_window_that_is_not_there_does_not_count() -> None:
    logits = np.full((1, 3, 8), np.nan)
    logits[0, 0], logits[0, 1] = 0, 0
    logits[0, 0, 1] = 3
    allowed = class_mask("casia")[None]
    p = utterance_probabilities(logits, allowed)
    one = np.exp(3) / (np.exp(3) + 5)
    assert p[0, 1] == pytest.approx((one + 1 / 6) / 2)
    assert p.sum() == pytest.approx(1)
    assert p[0, CALM] == 0


def test_calm_is_neutral_to_the_seven() -> None:
    p = np.full((1, 8), 1 / 8)
    merged = seven(p)
    assert merged[0, NEUTRAL] == 0.25 and merged[0, CALM] == 0
    assert merged.sum() == pytest.approx(1)


def test_every_class_counts_alike() -> None:
    gold = np.array([0] * 90 + [1] * 10)
    assert unweighted_accuracy(np.zeros(100, int), gold) == 0.5


def test_five_classes_leave_out_what_is_none_of_them(sample) -> None:
    rows, logits = sample
    five = next(p for p in PROTOCOLS if p.name == "ravdess, 5 classes")
    p, gold, index = scores(five, logits, rows)
    assert set(gold) <= set(range(5))
    assert p[:, 5:].max() == 0
    assert all(rows[i].corpus == "ravdess" for i in index)


def test_the_temperature_undoes_a_scale(sample) -> None:
    rows, logits = sample
    gold = np.array([u.label for u in rows])
    allowed = np.stack([class_mask(u.corpus) for u in rows])
    once = fit_temperature(logits, gold, allowed, np.ones(len(gold)))
    twice = fit_temperature(2 * logits, gold, allowed, np.ones(len(gold)))
    assert twice == pytest.approx(2 * once, rel=0.01)


def test_calibration_is_fitted_on_other_folds(sample) -> None:
    rows, logits = sample
    found = Predictions(rows, {"clean": 5 * logits})
    result = calibration(found)
    assert result["temperature"] > 2
    assert result["ece"] < result["ece before"]


def test_the_table_has_every_protocol_and_channel(sample) -> None:
    rows, logits = sample
    result = table(Predictions(rows, {"clean": logits, "noise10": 0 * logits}))
    assert set(result) == {p.name for p in PROTOCOLS}
    line = result["casia, 6 classes"]
    assert line["clean"] > line["noise10"]
    assert line["rows"] == 180


def test_seeds_are_averaged_as_the_shipped_network_does(tmp_path, sample) -> None:
    rows, logits = sample
    for seed, scale in ((1, 1.0), (2, 3.0)):
        folder = tmp_path / f"run{seed}"
        folder.mkdir()
        np.savez(
            folder / "test.npz", indices=np.arange(len(rows)), clean=scale * logits
        )
    found = collect([[tmp_path / "run1", tmp_path / "run2"]], rows)
    x = logits[1, 0].astype(np.float64)
    normalised = [s * x - np.log(np.exp(s * x).sum()) for s in (1, 3)]
    assert np.allclose(
        found.logits["clean"][1, 0], np.mean(normalised, axis=0), atol=1e-5
    )


def test_a_corpus_without_a_channel_is_not_in_its_column(sample) -> None:
    rows, logits = sample
    some = logits.copy()
    some[[u.corpus != "casia" for u in rows]] = np.nan
    result = table(Predictions(rows, {"clean": logits, "phone": some}))
    assert "phone" in result["casia, 6 classes"]
    assert "phone" not in result["nemo, 6 classes"]


def test_no_speaker_is_on_both_sides() -> None:
    rows = [
        utterance("nemo", "happy", fold, f"s{fold}")
        for fold in (1, 2, 3)
        for _ in range(4)
    ]
    training, development, test = split(rows, 1, 2, "")
    assert {rows[i].fold for i in test} == {1}
    assert {rows[i].fold for i in development} == {2}
    assert {rows[i].fold for i in training} == {3}
    rows += [utterance("casia", "sad", 1)]
    training, _, test = split(rows, 0, 0, "casia")
    assert [rows[i].corpus for i in test] == ["casia"] and len(training) == 12


def test_a_run_says_whom_it_held_out() -> None:
    mine = utterance("casia", "sad", 2)
    assert is_held_out(mine, "speech-crnn-fold2-seed1")
    assert not is_held_out(mine, "speech-crnn-fold3-seed2")
    assert is_held_out(mine, "speech-crnn-without-casia-seed1")
    assert not is_held_out(mine, "speech-crnn-without-nemo-seed1")


def test_corpora_and_classes_are_drawn_as_the_recipe_says() -> None:
    rows = [utterance("nemo", "happy")] * 30 + [utterance("nemo", "sad")] * 10
    rows += [utterance("casia", "sad")] * 5
    weights = row_weights(rows, list(range(len(rows))), {"nemo": 0.75, "casia": 0.25})
    assert weights.sum() == pytest.approx(1)
    assert weights[:30].sum() == pytest.approx(0.375)
    assert weights[40:].sum() == pytest.approx(0.25)


def test_corpora_are_read_with_their_folds(tmp_path) -> None:
    speech = tmp_path / "speech"
    for corpus, emotions in (
        ("casia", ["sad", "surprise"]),
        ("emodb", ["boredom", "happy"]),
    ):
        (speech / corpus).mkdir(parents=True)
        with (speech / corpus / "manifest.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "emotion", "speaker", "gender"])
            for speaker in ("a", "b"):
                for emotion in emotions:
                    writer.writerow([f"{speaker}-{emotion}.wav", emotion, speaker, "f"])
    folds = {"casia": {"fold_1": ["b"], "fold_2": ["a"]}}
    (speech / "folds.json").write_text(json.dumps(folds))
    found = read_corpora(tmp_path, ("casia", "emodb"))
    assert [LABELS[u.label] for u in found] == [
        "sad",
        "surprise",
        "sad",
        "surprise",
        "happy",
        "happy",
    ]
    assert [u.fold for u in found] == [2, 2, 1, 1, 1, 2]
    assert found[0].speaker == "casia/a"
