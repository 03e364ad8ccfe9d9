"""Events for training and evaluation: EmotionTalk's joint labels, each modality's output drawn by
its own label."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.fusion.model import FEATURES, LABELS, MODALITIES
from training.fusion.tables import Table, Utterances
from training.text.frontend import ROOT
from training.text.labels import EMOTIONS

FOLDER = Path(__file__).parent

#: Every subset of the modalities that is not empty, as flags (text, audio, video).
SUBSETS = tuple(
    subset
    for n in range(1, 8)
    for subset in [tuple(bool(n >> bit & 1) for bit in range(3))]
)


def subset_name(subset: Sequence[bool]) -> str:
    return " + ".join(m for m, there in zip(MODALITIES, subset, strict=True) if there)


def parts_of(
    group: np.ndarray, shares: Sequence[float], random: np.random.Generator
) -> np.ndarray:
    """Number of the part of each row, int `[n]`: parts share no group, and are about as large as
    `shares` say, of each corpus (what stands before the slash of a group) alike."""
    part = np.zeros(len(group), dtype=int)
    corpus = np.array([g.partition("/")[0] for g in group])
    bounds = np.cumsum(shares)[:-1] / np.sum(shares)
    for name in np.unique(corpus):
        mine = np.flatnonzero(corpus == name)
        groups, number = np.unique(group[mine], return_inverse=True)
        order = random.permutation(len(groups))
        sizes = np.bincount(number)[order]
        middle = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
        side = np.empty(len(groups), dtype=int)
        side[order] = np.searchsorted(bounds, middle, side="right")
        part[mine] = side[number]
    return part


@dataclass(frozen=True)
class Events:
    """`scores` `[n, 3, 7]`, NaN where a model does not know a label; `present` bool `[n, 3]`;
    `joint` int `[n]`, the label of all modalities together."""

    scores: np.ndarray
    present: np.ndarray
    joint: np.ndarray

    @staticmethod
    def joined(events: Sequence[Events]) -> Events:
        """All of them, one after the other."""
        names = ("scores", "present", "joint")
        return Events(*(np.concatenate([getattr(e, n) for e in events]) for n in names))

    def of(self, subset: Sequence[bool]) -> Events:
        """The same events with only some of the modalities."""
        present = np.tile(np.array(subset), (len(self.joint), 1))
        return Events(self.scores, present, self.joint)

    def bytes(self) -> bytes:
        """As events.mjs reads them: float32 `[n, 24]`, scores and flags."""
        rows = np.concatenate(
            [self.scores.reshape(-1, 3 * LABELS), self.present.astype(float)], axis=1
        )
        return rows.astype("<f4").tobytes()


def draw(
    utterances: Utterances, tables: dict[str, Table], random: np.random.Generator
) -> Events:
    """One event an utterance: of each modality a real output on a row with the label that people
    gave this utterance in that modality alone.

    Raises ValueError when a table has no row with a label that is needed.
    """
    count = len(utterances.joint)
    scores = np.full((count, 3, LABELS), np.nan)
    for k, modality in enumerate(MODALITIES):
        table, wanted = tables[modality], utterances.labels[modality]
        known = np.where(table.known, table.scores, np.nan)
        for label in np.unique(wanted):
            pool = np.flatnonzero(table.label == label)
            if len(pool) == 0:
                raise ValueError(
                    f"{modality}: no held-out output for {EMOTIONS[label]}"
                )
            rows = np.flatnonzero(wanted == label)
            scores[rows, k] = known[random.choice(pool, len(rows))]
    return Events(scores, np.ones((count, 3), dtype=bool), utterances.joint)


def with_own_text(events: Events, own: Table) -> Events:
    """The drawn text outputs replaced by those on the utterances' own texts, in their order."""
    scores = events.scores.copy()
    scores[:, 0] = own.scores
    return Events(scores, events.present, events.joint)


def features(events: Events) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the network sees, from the suite's own code: float32 `[n, 3, M]`, `[n, 3]`, `[n, 3, 7]`."""
    raw = np.frombuffer(_node("features.mjs", [], events), dtype="<f4")
    rows = raw.reshape(len(events.joint), -1).copy()
    first, second = 3 * FEATURES, 3 * FEATURES + 3
    return (
        rows[:, :first].reshape(-1, 3, FEATURES),
        rows[:, first:second],
        rows[:, second:].reshape(-1, 3, LABELS),
    )


def fused(events: Events, settings: dict) -> np.ndarray:
    """Scores `[n, 7]` of a method of the node, from the suite's own code; for `settings` see fuse.mjs."""
    raw = np.frombuffer(_node("fuse.mjs", [json.dumps(settings)], events), dtype="<f4")
    return raw.reshape(-1, LABELS).astype(float)


def in_every_subset(events: Events) -> Events:
    """Each event seven times, once in each subset of its modalities."""
    return Events.joined([events.of(subset) for subset in SUBSETS])


def _node(script: str, arguments: list[str], events: Events) -> bytes:
    done = subprocess.run(
        ["node", str(FOLDER / script), *arguments],
        input=events.bytes(),
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{script} failed: {done.stderr.decode()[-2000:]}")
    return done.stdout
