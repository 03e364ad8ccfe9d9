"""Encoded rows and batches of rows of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.text.corpora import Row
from training.text.labels import GOEMOTIONS


@dataclass
class Encoded:
    """A row as the model takes it: `ids` with special tokens, `weight` in the loss."""

    row: Row
    ids: list[int]
    weight: float = 1.0


@dataclass
class Batch:
    """Tensors of one step; `tokens` is the longest row's length.

    ids, mask int64 `[batch, tokens]`; weight float32 `[batch]`; target float32 and allowed bool
    `[batch, 7]`; fine float32 `[batch, 28]`, zero rows where unknown; teacher float32 `[batch, 7]`,
    with `has_teacher` bool `[batch]`.
    """

    ids: Tensor
    mask: Tensor
    weight: Tensor
    target: Tensor
    allowed: Tensor
    fine: Tensor
    teacher: Tensor
    has_teacher: Tensor


def collate(rows: Sequence[Encoded], multiple: int = 1) -> Batch:
    """Pads with id 0 to the longest of the batch, rounded up to a `multiple`.

    A few lengths instead of all keep oneDNN from building its kernels anew at every step, which
    on a CPU costs more than the added padding.
    """
    longest = max(len(r.ids) for r in rows)
    longest += -longest % multiple
    ids = torch.zeros(len(rows), longest, dtype=torch.int64)
    mask = torch.zeros(len(rows), longest, dtype=torch.int64)
    fine = np.zeros((len(rows), len(GOEMOTIONS)), dtype=np.float32)
    teacher = np.zeros((len(rows), 7), dtype=np.float32)
    for i, r in enumerate(rows):
        ids[i, : len(r.ids)] = torch.tensor(r.ids)
        mask[i, : len(r.ids)] = 1
        if r.row.fine is not None:
            fine[i] = r.row.fine
        if r.row.teacher is not None:
            teacher[i] = r.row.teacher
    return Batch(
        ids=ids,
        mask=mask,
        weight=torch.tensor([r.weight for r in rows], dtype=torch.float32),
        target=torch.from_numpy(np.stack([r.row.target for r in rows])),
        allowed=torch.from_numpy(np.stack([r.row.allowed for r in rows])),
        fine=torch.from_numpy(fine),
        teacher=torch.from_numpy(teacher),
        has_teacher=torch.tensor([r.row.teacher is not None for r in rows]),
    )


def balance_classes(rows: Sequence[Encoded], powers: dict[str, float]) -> None:
    """Gives rows of rare classes more weight, within the corpora that `powers` names.

    A row weighs (1 / frequency of its class)^power, scaled to a mean of one over its corpus: 0
    leaves the corpus as it is, 1 makes all classes count the same.
    """
    for name, power in powers.items():
        part = [r for r in rows if r.row.corpus == name]
        target = np.stack([r.row.target for r in part])
        frequency = np.clip(target.mean(axis=0), 1e-6, None)
        weights = target @ frequency**-power
        for r, weight in zip(part, weights / weights.mean(), strict=True):
            r.weight = float(weight)


def epoch_rows(
    groups: dict[str, list[int]], shares: dict[str, float], epoch: int, seed: int
) -> list[int]:
    """Rows of one epoch: of each corpus the share that its recipe asks for.

    A corpus' rows are shuffled once and dealt round, so a share of a half shows every row once in
    two epochs.
    """
    chosen: list[int] = []
    for name in sorted(groups):
        order = np.random.default_rng(seed).permutation(groups[name])
        count = round(len(order) * shares[name])
        start = epoch * count
        chosen += [int(order[(start + i) % len(order)]) for i in range(count)]
    return chosen


def epoch_batches(
    rows: Sequence[int],
    lengths: Sequence[int],
    size: int,
    seed: int,
    bucket: int = 64,
) -> list[list[int]]:
    """One epoch's `rows` in batches: shuffled, then sorted by length within runs of
    `bucket * size` rows, so that little of a batch is padding, then the batches shuffled.

    The same seed gives the same batches, which is what lets a run resume in mid-epoch.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(rows)
    batches = []
    for start in range(0, len(order), bucket * size):
        run = sorted(order[start : start + bucket * size], key=lambda i: lengths[i])
        batches += [run[i : i + size] for i in range(0, len(run), size)]
    random.shuffle(batches)
    return [[int(i) for i in b] for b in batches]


def evaluation_batches(rows: Sequence[Encoded], size: int) -> Iterator[list[int]]:
    """Indices sorted by length, for a pass without training."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    for start in range(0, len(order), size):
        yield order[start : start + size]
