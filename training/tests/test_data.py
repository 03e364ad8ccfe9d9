"""Targets, duplicates, batches: on made-up rows, no corpus needed."""

import dataclasses

import numpy as np
import pytest

from training.text.corpora import Row, soft_target
from training.text.dataset import (
    Encoded,
    balance_classes,
    collate,
    epoch_batches,
    epoch_rows,
)
from training.text.dedup import duplicate_key, without_duplicates
from training.text.labels import INDEX
from training.text.recipe import Recipe
from training.text.train import drop_labels


def row(text: str, corpus: str = "a", duplicate: bool = False) -> Row:
    return Row(
        id=text,
        corpus=corpus,
        language="en",
        text=text,
        target=np.eye(7, dtype=np.float32)[0],
        allowed=np.ones(7, dtype=bool),
        single=True,
        duplicate=duplicate,
        normalised=text.lower(),
    )


def test_several_labels_share_the_mass_by_intensity() -> None:
    target = soft_target(
        {
            "labels": ["anger", "sadness"],
            "intensity": {"anger": 3, "sadness": 1, "joy": 0},
        }
    )
    assert target[INDEX["angry"]] == 0.75
    assert target[INDEX["sad"]] == 0.25
    assert soft_target({"label": "trust"}) is None


def test_a_training_row_that_stands_in_any_evaluation_set_goes() -> None:
    kept, dropped = without_duplicates(
        [row("Oh, no!"), row("fine by me"), row("flagged", duplicate=True)],
        [row("oh no", corpus="another")],
    )
    assert [r.text for r in kept] == ["fine by me"]
    assert dropped == 2


def test_texts_of_marks_alone_are_still_told_apart() -> None:
    assert duplicate_key("!!!") != duplicate_key("???")
    assert duplicate_key("[泪]") != duplicate_key("[笑]")


def test_padding_is_masked_and_as_short_as_it_can_be() -> None:
    batch = collate([Encoded(row("a"), [2, 9, 3]), Encoded(row("b"), [2, 3])])
    assert batch.ids.tolist() == [[2, 9, 3], [2, 3, 0]]
    assert batch.mask.tolist() == [[1, 1, 1], [1, 1, 0]]


def test_an_epoch_shows_each_row_once_in_batches_of_like_length() -> None:
    lengths = list(np.random.default_rng(0).integers(1, 100, 1000))
    batches = epoch_batches(range(1000), lengths, 10, seed=1, bucket=20)
    assert sorted(i for b in batches for i in b) == list(range(1000))
    spread = [max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in batches]
    assert np.mean(spread) < 10
    assert batches == epoch_batches(range(1000), lengths, 10, seed=1, bucket=20)


def test_a_share_of_a_half_shows_every_row_once_in_two_epochs() -> None:
    groups, shares = (
        {"a": list(range(10)), "b": list(range(10, 14))},
        {"a": 0.5, "b": 1},
    )
    first, second = (epoch_rows(groups, shares, e, seed=3) for e in (0, 1))
    assert len(first) == 9
    assert sorted(i for i in [*first, *second] if i < 10) == list(range(10))


def test_balancing_weights_rare_classes_up_and_keeps_the_mean() -> None:
    rows = [Encoded(row(str(i)), [2, 3]) for i in range(10)]
    rows[0].row.target = np.eye(7, dtype=np.float32)[3]
    other = Encoded(row("x", corpus="b"), [2, 3])
    balance_classes([*rows, other], {"a": 0.5})
    assert np.isclose(np.mean([r.weight for r in rows]), 1)
    assert np.isclose(rows[0].weight / rows[1].weight, 3)
    assert other.weight == 1


def test_unlabelled_corpora_keep_their_texts_and_lose_their_labels() -> None:
    rows = [Encoded(row("x"), [2, 3]), Encoded(row("y", corpus="b"), [2, 3])]
    recipe = Recipe("r", "encoder", {"a": 1, "b": 1}, {"a": 1}, unlabelled=["b"])
    with pytest.raises(ValueError, match="teachers"):
        drop_labels(recipe, rows)
    taught = dataclasses.replace(recipe, teachers=["t"], distil=0.5)
    drop_labels(taught, rows)
    assert [r.row.target.sum() for r in rows] == [1, 0]
