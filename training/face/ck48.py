"""The last three frames of CK+'s labelled sequences as 48 x 48 crops (`train.npz`).

`name` is `subject_sequence_frame`. The people of a test must be unknown to the training, so every
split here is by subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Frames:
    """`images` uint8 [n, 48, 48]; `labels` index into LABELS [n]; `subjects`, `sequences` names [n]."""

    images: np.ndarray
    labels: np.ndarray
    subjects: np.ndarray
    sequences: np.ndarray


def load(folder: Path) -> Frames:
    """Frames of one sequence follow each other in the order of time."""
    with np.load(folder / "train.npz") as stored:
        images, labels, names = stored["image"], stored["label"], stored["name"].astype(str)
    order = np.argsort(names)
    parts = [name.split("_") for name in names[order]]
    return Frames(
        images[order],
        labels[order].astype(np.int64),
        np.array([p[0] for p in parts]),
        np.array(["_".join(p[:2]) for p in parts]),
    )


def triples(frames: Frames) -> np.ndarray:
    """Indices of the frames of each sequence [sequences, 3], in the order of time."""
    names, first, counts = np.unique(frames.sequences, return_index=True, return_counts=True)
    if not (counts == 3).all():
        wrong = names[counts != 3][0]
        raise ValueError(f"{wrong}: expected three frames, got {counts[names == wrong][0]}")
    return first[:, None] + np.arange(3)


def folds(frames: Frames, count: int = 10, seed: int = 1) -> np.ndarray:
    """The fold of each frame [n]; all frames of a subject are in one.

    Subjects are dealt out in the order of their number of frames, shuffled among equals, each to the
    fold with the fewest frames of the subject's rarest label so far, then with the fewest frames: no
    fold lacks a label that others have plenty of.
    """
    random = np.random.default_rng(seed)
    totals = np.bincount(frames.labels, minlength=7)
    subjects = random.permutation(np.unique(frames.subjects))
    counts = {s: np.bincount(frames.labels[frames.subjects == s], minlength=7) for s in subjects}
    in_fold = np.zeros((count, 7), int)
    fold_of: dict[str, int] = {}
    for subject in sorted(subjects, key=lambda s: -counts[s].sum()):
        own = counts[subject]
        rarest = min(np.flatnonzero(own), key=lambda k: totals[k])
        chosen = min(range(count), key=lambda f: (in_fold[f, rarest], in_fold[f].sum()))
        in_fold[chosen] += own
        fold_of[subject] = chosen
    return np.array([fold_of[s] for s in frames.subjects])
