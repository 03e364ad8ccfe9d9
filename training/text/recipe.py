"""A recipe: one YAML file that says all of one training run."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Recipe:
    """Settings of a run; an unknown key in the YAML is an error.

    `corpora` maps a corpus to the share of its rows that an epoch shows. `select` maps development sets
    to their weight in the score that early stopping watches (macro-F1). `balance` maps a corpus
    to the power with which its rare classes are weighted up. `vocabulary` holds the least counts of
    `tokenizer.joint`. `tokenizer_of` names a run whose tokenizer is used, so that the weights of both can be
    averaged. `transfer` maps a run of `transfer.py` to the share of its rows that an epoch
    shows. `unlabelled` names corpora whose labels are not used: their rows have nothing but their
    teachers.
    """

    name: str
    architecture: str
    corpora: dict[str, float]
    select: dict[str, float]
    base: str = ""
    base_zh: str = ""
    tokenizer: str = "pruned"
    tokenizer_of: str = ""
    vocabulary: dict[str, int] = field(default_factory=dict)
    segmentation: str = "characters"
    max_tokens: int = 128
    init: str = ""
    model: dict[str, Any] = field(default_factory=dict)
    epochs: float = 3
    batch: int = 32
    accumulate: int = 1
    rate: float = 1e-4
    head_rate: float = 1e-3
    layer_decay: float = 0.9
    weight_decay: float = 0.01
    warmup: float = 0.06
    decay: str = "linear"
    clip: float = 1.0
    balance: dict[str, float] = field(default_factory=dict)
    smoothing: float = 0.0
    focal: float = 0.0
    fine: float = 0.0
    fgm: float = 0.0
    rdrop: float = 0.0
    average: float = 0.0
    teachers: list[str] = field(default_factory=list)
    transfer: dict[str, float] = field(default_factory=dict)
    unlabelled: list[str] = field(default_factory=list)
    distil: float = 0.0
    distil_temperature: float = 2.0
    bf16: bool = True
    evaluations: int = 2
    patience: int = 4
    seed: int = 1
    limit: int = 0
    threads: int = 1


def read_recipe(path: Path, changes: dict[str, Any] | None = None) -> Recipe:
    """Reads a recipe; `changes` (from `--set key=value`) win over the file.

    Raises ValueError naming an unknown key.
    """
    values = {"name": path.stem} | yaml.safe_load(path.read_text(encoding="utf-8"))
    values |= changes or {}
    known = {f.name for f in fields(Recipe)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(
            f"{path}: unknown key {', '.join(unknown)}; known: {sorted(known)}"
        )
    return Recipe(**values)
