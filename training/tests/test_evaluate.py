"""Protocols of the evaluation, on made-up probabilities."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.text.evaluate import LabelledSet, coverage_curve, file_set, multi_label
from training.text.labels import INDEX
from training.text.rules import effects


def test_several_labels_count_when_they_pass_the_threshold() -> None:
    target = np.zeros((2, 7))
    target[0, :2] = 0.5
    target[1, 2] = 1
    p = np.zeros((2, 7))
    p[0, :2] = 0.45, 0.55
    p[1, 2] = 1
    assert multi_label(p, target, 0.4) == pytest.approx(3 / 7)
    assert multi_label(p, target, 0.5) == pytest.approx(2 / 7)


def test_accuracy_rises_when_only_sure_answers_count() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.55, 0.45]])
    curve = coverage_curve(p, np.array([0, 0, 0, 1]), (1, 0.5))
    assert [c["accuracy"] for c in curve] == [0.75, 1.0]
    assert curve[1]["threshold"] == 0.8


def test_a_labelled_file_may_use_the_usual_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [{"text": "oh", "label": "joy"}, {"text": "no", "label": "angry"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    labelled = file_set(path, "en", ())
    assert labelled.target.argmax(1).tolist() == [INDEX["happy"], INDEX["angry"]]
    path.write_text(json.dumps({"text": "oh", "label": "bored"}))
    with pytest.raises(ValueError, match="mine.jsonl:1"):
        file_set(path, "en", ())


def test_a_rule_is_counted_by_the_labels_that_it_turns() -> None:
    gold = np.eye(7)[[INDEX["sad"], INDEX["happy"], INDEX["happy"]]]
    labelled = LabelledSet("x", ["a", "b", "c"], "en", gold)
    happy, sad = {"happy": 0.6, "sad": 0.4}, {"happy": 0.3, "sad": 0.7}
    records = [
        {"scores": happy, "ruled": {"negation": sad}},
        {"scores": happy, "ruled": {"irony": sad}},
        {"scores": happy, "ruled": {}},
    ]
    found = effects(labelled, records)
    assert (found["negation"]["right"], found["negation"]["spoilt"]) == (1, 0)
    assert (found["irony"]["right"], found["irony"]["spoilt"]) == (0, 1)
    assert found["negation"]["macroF1"] > 0 > found["irony"]["macroF1"]
