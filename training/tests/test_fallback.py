"""The parts of training/fallback that need no corpora."""

import numpy as np
from scipy import sparse

from training.fallback.logistic import Linear, class_shares, fit, quantise


def test_rows_take_no_part_in_classes_they_cannot_give():
    random = np.random.default_rng(0)
    gold = random.integers(0, 3, 600)
    features = sparse.csr_matrix(np.eye(3)[gold] + 0.1 * random.random((600, 3)))
    allowed = np.ones((600, 3), dtype=bool)
    # Rows of the first class that a second corpus could not give: they must not count against it.
    allowed[:300, 0] = False
    kept = ~((gold == 0) & ~allowed[:, 0])
    model = fit(
        features[kept], gold[kept], allowed[kept], np.ones(kept.sum()), strength=10
    )
    assert (model.logits(features).argmax(1) == gold).mean() == 1


def test_class_shares_make_classes_equal():
    gold = np.array([0] * 90 + [1] * 10)
    even = class_shares(gold, 2, power=1)
    assert np.isclose(even[gold == 0].sum(), even[gold == 1].sum())
    assert np.allclose(class_shares(gold, 2, power=0), 1)


def test_quantised_weights_are_within_half_a_step():
    weight = np.random.default_rng(1).normal(size=(50, 7))
    model = quantise(Linear(weight, np.zeros(7)))
    assert (
        np.abs(model.weight * model.scale - weight).max()
        <= model.scale.max() / 2 + 1e-7
    )
    assert model.weight.dtype == np.int8
