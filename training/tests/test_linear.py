"""The linear teacher: cross-fitted answers, and how they are mixed into a run's."""

import numpy as np

from training.text.corpora import Row
from training.text.linear import cross_fitted, mixed
from training.text.metrics import masked_probabilities


def row(number: int, text: str, label: int) -> Row:
    return Row(
        id=str(number),
        corpus="smp-usual",
        language="zh",
        text=text,
        target=np.eye(7, dtype=np.float32)[label],
        allowed=np.ones(7, dtype=bool),
        single=True,
        normalised=text,
    )


def test_a_row_is_answered_by_a_model_that_has_not_seen_it() -> None:
    rows = [
        row(i, ("高兴" if i % 2 else "难过") + "今天天气"[i % 4], 1 if i % 2 else 2)
        for i in range(40)
    ]
    # Its label says the opposite of its words: learnt by heart it would be repeated.
    rows.append(row(40, "高兴今", 2))
    answers = cross_fitted(rows, folds=4)
    assert answers.argmax(1)[:40].tolist() == [2, 1] * 20
    assert answers[40].argmax() == 1


def test_classes_that_the_corpus_lacks_keep_their_part() -> None:
    allowed = np.arange(7) < 6
    logits = np.array([[0.0, 2, 1, 0, 0, 0, 1]])
    linear = np.log(np.array([[0.1, 0.1, 0.6, 0.1, 0.05, 0.05, 1e-6]]))
    every = np.ones(7, dtype=bool)
    before = masked_probabilities(logits, every)
    after = np.exp(mixed(logits, linear, allowed, 1.0))
    assert abs(after.sum() - 1) < 1e-4
    assert abs(after[0, 6] - before[0, 6]) < 1e-4
    assert after[0, 2] > before[0, 2] and after[0, 1] < before[0, 1]
    assert np.abs(np.exp(mixed(logits, linear, allowed, 0.0)) - before).max() < 1e-4
