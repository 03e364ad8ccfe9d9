"""Keeps every text of a development or test set out of training, across all corpora."""

from __future__ import annotations

import re
from collections.abc import Iterable

from training.text.corpora import Row

_NOT_WORD = re.compile(r"[\W_]+")


def duplicate_key(normalised: str) -> str:
    """What two texts share when they count as the same: the normalised text, case folded, without
    blanks and punctuation; the text itself where nothing else would be left.

    >>> duplicate_key("Oh, no!") == duplicate_key("oh no")
    True
    """
    folded = normalised.casefold()
    return _NOT_WORD.sub("", folded) or folded.strip()


def without_duplicates(
    train: Iterable[Row], evaluation: Iterable[Row]
) -> tuple[list[Row], int]:
    """Training rows that stand in no evaluation set, and how many were dropped.

    A row goes when its corpus flags it (`dup_in_eval`) or when its key equals that of any row of
    `evaluation`, whatever corpus that row is from.
    """
    seen = {duplicate_key(row.normalised or row.text) for row in evaluation}
    rows = list(train)
    kept = [
        row
        for row in rows
        if not row.duplicate and duplicate_key(row.normalised or row.text) not in seen
    ]
    return kept, len(rows) - len(kept)
