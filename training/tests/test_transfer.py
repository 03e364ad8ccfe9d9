"""Copies of texts for distillation."""

import numpy as np

from training.text.corpora import Row
from training.text.transfer import copies, vary


def test_a_copy_holds_only_words_of_its_two_texts_and_is_never_empty() -> None:
    random = np.random.default_rng(0)
    words, other = [f"a{i}" for i in range(9)], [f"b{i}" for i in range(5)]
    seen = [vary(words, other, random) for _ in range(300)]
    assert all(seen) and {w for copy in seen for w in copy} <= {*words, *other}
    spliced = [copy for copy in seen if set(copy) & set(other)]
    assert all(copy == words[:5] + other[2:] for copy in spliced)
    assert 60 < len(spliced) < 140
    assert vary(["one"], ["two"], random)


def test_copies_are_different_texts_that_repeat_with_the_seed() -> None:
    def row(text: str) -> Row:
        none = np.zeros(7, dtype=np.float32)
        return Row(
            text, "smp-usual", "zh", text, none, none > 0, False, normalised=text
        )

    rows = [row(f"今天 天气 不错 {i} 我们 出去 玩") for i in range(20)]
    made = copies(rows, 3, seed=1)
    assert made == copies(rows, 3, seed=1) != copies(rows, 3, seed=2)
    texts = [text for _, text in made]
    assert len(texts) == len(set(texts)) and all(" " not in t for t in texts)
